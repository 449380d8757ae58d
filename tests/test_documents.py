"""What the documents for those who work on the package name is there."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "CONTRIBUTING.md", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A path is written from the root, or from one of the two packages.
FROM = (ROOT, ROOT / "python" / "edaphos_bridge", ROOT / "r-wrapper" / "R")


def named_files(text: str) -> set[str]:
    """Paths of code in backticks, commands and patterns among them, but not in code blocks."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    spans = re.findall(r"`([^`]+)`", outside)
    words = [word for span in spans for word in span.split()]
    return {word for word in words if re.fullmatch(r"[\w./*-]*\w[\w*-]*\.(py|R|sh)", word)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_of_code_that_a_document_names_exists(document: Path) -> None:
    named = named_files(document.read_text(encoding="utf-8"))
    assert [name for name in sorted(named) if not any(any(f.glob(name)) for f in FROM)] == []


def test_paths_are_found_in_spans_and_commands_and_not_in_blocks() -> None:
    text = "`a/b.py`, `python tools/c.py --x`, `R/d*.R`, `e.f`, `.py` and\n```\n`g.py`\n```\nh.py"
    assert named_files(text) == {"a/b.py", "tools/c.py", "R/d*.R"}


def test_the_page_on_adding_names_files_of_both_packages() -> None:
    named = named_files((ROOT / "docs" / "adding.md").read_text(encoding="utf-8"))
    assert {"tasks/task.py", "training/executor.py", "r-wrapper/R/encoder.R"} <= named


def test_the_examples_for_python_run_from_top_to_bottom(fresh_python, tmp_path) -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 6
    # not -W error: of torch about itself
    code = "\n".join(["import warnings", 'warnings.simplefilter("ignore")', *blocks])
    fresh_python(code)
    assert {"probe.safetensors", "probe.pt2", "doubt.tif"} <= set(os.listdir(tmp_path))
