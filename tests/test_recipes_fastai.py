"""Runs that were recorded with fastai 2.8.12 (tests/fixtures/fastai) come out of the recipes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from closeness import assert_close
from edaphos_bridge import foundation_phase
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.heads.registry import ConcatPoolHead
from edaphos_bridge.recipes import fine_tune_settings, finetuned
from edaphos_bridge.training.events import Events
from edaphos_bridge.training.plan import Plan
from edaphos_bridge.training.settings import RecipeSettings

FOLDER = Path(__file__).parent / "fixtures" / "fastai"
HEAD = {"head": "concat_pool", "hidden": (12,), "dropout": 0.0}
COMMON = {"batch_size": 8, "val_split": 0.25, "seed": 1, **HEAD}
FASTAI = {
    "schedule": "one_cycle",
    "weight_decay": 0.01,
    "decoupled": True,
    "decay_norms": False,
    "betas": (0.9, 0.99),
    "eps": 1e-5,
    "norms": "train",
}


class Body(nn.Module):
    """The body of the recorded runs: two blocks."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        )

    def maps(self, x):
        return [self.blocks(x)]

    def groups(self):
        return [[block] for block in self.blocks]

    def forward(self, x):
        return self.blocks(x).mean(dim=(2, 3))


class Rates(Events):
    """Notes every step's loss, and the hyper-parameters of each group."""

    def __init__(self):
        self.losses, self.hyper, self.frozen_to = [], [], []

    def on_rates(self, groups):
        self.hyper.append({g["group"]: (g["lr"], *g["betas"], g["eps"]) for g in groups})
        # below the first that trains, norm layers alone do
        self.frozen_to.append(min(g["group"] for g in groups if g["params"][0].ndim > 1))

    def on_step(self, loss):
        self.losses.append(loss.item())


def recipe_of(name):
    if name == "fine_tune":
        return fine_tune_settings(
            epochs=3,
            base_lr=4e-3,
            freeze_epochs=2,
            lr_mult=100,
            pct_start=0.3,
            div=5,
            weight_decay=0.01,
            **COMMON,
        )
    if name == "one_cycle_slice":
        phases = [foundation_phase(3, slice(1e-4, 1e-2), **FASTAI)]
    else:
        rates = [1e-2, slice(5e-4, 5e-3), slice(1e-4, 1e-3)]
        phases = [
            foundation_phase(1, rate, freeze_to=first, **FASTAI)
            for first, rate in zip((-1, -2, 0), rates, strict=True)
        ]
    return RecipeSettings.checked(recipe="phases", phases=phases, **COMMON)


@pytest.mark.parametrize("name", ["fine_tune", "one_cycle_slice", "gradual"])
def test_rates_losses_and_probabilities_are_those_of_fastai(name):
    run = np.load(FOLDER / f"{name}.npz")
    n_train = json.loads((FOLDER / f"{name}.json").read_text())["n_train"]
    state = {k.removeprefix("initial/"): torch.from_numpy(run[k]) for k in run if "initial" in k}
    body, head = Body(), ConcatPoolHead(16, 3, (12,), 0.0)
    body.blocks.load_state_dict({k[2:]: v for k, v in state.items() if k.startswith("0.")})
    head.load_state_dict({k[2:]: v for k, v in state.items() if k.startswith("1.")})
    rows = torch.arange(len(run["x"]))
    plan = Plan(rows[:n_train], rows[n_train:], lambda epoch: torch.arange(n_train))
    heard = Rates()
    fit = finetuned(
        body,
        Patches(run["x"]),
        run["y"],
        recipe_of(name),
        "cpu",
        heard,
        plan=plan,
        head=head,
    )
    for found, expected in zip(heard.hyper, run["hyper"], strict=True):
        for group, (lr, beta1, beta2, _, eps) in enumerate(expected):
            assert_close(found[group][:3], [lr, beta1, beta2], 1e-12, 0)
            assert found[group][3] == eps
    assert heard.frozen_to == run["frozen_to"].tolist()
    assert_close(heard.losses, run["loss"], 1e-5)
    assert_close(fit.predict_proba(run["x"][n_train:]), run["prob_val"], 1e-4)
