"""`foundation_fit_segmenter()` and what it returns: a class for every cell."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    FoundationEnsemble,
    FoundationFit,
    FoundationSegmenter,
    foundation_cross_validate,
    foundation_encoder,
    foundation_finetune_classifier,
    foundation_finetune_ensemble,
    foundation_fit_segmenter,
    foundation_interpret,
    foundation_lr_find,
    foundation_mcdropout_predict,
    foundation_phase,
    foundation_tile_dataset,
)
from edaphos_bridge.basics.seeding import Randomness
from edaphos_bridge.encoders.tokens import maps_of_tokens
from edaphos_bridge.errors import EdaphosWarning, InputError, WeightsError
from edaphos_bridge.heads.decoder import MapShapes
from edaphos_bridge.heads.decoders import DECODERS, make_decoder
from edaphos_bridge.training import inputs
from edaphos_bridge.training.checkpoint import Checkpoints
from edaphos_bridge.training.decoder_settings import REGIMES
from edaphos_bridge.training.plan import draw_plan

WAYS = [(regime, name) for regime in ("frozen", "finetune") for name in DECODERS]
WAYS.append(("from_scratch", None))
EACH_WAY = pytest.mark.parametrize(("regime", "decoder"), WAYS)


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(23, 4, 8, 8))


@pytest.fixture
def masks(x):
    """Three classes that follow from the first channel."""
    return np.digitize(x[:, 0], [-0.4, 0.4])


@pytest.fixture
def encoder():
    return foundation_encoder("moco", 4, feature_dim=6, seed=1)


def segment(encoder, x, masks, **changes):
    return foundation_fit_segmenter(encoder, x, masks, **{"epochs": 2, "seed": 1, **changes})


def state_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(one, other):
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


# --- what is learnt ------------------------------------------------------------------------------


def test_it_learns_what_can_be_learnt(x, masks):
    class Cells(nn.Module):
        """Shows the patch itself as its map."""

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def maps(self, x):
            return [x * self.scale]

        def forward(self, x):
            return x.mean(dim=(2, 3))

    how = {"decoder": "linear", "epochs": 40, "lr": 0.1}
    fit = segment(Cells(), x, masks > 0, **how)
    assert fit.val_iou_history[-1] > 0.95
    assert (fit.predict(x) == (masks > 0)).mean() > 0.97
    assert segment(Cells(), x, masks, **how).val_iou_history[-1] > 0.7


def plain_loop(encoder, x, masks, decoder, *, train_encoder, epochs=2, batch_size=8, lr=1e-2):
    """The same fit, written out."""
    x, masks = torch.from_numpy(x).float(), torch.from_numpy(masks).long()
    randomness = Randomness(1)
    plan = draw_plan(len(x), 0.2, randomness.generator)
    with randomness.everywhere():
        decoder = decoder()
    encoder.train(train_encoder)
    groups = [{"params": decoder.parameters(), "lr": lr}]
    if train_encoder:
        groups.insert(0, {"params": encoder.parameters(), "lr": lr / 10})
    optimizer = torch.optim.Adam(groups)
    for epoch in range(epochs):
        decoder.train()
        for rows in plan.epoch_rows(epoch).split(batch_size):
            with torch.set_grad_enabled(train_encoder):
                maps = [x[rows], *encoder.maps(x[rows])]
            loss = functional.cross_entropy(decoder(maps), masks[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return decoder.eval()


@pytest.mark.parametrize("regime", ["frozen", "finetune"])
@pytest.mark.parametrize("name", list(DECODERS))
def test_a_fit_is_the_plain_loop(x, masks, encoder, name, regime):
    how = {"regime": regime, "decoder": name, "batch_size": 8, "lr": 1e-2}
    fit = segment(encoder, x, masks, **how)
    shapes = [(4, 8, 8), (32, 8, 8), (6, 4, 4)]

    def made():
        return make_decoder(name, MapShapes.of(shapes), 3)

    if regime == "frozen":
        encoder.eval()
    decoder = plain_loop(encoder, x, masks, made, train_encoder=regime == "finetune")
    patches = torch.from_numpy(x).float()
    with torch.no_grad():
        expected = decoder([patches, *encoder.eval().maps(patches)]).double().softmax(dim=1)
    assert_close(fit.predict(x, type="prob"), expected.numpy(), 1e-3)


@EACH_WAY
def test_the_same_seed_gives_the_same_bits_and_another_one_another_fit(
    x, masks, encoder, regime, decoder
):
    how = {"regime": regime, "decoder": decoder, "augment": True}
    one, again, other = (segment(encoder, x, masks, seed=s, **how) for s in (1, 1, 2))
    assert one.to_bytes() == again.to_bytes()
    assert not equal(state_of(one.head), state_of(other.head))
    if regime == "from_scratch":
        assert not equal(state_of(one.encoder), state_of(other.encoder))


@EACH_WAY
def test_nothing_that_is_given_is_changed(x, masks, encoder, regime, decoder):
    before, kept_x, kept_masks = state_of(encoder), x.copy(), masks.copy()
    encoder.train()
    fit = segment(encoder, x, masks, regime=regime, decoder=decoder)
    assert equal(state_of(encoder), before)
    assert encoder.training
    assert np.array_equal(x, kept_x)
    assert np.array_equal(masks, kept_masks)
    assert (fit.regime, fit.head_type) == (regime, decoder or "from_scratch")
    if regime == "frozen":
        fit.encoder.train()
        assert equal(state_of(fit.encoder), before)
        assert not any(p.requires_grad for p in fit.encoder.parameters())


def test_maps_of_a_frozen_encoder_are_computed_once(x, masks):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 3, 3, stride=2, padding=1)
            self.calls = []

        def maps(self, x):
            self.calls.append(len(x))
            return [self.conv(x)]

        def forward(self, x):
            return self.maps(x)[-1].mean(dim=(2, 3))

    counted = []
    encoder = Counting()
    encoder.calls = counted  # of copies too
    Counting.__deepcopy__ = lambda self, memo: self  # the test may: nothing trains it
    segment(encoder, x, masks, epochs=5, decoder="linear")
    assert sum(counted) == 1 + len(x)  # one patch shows the shapes


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_maps_that_take_too_much_memory_are_computed_in_every_step(
    x, masks, encoder, decoder, monkeypatch
):
    cached = segment(encoder, x, masks, decoder=decoder)
    monkeypatch.setattr(inputs, "fits_in_memory", lambda *args, **how: False)
    again = segment(encoder, x, masks, decoder=decoder)
    assert_close(again.predict_proba(x), cached.predict_proba(x), 1e-4)
    assert_close(again.loss_history, cached.loss_history, 1e-4)
    assert equal(state_of(again.encoder), state_of(encoder))


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "focal"])
@pytest.mark.parametrize("k", [2, 3])
def test_cells_without_a_label_count_nowhere(x, masks, encoder, loss, k):
    masks = np.minimum(masks, k - 1)
    unknown = np.random.default_rng(2).uniform(size=masks.shape) < 0.4
    with_value = np.where(unknown, 9, masks)
    with_nan = np.where(unknown, np.nan, masks)
    masked = np.ma.masked_array(masks, unknown)
    text = np.where(unknown, None, masks.astype(str).astype(object))
    fits = [
        segment(encoder, x, with_value, unlabelled=9, loss=loss),
        segment(encoder, x, with_nan, loss=loss),
        segment(encoder, x, masked, loss=loss),
        segment(encoder, x, text, loss=loss),
    ]
    first = fits[0]
    assert sum(first.pixel_counts) == (~unknown).sum()
    for fit in fits[1:]:
        assert equal(state_of(fit.head), state_of(first.head))
        assert fit.loss_history == first.loss_history
        assert fit.val_iou_history == first.val_iou_history
    assert first.classes == list(range(k))
    assert fits[3].classes == [str(code) for code in range(k)]
    assert first.config["unlabelled"] == 9


def test_masks_move_with_their_patches(encoder):
    """A class that lies where the patch is bright is learnt although patches are turned."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 4, 8, 8))
    x[:, 0, :, :4] += 4 * rng.choice([-1, 1], size=(40, 1, 1))
    masks = x[:, 0] > 0
    turned = segment(
        encoder, x, masks, epochs=30, lr=0.01, regime="finetune", decoder="unet",
        augment={"flip_prob": 0.5, "rot90_prob": 0.75},
    )  # fmt: skip
    assert turned.val_iou_history[-1] > 0.8


