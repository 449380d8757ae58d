"""Recipes against phases written out, and what they must not change."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import (
    FoundationClassifier,
    FoundationFit,
    foundation_fine_tune,
    foundation_finetune_classifier,
    foundation_fit_classifier,
    foundation_fit_multilabel,
    foundation_fit_regressor,
    foundation_phase,
)
from edaphos_bridge.errors import EdaphosWarning, InputError
from small_fits import quick, same, small_network


@pytest.fixture
def probe(encoder, x, y):
    return quick(encoder, x, y)


def finetuned(fit, x, y, **changes):
    settings = {"epochs": 2, "lr": 1e-3, "seed": 3, **changes}
    return foundation_finetune_classifier(fit, x, y, **settings)


# --- what a recipe is ----------------------------------------------------------------------


def test_lp_ft_is_full_fine_tuning_that_begins_at_the_probes_head(probe, x, y):
    """The same as `foundation_fit_classifier` with that head."""
    fit = finetuned(probe, x, y, recipe="lp_ft", lr_mult=10)

    class ProbesHead(nn.Linear):
        pass

    head = ProbesHead(8, 3)
    head.load_state_dict(probe.head.state_dict())
    by_hand = foundation_fit_classifier(
        probe, x, y, freeze_backbone=False, head=head, epochs=2, lr=1e-3, seed=3
    )
    assert_close(fit.loss_history, by_hand.loss_history, 1e-5)
    assert fit.val_accuracy_history == by_hand.val_accuracy_history


@pytest.mark.parametrize("recipe", ["lp_ft", "gradual", "layerwise"])
def test_a_recipe_is_its_phases_written_out(probe, x, y, recipe):
    n_blocks = 5
    rates = (1e-4, 1e-3)
    phases = {
        "lp_ft": [foundation_phase(2, 1e-3, backbone_lr_mult=0.1)],
        "gradual": [foundation_phase(2, rates, freeze_to=k) for k in reversed(range(n_blocks))],
        "layerwise": [foundation_phase(2, rates)],
    }[recipe]
    named = finetuned(probe, x, y, recipe=recipe)
    written = finetuned(probe, x, y, recipe=phases)
    assert named.loss_history == written.loss_history
    assert len(named.loss_history) == sum(phase.epochs for phase in phases)
    assert np.array_equal(named.predict_proba(x), written.predict_proba(x))
    assert named.config["phases"] == [{**phase.describe(), "batch_size": 32} for phase in phases]


def test_frozen_blocks_stay_bit_equal_and_those_above_move(probe, x, y):
    before = {k: v.clone() for k, v in probe.encoder.state_dict().items()}
    fit = finetuned(probe, x, y, recipe=[foundation_phase(2, 1e-2, freeze_to=3)])
    after = fit.encoder.state_dict()
    below = [n for n in after if n.split(".")[1][-1] in "123" and n.startswith("backbone")]
    assert len(below) == 3 * 7
    assert all(torch.equal(after[name], before[name]) for name in below)
    for name in ("backbone.conv4.weight", "backbone.conv5.weight", "backbone.bn4.running_mean"):
        assert not torch.equal(after[name], before[name])


def test_each_phase_begins_with_a_fresh_optimiser_and_weights_cross(probe, x, y):
    """One after the other in one fit is the second going on from the first."""
    one, two = foundation_phase(1, 1e-3), foundation_phase(1, 1e-3, freeze_to=-1)
    both = finetuned(probe, x, y, recipe=[one, two], val_split=0, batch_size=64)
    first = finetuned(probe, x, y, recipe=[one], val_split=0, batch_size=64)
    then = finetuned(first, x, y, recipe=[two], val_split=0, batch_size=64)
    assert both.loss_history[0] == first.loss_history[0]
    assert_close(both.loss_history[1], then.loss_history[0], 1e-5)


def test_a_phase_of_all_after_one_of_the_head_trains_the_encoder_without_a_warning(probe, x, y):
    phases = [foundation_phase(1, freeze_to=-1), foundation_phase(1, 1e-2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = foundation_finetune_classifier(probe, x, y, recipe=phases, seed=1)
    before = dict(probe.encoder.named_parameters())
    assert any(not torch.equal(p, before[name]) for name, p in fit.encoder.named_parameters())


def test_fastais_recipe_without_freezing_is_one_phase(encoder, x, y):
    fit = foundation_fine_tune(encoder, x, y, epochs=2, freeze_epochs=0, seed=1)
    assert len(fit.config["phases"]) == 1
    assert len(fit.loss_history) == 2


def test_fastais_frozen_phase_leaves_weights_and_trains_norms(encoder, x, y):
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    phase = foundation_phase(2, 1e-2, freeze_to=-1, norms="train")
    start = quick(encoder, x, y)
    after = finetuned(start, x, y, recipe=[phase]).encoder.state_dict()
    assert torch.equal(after["backbone.conv1.weight"], before["backbone.conv1.weight"])
    assert not torch.equal(after["backbone.bn1.running_mean"], before["backbone.bn1.running_mean"])
    assert not torch.equal(after["backbone.bn1.weight"], before["backbone.bn1.weight"])


# --- what it starts from -------------------------------------------------------------------


def test_nothing_given_is_changed(probe, x, y):
    encoder_state = copy.deepcopy(probe.encoder.state_dict())
    bytes_before = probe.to_bytes()
    finetuned(probe, x, y, recipe="gradual", epochs=1)
    foundation_fine_tune(probe, x, y, epochs=1, seed=1)
    assert probe.to_bytes() == bytes_before
    for name, tensor in probe.encoder.state_dict().items():
        assert torch.equal(tensor, encoder_state[name])
    assert not any(p.requires_grad for p in probe.encoder.parameters())


def test_labels_of_some_classes_keep_the_fits_columns(probe, x, y):
    rows = [row for row, label in enumerate(y) if label != "Oxisol"]
    fit = finetuned(probe, x[rows], [y[row] for row in rows])
    assert fit.classes == probe.classes
    assert fit.class_counts[probe.classes.index("Oxisol")] == 0


def test_other_classes_are_refused(probe, x):
    with pytest.raises(InputError, match="Spodosol"):
        finetuned(probe, x, ["Oxisol", "Spodosol"] * 20 + ["Oxisol"])


def test_a_regressor_keeps_its_scale(encoder, x):
    y = 100 + 10 * x[:, 0].mean(axis=(1, 2))
    fit = foundation_fit_regressor(encoder, x, y, epochs=2, seed=1)
    other = foundation_finetune_classifier(fit, x, y * 2, recipe="lp_ft", epochs=1, seed=1)
    assert type(other) is type(fit)
    assert (other.y_mean, other.y_sd) == (fit.y_mean, fit.y_sd)


def test_several_labels_go_on_in_the_fits_order(encoder, x):
    y = [["a", "b"], ["b"], []] * 13 + [["a"], []]
    fit = foundation_fit_multilabel(encoder, x, y, epochs=1, seed=1)
    with pytest.warns(EdaphosWarning, match="no patch has the label a"):
        other = foundation_fine_tune(fit, x, [["b"], []] * 20 + [["b"]], epochs=1, seed=1)
    assert type(other) is type(fit)
    assert other.labels == ["a", "b"]


def test_weights_of_classes_are_for_classifiers(encoder, x):
    fit = foundation_fit_regressor(encoder, x, x[:, 0].mean(axis=(1, 2)), epochs=1, seed=1)
    with pytest.raises(InputError) as raised:
        foundation_fine_tune(fit, x, x[:, 0].mean(axis=(1, 2)), class_weight="balanced")
    assert raised.value.argument == "class_weight"


@pytest.mark.parametrize("recipe", ["lp_ft", "gradual", "layerwise"])
def test_a_module_of_the_users_is_fine_tuned_by_its_parts_or_by_split(x, y, recipe):
    probe = quick(small_network(), x, y)
    fit = finetuned(probe, x, y, recipe=recipe, epochs=1)
    assert isinstance(fit, FoundationClassifier)
    split = finetuned(probe, x, y, recipe="gradual", epochs=1, split=[["0"]])
    assert len(split.config["phases"]) == 1


def test_it_needs_a_fit(encoder, x, y):
    with pytest.raises(InputError) as raised:
        foundation_finetune_classifier(encoder, x, y)
    assert raised.value.argument == "fit"
    assert "foundation_fine_tune" in str(raised.value)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("recipe", "all"), ("recipe", []), ("recipe", [{"epochs": 1}]), ("recipe", 3),
        ("epochs", 0), ("lr", 0), ("lr_mult", 0), ("weight_decay", -1), ("split", [["nothing"]]),
        ("batch_size", 0), ("val_split", 1), ("seed", 0.5), ("device", "tpu"), ("patience", 0),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(probe, x, y, argument, value):
    with pytest.raises(InputError) as raised:
        finetuned(probe, x, y, **{argument: value})
    assert raised.value.argument == argument


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("epochs", 0), ("base_lr", -1), ("freeze_epochs", -1), ("lr_mult", 0), ("pct_start", 1),
        ("div", 0), ("weight_decay", -1), ("head", "conv"), ("hidden", 0), ("dropout", 1),
    ],
)  # fmt: skip
def test_what_fastais_recipe_cannot_use_is_named(encoder, x, y, argument, value):
    with pytest.raises(InputError) as raised:
        foundation_fine_tune(encoder, x, y, **{"head": "concat_pool", argument: value})
    assert raised.value.argument == argument


# --- files and randomness ------------------------------------------------------------------


def test_a_fit_by_a_recipe_lives_in_a_file_and_goes_on_from_there(probe, x, y, tmp_path):
    fit = finetuned(probe, x, y, recipe="gradual", epochs=1, patience=1, augment=True)
    fit.save(tmp_path / "fit.safetensors")
    again = FoundationFit.load(tmp_path / "fit.safetensors")
    assert same(fit, again)
    assert again.config == fit.config
    onward = [finetuned(start, x, y, epochs=1) for start in (fit, again)]
    assert same(*onward)


def test_the_same_seed_gives_equal_bits(encoder, x, y):
    fits = [foundation_fine_tune(encoder, x, y, epochs=2, seed=7) for _ in range(2)]
    assert same(*fits)
    assert not same(fits[0], foundation_fine_tune(encoder, x, y, epochs=2, seed=8))


def test_epochs_count_over_all_phases(probe, x, y, capsys):
    finetuned(probe, x, y, recipe="gradual", epochs=1, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[fine-tuning] ep   1/5")
    assert lines[-1].startswith("[fine-tuning] ep   5/5")


def test_lines_name_the_score_of_what_is_gone_on_from(encoder, x, y, capsys):
    clay = x.mean(axis=(1, 2, 3))
    starts = {
        "val_acc": (encoder, y),
        "val_rmse": (foundation_fit_regressor(encoder, x, clay, epochs=1, seed=1), clay),
    }
    for score, (start, target) in starts.items():
        foundation_fine_tune(start, x, target, epochs=1, seed=1, verbose=True)
        lines = capsys.readouterr().out.splitlines()
        assert lines
        assert all(score in line for line in lines)
