"""Files on disk: regular ones are read, and what is written is whole or not there."""

import os
import resource

import pytest

from edaphos_bridge import (
    FoundationClassifier,
    FoundationPretrain,
    foundation_encoder,
    foundation_fit_classifier,
    foundation_simclr_pretrain,
    foundation_weights_load,
    foundation_weights_save,
)
from edaphos_bridge.errors import InputError
from edaphos_bridge.files.disk import read_file, save_file, write_atomically


def test_writing_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    write_atomically(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_permissions_that_the_users_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    save_file("path", path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == mode


def test_what_a_link_points_to_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "there").mkdir()
    there, link, second = tmp_path / "there" / "file", tmp_path / "link", tmp_path / "second"
    link.symlink_to(there)
    second.symlink_to(link)
    assert save_file("path", second, b"new") == second  # nothing was there yet
    assert save_file("path", link, b"newer") == link
    assert link.is_symlink()
    assert second.is_symlink()
    assert there.read_bytes() == b"newer"
    assert os.listdir(there.parent) == ["file"]
    assert sorted(os.listdir(tmp_path)) == ["link", "second", "there"]


@pytest.mark.parametrize("mode", [0o444, 0o400, 0o555])
def test_a_read_only_file_is_refused_whoever_asks(tmp_path, mode):
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(mode)
    link.symlink_to(path)
    for asked in (path, link):
        with pytest.raises(InputError, match="`path` is a file that is read-only"):
            save_file("path", asked, b"new")
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_a_missing_folder_is_named(tmp_path):
    folder = tmp_path / "no" / "such"
    with pytest.raises(InputError, match="`path` names a folder that does not exist") as caught:
        save_file("path", folder / "file", b"x")
    assert caught.value.found == str(folder)


def test_what_is_no_file_cannot_be_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/null"):
        with pytest.raises(InputError, match="something else is there"):
            save_file("path", path, b"x")


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_when_writing_fails_the_old_file_is_whole_and_nothing_is_left(
    tmp_path, monkeypatch, step, error
):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*args):
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_is_an_error_that_says_so(tmp_path, limited_files):
    (tmp_path / "file").write_bytes(b"old")
    with limited_files(1000), pytest.raises(InputError, match="`path` cannot be written"):
        save_file("path", tmp_path / "file", bytes(2000))
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_only_regular_files_that_are_not_too_large_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"1234")
    os.mkfifo(tmp_path / "pipe")
    assert read_file("path", tmp_path / "file", 4) == b"1234"
    with pytest.raises(InputError, match="larger than any file of this kind \\(4 bytes\\)"):
        read_file("path", tmp_path / "file", 3)
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match="must be the path of a regular file"):
            read_file("path", path, 4)
    with pytest.raises(FileNotFoundError):
        read_file("path", tmp_path / "none", 4)


# --- whoever reads and writes --------------------------------------------------------------


@pytest.fixture
def fits(x, y):
    encoder = foundation_encoder("simclr", 4, feature_dim=4, proj_dim=3, seed=1)
    return {
        "classifier": foundation_fit_classifier(encoder, x, y, epochs=1, seed=1),
        "pretraining": foundation_simclr_pretrain(x, feature_dim=4, proj_dim=3, epochs=1, seed=1),
        "encoder": encoder,
    }


SAVE = {
    "classifier": FoundationClassifier.save,
    "pretraining": FoundationPretrain.save,
    "encoder": foundation_weights_save,
}
LOAD = {
    "classifier": FoundationClassifier.load,
    "pretraining": FoundationPretrain.load,
    "encoder": foundation_weights_load,
}


@pytest.mark.parametrize("kind", SAVE)
def test_every_file_is_saved_under_the_same_rules(fits, kind, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "file")
    SAVE[kind](fits[kind], "~/link")
    assert (tmp_path / "link").is_symlink()
    assert LOAD[kind]("~/link") is not None
    (tmp_path / "file").chmod(0o400)
    with pytest.raises(InputError, match="read-only"):
        SAVE[kind](fits[kind], tmp_path / "file")
    with pytest.raises(InputError, match="names a folder that does not exist"):
        SAVE[kind](fits[kind], tmp_path / "no" / "file")
    with pytest.raises(InputError, match="must be the path of a file"):
        SAVE[kind](fits[kind], None)


@pytest.mark.parametrize("kind", LOAD)
def test_no_loader_opens_what_is_no_regular_file(kind, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path, "a\0b", 3):
        with pytest.raises(InputError):
            LOAD[kind](path)


def test_the_fixture_of_full_disks_leaves_the_limit_as_it_was(limited_files):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with limited_files(10):
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 10
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before