# --- aids, phases and checkpoints of the other fits ----------------------------------------------


def test_aids_of_other_fits_apply(x, masks, encoder):
    plots = np.arange(len(x)) // 3
    fit = segment(
        encoder, x, masks, groups=plots, patience=1, epochs=9, class_weight="balanced", lr=0.3
    )
    assert fit.config["split"]["by"] == "groups"
    assert len(fit.loss_history) < 9
    assert fit.config["class_weight"] == "balanced"
    weighted = segment(encoder, x, masks, class_weight={"0": 1, "1": 5, "2": 1})
    assert weighted.loss_history != segment(encoder, x, masks).loss_history


@EACH_WAY
def test_recipes_go_on_from_it(x, masks, encoder, regime, decoder):
    fit = segment(encoder, x, masks, regime=regime, decoder=decoder)
    phases = [foundation_phase(1, 1e-3, freeze_to=-1), foundation_phase(1, slice(1e-4, 1e-3))]
    for recipe in ("lp_ft", phases):
        again = foundation_finetune_classifier(fit, x, masks, recipe=recipe, epochs=1, seed=1)
        assert isinstance(again, FoundationSegmenter)
        assert again.head_type == fit.head_type
        twin = FoundationFit.from_bytes(again.to_bytes())
        assert np.array_equal(twin.predict_proba(x), again.predict_proba(x))
    if regime != "from_scratch":
        assert again.regime == "finetune"
    assert len(foundation_lr_find(fit, x, masks, num_it=10, seed=1).table) > 3
    with pytest.raises(InputError, match="label_smoothing"):
        foundation_finetune_classifier(fit, x, masks, label_smoothing=0.1)


