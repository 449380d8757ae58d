"""A probe beside a run: it changes nothing, sees the encoder as it is, and may end the run."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from edaphos_bridge import (
    KNNProbe,
    LinearProbe,
    SegmentationProbe,
    foundation_moco_pretrain_tiles,
    foundation_tile_dataset,
)
from edaphos_bridge.encoders.copying import freeze, own_copy
from edaphos_bridge.errors import TrainingError
from edaphos_bridge.files.container import unpack
from edaphos_bridge.pretrain.settings import SETTINGS
from edaphos_bridge.pretrain.watch import Watch
from edaphos_bridge.training.checkpoint import FILE
from scripted_probe import Scripted
from small_encoders import small_encoder

SMALL = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 4, "seed": 1}


@pytest.fixture(params=[LinearProbe, KNNProbe, SegmentationProbe])
def probe(request, labelled):
    """Any probe on `labelled`."""
    x, y = labelled
    if request.param is SegmentationProbe:
        masks = np.where(x[:, 0] > 1, -1, y[:, None, None])
        return lambda **how: SegmentationProbe(
            x, masks, decoder="linear", epochs=2, unlabelled=-1, **how
        )
    few = {"k": 5} if request.param is KNNProbe else {}
    return lambda **how: request.param(x, y, **few, **how)


class Mapped(nn.Module):
    """A module of the user's, with layers that behave differently in training."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())

    def maps(self, x):
        return [self.body(x)]

    def forward(self, x):
        return self.maps(x)[-1].mean(dim=(2, 3))


def ambient():
    """All that a process has of torch's, NumPy's and Python's random numbers, and of threads."""
    return (
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
    )


# --- nothing of the run is changed ---------------------------------------------------------


def test_where_a_caller_computes_is_nothing_to_a_probe(probe):
    expected = probe().identity()
    with torch.device("meta"), torch.inference_mode():
        assert probe().identity() == expected


def test_a_run_is_the_same_with_and_without_a_probe(pretrain, probe, equal_states):
    alone = pretrain(epochs=6)
    before = ambient()
    watched = pretrain(epochs=6, probe=probe(every=2))
    assert ambient() == before
    assert watched.loss_history == alone.loss_history
    # weights, running statistics, and how many batches those are of
    assert equal_states(watched.encoder.state_dict(), alone.encoder.state_dict())
    assert not any(part.training for part in watched.encoder.modules())
    assert all(weight.requires_grad for weight in watched.encoder.parameters())


def test_every_step_of_a_run_is_the_same(pretrain, probe, tmp_path):
    def last_state(folder, **more):
        pretrain(epochs=6, checkpoint_dir=tmp_path / folder, **more)
        tensors, _ = unpack("pretraining checkpoint", (tmp_path / folder / FILE).read_bytes())
        return {n: t for n, t in tensors.items() if not n.startswith("method.probe.")}

    alone, watched = last_state("alone"), last_state("watched", probe=probe(every=1))
    assert alone.keys() == watched.keys()  # moments of Adam, queue and generator among them
    assert all(torch.equal(alone[name], watched[name]) for name in alone)


def test_the_watched_module_keeps_its_modes_statistics_and_gradients(probe):
    encoder = Mapped()
    encoder.body[1].eval()
    encoder.body[0].bias.requires_grad_(False)
    encoder(torch.ones(2, 3, 5, 5)).sum().backward()
    watch = Watch(encoder, probe())
    state = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    gradient = encoder.body[0].weight.grad.clone()
    modes = [part.training for part in encoder.modules()]
    watch.look()
    assert [part.training for part in encoder.modules()] == modes
    assert torch.equal(encoder.body[0].weight.grad, gradient)
    assert [weight.requires_grad for weight in encoder.parameters()] == [True, False, True, True]
    assert all(torch.equal(state[name], found) for name, found in encoder.state_dict().items())


def test_an_encoder_that_draws_where_it_should_not_draws_from_the_probes_own_numbers(probe):
    class Drawing(Mapped):
        def maps(self, x):
            return [nn.functional.dropout(x, 0.5)]

    watch = Watch(Drawing(), probe())
    before = ambient()
    watch.look()
    watch.look()
    assert ambient() == before
    assert watch.scores[0] == watch.scores[1]


