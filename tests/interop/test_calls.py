"""The calls of the R functions on the states that R holds."""

import re
from pathlib import Path

import numpy as np
import pytest

from edaphos_bridge.interop.calls import CALLS as OF_R
from edaphos_bridge.interop.calls.classifiers import fit as fit_in_r
from edaphos_bridge.interop.calls.encoders import embed, encoder_fields, make_encoder
from edaphos_bridge.interop.calls.held import encoder_behind
from edaphos_bridge.interop.calls.predictions import predict
from edaphos_bridge.interop.calls.weights import weights_save

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "freeze_backbone": True, "head": "linear", "hidden": [64, 32], "dropout": 0.0, "epochs": 2,
    "batch_size": 8, "lr": 0.01, "weight_decay": 0.0, "backbone_lr_mult": 0.1, "val_split": 0.25,
    "seed": 1,
}  # fmt: skip
X = np.random.default_rng(1).normal(size=(24, 4, 9, 9))
CODES = np.arange(24, dtype=np.int32) % 3


def no_draw():
    raise AssertionError("every call here has a seed")


def encoder_state(seed=1):
    fields = make_encoder("moco", 4, {"feature_dim": 8, "proj_dim": 4}, seed, no_draw)
    return bytes(fields["state"])


def fit(encoder, **settings):
    levels = ["Inceptisol", "Oxisol", "Ultisol"]
    labels = {"codes": CODES, "levels": levels, "ordered": False}
    place = {"device": "cpu"}
    return fit_in_r(
        encoder, X, labels, SETTINGS | settings, place, False, no_draw, lambda *epoch: True
    )


def embedded(encoder):
    return embed("moco", encoder, X, True)


CALLS = {
    "fine-tune": lambda state, folder: fit(state, freeze_backbone=False, lr=0.5),
    "probe": lambda state, folder: fit(state),
    "predict": lambda state, folder: predict(
        fit(state)["state"], {"encoder": state}, X, "prob", "cpu"
    ),
    "embed": lambda state, folder: embedded(state),
    "save": lambda state, folder: weights_save(state, str(folder / "saved.safetensors")),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_leaves_the_encoder_of_a_state_as_it_was_for_the_next(call, tmp_path):
    state = encoder_state()
    before, probe = embedded(state), fit(state)["state"]
    call(state, tmp_path)
    assert encoder_fields(encoder_behind(state))["state"] == state
    np.testing.assert_array_equal(embedded(state), before)
    assert fit(state)["state"] == probe
    module = encoder_behind(state)
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_state_is_read_once_and_other_states_give_other_encoders():
    module = encoder_behind(bytearray(encoder_state()))
    assert encoder_behind(encoder_state()) is module
    assert encoder_behind(encoder_state(seed=2)) is not module
    assert not np.array_equal(embedded(encoder_state()), embedded(encoder_state(seed=2)))


def test_the_encoder_of_a_frozen_fit_is_the_one_that_was_given():
    state = encoder_state()
    assert fit(state)["encoder"]["state"] == state
    assert fit(state, freeze_backbone=False)["encoder"]["state"] != state


def test_the_calls_of_the_r_package_are_those_that_are_there():
    sources = "".join(path.read_text() for path in (ROOT / "r-wrapper" / "R").glob("*.R"))
    called = set(re.findall(r'(?:(?:python_call|fit_in_python)\(\s*|\bname = )"(\w+)"', sources))
    assert {"fit", "predict", "pretrain_tiles", "weights_list"} <= called
    assert called == set(OF_R)