class Killed(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize("seed", [1, None])
@pytest.mark.parametrize(
    ("regime", "decoder"), [("frozen", "clay"), ("finetune", "unet"), ("from_scratch", None)]
)
def test_a_run_that_was_killed_goes_on_with_the_same_bits(
    x, masks, encoder, regime, decoder, seed, tmp_path, monkeypatch
):
    how = {"regime": regime, "decoder": decoder, "epochs": 3, "patience": 3, "seed": seed}
    save = Checkpoints.save

    def killed(self, progress):
        save(self, progress)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", killed)
        with pytest.raises(Killed):
            segment(encoder, x, masks, checkpoint_dir=tmp_path, **how)
    resumed = segment(encoder, x, masks, checkpoint_dir=tmp_path, **how)
    whole = segment(encoder, x, masks, **{**how, "seed": resumed.config["seed"]})
    assert resumed.to_bytes() == whole.to_bytes()


def test_a_cross_validation_and_an_ensemble_take_it(x, masks, encoder):
    found = foundation_cross_validate(
        "foundation_fit_segmenter", encoder, x, masks, k=3, seed=1, epochs=1
    )
    assert found.predictions.shape == (23, 3, 8, 8)
    assert found.measures == ["iou", "pixel_accuracy"]
    assert np.isfinite(found.predictions).all()
    ensemble = foundation_finetune_ensemble(
        encoder, x, masks > 0, task="segmentation", K_ens=2, epochs=1
    )
    each = ensemble.predict(x)
    assert each.shape == (2, 23, 2, 8, 8)
    assert_close(each.sum(axis=2), np.ones((2, 23, 8, 8)), 1e-12)
    assert_close(ensemble.predict(x, type="mean"), each.mean(axis=0), 1e-12)
    assert_close(ensemble.predict(x, type="sd"), each.std(axis=0, ddof=1), 1e-12)
    again = FoundationEnsemble.from_bytes(ensemble.to_bytes())
    assert np.array_equal(again.predict(x), each)


# --- what comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "dtype"),
    [
        (lambda codes: codes, np.int64),
        (lambda codes: 10 * codes + 5, np.int64),
        (lambda codes: codes.astype(np.uint8), np.int64),
        (lambda codes: codes.astype(float), np.int64),
        (lambda codes: np.array(["clay", "loam", "sand"])[codes], "<U4"),
        (lambda codes: codes > 0, bool),
    ],
)
def test_classes_come_back_as_they_were_given(x, masks, encoder, named, dtype):
    given = named(masks)
    fit = segment(encoder, x, given)
    found = fit.predict(x)
    assert found.dtype == dtype
    assert set(np.unique(found)) <= set(np.unique(given))
    assert fit.classes == np.unique(given).tolist()
    prob = fit.predict(x, type="prob")
    assert prob.shape == (23, len(fit.classes), 8, 8)
    assert np.array_equal(np.array(fit.classes)[prob.argmax(axis=1)], found)


def test_classes_may_be_named(x, masks, encoder):
    fit = segment(encoder, x, masks, classes=["water", "crop", "wood", "town"])
    assert fit.classes == ["water", "crop", "wood", "town"]
    assert fit.pixel_counts == [*np.bincount(masks.ravel()).tolist(), 0]
    assert fit.predict(x, type="prob").shape[1] == 4