@pytest.mark.filterwarnings("ignore:SwAV uses")
@pytest.mark.parametrize("encoder", ["xresnet18", "simclr", "module"])
def test_a_run_of_any_encoder_is_the_same_and_its_features_before_the_projection_are_seen(
    pretrain, labelled, equal_states, encoder
):
    torch.manual_seed(1)
    given = Mapped() if encoder == "module" else encoder
    how = {"feature_dim": 4 if encoder == "module" else 6, "encoder": given}
    if encoder == "xresnet18":
        how = {"encoder": small_encoder("xresnet18", 3), **SETTINGS[pretrain.method].usual_widths}
    alone = pretrain(**how)
    for probe in (LinearProbe(*labelled, every=2), KNNProbe(*labelled, k=5, every=2)):
        watched = pretrain(**how, probe=probe)
        assert watched.loss_history == alone.loss_history
        assert equal_states(watched.encoder.state_dict(), alone.encoder.state_dict())
        assert probe.score(freeze(own_copy(alone.encoder))) == watched.probe_history["score"][-1]


def test_a_run_on_tiles_is_the_same_too(equal_states):
    stack = np.random.default_rng(3).normal(size=(3, 30, 40))
    dataset = foundation_tile_dataset(stack, patch_size=5, n_patches=40, seed=2)
    alone = foundation_moco_pretrain_tiles(dataset, **SMALL)
    for x in (dataset, dataset.read(np.arange(40))):
        probe = LinearProbe(x, np.arange(40) % 2, every=2, groups=np.arange(40) // 4)
        watched = foundation_moco_pretrain_tiles(dataset, probe=probe, **SMALL)
        assert equal_states(watched.encoder.state_dict(), alone.encoder.state_dict())
        assert len(watched.probe_history["score"]) == 2


# --- what it sees --------------------------------------------------------------------------


@pytest.mark.parametrize("steps_per_epoch", [1, 2])
def test_it_looks_after_every_so_many_epochs_at_the_encoder_as_it_is_then(
    pretrain, probe, steps_per_epoch
):
    fit = pretrain(epochs=7, steps_per_epoch=steps_per_epoch, probe=probe(every=3))
    assert fit.probe_history["epoch"] == [3, 6]
    for epoch, score in zip((3, 6), fit.probe_history["score"], strict=True):
        then = pretrain(epochs=epoch, steps_per_epoch=steps_per_epoch).encoder
        assert probe().score(freeze(own_copy(then))) == score


def test_a_probe_serves_several_runs(pretrain, linear):
    one = linear(every=2)
    first = pretrain(probe=one).to_bytes()
    pretrain(seed=2, probe=one)
    assert pretrain(probe=one).to_bytes() == first
    assert pretrain(probe=linear(every=2)).to_bytes() == first


# --- patience ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "patience", "every", "best", "last"),
    [
        ([0.2, 0.5, 0.4, 0.5, 0.9], 2, 1, 2, 4),  # equal is not better
        ([0.2, 0.5, 0.4, 0.6, 0.1], 2, 1, 4, 5),  # all epochs, and still the best one
        ([0.7, 0.5, 0.4, 0.6, 0.9], 1, 2, 2, 4),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 1, 1, 5, 5),
    ],
)
def test_after_patience_the_run_ends_with_the_best_encoder(
    pretrain, equal_states, scores, patience, every, best, last
):
    fit = pretrain(epochs=5, probe=Scripted(scores, patience=patience, every=every))
    assert equal_states(fit.encoder.state_dict(), pretrain(epochs=best).encoder.state_dict())
    assert fit.loss_history == pretrain(epochs=last).loss_history
    assert fit.config["epochs"] == last
    assert fit.probe_history["epoch"] == list(range(every, last + 1, every))
    assert not fit.encoder.training


def test_without_patience_the_last_encoder_is_kept(pretrain, equal_states):
    fit = pretrain(probe=Scripted([0.9, 0.1, 0.1, 0.1]))
    assert equal_states(fit.encoder.state_dict(), pretrain().encoder.state_dict())


def test_weights_that_are_not_finite_are_a_run_that_diverged_and_no_score(pretrain, labelled):
    with pytest.raises(TrainingError, match="not finite after step 1: pretraining has diverged"):
        pretrain(lr=3e38, epochs=1000, probe=LinearProbe(*labelled))
