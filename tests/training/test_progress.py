"""What a fit shows: the original's lines, a bar in a terminal, or nothing."""

import math

import pytest

from edaphos_bridge.training.events import EpochReport
from edaphos_bridge.training.progress import console, progress_line


def test_lines_come_for_epoch_1_every_10th_and_the_last():
    shown = [e for e in range(1, 26) if progress_line("fit", EpochReport(e, 25, 1.0, 0.5))]
    assert shown == [1, 10, 20, 25]


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (
            EpochReport(10, 40, 0.12341, 0.9118),
            "[classifier] ep  10/40  loss=0.1234  val_acc=0.912",
        ),
        (EpochReport(1, 1, 2, 1), "[classifier] ep   1/1  loss=2.0000  val_acc=1.000"),
        (EpochReport(1, 9, 0.5, math.nan), "[classifier] ep   1/9  loss=0.5000  val_acc=NA"),
        (EpochReport(1, 9, 0.5), "[classifier] ep   1/9  loss=0.5000"),
        (EpochReport(9, 9, 0.5, probe=0.75), "[classifier] ep   9/9  loss=0.5000  probe=0.750"),
    ],
)
def test_a_line_reads_as_in_the_original(report, line):
    assert progress_line("classifier", report) == line


def show(verbose, epochs=12):
    with console("classifier", verbose) as events:
        for epoch in range(1, epochs + 1):
            events.on_epoch(EpochReport(epoch, epochs, 0.5, 0.25))


def test_verbose_prints_the_lines_to_stdout(capsys):
    show(True)
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "[classifier] ep   1/12  loss=0.5000  val_acc=0.250",
        "[classifier] ep  10/12  loss=0.5000  val_acc=0.250",
        "[classifier] ep  12/12  loss=0.5000  val_acc=0.250",
    ]
    assert captured.err == ""


def test_nothing_is_shown_where_nobody_looks(capsys):
    show(False)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_with_loss_and_accuracy(bars):
    show(False)
    (bar,) = bars
    assert bar.options["disable"] is None  # tqdm's word for "only in a terminal"
    assert (bar.total, bar.n, bar.closed) == (12, 12, True)
    assert bar.shown == {"loss": "0.5000", "val_acc": "0.250"}
