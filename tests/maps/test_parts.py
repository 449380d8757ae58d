"""Finished blocks beside a map: whole or not there, of this map only, and of one run at a time."""

import json

import numpy as np
import pytest

from edaphos_bridge.errors import InputError
from edaphos_bridge.maps.parts import Parts
from edaphos_bridge.raster.raster import Window

BLOCK, OTHER = Window(0, 0, 2, 3), Window(0, 3, 2, 3)
LAYERS = np.arange(6, dtype=np.float32).reshape(1, 2, 3)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "map.tif"


def opened(out, identity=None, *, resume=True):
    return Parts.opened(out, {"stride": 1} if identity is None else identity, resume=resume)


def test_a_block_that_is_kept_is_there_for_the_next_run(out):
    with opened(out) as parts:
        assert not parts.has(BLOCK)
        parts.keep(BLOCK, LAYERS)
    with opened(out) as parts:
        assert parts.has(BLOCK)
        assert not parts.has(OTHER)
        assert np.array_equal(parts.read(BLOCK), LAYERS)
        parts.remove()
    assert not list(out.parent.iterdir())


def test_blocks_of_another_map_are_refused_and_stay(out):
    with opened(out) as parts:
        parts.keep(BLOCK, LAYERS)
    other = opened(out, {"stride": 2})
    with pytest.raises(InputError, match=r"another map beside it \(another stride\)"), other:
        pass
    with opened(out) as parts:
        assert parts.has(BLOCK)


def test_without_resume_they_are_deleted(out):
    with opened(out) as parts:
        parts.keep(BLOCK, LAYERS)
    with opened(out, {"stride": 2}, resume=False) as parts:
        assert not parts.has(BLOCK)


def test_files_of_others_in_the_folder_are_left_alone(out):
    with opened(out) as parts:
        (parts.folder / "notes.txt").write_text("mine")
        parts.keep(BLOCK, LAYERS)
        parts.remove()
    assert [path.name for path in parts.folder.iterdir()] == ["notes.txt"]


def test_one_run_at_a_time(out):
    again = opened(out)
    with opened(out), pytest.raises(InputError, match="being computed by another run"), again:
        pass


def test_a_block_that_was_not_written_whole_is_not_there(out, limited_files):
    with opened(out) as parts:
        with limited_files(100), pytest.raises(InputError, match="Blocks that are finished stay"):
            parts.keep(BLOCK, np.zeros((1, 100, 100)))
        assert not parts.has(BLOCK)
        parts.keep(BLOCK, LAYERS)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"x" + data]
)
def test_a_damaged_block_is_named(out, damage):
    with opened(out) as parts:
        parts.keep(BLOCK, LAYERS)
        path = parts.folder / "0-0.npy"
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(InputError, match=r"cannot be read .*Delete that file"):
            parts.read(BLOCK)


def test_a_damaged_identity_is_of_another_map(out):
    with opened(out) as parts:
        parts.keep(BLOCK, LAYERS)
        (parts.folder / "map.json").write_text("{")
    with pytest.raises(InputError, match="not readable"), opened(out):
        pass
    with opened(out, resume=False) as parts:
        assert json.loads((parts.folder / "map.json").read_text()) == {"stride": 1}
