"""The settings of a fit, checked once."""

import json
import math

import numpy as np
import pytest

from edaphos_bridge.errors import InputError
from edaphos_bridge.training.settings import FitSettings

USABLE = {
    "freeze_backbone": True,
    "head": "mlp",
    "hidden": (64, 32),
    "dropout": 0.0,
    "epochs": 30,
    "batch_size": 32,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "backbone_lr_mult": 0.1,
    "val_split": 0.2,
    "seed": None,
}


def settings(**changes):
    return FitSettings.checked(**{**USABLE, **changes})


def test_numbers_of_any_kind_become_pythons_own():
    found = settings(epochs=40.0, batch_size=np.int32(8), hidden=np.array([3.0]), lr=np.float32(1))
    assert (found.epochs, found.batch_size, found.head.hidden, found.lr) == (40, 8, (3,), 1.0)
    assert {type(found.epochs), type(found.batch_size), type(found.head.hidden[0])} == {int}
    assert settings(dropout=0, val_split=0, lr=1, seed=3.0).seed == 3


def test_config_holds_what_the_original_keeps_and_goes_into_json():
    config = settings(seed=1).config()
    assert set(config) == set(USABLE) - {"freeze_backbone"}
    assert config["hidden"] == [64, 32]
    assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("freeze_backbone", "yes"),
        ("freeze_backbone", None),
        ("freeze_backbone", math.nan),
        ("freeze_backbone", 1),
        ("head", "Linear"),
        ("head", None),
        ("head", np.array(["linear", "mlp"])),
        ("hidden", [64, 2.7]),
        ("hidden", [0]),
        ("hidden", None),
        ("dropout", 1),
        ("dropout", -0.1),
        ("dropout", math.nan),
        ("dropout", "0.5"),
        ("epochs", 0),
        ("epochs", -3),
        ("epochs", 2.7),
        ("epochs", math.nan),
        ("epochs", True),
        ("epochs", None),
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("batch_size", math.inf),
        ("lr", 0),
        ("lr", -1e-3),
        ("lr", math.inf),
        ("lr", math.nan),
        ("weight_decay", -1),
        ("backbone_lr_mult", -1),
        ("val_split", 1),
        ("val_split", 1.5),
        ("val_split", -0.1),
        ("val_split", math.nan),
        ("seed", 1.5),
        ("seed", "a"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named_with_its_value(argument, value):
    with pytest.raises(InputError, match=f"`{argument}` must") as caught:
        settings(**{argument: value})
    assert caught.value.argument == argument
    assert f"found {value!r}" in str(caught.value)


def test_an_mlp_needs_a_hidden_width_and_a_linear_head_does_not():
    with pytest.raises(InputError, match="`hidden` must name at least one width"):
        settings(head="mlp", hidden=())
    assert settings(head="linear", hidden=()).head.hidden == ()
