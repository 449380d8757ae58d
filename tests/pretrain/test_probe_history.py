"""What a probe has found: in the fit, on the console, in a file, in print and in the plot."""

import pytest

from edaphos_bridge import FoundationPretrain, LinearProbe
from edaphos_bridge.errors import WeightsError
from scripted_probe import Scripted


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
    assert bar.shown.pop("loss") == f"{fit.final_loss:.4f}"
    if fit.val_accuracy_history is not None:
        assert bar.shown.pop("val_acc") == f"{fit.val_accuracy_history[-1]:.3f}"
    assert bar.shown == {"probe": "0.250"}


@pytest.mark.parametrize("patience", [None, 1])
def test_the_history_survives_in_a_file(pretrain, linear, tmp_path, patience):
    fit = pretrain(probe=linear(patience=patience))
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
    assert right.lines[-1].get_xdata().tolist() == [2, 4]
    assert right.lines[-1].get_ydata().tolist() == [0.5, 0.75]
    others = [] if fit.val_accuracy_history is None else ["validation accuracy"]
    assert right.get_ylabel() == " and ".join([*others, "scripted probe score"])
    assert len(right.lines) == 1 + len(others)
