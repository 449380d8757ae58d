"""`foundation_compare_segmenters()`: several segmenters on the same held-out patches."""

import numpy as np
import pytest

from closeness import assert_close
from edaphos_bridge import (
    foundation_compare_segmenters,
    foundation_encoder,
    foundation_fit_segmenter,
    foundation_interpret,
)
from edaphos_bridge.errors import InputError


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(24, 4, 8, 8))


@pytest.fixture
def masks(x):
    return np.where(x[:, 0] > 0, "wet", "dry")


@pytest.fixture
def encoder():
    return foundation_encoder("moco", 4, feature_dim=6, seed=1)


def compare(encoder, x, masks, **changes):
    how = {"epochs": 1, "n_boot": 20, "seed": 1, **changes}
    return foundation_compare_segmenters(encoder, x, masks, **how)


def test_all_regimes_stand_beside_each_other(encoder, x, masks):
    found = compare(encoder, x, masks)
    assert list(found.fits) == ["frozen", "finetune", "from_scratch"]
    assert [fit.regime for fit in found.fits.values()] == list(found.fits)
    table = found.as_table()
    assert table["model"].unique().tolist() == list(found.fits)
    lines = repr(found).splitlines()
    assert lines[0] == "<edaphos_segmenter_comparison>"
    assert [line.split()[0] for line in lines[-3:]] == list(found.fits)


def test_the_rows_that_are_scored_did_not_train_and_are_the_same_for_all(encoder, x, masks):
    found = compare(encoder, x, masks, val_split=0.25)
    assert {len(each) for each in found.interpretations.values()} == {6}
    for name, fit in found.fits.items():
        table = found.interpretations[name].as_table().set_index(["metric", "class"])
        last = fit.score_history[-1]  # on its validation rows
        assert_close(table.loc[("iou", "wet"), "estimate"], last, 1e-9)


@pytest.mark.parametrize(
    "parting",
    [
        {"val_split": 0.25},
        {"groups": np.arange(24) // 3},
        {"folds": np.arange(24) % 3, "fold": 1},
        {"validation": [20, 3, 7]},
    ],
)
def test_a_fit_is_that_of_foundation_fit_segmenter_with_the_same_seed(encoder, x, masks, parting):
    found = compare(encoder, x, masks, epochs=2, batch_size=4, **parting)
    for regime, fit in found.fits.items():
        by_hand = foundation_fit_segmenter(
            encoder, x, masks, regime=regime, epochs=2, batch_size=4, seed=1, **parting
        )
        assert fit.to_bytes() == by_hand.to_bytes()


def test_models_have_settings_of_their_own_over_those_of_all(encoder, x, masks):
    found = compare(
        encoder, x, masks, decoder="linear",
        models={"probe": {}, "U-Net": {"regime": "finetune", "decoder": "unet", "epochs": 2}},
    )  # fmt: skip
    assert {name: fit.head_type for name, fit in found.fits.items()} == {
        "probe": "linear",
        "U-Net": "unet",
    }
    assert len(found.fits["U-Net"].loss_history) == 2


def test_patches_of_a_test_are_scored_where_there_are_some(encoder, x, masks):
    test = x[16:], masks[16:]
    found = compare(encoder, x[:16], masks[:16], models=["frozen"], test=test, patience=1)
    fit = foundation_fit_segmenter(encoder, x[:16], masks[:16], epochs=1, seed=1, patience=1)
    expected = foundation_interpret(fit, *test, n_boot=20, seed=1)
    assert len(found.interpretations["frozen"]) == 8
    own = found.as_table().drop(columns="model")
    assert own["estimate"].notna().sum() == expected.as_table()["estimate"].notna().sum()


def test_blocks_hold_out_whole_blocks_and_the_bootstrap_draws_them(encoder, x, masks):
    places = np.stack([np.arange(24) * 10.0, np.zeros(24)], axis=1)
    found = compare(
        encoder, x, masks, models=["frozen"], blocks=places, block_size=30.0, val_split=0.5
    )
    assert found.interpretations["frozen"].units.kind == "blocks"
    assert found.interpretations["frozen"].units.n < len(found.interpretations["frozen"])


def test_pictures_are_the_patches_that_the_first_model_finds_hardest(encoder, x, masks):
    found = compare(encoder, x, masks, n_pictures=2)
    worst = found.interpretations["frozen"].top_losses(2)["row"].tolist()
    assert found.rows.tolist() == worst
    assert found.masks.shape == (2, 8, 8)
    figure = found.plot_masks()
    assert [ax.get_title() for ax in figure.axes[:5]] == ["patch", "actual", *found.fits]
    ax = found.plot("dice")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["dry", "wet", "all"]
    for name, fit in found.fits.items():
        assert np.array_equal(fit.codes(found.patches), found.predicted[name])


def test_each_model_has_a_folder_of_its_own_and_goes_on_from_it(encoder, x, masks, tmp_path):
    first = compare(encoder, x, masks, checkpoint_dir=tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == set(first.fits)
    longer = compare(encoder, x, masks, checkpoint_dir=tmp_path, epochs=2)
    assert_equal_fits(longer, compare(encoder, x, masks, epochs=2))


def assert_equal_fits(found, expected):
    for name, fit in expected.fits.items():
        assert found.fits[name].to_bytes() == fit.to_bytes()


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"models": "frozen"}, "models"),
        ({"models": ["probe"]}, "models"),
        ({"models": []}, "models"),
        ({"models": {"a": 3}}, "models"),
        ({"test": 3}, "test"),
        ({"test": (np.zeros((2, 4, 8, 8)), np.full((2, 8, 8), 5))}, "test"),
        ({"val_split": 0}, "val_split"),
        ({"val_split": 0, "groups": np.arange(24) // 3}, "val_split"),
        ({"patience": 2}, "patience"),
        ({"models": {"a": {"patience": 2}}}, "patience"),
        ({"n_boot": -1}, "n_boot"),
        ({"n_pictures": 0}, "n_pictures"),
        ({"masks": np.zeros((24, 8, 8))}, "masks"),
        ({"epoch": 2}, "epoch"),
        ({"models": {"a": {}, "b": {"epochs": 0}}}, "epochs"),
        ({"models": {"a": {}, "b": {"loss": "mse"}}}, "loss"),
        ({"models": {"a": {"epoch": 2}}}, "epoch"),
        ({"models": {"a": {"folds": [1] * 24}}}, "folds"),
        ({"models": {"a": {"seed": 2}}}, "seed"),
    ],
)
def test_bad_input_is_an_error_before_any_fit(encoder, x, masks, changes, argument, monkeypatch):
    monkeypatch.setattr("edaphos_bridge.fits.run.run", lambda *args: pytest.fail("it began"))
    given = {"masks": masks, **changes}
    with pytest.raises(InputError) as caught:
        compare(encoder, x, given.pop("masks"), **given)
    assert caught.value.argument == argument
