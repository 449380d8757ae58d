"""The result of pretraining: printed, plotted, saved and read again."""

import json

import pytest
import safetensors.torch
import torch

from edaphos_bridge import FoundationPretrain
from edaphos_bridge.encoders.foundation import describe_encoder
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.files.container import pack


def test_printing_moco_shows_what_the_original_shows(moco):
    fit = moco(epochs=2)
    assert str(fit).splitlines() == [
        "<edaphos_foundation_moco>  (MoCo v2)",
        "  in_channels = 3  feature_dim = 6  proj_dim = 4",
        "  queue_size = 16  momentum = 0.9990  tau = 0.07  batch = 8",
        f"  epochs = 2  final InfoNCE loss = {fit.final_loss:.4g}",
    ]


def test_printing_simclr_shows_what_the_original_shows(pretrain):
    fit = pretrain(epochs=2)
    if fit.method == "simclr":
        assert str(fit).splitlines() == [
            "<edaphos_foundation_simclr>",
            "  in_channels = 3  feature_dim = 6  proj_dim = 4",
            "  batch = 8  temperature = 0.2",
            f"  epochs = 2  final loss = {fit.final_loss:.4g}",
        ]


def test_printing_rotation_shows_mode_and_the_last_accuracy(rotation):
    fit = rotation(epochs=2)
    assert str(fit).splitlines() == [
        "<edaphos_foundation_rotation>",
        "  in_channels = 3  feature_dim = 6",
        "  mode = all  batch = 8",
        f"  epochs = 2  final cross-entropy = {fit.final_loss:.4g}  "
        f"val_acc = {fit.val_accuracy_history[-1]:.3f}",
    ]
    assert "val_acc" not in str(rotation(val_split=0))


def test_a_saved_fit_comes_back_bit_equal(pretrain, tmp_path, equal_states):
    fit = pretrain()
    fit.save(tmp_path / "fit.safetensors")
    back = FoundationPretrain.load(tmp_path / "fit.safetensors")
    assert equal_states(back.encoder.state_dict(), fit.encoder.state_dict())
    assert (back.loss_history, back.val_accuracy_history, back.config, str(back)) == (
        fit.loss_history,
        fit.val_accuracy_history,
        fit.config,
        str(fit),
    )
    assert not back.encoder.training
    assert back.to_bytes() == fit.to_bytes()


def test_files_of_another_kind_and_damaged_ones_are_refused(moco):
    data = moco().to_bytes()
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        FoundationPretrain.from_bytes(data[:-3])
    with pytest.raises(WeightsError, match="holds a 'classifier'"):
        FoundationPretrain.from_bytes(pack("classifier", {}, {}))
    with pytest.raises(WeightsError, match="damaged"):
        FoundationPretrain.from_bytes(pack("pretraining", {"a": torch.zeros(1)}, {}))


def test_the_plot_shows_the_loss_of_each_epoch(pretrain):
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    fit = pretrain()
    axes = Figure().subplots()
    assert fit.plot(axes) is axes
    assert len(axes.figure.axes) == (2 if fit.method in ("rotation", "swav") else 1)
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    assert line.get_ydata().tolist() == fit.loss_history
    assert axes.get_xlabel() == "epoch"
    with plt.ioff(), plt.rc_context({"backend": "agg"}):
        assert fit.plot() is plt.gcf().axes[0]
        plt.close("all")


def test_the_accuracy_of_held_out_patches_has_an_axis_of_its_own(rotation):
    from matplotlib.figure import Figure

    fit, axes = rotation(), Figure().subplots()
    fit.plot(axes)
    left, right = axes.figure.axes
    assert left is axes
    line, chance = right.lines
    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    assert line.get_ydata().tolist() == fit.val_accuracy_history
    assert set(chance.get_ydata()) == {0.25}
    assert right.get_ylabel() == "validation accuracy"


def rewritten(fit, **changes):
    """The file of a fit in format 1, without a digest, and with other metadata."""
    data = fit.to_bytes()
    text = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    document = {**json.loads(text["edaphos_bridge"]), "format_version": 1, **changes}
    del document["digest"]
    tensors = safetensors.torch.load(data)
    return safetensors.torch.save(tensors, metadata={"edaphos_bridge": json.dumps(document)})


