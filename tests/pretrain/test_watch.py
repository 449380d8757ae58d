"""A probe beside a run: it changes nothing, sees the encoder as it is, and may end the run."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from edaphos_bridge import (
    FoundationPretrain,
    KNNProbe,
    LinearProbe,
    foundation_moco_pretrain_tiles,
    foundation_tile_dataset,
)
from edaphos_bridge.encoders.copying import freeze, own_copy
from edaphos_bridge.errors import InputError, TrainingError, WeightsError
from edaphos_bridge.files.container import pack, unpack
from edaphos_bridge.pretrain.probe import Probe
from edaphos_bridge.pretrain.watch import Watch
from edaphos_bridge.training.checkpoint import FILE

SMALL = {"feature_dim": 6, "proj_dim": 4, "batch_size": 8, "epochs": 4, "seed": 1}


@pytest.fixture
def labelled(patches):
    """Patches and their classes, of which each is bright in a channel of its own."""
    y = np.arange(24) % 3
    x = patches.copy()
    x[np.arange(24), y] += 2
    return x, y


@pytest.fixture(params=[LinearProbe, KNNProbe])
def probe(request, labelled):
    """Either probe on `labelled`."""
    few = {"k": 5} if request.param is KNNProbe else {}
    return lambda **settings: request.param(*labelled, **few, **settings)


class Scripted(Probe):
    """Scores that are given, whatever the encoder."""

    name = "scripted"
    score_name = "score"

    def __init__(self, scores, **how):
        how = {"every": 1, "patience": None, **how}
        super().__init__(np.zeros((4, 3, 5, 5)), val_split=0.5, seed=1, parting={}, **how)
        self.scores = scores
        self.looks = 0

    def score(self, encoder):
        self.looks += 1
        return self.scores[self.looks - 1]

    def settings(self):
        return {}

    def learnt(self):
        return {}


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
    encoder = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    encoder[1].eval()
    encoder[0].bias.requires_grad_(False)
    encoder(torch.ones(2, 3, 5, 5)).sum().backward()
    watch = Watch(encoder, probe())
    state = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    gradient, modes = encoder[0].weight.grad.clone(), [part.training for part in encoder.modules()]
    watch.look()
    assert [part.training for part in encoder.modules()] == modes
    assert torch.equal(encoder[0].weight.grad, gradient)
    assert [weight.requires_grad for weight in encoder.parameters()] == [True, False, True, True]
    assert all(torch.equal(state[name], found) for name, found in encoder.state_dict().items())


def test_an_encoder_that_draws_where_it_should_not_draws_from_the_probes_own_numbers(probe):
    class Drawing(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x.mean(dim=(2, 3)), 0.5)

    watch = Watch(Drawing(), probe())
    before = ambient()
    watch.look()
    watch.look()
    assert ambient() == before
    assert watch.scores[0] == watch.scores[1]


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


def test_a_probe_serves_several_runs(pretrain, probe):
    one = probe(every=2)
    first = pretrain(probe=one).to_bytes()
    pretrain(seed=2, probe=one)
    assert pretrain(probe=one).to_bytes() == first
    assert pretrain(probe=probe(every=2)).to_bytes() == first


def test_the_fit_says_what_looked_and_what_it_found(pretrain, labelled):
    fit = pretrain(probe=LinearProbe(*labelled, every=2, C=0.5))
    assert fit.config["probe"] == {
        "name": "linear", "score": "accuracy", "every": 2, "patience": None, "C": 0.5,
        "val_split": 0.2, "seed": 1, "n_train": 20, "n_validation": 4,
    }  # fmt: skip
    assert fit.probe_name == "linear probe accuracy"
    assert fit.probe_history["epoch"] == [2, 4]
    assert pretrain().probe_history is None
    assert pretrain().probe_name is None


def test_the_last_score_is_in_the_line_from_the_first_look_on(pretrain, capsys):
    pretrain(epochs=12, verbose=True, probe=Scripted([0.25, 0.5], every=5))
    shown = [line.partition("  probe=")[2] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["", "0.500", "0.500"]


def test_a_bar_shows_the_last_score(pretrain, bars):
    fit = pretrain(probe=Scripted([0.25], every=3))
    (bar,) = bars
    assert bar.shown == {"loss": f"{fit.final_loss:.4f}", "probe": "0.250"}


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


# --- checkpoints ---------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize(("after", "steps_per_epoch"), [(1, 1), (4, 1), (5, 1), (3, 2)])
def test_stopped_after_any_epoch_it_goes_on_to_the_same_history_and_encoder(
    pretrain, probe, tmp_path, stopped, patience, after, steps_per_epoch
):
    def call(**where):
        watching = probe(every=2, patience=patience)
        return pretrain(epochs=8, steps_per_epoch=steps_per_epoch, probe=watching, **where)

    stopped(lambda: call(checkpoint_dir=tmp_path, checkpoint_every=3), after)
    assert call(checkpoint_dir=tmp_path).to_bytes() == call().to_bytes()


def test_a_run_that_patience_had_ended_gives_its_result_again_without_a_step(
    pretrain, tmp_path, monkeypatch
):
    def call(**how):
        probe = Scripted([0.5, 0.4, 0.3], patience=1)
        return pretrain(probe=probe, checkpoint_dir=tmp_path, **how).to_bytes()

    ended = call()
    assert pretrain(probe=Scripted([0.5, 0.4], patience=1)).to_bytes() == ended
    monkeypatch.setattr("torch.optim.Adam.step", None)
    assert call() == ended
    assert call(epochs=9) == ended


def test_a_run_is_made_longer_with_its_probe(pretrain, probe, tmp_path):
    pretrain(epochs=5, probe=probe(every=2), checkpoint_dir=tmp_path)
    longer = pretrain(epochs=9, probe=probe(every=2), checkpoint_dir=tmp_path)
    assert longer.to_bytes() == pretrain(epochs=9, probe=probe(every=2)).to_bytes()


@pytest.mark.parametrize(
    "changed",
    [
        lambda x, y: LinearProbe(x, y, every=2),
        lambda x, y: LinearProbe(x, y, patience=3),
        lambda x, y: LinearProbe(x, y, C=2),
        lambda x, y: LinearProbe(x, y, seed=2),
        lambda x, y: LinearProbe(x, y, validation=[0, 1, 2, 4]),
        lambda x, y: LinearProbe(x + 1, y),
        lambda x, y: LinearProbe(x, y[::-1]),
        lambda x, y: LinearProbe(x, y.astype(str)),
        lambda x, y: KNNProbe(x, y, k=5),
        lambda x, y: None,
    ],
)
def test_a_checkpoint_of_a_run_with_another_probe_or_none_is_refused(
    pretrain, labelled, tmp_path, changed
):
    pretrain(probe=LinearProbe(*labelled), checkpoint_dir=tmp_path / "one")
    pretrain(checkpoint_dir=tmp_path / "none")
    other = changed(*labelled)
    for folder in ("one", "none") if other is not None else ("one",):
        with pytest.raises(
            InputError, match=r"another run \(probe = .* there, .* here\)"
        ) as caught:
            pretrain(probe=other, checkpoint_dir=tmp_path / folder)
        assert caught.value.argument == "checkpoint_dir"


@pytest.mark.parametrize("name", ["scores", "best.head.weight", "best.new"])
def test_a_state_of_another_form_is_a_damaged_checkpoint(pretrain, probe, tmp_path, name):
    watching = probe(patience=9)
    pretrain(probe=watching, checkpoint_dir=tmp_path)
    tensors, document = unpack("pretraining checkpoint", (tmp_path / FILE).read_bytes())
    name = name.replace("head.weight", next(iter(pretrain().encoder.state_dict())))
    wrong = {**tensors, f"method.probe.{name}": torch.zeros(2, 7)}
    metadata = {key: document[key] for key in ("step", "identity")}
    (tmp_path / FILE).write_bytes(pack("pretraining checkpoint", wrong, metadata))
    with pytest.raises(WeightsError, match=f"{FILE} cannot be read: .*probe.* Delete it"):
        pretrain(probe=watching, checkpoint_dir=tmp_path)


def test_what_is_rehearsed_has_room_for_the_best_encoder(pretrain, probe, tmp_path, limited_files):
    watching = probe(patience=9)
    pretrain(probe=watching, checkpoint_dir=tmp_path / "one")
    size = (tmp_path / "one" / FILE).stat().st_size
    with limited_files(size - 1), pytest.raises(InputError, match="cannot be written"):
        pretrain(probe=watching, checkpoint_dir=tmp_path / "two")
    with limited_files(size + 2**17):
        pretrain(probe=watching, checkpoint_dir=tmp_path / "two")


# --- the fit in a file ---------------------------------------------------------------------


@pytest.mark.parametrize("patience", [None, 1])
def test_the_history_survives_in_a_file(pretrain, probe, tmp_path, patience):
    fit = pretrain(probe=probe(patience=patience))
    fit.save(tmp_path / "fit.safetensors")
    back = FoundationPretrain.load(tmp_path / "fit.safetensors")
    assert (back.probe_history, back.config, str(back)) == (
        fit.probe_history, fit.config, str(fit)
    )  # fmt: skip
    assert back.to_bytes() == fit.to_bytes()


@pytest.mark.parametrize(
    "history",
    [
        [], {}, {"epoch": [2, 4]}, {"epoch": [2, 4], "score": [0.5]}, {"epoch": [], "score": []},
        {"epoch": [1, 4], "score": [0.5, 0.5]}, {"epoch": [2, 4], "score": [0.5, "a"]},
        {"epoch": [2], "score": [0.5]},
    ],
)  # fmt: skip
def test_a_history_that_does_not_fit_is_refused(pretrain, history):
    fit = pretrain(probe=Scripted([0.1, 0.2], every=2))
    fit.probe_history = history
    with pytest.raises(WeightsError, match="damaged"):
        FoundationPretrain.from_bytes(fit.to_bytes())


@pytest.mark.parametrize(
    "config", [None, {}, {"name": "a", "score": "b"}, {"every": "2"}, {"patience": 0}]
)
def test_a_history_of_no_known_probe_is_refused(pretrain, config):
    fit = pretrain(probe=Scripted([0.1, 0.2], every=2))
    whole = fit.config["probe"]
    fit.config["probe"] = {**whole, **config} if config and len(config) == 1 else config
    with pytest.raises(WeightsError, match="damaged"):
        FoundationPretrain.from_bytes(fit.to_bytes())


def test_printing_says_which_score_was_the_best_and_which_is_kept(pretrain):
    def last_line(**how):
        return str(pretrain(probe=Scripted([0.5, 0.75, 0.75, 0.25], **how))).splitlines()[-1]

    assert last_line() == "  best scripted probe score = 0.750 (epoch 2), at the end 0.250"
    assert last_line(patience=9) == "  best scripted probe score = 0.750 (epoch 2), kept"


def test_the_plot_has_the_scores_on_an_axis_of_their_own(pretrain):
    from matplotlib.figure import Figure

    fit = pretrain(probe=Scripted([0.5, 0.75], every=2))
    axes = Figure().subplots()
    assert fit.plot(axes) is axes
    left, right = axes.figure.axes
    assert left.lines[0].get_ydata().tolist() == fit.loss_history
    assert right.lines[0].get_xdata().tolist() == [2, 4]
    assert right.lines[0].get_ydata().tolist() == [0.5, 0.75]
    assert right.get_ylabel() == "scripted probe score"
