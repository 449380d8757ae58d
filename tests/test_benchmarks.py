"""The measurements of benchmarks/ at a tiny size: they run, and their references agree with us."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from benchmarks import (
    bench,
    data,
    growth,
    growth_cell,
    profile_job,
    rows_maps,
    rows_predict,
    rows_r,
    scale,
    scale_rates,
)
from benchmarks.data import TINY
from benchmarks.machine import ROOT
from benchmarks.row import NotMeasured, cost, difference, speed_up, surplus, value
from benchmarks.rows_maps import (
    looping,
    map_rows,
    mapping,
    mapping_scene,
    predicting,
    scene_file,
)
from benchmarks.rows_segmenters import FINE_TUNED, FROZEN, segmenter_rows
from benchmarks.rows_swav import swav_rows
from benchmarks.rows_training import (
    NO_CHANGE,
    fine_tuning_rows,
    head_rows,
    moco_rows,
    probe_rows,
    rotation_rows,
    sweep_rows,
)
from benchmarks.timing import Timed, alternated, alternated_apart, in_new_process

from benchmark_jobs import count_in_this_process, fail, fail_to_run
from closeness import assert_close
from edaphos_bridge.data.augmentations import Augmentations


def figures(rows):
    return {row.key: row.figure for row in rows}


def test_runs_alternate_and_the_last_results_are_kept():
    calls = []

    def call(name):
        calls.append(name)
        return f"{name} {len(calls)}"

    times = alternated(lambda: call("plain"), lambda: call("ours"), runs=3)
    assert calls == ["plain", "ours"] * 4
    assert len(times.reference) == len(times.ours) == 3
    assert (times.reference_result, times.result) == ("plain 7", "ours 8")


@pytest.fixture
def jobs_are_found(monkeypatch):
    """Let a new process import them."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


@pytest.mark.usefixtures("jobs_are_found")
def test_apart_each_of_the_two_runs_in_processes_of_its_own():
    times = alternated_apart(
        partial(count_in_this_process, 10), partial(count_in_this_process, 20), runs=3
    )
    assert len(times.reference) == len(times.ours) == 3
    assert all(seconds > 0 for seconds in times.reference + times.ours)
    (reference, first), (ours, second) = times.reference_result, times.result
    assert len({reference, ours, os.getpid()}) == 3
    assert (first, second) == (12, 22)  # three processes, in each an untimed run
    assert in_new_process(os.getpid) != os.getpid()


@pytest.mark.usefixtures("jobs_are_found")
def test_a_job_that_fails_ends_the_measurement(capfd):
    failed = "a measured job failed: "
    for measurement in (
        partial(alternated_apart, fail_to_run, fail_to_run, runs=1),
        partial(alternated_apart, fail, fail, runs=1),
        partial(in_new_process, fail),
    ):
        with pytest.raises(RuntimeError, match=f"{failed}ValueError: this job cannot run"):
            measurement()
        assert "Traceback" in capfd.readouterr().err
    with pytest.raises(RuntimeError, match=f"{failed}its process ended with 1"):
        in_new_process(partial(os._exit, 1))