def test_the_threshold_says_from_where_on_a_cell_is_of_the_second_class(x, masks, encoder):
    for threshold in (0.3, 0.6):
        fit = segment(encoder, x, masks > 0, threshold=threshold, lr=0.01)
        assert np.array_equal(fit.predict(x), fit.predict_proba(x)[:, 1] >= threshold)


@EACH_WAY
def test_it_lives_in_a_file(x, masks, encoder, regime, decoder, tmp_path):
    fit = segment(encoder, x, masks, regime=regime, decoder=decoder, loss="focal", gamma=1.5)
    fit.save(tmp_path / "fit")
    for kind in (FoundationSegmenter, FoundationFit):
        again = kind.load(tmp_path / "fit")
        assert np.array_equal(again.predict_proba(x), fit.predict_proba(x))
        assert repr(again) == repr(fit)
        assert again.task.gamma == 1.5
    with pytest.raises(WeightsError, match="holds a fit of 'segmentation'"):
        FoundationClassifier.load(tmp_path / "fit")


@pytest.mark.parametrize("decoder", list(DECODERS))
@pytest.mark.parametrize("size", [(16, 16), (12, 8), (4, 20)])
def test_patches_may_have_another_size_than_in_training(x, masks, encoder, decoder, size):
    fit = segment(encoder, x, masks, decoder=decoder, regime="finetune")
    assert fit.predict(np.zeros((2, 4, *size))).shape == (2, *size)
    assert fit.predict(np.zeros((0, 4, *size))).shape == (0, *size)


def test_a_patch_is_predicted_alike_whatever_stands_beside_it(x, masks, encoder):
    fit = segment(encoder, x, masks, decoder="unet")
    assert_close(fit.predict_proba(x[3:4]), fit.predict_proba(x)[3:4], 1e-5)


def test_printing_says_what_it_is(x, masks, encoder):
    text = repr(segment(encoder, x, masks, decoder="unet"))
    assert "<edaphos_foundation_segmenter>" in text
    assert "decoder:       unet" in text
    assert "regime:        frozen backbone" in text
    assert "best val_iou" in text
    assert "from scratch" in repr(segment(None, x, masks, regime="from_scratch"))


def test_the_module_of_a_fit_gives_the_same(x, masks, encoder):
    fit = segment(encoder, x, masks, decoder="clay", regime="finetune")
    patches = torch.from_numpy(x[:3]).float()
    program = torch.export.export(fit.module(values=True), (patches,))
    assert_close(program.module()(patches).detach().numpy(), fit.predict_proba(x[:3]), 1e-5)


# --- encoders and decoders of the user's ---------------------------------------------------------


