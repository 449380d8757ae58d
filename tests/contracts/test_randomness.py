"""Randomness comes from the seed alone."""

import torch

from small_fits import REGIMES, quick, same


@REGIMES
def test_the_same_seed_is_bit_equal_and_another_seed_is_not(dropout_encoder, x, y, freeze_backbone):
    settings = {"freeze_backbone": freeze_backbone, "head": "mlp", "dropout": 0.5}
    torch.manual_seed(100)
    one = quick(dropout_encoder, x, y, **settings)
    torch.manual_seed(200)
    assert same(one, quick(dropout_encoder, x, y, **settings))
    other = quick(dropout_encoder, x, y, **settings, seed=2)
    assert one.loss_history != other.loss_history
    assert not torch.equal(one.head[0].weight, other.head[0].weight)


@REGIMES
def test_without_a_seed_one_is_drawn_and_kept_so_that_the_fit_can_be_repeated(
    dropout_encoder, x, y, freeze_backbone
):
    torch.manual_seed(1)
    one = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, seed=None)
    torch.manual_seed(1)
    other = quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, seed=None)
    seed = one.config["seed"]
    assert isinstance(seed, int)
    assert seed != other.config["seed"]
    assert same(one, quick(dropout_encoder, x, y, freeze_backbone=freeze_backbone, seed=seed))
