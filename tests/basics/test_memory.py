"""What no memory could hold is refused, before the system is asked for it."""

import numpy as np
import pytest

import edaphos_bridge.basics.memory
from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_pretrain,
    foundation_tile_dataset,
)
from edaphos_bridge.basics.memory import check_memory
from edaphos_bridge.errors import InputError

HUGE = 2**31 - 1
X = np.random.default_rng(1).normal(size=(6, 2, 4, 4))


@pytest.fixture(autouse=True)
def memory_of_a_small_machine(monkeypatch):
    monkeypatch.setattr("edaphos_bridge.basics.memory._all_memory", lambda: 10**9)


def test_the_machine_and_the_number_are_in_the_message():
    check_memory("n", 1, 1)
    with pytest.raises(
        InputError, match=r"`n` needs 1e\+09 GB of memory; this machine has 1 GB; found 7"
    ):
        check_memory("n", 10**18, 7)


@pytest.mark.parametrize("architecture", ["moco", "simclr"])
@pytest.mark.parametrize(
    "widths", [{"feature_dim": 10**5}, {"proj_dim": HUGE}, {"in_channels": HUGE}]
)
def test_an_encoder_of_terabytes_is_refused(architecture, widths):
    (argument,) = widths
    with pytest.raises(InputError, match=f"`{argument}` needs .* GB of memory"):
        foundation_encoder(architecture, **{"in_channels": 4, **widths})


def test_a_rotation_encoder_for_patches_of_terabytes_is_refused():
    with pytest.raises(InputError, match=r"`patch_size` needs .* GB of memory"):
        foundation_encoder("rotation", 4, patch_size=10**6)


def test_all_memory_of_this_machine_is_known(monkeypatch):
    monkeypatch.undo()
    assert edaphos_bridge.basics.memory._all_memory() > 2**28


def test_more_weights_than_64_bits_can_count_are_refused():
    with pytest.raises(InputError, match="`feature_dim` asks for more weights than can be counted"):
        foundation_encoder("moco", 4, feature_dim=HUGE, proj_dim=HUGE)


def test_a_pretraining_run_and_a_head_of_terabytes_are_refused():
    encoder = foundation_encoder("moco", 2, seed=1)
    with pytest.raises(InputError, match="`proj_dim` needs"):
        foundation_moco_pretrain(X, proj_dim=HUGE, batch_size=2)
    for hidden in ([HUGE, HUGE], [HUGE] * 4):
        with pytest.raises(InputError, match="`hidden` needs"):
            foundation_fit_classifier(encoder, X, list("ababab"), head="mlp", hidden=hidden)


def test_places_of_patches_that_no_memory_holds_are_refused():
    with pytest.raises(InputError, match="`n_patches` needs"):
        foundation_tile_dataset(np.ones((1, 9, 9)), patch_size=2, n_patches=HUGE)
