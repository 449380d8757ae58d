"""SwAV of two sensors on a real scene: does it find the twin, and is it worth labels?

Run from the repository root: ``python docs/two_sensors/two_sensors.py --out docs/results``. It
writes ``two_sensors.csv``, ``two_sensors_retrieval.csv``, ``two_sensors.md`` and
``two_sensors.png``. Two processes of one thread each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from chart import draw_chart
from methods import ARMS, BATCH, EPOCHS, MOCO, PAIRS, PER_CLASS, REPEATS, STARTS, STEPS
from retrieval import by_chance, scores
from scene import CLASSES, GROUPS, PATCH, Pairs, read_pairs, stars_folder
from twins import CHANCE, twins

from edaphos_bridge.basics.workers import one_thread
from edaphos_bridge.experiments.comparison import Comparison
from edaphos_bridge.experiments.few_labels import Design, keys_of, pretrained, results, shared
from edaphos_bridge.experiments.provenance import provenance

SEED = 1
PROCESSES = 2
PACKAGES = ("edaphos-bridge", "torch", "numpy", "kornia", "rasterio")
DIRECTIONS = ("visible to infrared", "infrared to visible")


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes
    ----------
    comparison : Comparison
        Of the ways of learning from few labels.
    retrieval : pandas.DataFrame
        A row for each way of finding, direction and fold.
    ranks : mapping
        The ranks of all twins by way of finding and direction.
    """

    comparison: Comparison
    retrieval: pd.DataFrame
    ranks: Mapping[tuple[str, str], Any]


def run(pairs: Pairs, seed: int, say: Callable[[str], None]) -> Outcome:
    """Pretrain beside each fold, look for twins in it, and learn from few labels."""
    folds = [pairs.fold(group) for group in range(GROUPS)]
    design = Design.of(
        pairs.x, folds, standardise=True, codes=pairs.y, labels=list(PER_CLASS), per_class=True,
        repeats=REPEATS, seed=seed,
    )  # fmt: skip
    encoders, rows, keys = {}, {}, keys_of(design, ARMS)
    with shared(pairs.x, PROCESSES) as source:
        wanted = [(name, place) for name in STARTS for place in range(GROUPS)]
        for key, found in pretrained(design, source, STARTS, wanted, PROCESSES):
            encoders[key] = found.encoder
            say(f"fold {key[1] + 1}: {key[0]} is there after {found.seconds:.0f} s")
        retrieval, ranks = _retrieval(pairs, design, encoders, seed)
        say("the twins are found")
        for key, row in results(design, source, ARMS, encoders, keys[::-1], PROCESSES):
            rows[key] = row
            if len(rows) % 50 == 0:
                say(f"{len(rows)} of {len(keys)} fits")
    comparison = Comparison(
        pd.DataFrame([rows[key] for key in keys]),
        {arm.name: arm.name for arm in ARMS},
        {n: f"{n} labels per class" for n in PER_CLASS},
        PAIRS,
    )
    return Outcome(comparison, retrieval, ranks)


def _retrieval(
    pairs: Pairs, design: Design, encoders: Mapping[tuple[str, int], Any], seed: int
) -> tuple[pd.DataFrame, dict[tuple[str, str], Any]]:
    table: list[dict[str, Any]] = []
    ranks: dict[tuple[str, str], list[Any]] = {}
    for place, fold in enumerate(design.folds):
        known, asked = (design.patches(pairs.x, rows, place) for rows in (fold.train, fold.test))
        of_fold = {name: encoder for (name, of), encoder in encoders.items() if of == place}
        with one_thread():
            found = twins(of_fold, known, asked, seed + place)
        n = len(asked)
        for way, both in found.items():
            for direction, each in zip(DIRECTIONS, (both.from_a, both.from_b), strict=True):
                about = {"way": way, "direction": direction, "fold": fold.name, "n": n}
                table.append({**about, **scores(each)})
                ranks.setdefault((way, direction), []).append(each)
        for direction in DIRECTIONS:
            about = {"way": CHANCE, "direction": direction, "fold": fold.name, "n": n}
            table.append({**about, **by_chance(n)})
    return pd.DataFrame(table), {key: np.concatenate(each) for key, each in ranks.items()}


# --- what is written --------------------------------------------------------------------------


