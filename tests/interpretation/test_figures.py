"""What figures show."""

import matplotlib
import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge import (
    foundation_attribute,
    foundation_band_importance,
    foundation_embedding_map,
    foundation_interpret,
)
from edaphos_bridge.errors import EdaphosError, InputError
from interpreted import BandMeans, classifier_of_means, fit_with, numbers

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture
def fit():
    return classifier_of_means(3 * np.eye(3))


@pytest.fixture
def x():
    return (
        np.random.default_rng(1).normal(size=(30, 3, 5, 5))
        + np.repeat(np.eye(3), 10, 0)[:, :, None, None]
    )


@pytest.fixture
def y():
    return np.repeat(["clay", "loam", "sand"], 10)


@pytest.fixture
def found(fit, x, y):
    return foundation_interpret(fit, x, np.roll(y, 3), n_boot=0, n_pictures=6)


def test_the_confusion_plot_has_counts_and_names(found):
    ax = found.plot_confusion()
    counts = [int(text.get_text()) for text in ax.texts]
    assert counts == found.confusion.to_numpy().ravel().tolist()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["clay", "loam", "sand"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "actual")


def test_the_reliability_diagram_has_a_disc_for_each_filled_bin(found):
    ax = found.plot_reliability()
    bins = found.reliability()
    bins = bins[bins["n"] > 0]
    assert_close(ax.collections[0].get_offsets(), bins[["confidence", "accuracy"]], 1e-12)


def test_top_losses_are_titled_as_fastai_has_them(found):
    figure = found.plot_top_losses(5, bands=(2, 1, 0), stretch="minmax")
    titles = [ax.get_title() for ax in figure.axes]
    worst = found.top_losses(5)
    row = worst.iloc[0]
    assert titles[0] == f"{row.prediction} / {row.actual}\n{row.loss:.2f} / {row.probability:.2f}"
    assert sum(bool(title) for title in titles) == 5
    assert figure.get_suptitle() == "prediction / actual / loss / probability"
    assert figure.axes[0].images[0].get_array().shape == (5, 5, 3)


def test_more_pictures_than_were_kept_are_refused(found):
    with pytest.raises(InputError, match="at most 6"):
        found.plot_top_losses(7)


def test_by_default_as_many_pictures_are_drawn_as_there_are(found):
    figure = found.plot_top_losses()
    assert sum(bool(ax.get_title()) for ax in figure.axes) == 6


def test_axes_of_the_users_are_drawn_in(found):
    _, ax = matplotlib.pyplot.subplots()
    assert found.plot_confusion(ax) is ax
    assert found.plot_reliability(ax) is ax


def test_numbers_are_drawn_against_the_truth(x):
    fit = fit_with(numbers(2, ["ph", "clay"]), BandMeans(), np.eye(3)[:2])
    y = np.random.default_rng(2).normal(size=(30, 2))
    found = foundation_interpret(fit, x, y, n_boot=0)
    ax = found.plot_predictions("clay")
    assert ax.get_xlabel() == "actual clay"
    ax = found.plot_predictions(1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("actual clay", "predicted clay")
    expected = np.stack([y[:, 1], fit.values(x, None, None, None)[:, 1]], axis=1)
    assert_close(ax.collections[0].get_offsets(), expected, 1e-12)
    title = found.plot_top_losses(2).axes[0].get_title()
    row = found.top_losses(1).iloc[0]
    first = f"{row.prediction_ph:.3g}, {row.prediction_clay:.3g}"
    assert title == f"{first} / {row.actual_ph:.3g}, {row.actual_clay:.3g}\n{row.loss:.3g}"
    with pytest.raises(InputError, match="below 2"):
        found.plot_predictions(2)
    with pytest.raises(InputError, match="one of 'ph', 'clay'"):
        found.plot_predictions("sand")


@pytest.mark.parametrize("method", ["integrated_gradients", "grad_cam"])
def test_attributions_lie_over_grey_patches(fit, x, method):
    found = foundation_attribute(fit, x, method)
    figure = found.plot([4, 1], bands=(0, 1, 2))
    drawn = [ax for ax in figure.axes if ax.get_title()]
    assert len(drawn) == 2
    patch, over = drawn[0].images
    np.testing.assert_array_equal(patch.get_array()[..., 0], patch.get_array()[..., 2])
    assert_close(over.get_array(), found.values[4].sum(axis=0), 1e-6)
    assert drawn[1].get_title() == f"{found.target[1]} / {found.prediction[1]}"
    assert sum(bool(ax.get_title()) for ax in found.plot().axes) == 9
    for rows in ([30], [], -1):
        with pytest.raises(InputError):
            found.plot(rows)


def test_importance_has_a_bar_for_each_band(fit, x, y):
    found = foundation_band_importance(fit, x, y, seed=1, n_repeats=3)
    ax = found.plot()
    assert_close([bar.get_width() for bar in ax.patches], found.as_table()["importance"], 1e-12)
    assert ax.get_xlabel() == "drop of accuracy"


def test_the_map_has_a_colour_for_each_class(fit, x, y):
    found = foundation_embedding_map(fit, x, y)
    ax = found.plot()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["clay", "loam", "sand"]
    assert_close(ax.collections[1].get_offsets(), found.points[10:20], 1e-12)
    assert foundation_embedding_map(fit, x).plot().get_legend() is None


def test_without_matplotlib_the_error_says_how_to_install_it(found, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(EdaphosError, match="pip install"):
        found.plot_confusion()