class Transformer(nn.Module):
    """A small vision transformer: two groups of bands, patches of two cells, a class token."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.embeddings = nn.ModuleList(nn.Conv2d(2, 6, 2, stride=2) for _ in range(2))
        self.first = nn.Parameter(torch.randn(1, 1, 6))
        layer = nn.TransformerEncoderLayer(6, 2, 12, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def tokens(self, x):
        parts = x.split(2, dim=1)
        each = [
            embed(part).flatten(2).transpose(1, 2)
            for embed, part in zip(self.embeddings, parts, strict=True)
        ]
        return self.layers(torch.cat([self.first.expand(len(x), -1, -1), *each], dim=1))

    def maps(self, x):
        size = (x.shape[2] // 2, x.shape[3] // 2)
        return [maps_of_tokens(self.tokens(x)[:, 1:], groups=2, size=size)]

    def forward(self, x):
        return self.tokens(x)[:, 0]


@pytest.mark.parametrize("regime", ["frozen", "finetune"])
@pytest.mark.parametrize("decoder", list(DECODERS))
def test_a_transformer_of_the_users_works(x, masks, regime, decoder):
    fit = segment(Transformer(), x, masks, regime=regime, decoder=decoder)
    assert fit.feature_dim == 12
    again = FoundationSegmenter.from_bytes(fit.to_bytes(), encoder=Transformer())
    assert np.array_equal(again.predict_proba(x), fit.predict_proba(x))


def test_a_decoder_of_the_users_works(x, masks, encoder):
    class OnAll(nn.Module):
        reads = "maps"

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4 + 32, 3, 1)

        def forward(self, maps):
            return self.conv(torch.cat(maps[:2], dim=1))

    torch.manual_seed(1)
    for given in (OnAll(), lambda width, n: nn.Conv2d(width, n, 1), lambda width, n: OnAll()):
        for regime in ("frozen", "finetune"):
            fit = segment(encoder, x, masks, decoder=given, regime=regime)
            assert fit.head_type == "custom"
            twin = FoundationSegmenter.from_bytes(fit.to_bytes(), head=fit.head)
            assert np.array_equal(twin.predict_proba(x), fit.predict_proba(x))
    with pytest.raises(WeightsError, match="head of this fit is a module of your own"):
        FoundationSegmenter.from_bytes(fit.to_bytes())


def test_a_file_asks_for_the_users_decoder_and_a_fits_own_trains_again(x, masks, encoder):
    fit = segment(encoder, x, masks, decoder=nn.Conv2d(6, 3, 1))
    for anew in (nn.Conv2d(6, 3, 1), fit.head):
        twin = FoundationSegmenter.from_bytes(fit.to_bytes(), head=anew)
        assert np.array_equal(twin.predict_proba(x), fit.predict_proba(x))
        assert twin.to_bytes() == fit.to_bytes()
    longer = segment(encoder, x, masks, decoder=fit.head)
    assert longer.loss_history[0] < fit.loss_history[0]


@pytest.mark.parametrize("value", [9, 9.0, np.int64(9), np.float32(9), np.uint8(9)])
def test_a_value_of_unlabelled_cells_of_any_type_stands_in_files(x, masks, encoder, value):
    fit = segment(encoder, x, np.where(x[:, 1] > 0, 9, masks), unlabelled=value)
    again = FoundationSegmenter.from_bytes(fit.to_bytes())
    assert again.config["unlabelled"] == 9
    assert type(again.config["unlabelled"]) in (int, float)
    with_nan = segment(encoder, x, np.where(x[:, 1] > 0, np.nan, masks), unlabelled=np.nan)
    assert with_nan.loss_history == fit.loss_history
    assert "unlabelled" not in FoundationSegmenter.from_bytes(with_nan.to_bytes()).config


def test_folds_of_segmenters_are_kept_and_are_the_same_in_processes(x, masks, encoder, tmp_path):
    text = np.where(masks == 2, None, np.array(["dry", "wet", ""])[masks].astype(object))
    how = {"k": 2, "seed": 1, "epochs": 1, "decoder": "linear", "checkpoint_dir": tmp_path}
    name = "foundation_fit_segmenter"
    found = foundation_cross_validate(name, encoder, x, text, n_jobs=2, **how)
    kept = foundation_cross_validate(name, encoder, x, text, **how)
    assert np.array_equal(kept.predictions, found.predictions)
    assert kept.table.equals(found.table)
    with pytest.raises(InputError, match="other"):
        foundation_cross_validate(name, encoder, x, np.where(text == "dry", None, text), **how)
    again = foundation_cross_validate(name, encoder, x, text, **{**how, "checkpoint_dir": None})
    assert np.array_equal(again.predictions, found.predictions)


# --- what cannot be used -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "argument", "says"),
    [
        ({"masks": np.zeros((23, 8, 7), int)}, "masks", r"\[23, 8, 8\].*found \[23, 8, 7\]"),
        ({"masks": np.zeros((22, 8, 8), int)}, "masks", r"23 patches of `x`"),
        ({"masks": np.zeros(23, int)}, "masks", "array"),
        ({"masks": np.zeros((23, 8, 8), int)}, "masks", "at least two classes"),
        ({"masks": np.full((23, 8, 8), np.nan)}, "masks", "label no cell"),
        ({"masks": np.random.default_rng(1).normal(size=(23, 8, 8))}, "masks", "are not whole"),
        ({"classes": ["a", "b"]}, "masks", "classes among 0, 1"),
        ({"unlabelled": "x"}, "unlabelled", "must be a number"),
        ({"regime": "linear"}, "regime", "frozen"),
        ({"decoder": "fcn"}, "decoder", "'clay', 'unet', 'linear'"),
        ({"decoder": "custom"}, "decoder", "'clay', 'unet', 'linear'"),
        ({"decoder": "from_scratch"}, "decoder", "'clay', 'unet', 'linear'"),
        ({"regime": "from_scratch", "decoder": "clay"}, "decoder", "network has its own"),
        ({"encoder": None}, "encoder", "must be a fit"),
        ({"encoder": nn.Flatten()}, "encoder", "must show its feature maps"),
        ({"loss": "mse"}, "loss", "cross_entropy"),
        ({"gamma": -1}, "gamma", "at least 0"),
        ({"threshold": 1}, "threshold", "less than 1"),
        ({"class_weight": {"0": 1.0}}, "class_weight", "0, 1, 2|weight"),
        ({"x": np.zeros((23, 4, 9, 9)), "masks": np.arange(23 * 81).reshape(23, 9, 9) % 3},
         "decoder", "which cannot become the 9 x 9"),
        ({"x": np.zeros((23, 4, 9, 9)), "masks": np.arange(23 * 81).reshape(23, 9, 9) % 3,
          "regime": "from_scratch"}, "decoder", "doubles"),
        ({"epochs": 0}, "epochs", "positive|at least 1"),
        ({"augment": {"spin": 1}}, "augment", "spin"),
    ],
)  # fmt: skip
def test_bad_input_is_an_error_before_anything_is_done(
    x, masks, encoder, changes, argument, says, monkeypatch
):
    monkeypatch.setattr("edaphos_bridge.fits.run.run", lambda *args: pytest.fail("it began"))
    monkeypatch.setattr(inputs, "computed_once", lambda *args: pytest.fail("all maps were made"))
    given = {"encoder": encoder, "x": x, "masks": masks, **changes}
    with pytest.raises(InputError, match=says) as caught:
        segment(given.pop("encoder"), given.pop("x"), given.pop("masks"), **given)
    assert caught.value.argument == argument


@pytest.mark.parametrize("verb", ["interpret", "recipe", "rates", "ensemble", "folds"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda masks: masks[:, :, :7], r"\[23, 8, 8\].*found \[23, 8, 7\]"),
        (lambda masks: np.where(np.arange(23)[:, None, None] == 3, 9, masks), "first: 3;.*found 9"),
        (lambda masks: np.full(masks.shape, np.nan), "label no cell"),
        (lambda masks: masks == 1, "among 0, 1, 2.*found (True|False)"),
    ],
)
def test_bad_masks_are_refused_by_the_name_that_the_function_has_for_them(
    x, masks, encoder, verb, change, says
):
    fit = segment(encoder, x, masks, epochs=1, unlabelled=255)
    how = {"classes": [0, 1, 2], "epochs": 1}
    calls = {
        "interpret": lambda y: foundation_interpret(fit, x, y),
        "recipe": lambda y: foundation_finetune_classifier(fit, x, y),
        "rates": lambda y: foundation_lr_find(fit, x, y),
        "ensemble": lambda y: foundation_finetune_ensemble(
            encoder, x, y, task="segmentation", **how
        ),
        "folds": lambda y: foundation_cross_validate(
            "foundation_fit_segmenter", encoder, x, y, **how
        ),
    }
    with pytest.raises(InputError, match=f"^`y` .*{says}") as caught:
        calls[verb](change(masks))
    assert caught.value.argument == "y"


def test_draws_of_a_decoder_that_drops_nothing_are_refused(x, masks, encoder):
    with pytest.raises(InputError, match=r"`object` has no dropout .* decoder of your own"):
        foundation_mcdropout_predict(segment(encoder, x, masks, epochs=1), x, 3, seed=1)


def test_a_split_without_labelled_cells_is_told(x, masks, encoder):
    only_last = np.where(np.arange(23)[:, None, None] < 20, np.nan, masks)
    folds = [(np.arange(20), np.arange(20, 23))]
    with pytest.raises(InputError, match="label no cell of the training rows"):
        segment(encoder, x, only_last, folds=folds)
    only_first = np.where(np.arange(23)[:, None, None] >= 20, np.nan, masks)
    with pytest.warns(EdaphosWarning, match="no cell of the validation rows is labelled"):
        fit = segment(encoder, x, only_first, folds=folds)
    assert all(math.isnan(score) for score in fit.val_iou_history)


def test_pandas_missing_values_are_unlabelled(x, masks, encoder):
    given = masks.astype(object)
    given[0, 0, 0] = pd.NA
    assert sum(segment(encoder, x, given).pixel_counts) == masks.size - 1


def test_regimes_are_those_of_the_documentation():
    assert REGIMES == ("frozen", "finetune", "from_scratch")


def test_masks_of_tiles_know_their_unlabelled_cells(encoder):
    raster = np.random.default_rng(1).normal(size=(4, 30, 30))
    labels = np.where(raster[0] > 0, "wet", "dry")
    tiles = foundation_tile_dataset(raster, 8, 12, seed=1, labels=labels)
    with pytest.raises(InputError) as caught:
        segment(encoder, tiles, None, unlabelled="dry")
    assert caught.value.argument == "unlabelled"