def retrieval_table(table: pd.DataFrame) -> list[str]:
    """Return the means over the folds as Markdown."""
    measures = ["top_1", "top_10", "median_rank"]
    means = table.groupby(["way", "direction"], sort=False)[measures].mean()
    head = [f"{direction}: {what}" for direction in DIRECTIONS
            for what in ("first", "among 10", "median rank")]  # fmt: skip
    lines = [f"| way | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for way in dict.fromkeys(table["way"]):
        cells = []
        for direction in DIRECTIONS:
            top_1, top_10, median = means.loc[(way, direction)]
            cells += [f"{top_1:.3f}", f"{top_10:.3f}", f"{median:.1f}"]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return lines


PROTOCOL = """
## Protocol

* The scene is Landsat 7 (ETM+) over Olinda and Recife, 349 x 352 pixels of 28.5 m, in R's package
  stars. **Its two "sensors" are two groups of bands of one instrument**: bands 1 to 3 (visible)
  and bands 4, 5 and 7 (infrared), of one moment and on one grid. Two instruments would differ in
  time, angle, resolution and registration, and be harder; nothing here says how much.
* {n} patches of {patch} x {patch} pixels, centres 3 pixels apart, on land: at sea all patches are
  alike, so that no twin is the right one, and all are low.
* Labels: {classes}, thirds of the elevation on land (up to {low:g} m, up to {high:g} m, above) of
  the cell of 90 m around the centre. The elevation model (`olinda_dem_utm25s.tif`, also in stars)
  is independent of all bands. It fits the coast of the scene to within about one of its cells.
* Blocks of about 58 pixels in {groups} groups. A fold tests on the patches of one group that do not
  overlap, {smallest} to {largest} of them. What trains, with labels or without, has its centre in
  other groups and shares no pixel with a tested patch; scaling of bands, pretraining, CCA and ridge
  regression see nothing else, {fewest} to {most} patches, which overlap each other.
* Pretraining: {steps} steps of {batch} patches, once a fold; views and rate are those that were
  chosen for MoCo on the Statlog scene ([tuning.md](tuning.md)). All else of SwAV is the default,
  but that each group of bands has a first layer of its own. All settings were fixed before the
  first run, and nothing was tuned on this scene. So SwAV was tuned nowhere, and MoCo elsewhere.
* "Without views": the other group of bands is the only augmentation.
* SwAV asks that both patches of a place fall to the same prototypes, which many places share, not
  that they find each other. CCA and ridge regression of raw pixels compare a place cell by cell,
  as only a common grid allows.
* Twins: cosine of the embeddings of held-out patches of one fold; equal ones count against. CCA has
  a ridge of 0.1 on standardised features, and its variates count by their correlations.
* Few labels: {repeats} repeats, each fold twice, the same labels for all. All rows are logistic
  regression (C = 1) on frozen standardised features, but those fine-tuned ({epochs} epochs of the
  head, then {epochs} of all) or from scratch ({twice} epochs of all), batches of {few}. Rows of
  "visible" and "infrared" see these bands alone, all others all six.
* Intervals: Student's t of the means of {groups} folds, which share training patches; they are not
  corrected for their number. One scene and one question: elevation shows in cover and relief, and
  classes that need both groups of bands may come out otherwise."""


def protocol(pairs: Pairs) -> str:
    """Return how the numbers were made."""
    folds = [pairs.fold(group) for group in range(GROUPS)]
    tested, trained = ([len(rows) for rows in each] for each in (
        [fold.test for fold in folds], [fold.train for fold in folds]
    ))  # fmt: skip
    return PROTOCOL.format(
        n=len(pairs.y), patch=PATCH, classes=", ".join(CLASSES), low=pairs.bounds[0],
        high=pairs.bounds[1], groups=GROUPS, smallest=min(tested), largest=max(tested),
        fewest=min(trained), most=max(trained), steps=STEPS, batch=MOCO["batch_size"],
        repeats=REPEATS, epochs=EPOCHS, twice=2 * EPOCHS, few=BATCH,
    )  # fmt: skip


def report(out: Path, pairs: Pairs, found: Outcome, command: str, seed: int, took: float) -> None:
    """Write the four files."""
    how = {"index": False, "float_format": "%.6f", "lineterminator": "\n"}
    found.comparison.results.to_csv(out / "two_sensors.csv", **how)
    found.retrieval.to_csv(out / "two_sensors_retrieval.csv", **how)
    draw_chart(out / "two_sensors.png", pairs, found.comparison, found.ranks)
    text = [
        "# SwAV of two sensors: visible against infrared bands of a Landsat 7 scene",
        "",
        "## Does it find the twin?",
        "",
        "A held-out patch of one group of bands is asked for the patch of the other group at the "
        "same place. Share of twins that come first and among the first ten, and median rank; "
        f"means of {GROUPS} folds.",
        "",
        *retrieval_table(found.retrieval),
        "",
        "## Is it worth labels?",
        "",
        "Classes are thirds of elevation. " + found.comparison.table()[0],
        *found.comparison.table()[1:],
        "",
        '"Better" and "worse" stand where the 95 % interval of the paired difference does not hold '
        "zero; elsewhere it is not settled.",
        "",
        *found.comparison.verdicts(),
        "",
        *found.comparison.differences(),
        "",
        "![The scene, its elevation and folds; the ranks of twins; accuracy](two_sensors.png)",
        protocol(pairs),
        *provenance(command, packages=PACKAGES, seed=seed, seconds=took, processes=PROCESSES),
        "* Every number: [two_sensors.csv](two_sensors.csv), "
        "[two_sensors_retrieval.csv](two_sensors_retrieval.csv)",
        "",
    ]
    (out / "two_sensors.md").write_text("\n".join(text), encoding="utf-8")


def main() -> None:
    """Run all and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder to write to")
    parser.add_argument("--stars", type=Path, help="folder tif of R's package stars")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    out, seed = arguments.out, arguments.seed
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    pairs = read_pairs(arguments.stars or stars_folder())
    found = run(pairs, seed, say)
    command = f"python docs/two_sensors/two_sensors.py --out {out} --seed {seed}"
    report(out, pairs, found, command, seed, time.monotonic() - started)
    print("\n".join(["", *retrieval_table(found.retrieval), "", *found.comparison.table(), ""]))
    say(f"two_sensors.csv, .md, .png and two_sensors_retrieval.csv are written to {out}.")


if __name__ == "__main__":
    main()