def test_a_reference_does_not_profit_from_the_memory_that_ours_keeps():
    code = """
import sys
from benchmarks import data, plain_loop
plain_loop.fine_tuning(data.moco, 20, 1, "cpu")()
sys.exit("edaphos_bridge.basics.allocator" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_figure_is_the_median_over_pairs():
    times = Timed([4.0, 6.0, 30.0], [2.0, 2.0, 3.0], None, None)
    assert speed_up("k", "job", "plain", times, 3).figures == [2, 3, 10]
    assert speed_up("k", "job", "plain", times, 3).reached is True
    assert speed_up("k", "job", "plain", times, 3.1).reached is False
    assert_close(cost("k", "job", "plain", times, 0.3).figure, 1 / 3, 1e-12)
    assert cost("k", "job", "plain", times, 0.3).reached is False
    assert surplus("k", "job", "plain", times, 0).figures == [-2, -4, -27]
    assert value("k", "job", "plain", [1e-6, 3e-6], None).reached is None
    assert value("k", "job", "plain", [np.float64(2)], 3).reached is True
    assert value("k", "job", "plain", [np.float64(4)], 3).reached is False
    assert difference("k", "job", "plain", [1.0, 2.0], [1.5, 1.0], 1).figures == [1]


def test_the_probe_learns_the_weights_of_the_loop_that_encodes_every_epoch():
    found = figures(probe_rows(TINY, "cpu"))
    assert found.keys() == {"probe", "probe-result", "probe-limit"}
    assert found["probe-result"] <= 1e-5


def test_heads_learn_the_weights_of_autograd_and_adam():
    found = figures(head_rows(TINY, "cpu"))
    assert found.keys() == {"head", "head-result", "mlp", "mlp-result"}
    assert found["head-result"] <= 1e-5
    assert found["mlp-result"] <= 1e-5


def test_a_sweep_has_the_losses_and_accuracies_of_its_single_fits():
    found = figures(sweep_rows(TINY, "cpu"))
    assert found.keys() == {"sweep", "sweep-result", "sweep-patches", "sweep-patches-result"}
    assert found["sweep-result"] <= 1e-6
    assert found["sweep-patches-result"] <= 1e-6


def test_fine_tuning_has_the_losses_and_probabilities_of_the_plain_loop():
    found = figures(fine_tuning_rows(TINY, "cpu"))
    encoders = ("fine-tuning", "fine-tuning-simclr", "fine-tuning-xresnet-18")
    rows = ("", "-losses", "-result", "-exact", "-rounding")
    assert found.keys() == {f"{key}{row}" for key in encoders for row in rows}
    for key in encoders:
        assert found[f"{key}-losses"] <= 1e-4
        assert found[f"{key}-result"] <= 1e-4


def test_segmenters_have_the_losses_of_the_plain_loop():
    found = figures(segmenter_rows(TINY, "cpu"))
    keys = [*FROZEN, *FINE_TUNED]
    ends = ("", "-losses", "-exact", "-rounding")
    assert found.keys() == {key + end for key in keys for end in ends}
    assert max(found[key + end] for key in keys for end in ends[1:]) <= 1e-4


def test_predictions_of_every_encoder_are_those_of_the_eager_forward():
    found = figures(rows_predict.predict_rows(TINY, "cpu"))
    results = [figure for key, figure in found.items() if key.endswith("-result")]
    assert len(results) == len(data.ENCODERS) == 3
    assert max(results) <= 1e-5


def test_the_given_views_of_a_moco_step_are_the_patches_as_they_are():
    x = torch.randn(4, 3, 5, 5)
    assert torch.equal(Augmentations(**NO_CHANGE).view(x, torch.Generator()), x)
    (row,) = moco_rows(TINY, "cpu")
    assert row.figure > 0


def test_rotation_steps_are_measured_in_both_modes():
    rows = figures(rotation_rows(TINY, "cpu"))
    assert list(rows) == ["rotation", "rotation-fixed"]
    assert min(rows.values()) > 0


def test_the_given_views_of_a_swav_step_are_the_patches_of_each_sensor_as_they_are():
    rows = list(swav_rows(TINY, "cpu"))
    assert [row.key for row in rows] == ["swav", "swav-sensors"]
    assert all(row.figure > 0 for row in rows)


@pytest.fixture
def this_process(monkeypatch):
    """Run in this process what a measurement would run in a new one."""
    for rows in (rows_predict, rows_r):
        monkeypatch.setattr(rows, "in_new_process", lambda job: job())


def test_conversion_is_measured_in_python_in_r_and_in_r_inside_python(this_process):
    rows = list(rows_r.conversion_rows(TINY))
    assert not any(isinstance(row, NotMeasured) for row in rows)
    places = {"conversion", "conversion-reticulate", "conversion-rpy2"}
    assert {row.key for row in rows} == places | {f"{place}-memory" for place in places}


def test_what_r_adds_is_less_than_its_whole_call():
    (row,) = rows_r.r_call_rows(TINY)
    assert 0 < row.figure < row.ours[0]


def test_imports_are_measured_in_new_processes():
    assert [row.key for row in rows_r.import_rows(TINY)] == ["import", "library"]


def test_the_memory_of_a_prediction_is_measured(this_process):
    (row,) = rows_predict.memory_rows(TINY)
    assert row.unit == "MB"


def test_the_files_hold_every_row(tmp_path):
    times = Timed([4.0, 6.0], [2.0, 2.0], None, None)
    rows = [
        speed_up("probe", "a probe", "plain loop", times, 2),
        cost("limit", "a limit", "one pass", times, 0.1),
        value("size", "weights", "difference", [2e-7], None),
        NotMeasured("r", "a call in R", "Rscript was not found"),
    ]
    text = "\n".join(bench.markdown(rows))
    probe = (
        "| a probe | plain loop | 2 s | 5 s | reference ÷ ours = 2.50 (2.00 to 3.00) | ≥ 2 | yes |"
    )
    assert probe in text
    assert "1 of 3 targets reached." in text
    assert "* **a limit** (against one pass): below its target" in text
    assert "not measured: Rscript was not found" in text
    bench.write_csv(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["row"] for line in lines] == ["probe", "probe", "limit", "limit", "size"]
    assert lines[1] == {
        "row": "probe", "run": "2", "ours": "2", "reference": "6", "figure": "3",
        "measure": "reference ÷ ours", "unit": "s",
    }  # fmt: skip


def test_a_device_that_is_not_there_ends_the_run_before_it_starts(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="finds no CUDA device here"):
        bench.main(["--device", "cuda"])
    assert capsys.readouterr().out == ""


def test_on_a_gpu_only_what_runs_there_is_measured():
    expected = [
        "probe", "heads", "sweep", "fine-tuning", "segmenters", "predict", "maps", "moco",
        "rotation", "swav",
    ]  # fmt: skip
    assert list(bench.topics(TINY, "cuda")) == expected


def test_the_exponent_of_a_power_law_is_found():
    sizes = [4, 31, 128]
    assert_close(growth.exponent(sizes, [3 * size**1.7 for size in sizes]), 1.7, 1e-9)
    assert_close(growth.exponent(sizes, [5, 5, 5]), 0, 1e-9)


def test_a_cell_of_the_growth_table_gives_time_and_memory():
    for job in growth_cell.JOBS:
        found = growth_cell.array_cell(job, 40, 4, 9, runs=1)
        assert found["seconds"] > 0
        assert found["peak"] >= 0


def test_the_growth_files_hold_every_cell(tmp_path):
    cells = [
        growth.Cell(job, axis, size, seconds=size / 100, peak=2e6 * size)
        for job in growth_cell.JOBS
        for axis, sizes in growth.AXES.items()
        for size in sizes
    ]
    files = [("probe", 5000, {"seconds": None, "failed": "no memory", "peak": 1e6})]
    text = "\n".join(growth.table(cells))
    row = "| linear probe, 40 epochs: time | 5 s | 50 s | 500 s | 1.00 | 1.00 |"
    assert row in text
    assert "failed: no memory" in "\n".join(growth.memmap_table(files, 1e6))
    growth.write_csv(tmp_path / "growth.csv", cells, files)
    with (tmp_path / "growth.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(cells) + 1
    growth.draw_chart(tmp_path / "growth.png", cells)
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_features_reach_the_head_as_they_are():
    x = data.features(5)
    assert np.array_equal(data.flatten()(torch.from_numpy(x)).numpy(), x[:, :, 0, 0])


def test_every_job_can_be_profiled():
    for prepare in profile_job.jobs(TINY, "cpu").values():
        prepare()()


def test_a_profile_names_what_took_the_time(capsys):
    profile_job.main(["conversion", "--quick", "--python", "--rows", "100"])
    assert "patches.py" in capsys.readouterr().out


def test_a_map_has_the_values_of_its_references():
    map_, prob = mapping("simclr", 20, "cpu")(), predicting("simclr", 20, "cpu")()
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(map_) as file:
        found = file.read()
    assert_close(found.reshape(3, -1).T, prob.astype(np.float32), 1e-6)
    scene = scene_file(12)
    with rasterio.open(mapping_scene(scene, "simclr", 9, "cpu")()) as file:
        assert file.shape == (12, 349)
    looping(scene, "simclr", 9, "cpu")()


def test_rows_of_maps_are_measured(monkeypatch):
    monkeypatch.setattr(rows_maps, "LOOPS", [("SimCLR", 9)])
    rows = figures(map_rows(replace(TINY, apart=False), "cpu"))
    assert {"map-moco", "map-dense-simclr", "map-loop-simclr-9", "map-agreement-moco"} <= set(rows)
    assert 50 < rows["map-agreement-simclr"] <= 100


def test_the_page_on_scale_is_worked_out_from_rates():
    rates = {
        name: scale.Rates({"exact": 1e4, "dense": 1e5}, {"exact": 2e4, "dense": 2e5}, 0.9)
        for name in ("moco", "simclr")
    }
    page = scale.report(rates, {"exact": 50, "dense": 70}, (1e7, 1e6, 0.25), 2, "cpu")
    # 8.51 million km2 at 250 m: 136.16 million patches
    row = next(line for line in page if line.startswith("| 250 m | exact | MoCo"))
    assert "| 136 million | 3.8 | 1.9 h |" in row
    assert row.endswith("| 34 MB |")


def test_rates_of_maps_are_measured():
    assert scale_rates.rate_of("simclr", 20, "cpu", "exact", 1) > 0
    assert scale_rates.peak_of(20, "cpu", "exact") > 0
    reading, writing, size = scale_rates.file_rates(64)
    assert min(reading, writing, size) > 0
