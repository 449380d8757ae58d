import errno
import os
from pathlib import Path

import pytest

from edaphos_bridge.basics.paths import as_path, writable_file
from edaphos_bridge.errors import InputError


def test_text_and_paths_become_paths(tmp_path: Path) -> None:
    assert as_path("path", str(tmp_path / "a")) == tmp_path / "a"
    assert as_path("path", tmp_path / "a") == tmp_path / "a"


def test_the_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert as_path("path", "~/a") == Path("/somewhere/a")


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        b"bytes",
        "",
        "nul\0inside",
        "~nobody-of-this-name/a",
        "a" * 5000,
        "\udcff\ud800",
        [],
    ],
)
def test_what_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"`checkpoint_dir` .*path of a folder"):
        as_path("checkpoint_dir", value, "folder")


def test_a_place_where_this_process_may_not_look_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: object, **settings: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)  # the superuser may look anywhere
    with pytest.raises(InputError, match=r"`path` cannot be the path of a file .*denied"):
        writable_file("path", "/closed/file")


def test_a_file_in_the_place_of_a_folder_is_left_to_who_opens_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert as_path("path", tmp_path / "file" / "below") == tmp_path / "file" / "below"
    assert os.path.isfile(tmp_path / "file")