@pytest.mark.parametrize(
    "changes",
    [
        {"loss_history": []},
        {"loss_history": ["a", "b", "c", "d"]},
        {"loss_history": [1.0]},
        {"method": "byol"},
        {"in_channels": 4},
        {"in_channels": "3"},
        {"patch_size": 5},
        {"device": None},
        {"config": []},
        {"encoder": None},
        {"format_version": -5},
        {"format_version": True},
    ],
)
def test_metadata_that_does_not_fit_is_refused(pretrain, changes):
    fit = pretrain()
    assert FoundationPretrain.from_bytes(rewritten(fit)).to_bytes() == fit.to_bytes()
    with pytest.raises(WeightsError, match="damaged"):
        FoundationPretrain.from_bytes(rewritten(fit, **changes))


@pytest.mark.parametrize(
    "accuracies", [None, [], [0.5], [0.5] * 5, [0.5, 0.5, 0.5, 1.1], [0.5, 0.5, None, 0.5], "a"]
)
def test_accuracies_that_do_not_fit_are_refused(rotation, moco, accuracies):
    with pytest.raises(WeightsError, match="not one accuracy for each epoch"):
        FoundationPretrain.from_bytes(rewritten(rotation(), val_accuracy_history=accuracies))
    for fit in (rotation(val_split=0), moco()):
        if accuracies is not None:
            with pytest.raises(WeightsError, match="no patch was held out"):
                FoundationPretrain.from_bytes(rewritten(fit, val_accuracy_history=accuracies))


@pytest.mark.parametrize(
    "changes",
    [
        {"entropy_history": None},
        {"entropy_history": [1.0]},
        {"entropy_history": ["a"] * 4},
        {"in_channels": 3},
        *(
            {"encoder": changes}
            for changes in (
                {"sensors": "concat"}, {"sensors": "both"}, {"sensors": "a"}, {"channels": [5]},
                {"channels": [2, 3]}, {"channels": "32"}, {"stem": None}, {"stem": 3}, {"stem": ""},
                {"stem": "backbone.conv3"}, {"stem": "backbone.bn1"}, {"stem": "no.such"},
                {"body": None}, {"body": {}}, {"body": {"architecture": "sensors"}},
                {"body": {"architecture": "simclr"}}, {"body": {"feature_dim": 7}},
                {"body": {"in_channels": 2}}, {"architecture": "moco"}, {"in_channels": 6},
            )
        ),
    ],
)  # fmt: skip
def test_metadata_of_two_sensors_that_does_not_fit_is_refused(swav, changes):
    fit = swav()
    document = json.loads(json.dumps(describe_encoder(fit.encoder)))
    if "encoder" in changes:
        new = dict(changes["encoder"])
        if new.get("body"):
            new["body"] = {**document["body"], **new["body"]}
        changes = {"encoder": {**document, **new}}
    assert FoundationPretrain.from_bytes(rewritten(fit)).to_bytes() == fit.to_bytes()
    with pytest.raises(WeightsError):
        FoundationPretrain.from_bytes(rewritten(fit, **changes))


@pytest.mark.parametrize("value", ["left out", None, [1], -1, 1.5, 10**30])
def test_a_config_that_does_not_fit_is_refused(pretrain, value):
    fit = pretrain()
    for name in fit.config:
        could_be = (name, value) == ("seed", -1) or isinstance(fit.config[name], type(value))
        if could_be and not (type(value) is int and value > 2**53):
            continue
        config = {**fit.config, name: value}
        config = {key: kept for key, kept in config.items() if kept != "left out"}
        with pytest.raises(WeightsError, match="damaged"):
            FoundationPretrain.from_bytes(rewritten(fit, config=config))


def test_weights_that_are_not_finite_are_neither_written_nor_read(pretrain):
    fit = pretrain()
    data = rewritten(fit)
    start = len(data) - sum(t.nbytes for t in safetensors.torch.load(data).values())
    spoilt = data[:start] + b"\xff" * (len(data) - start)
    with pytest.raises(WeightsError, match="weights of the encoder are not finite"):
        FoundationPretrain.from_bytes(spoilt)
    with torch.no_grad():
        next(fit.encoder.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(WeightsError, match="weights of the encoder are not finite"):
        fit.to_bytes()


def test_sizes_of_the_queue_and_of_batches_stand_on_the_fit(pretrain):
    fit = pretrain()
    assert fit.batch_size == 8
    assert fit.queue_size == {"moco": 16, "simclr": None, "rotation": None, "swav": 0}[fit.method]
