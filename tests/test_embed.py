"""Embeddings: features before the projection or the projections, in batches, in eval mode."""

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_classifier,
    foundation_moco_embed,
    foundation_simclr_embed,
)
from edaphos_bridge.errors import InputError

EMBED = {"moco": foundation_moco_embed, "simclr": foundation_simclr_embed}


@pytest.mark.parametrize("architecture", ["moco", "simclr"])
def test_embeddings_are_what_the_encoder_gives_in_eval_mode(architecture, x, snapshot):
    encoder = foundation_encoder(architecture, 4, feature_dim=8, proj_dim=5, seed=1)
    before = snapshot(encoder)
    features = EMBED[architecture](encoder, x)
    projections = EMBED[architecture](encoder, x, projection=True)
    assert snapshot(encoder) == before
    encoder.eval()
    with torch.no_grad():
        expected = encoder(torch.tensor(x, dtype=torch.float32))
        np.testing.assert_array_equal(features, expected.numpy())
        np.testing.assert_array_equal(projections, encoder.project(expected).numpy())
    assert features.dtype == np.float32
    assert_close(np.linalg.norm(projections, axis=1), np.ones(len(x)), 1e-6)


def test_batches_do_not_show(encoder, x, monkeypatch):
    whole = foundation_moco_embed(encoder, x)
    monkeypatch.setattr("edaphos_bridge.embeddings.batch_size_for", lambda shape: 4)
    assert_close(foundation_moco_embed(encoder, x), whole, 1e-6)


def test_no_patch_is_a_matrix_without_rows(encoder):
    none = np.zeros((0, 4, 5, 5))
    assert foundation_moco_embed(encoder, none).shape == (0, 8)
    assert foundation_moco_embed(encoder, none, projection=True).shape == (0, 4)


def test_the_encoder_of_a_fit_is_used(encoder, x, y):
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    np.testing.assert_array_equal(foundation_moco_embed(fit, x), foundation_moco_embed(encoder, x))


@pytest.mark.parametrize(
    ("object", "says"),
    [
        (foundation_encoder("simclr", 4, seed=1), "foundation_simclr_embed"),
        (foundation_encoder("rotation", 4, patch_size=9, seed=1), r"foundation_embed\(\) takes it"),
        (nn.Linear(2, 3), "must be a MoCoEncoder"),
        (None, "found 'NoneType'"),
    ],
)
def test_what_holds_no_such_encoder_is_an_error(object, says, x):
    with pytest.raises(InputError, match=says) as raised:
        foundation_moco_embed(object, x)
    assert raised.value.argument == "object"


@pytest.mark.parametrize(
    ("patches", "says"),
    [
        (np.zeros((2, 3, 5, 5)), "must have 4 channels"),
        (np.zeros((2, 4, 5)), "four dimensions"),
        (np.full((2, 4, 5, 5), np.nan), "2 of 2 patches"),
        ("patches", "real numbers"),
    ],
)
def test_patches_that_do_not_fit_are_an_error_that_names_the_argument(encoder, patches, says):
    with pytest.raises(InputError, match=rf"^`patches` .*{says}") as raised:
        foundation_moco_embed(encoder, patches)
    assert raised.value.argument == "patches"


def test_projection_is_true_or_false(encoder, x):
    with pytest.raises(InputError, match="projection"):
        foundation_moco_embed(encoder, x, "yes")
