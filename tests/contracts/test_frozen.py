"""Frozen means frozen: locked in eval mode, and bit-equal before and after."""

import copy

import pytest
import torch

from small_fits import assert_frozen, quick, same


@pytest.mark.parametrize("which", ["encoder", "dropout_encoder"])
def test_a_frozen_encoder_is_bit_equal_before_and_after(request, x, y, which, state_of):
    module = request.getfixturevalue(which)
    state = state_of(module)
    fit = quick(module, x, y, head="mlp", dropout=0.3, weight_decay=0.1)
    assert_frozen(fit, state)
    fit.predict(x)
    assert_frozen(fit, state)
    assert_frozen(copy.deepcopy(fit), state)


def test_a_frozen_encoder_is_unlocked_for_a_later_full_fine_tuning_and_itself_stays(
    dropout_encoder, x, y, state_of
):
    state = state_of(dropout_encoder)
    probe = quick(dropout_encoder, x, y)
    tuned = quick(probe.encoder, x, y, freeze_backbone=False)
    assert same(tuned, quick(dropout_encoder, x, y, freeze_backbone=False))
    for name, _ in dropout_encoder.named_parameters():
        assert not torch.equal(tuned.encoder.state_dict()[name], state[name]), name
    assert_frozen(probe, state)
