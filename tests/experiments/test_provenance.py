"""What a file of results says about how it was made."""

from importlib.metadata import version

import pytest

from edaphos_bridge.experiments.provenance import provenance


@pytest.mark.parametrize(("processes", "said"), [(1, "1 process of"), (2, "2 processes of")])
def test_command_seed_versions_and_time_are_said(processes, said):
    lines = provenance(
        "python run.py", packages=["torch"], seed=7, seconds=12.4, processes=processes
    )
    text = "\n".join(lines)
    assert "* Command: `python run.py`" in text
    assert "* Seed: 7" in text
    assert f"torch {version('torch')}" in text
    assert "* Time: 12 s" in text
    assert said in text
