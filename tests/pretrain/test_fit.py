"""The result of pretraining: printed, plotted, saved and read again."""

import pytest
import torch

from edaphos_bridge import FoundationPretrain
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.container import pack


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


def test_a_saved_fit_comes_back_bit_equal(pretrain, tmp_path, equal_states):
    fit = pretrain()
    fit.save(tmp_path / "fit.safetensors")
    back = FoundationPretrain.load(tmp_path / "fit.safetensors")
    assert equal_states(back.encoder.state_dict(), fit.encoder.state_dict())
    assert (back.loss_history, back.config, str(back)) == (
        fit.loss_history,
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
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    assert line.get_ydata().tolist() == fit.loss_history
    assert axes.get_xlabel() == "epoch"
    with plt.ioff(), plt.rc_context({"backend": "agg"}):
        assert fit.plot() is plt.gca()
        plt.close("all")
