"""The way of a call that CONTRIBUTING.md shows is the way that calls take."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def printed():
    return subprocess.run(
        [sys.executable, "tools/trace.py"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def shown():
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return contributing.split("## The way of a call", 1)[1].split("```", 2)[1]


def without_moves(text):
    """Versions of torch come back to a file of ours more or less often: that may differ."""
    return re.sub(r" in \d+ moves", "", text).strip()


def rooms(text):
    return [int(number) for number in re.findall(r"(\d+) of them rooms", text)]


def test_the_files_that_calls_pass_are_those_that_contributing_shows():
    assert without_moves(printed()) == without_moves(shown())


def test_no_call_passes_more_than_twelve_rooms():
    assert len(rooms(shown())) == 3
    assert max(rooms(shown())) <= 12


def test_no_way_leads_through_more_than_twelve_files():
    ways = [int(number) for number in re.findall(r"way \((\d+)\)", shown())]
    assert len(ways) == 3
    assert max(ways) <= 12
