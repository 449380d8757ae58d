"""The command of a few-label experiment on real images, and the three files that it writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from edaphos_bridge import FoundationFewLabelExperiment
from edaphos_bridge.experiments.provenance import provenance

SEED = 1
PROCESSES = 2
PACKAGES = ("edaphos-bridge", "torch", "numpy", "scikit-learn", "kornia")


def command(
    name: str,
    title: str,
    run: Callable[[int, Path], FoundationFewLabelExperiment],
    protocol: Callable[[FoundationFewLabelExperiment], str],
    description: str | None,
) -> None:
    """Read the arguments of ``docs/few_labels/<name>.py``, run it and write its files.

    `run` takes a seed and a folder for what is finished; `protocol` says how the numbers were made,
    and what they depend on.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder to write to")
    parser.add_argument("--keep", type=Path, default=Path("build/few_labels"), help="for parts")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    out, seed = arguments.out, arguments.seed
    out.mkdir(parents=True, exist_ok=True)
    arguments.keep.mkdir(parents=True, exist_ok=True)
    found = run(seed, arguments.keep / name)
    file = f"few_labels_{name}"
    found.table.to_csv(out / f"{file}.csv", index=False, float_format="%.6f", lineterminator="\n")
    found.plot().savefig(out / f"{file}.png", dpi=110)
    line = f"python docs/few_labels/{name}.py --out {out} --seed {seed}"
    spent = found.table["seconds"].sum() + found.pretraining["seconds"].sum()  # also before a stop
    text = [
        f"# {title}",
        "",
        *found.markdown(),
        "",
        *_losses(found),
        "",
        f"![Accuracy and loss of each method, a point a repeat]({file}.png)",
        "",
        "## Protocol",
        "",
        protocol(found).strip(),
        *provenance(
            line, packages=PACKAGES, seed=seed, seconds=spent / PROCESSES, processes=PROCESSES
        ),
        f"* Every number: [{file}.csv]({file}.csv)",
        "",
    ]
    (out / f"{file}.md").write_text("\n".join(text), encoding="utf-8")
    print("\n".join(["", *found.describe(), ""]))


def pretraining(found: FoundationFewLabelExperiment) -> str:
    """Return what one pretraining took on average."""
    means = found.pretraining.groupby("method", sort=False)["seconds"].mean()
    return "; ".join(f"{name}: {value:.0f} s" for name, value in means.items())


def _losses(found: FoundationFewLabelExperiment) -> list[str]:
    """Return a table of loss and time with each number of labels."""
    many = len(found.labels) > 1
    of = [f", {labels:g} labels" if many else "" for labels in found.labels]
    by = found.summary().set_index(["method", "labels"])
    lines = [
        "| method | " + " | ".join(f"log loss{n} | seconds{n}" for n in of) + " |",
        "|---" * (1 + 2 * len(of)) + "|",
    ]
    for method in found.methods:
        rows = [by.loc[(method, labels)] for labels in found.labels]
        cells = [f"{r['log_loss']:.3f} ± {r['log_loss_sd']:.3f} | {r['seconds']:.1f}" for r in rows]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines
