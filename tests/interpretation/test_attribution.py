"""Captum's attributions are the formulas, on models small enough to write them out."""

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_attribute
from edaphos_bridge.encoders.sensors import for_two_sensors
from edaphos_bridge.errors import EdaphosError, InputError
from edaphos_bridge.interpretation.attribution import grad_cam
from interpreted import BandMeans, classifier_of_means, fit_with, numbers
from small_fits import quick

WEIGHT = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 0.0], [-1.0, 0.0, 3.0]])


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(20, 3, 5, 5)).astype(np.float32)


class Convolved(nn.Module):
    """Features are the means of a convolution's map, as `maps` says unless `silent`."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.conv(x)).mean(dim=(2, 3))


class Shown(Convolved):
    def maps(self, x):
        return [self.act(self.conv(x))]


@pytest.mark.parametrize("target", [None, "loam"])
def test_integrated_gradients_of_a_linear_model_are_weights_times_what_differs(x, target):
    fit = classifier_of_means(WEIGHT)
    found = foundation_attribute(fit, x, "integrated_gradients", target, baseline=[0.5, 0, 1])
    codes = [1] * 20 if target else fit.predict_proba(x).argmax(axis=1)
    without = np.array([0.5, 0, 1])[None, :, None, None]
    assert_close(found.values, WEIGHT[codes][:, :, None, None] / 25 * (x - without), 1e-5)
    assert found.target == [fit.classes[code] for code in codes]
    assert found.prediction == list(fit.predict(x))
    np.testing.assert_array_equal(found.patches, x)


def test_integrated_gradients_add_up_to_what_the_output_is_more_than_for_the_baseline(encoder):
    x = np.random.default_rng(2).normal(size=(6, 4, 5, 5)).astype(np.float32)
    fit = quick(encoder, x, [0, 1] * 3, val_split=0)
    found = foundation_attribute(fit, x, "integrated_gradients", 1, n_steps=300)
    with torch.no_grad():
        batches = torch.from_numpy(x), torch.zeros(1, 4, 5, 5)
        of_x, of_none = (fit.head(fit.encoder(batch))[:, 1].numpy() for batch in batches)
    assert_close(found.values.sum(axis=(1, 2, 3)), of_x - of_none, 1e-2)


@pytest.mark.parametrize("encoder_class", [Shown, Convolved], ids=["maps", "layers"])
def test_grad_cam_is_the_weighted_sum_of_maps_where_it_is_positive(x, encoder_class):
    encoder = encoder_class()
    weight = np.random.default_rng(3).normal(size=(2, 4))
    fit = fit_with(numbers(2), encoder, weight)
    found = foundation_attribute(fit, x, "grad_cam", "y2")
    with torch.no_grad():
        maps = encoder.act(encoder.conv(torch.from_numpy(x))).numpy()
    expected = np.maximum(np.einsum("d,ndhw->nhw", weight[1] / 25, maps), 0)[:, None]
    assert_close(found.values, expected, 1e-5)
    assert found.values.shape == (20, 1, 5, 5)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("method", ["grad_cam", "integrated_gradients"])
def test_encoders_of_ours_are_attributed_and_not_changed(encoder, method, frozen, snapshot):
    x = np.random.default_rng(2).normal(size=(6, 4, 16, 18))
    fit = quick(encoder, x, [0, 1] * 3, val_split=0, freeze_backbone=frozen)
    before = fit.to_bytes(), snapshot(fit.encoder)
    found = foundation_attribute(fit, x, method)
    assert (fit.to_bytes(), snapshot(fit.encoder)) == before
    assert found.values.shape[2:] == (16, 18)
    assert np.isfinite(found.values).all()
    assert (found.values != 0).any()


def test_the_last_map_of_ours_is_the_one_whose_means_are_features(encoder):
    encoder.eval()
    head = nn.Linear(8, 2)
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(3, 4, 16, 16))).float()
    found = grad_cam(encoder, head, x[:1])(x, torch.tensor([0, 1, 1]))
    with torch.no_grad():
        last = encoder.maps(x)[-1]
        weight = head.weight[torch.tensor([0, 1, 1])] / last[0, 0].numel()
        coarse = torch.einsum("nd,ndhw->nhw", weight, last).relu()[:, None]
        expected = nn.functional.interpolate(coarse, (16, 16), mode="bilinear")
    assert_close(found.detach(), expected, 1e-5)


@pytest.mark.parametrize("method", ["grad_cam", "integrated_gradients"])
def test_heads_that_read_maps_are_attributed(encoder, method):
    x = np.random.default_rng(2).normal(size=(6, 4, 16, 16))
    fit = quick(encoder, x, [0, 1] * 3, val_split=0, head="concat_pool", hidden=(5,))
    found = foundation_attribute(fit, x, method)
    assert np.isfinite(found.values).all()
    assert (found.values != 0).any()


@pytest.mark.parametrize(("size", "method"), [(9, "integrated_gradients"), (16, "grad_cam")])
def test_small_patches_are_not_given_to_grad_cam_by_default(encoder, size, method):
    x = np.random.default_rng(2).normal(size=(4, 4, size, 20))
    fit = quick(encoder, x, [0, 1] * 2, val_split=0, epochs=1)
    assert foundation_attribute(fit, x).method == method


def test_the_table_has_sums_and_shares(x):
    fit = classifier_of_means(WEIGHT)
    found = foundation_attribute(fit, x[:2], target="clay")
    table = found.as_table()
    assert list(table.columns) == ["row", "prediction", "target", "band", "attribution", "share"]
    assert table["band"].tolist() == ["band 0", "band 1", "band 2"] * 2
    assert_close(table["attribution"], found.values.sum(axis=(2, 3)).ravel(), 1e-6)
    size = np.abs(found.values).sum(axis=(2, 3))
    assert_close(table["share"], (size / size.sum(axis=1, keepdims=True)).ravel(), 1e-6)
    assert foundation_attribute(fit, x, "grad_cam").as_table()["band"].unique().tolist() == ["all"]


@pytest.mark.parametrize(
    ("names", "targets"),
    [
        (["1", "2", "10"], [("10", "10"), (10, "10"), (10.0, "10")]),  # numbers of R are doubles
        (["FALSE", "TRUE"], [("TRUE", "TRUE"), (True, "TRUE"), (np.True_, "TRUE")]),
    ],
)
def test_a_target_is_named_by_the_class_or_its_text(encoder, names, targets):
    x = np.random.default_rng(1).normal(size=(24, 4, 5, 5))
    fit = quick(encoder, x, np.array(names)[np.arange(24) % len(names)])
    for target, name in targets:
        found = foundation_attribute(fit, x[:2], "integrated_gradients", target=target, n_steps=2)
        assert found.target == [name] * 2


def test_an_encoder_of_two_sensors_whose_maps_are_of_either_is_refused_by_grad_cam():
    torch.manual_seed(1)
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    both = for_two_sensors(body, [3, 2], [9, 9], shared_stem=False)
    x = np.random.default_rng(1).normal(size=(20, 5, 9, 9))
    fit = quick(both, x, np.arange(20) % 2)
    with pytest.raises(InputError, match="of each patch"):
        foundation_attribute(fit, x, "grad_cam")


def test_printing_says_how_and_of_what(x):
    text = repr(foundation_attribute(classifier_of_means(WEIGHT), x))
    assert "integrated gradients" in text
    assert "20 of 5 x 5 cells" in text


@pytest.mark.parametrize(
    ("changes", "argument", "says"),
    [
        ({"method": "saliency"}, "method", "'grad_cam', 'integrated_gradients'"),
        ({"target": "silt"}, "target", "clay, loam, sand"),
        ({"baseline": [1.0, 2.0]}, "baseline", "each of 3 bands"),
        ({"baseline": "mean"}, "baseline", "finite number"),
        ({"n_steps": 0}, "n_steps", "positive whole number"),
        ({"x": np.zeros((2, 4, 5, 5))}, "x", "3 channels"),
        ({"x": np.zeros((0, 3, 5, 5))}, "x", "extent of zero"),
        ({"fit": BandMeans()}, "fit", "must be a fit"),
    ],
)
def test_bad_input_is_refused(x, changes, argument, says):
    call = {"fit": classifier_of_means(WEIGHT), "x": x, **changes}
    with pytest.raises(InputError, match=says) as caught:
        foundation_attribute(**call)
    assert caught.value.argument == argument


def test_an_encoder_without_a_map_is_refused_by_grad_cam(x):
    class Flat(nn.Module):
        def forward(self, x):
            return x.mean(dim=(2, 3))

    fit = fit_with(numbers(), Flat(), [[1.0, 0.0, 0.0]])
    with pytest.raises(InputError, match="more than one cell"):
        foundation_attribute(fit, x, "grad_cam")
    assert foundation_attribute(fit, x).values.shape == (20, 3, 5, 5)


def test_without_captum_the_error_says_how_to_install_it(x, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(EdaphosError, match="pip install"):
        foundation_attribute(classifier_of_means(WEIGHT), x)


class Doubles(nn.Module):
    """An encoder that shows its map, and may write to its patches."""

    def __init__(self, writes):
        super().__init__()
        torch.manual_seed(3)
        self.layer, self.writes = nn.Conv2d(3, 5, 3), writes

    def maps(self, x):
        return [self.layer(x.mul_(2) if self.writes else x * 2)]

    def forward(self, x):
        return self.maps(x)[0].mean(dim=(2, 3))


@pytest.mark.parametrize("head", ["linear", "concat_pool"])
@pytest.mark.parametrize("method", ["grad_cam", "integrated_gradients"])
def test_an_encoder_may_write_to_its_patches(x, method, head):
    y = ["a", "b"] * (len(x) // 2)
    found = [
        foundation_attribute(
            quick(Doubles(writes), x, y, head=head, hidden=3), x[:3], method, "a", n_steps=4
        )
        for writes in (True, False)
    ]
    assert_close(found[0].values, found[1].values, 1e-6)
    assert np.array_equal(found[0].patches, x[:3].astype(np.float32))
