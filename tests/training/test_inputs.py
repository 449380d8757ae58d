"""What the rows of a fit are to what trains."""

import torch

from closeness import assert_close
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.training.inputs import inputs_of

CPU = torch.device("cpu")


def test_an_encoder_that_does_not_train_runs_once_in_eval_mode_and_its_features_are_read(
    encoder, state_of
):
    x = torch.randn(300, 4, 5, 5)
    encoder.train()
    before = state_of(encoder)
    inputs = inputs_of(encoder, Patches(x), CPU, cached=True)
    assert inputs.features.shape == (300, inputs.feature_dim)
    assert not inputs.features.requires_grad
    assert_close(inputs.features, encoder(x), 1e-6)
    rows = torch.tensor([299, 0, 3])
    assert torch.equal(inputs.read(rows), inputs.features[rows])
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_an_encoder_that_trains_reads_patches_as_they_are(encoder):
    x = torch.randn(20, 4, 5, 5)
    inputs = inputs_of(encoder, Patches(x), CPU, cached=False)
    assert inputs.features is None
    rows = torch.tensor([19, 0, 3])
    assert torch.equal(inputs.read(rows), x[rows])
