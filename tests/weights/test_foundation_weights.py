"""The verbs for weights: list, load and save."""

import os
from pathlib import Path

import pandas as pd
import platformdirs
import pytest
import safetensors.torch
import torch
from torch import nn

from edaphos_bridge import (
    foundation_encoder,
    foundation_fit_classifier,
    foundation_weights_download,
    foundation_weights_list,
    foundation_weights_load,
    foundation_weights_save,
)
from edaphos_bridge.encoders import MoCoEncoder, SimCLREncoder
from edaphos_bridge.errors import InputError, WeightsError
from edaphos_bridge.weights.foundation_weights import _cache_folder
from small_encoders import NAMES, small_encoder


@pytest.fixture
def r_path(data_folder):
    return data_folder / "rtorch_files" / "moco_encoder_q.pt"


def test_the_registry_is_that_of_edaphos():
    table = foundation_weights_list()
    first, second = table.to_dict("records")
    assert first == {
        "name": "edaphos-cerrado-moco-v1", "architecture": "moco", "n_channels": 31,
        "feature_dim": 64, "proj_dim": 32, "patch_size": 16, "file": "encoder_q.pt",
        "url": "https://zenodo.org/records/19701276/files/encoder_q.pt?download=1",
        "sha256": "44ace7f78c658b6028f1cf5ccfa624023295e5576f681d0135db64726c6738e8",
        "doi": "10.5281/zenodo.19701276", "license": "CC-BY-4.0",
        "description": first["description"], "published_at": "2026-04-22T21:59:12Z",
        "aoi": "Cerrado core (lon -53 to -43, lat -23 to -10)", "edaphos_version": "1.2.0",
    }  # fmt: skip
    assert "SoilGrids" in first["description"]
    assert second["name"] == "edaphos-cerrado-moco-v2"
    assert pd.isna(second["url"])
    assert second["n_channels"] == 31


@pytest.mark.parametrize("verb", [foundation_weights_download, foundation_weights_load])
def test_an_encoder_without_an_address_is_an_error_that_says_so(verb, tmp_path):
    with pytest.raises(InputError, match="announced without an address"):
        verb("edaphos-cerrado-moco-v2", cache_dir=tmp_path)


def test_downloads_go_to_the_platforms_cache_of_the_user():
    assert _cache_folder(None) == Path(platformdirs.user_cache_dir("edaphos-bridge", False))


@pytest.mark.parametrize("architecture", NAMES)
def test_a_saved_encoder_comes_back_bit_for_bit_in_eval_mode(tmp_path, equal_states, architecture):
    encoder = small_encoder(architecture, 3)
    path = foundation_weights_save(encoder, tmp_path / "encoder.safetensors")
    twin = foundation_weights_load(str(path))
    assert type(twin) is type(encoder)
    assert not twin.training
    assert encoder.training
    assert equal_states(twin.state_dict(), encoder.state_dict())
    assert list(tmp_path.iterdir()) == [path]


def test_an_xresnet_is_asked_for_its_features_but_has_no_projection(tmp_path):
    path = foundation_weights_save(small_encoder("xresnet18", 3), tmp_path / "encoder")
    assert foundation_weights_load(path, n_channels=3, feature_dim=16).width == 2
    with pytest.raises(InputError, match="`feature_dim` must be 16"):
        foundation_weights_load(path, feature_dim=64)
    with pytest.raises(InputError, match=r"`proj_dim` is nothing that the encoder in .* has"):
        foundation_weights_load(path, proj_dim=4)


def test_weights_of_an_xresnet_alone_do_not_open_since_they_do_not_tell_its_stem(tmp_path):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(small_encoder("xresnet18", 3).state_dict(), path)
    with pytest.raises(WeightsError, match="neither a MoCo nor a SimCLR encoder"):
        foundation_weights_load(path)


def test_the_encoder_of_a_fit_is_saved(tmp_path, encoder, x, y, equal_states):
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    path = foundation_weights_save(fit, tmp_path / "encoder.safetensors")
    assert equal_states(foundation_weights_load(path).state_dict(), encoder.state_dict())


def test_an_encoder_of_r_torch_goes_straight_into_a_fit(r_path, x, y):
    encoder = foundation_weights_load(r_path, n_channels=4, feature_dim=16, proj_dim=8)
    assert isinstance(encoder, MoCoEncoder)
    assert not encoder.training
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    assert fit.feature_dim == 16


def test_safetensors_with_the_names_of_edaphos_are_opened(tmp_path, equal_states):
    encoder = foundation_encoder("simclr", 3, feature_dim=6, proj_dim=5, seed=1)
    safetensors.torch.save_file(dict(encoder.state_dict()), tmp_path / "plain.safetensors")
    twin = foundation_weights_load(tmp_path / "plain.safetensors")
    assert isinstance(twin, SimCLREncoder)
    assert equal_states(twin.state_dict(), encoder.state_dict())


@pytest.mark.parametrize(
    ("name", "given", "has"), [("n_channels", 31, 4), ("feature_dim", 64, 16), ("proj_dim", 32, 8)]
)
def test_other_widths_than_asked_for_are_an_error_that_names_both(r_path, name, given, has):
    with pytest.raises(InputError, match=rf"`{name}` must be {has}, .*; found {given}"):
        foundation_weights_load(r_path, **{name: given})


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"source": None}, "source"),
        ({"source": ""}, "source"),
        ({"source": "a\0b"}, "source"),
        ({"source": "no-such-file.pt"}, "source"),
        ({"source": "https://example.org/encoder.pt"}, "source"),
        ({"n_channels": 2.5}, "n_channels"),
        ({"feature_dim": 0}, "feature_dim"),
        ({"proj_dim": "8"}, "proj_dim"),
        ({"verbose": None}, "verbose"),
    ],
)
def test_arguments_that_cannot_be_used_are_an_error(r_path, arguments, argument):
    with pytest.raises(InputError) as raised:
        foundation_weights_load(**{"source": r_path, **arguments})
    assert raised.value.argument == argument


def test_a_damaged_file_is_an_error_that_names_it(tmp_path, r_path):
    path = tmp_path / "cut.pt"
    path.write_bytes(r_path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"cut\.pt' cannot be opened"):
        foundation_weights_load(path)


def test_a_folder_a_pipe_and_a_huge_file_are_errors(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match="path of a file"):
            foundation_weights_load(source)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**31)  # takes no space
    with pytest.raises(InputError, match="larger than any file of this kind"):
        foundation_weights_load(tmp_path / "huge")


def test_a_classifiers_file_is_no_encoder(tmp_path, encoder, x, y):
    fit = foundation_fit_classifier(encoder, x, y, epochs=1, seed=1)
    fit.save(tmp_path / "fit")
    with pytest.raises(WeightsError, match="holds a 'fit', not a"):
        foundation_weights_load(tmp_path / "fit")


@pytest.mark.parametrize(
    "shape", [(16,), (16, 0, 3, 3), (16, 3, 5, 5), (16, 3, 3, 3, 1), (), (17, 3, 3, 3)]
)
def test_tensors_of_impossible_shapes_are_an_error(tmp_path, shape):
    state = dict(foundation_encoder("simclr", 3, feature_dim=6, proj_dim=5).state_dict())
    state["conv1.weight"] = torch.zeros(shape)
    safetensors.torch.save_file(state, tmp_path / "file")
    with pytest.raises(WeightsError):
        foundation_weights_load(tmp_path / "file")


def test_a_module_of_the_users_own_and_what_is_no_module_are_not_saved(tmp_path):
    for encoder in (nn.Linear(2, 3), None, "moco", MoCoEncoder):
        with pytest.raises(InputError) as raised:
            foundation_weights_save(encoder, tmp_path / "file")
        assert raised.value.argument == "encoder"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [None, 3, "", "no/such/folder/file"])
def test_a_path_that_cannot_be_written_is_an_error(tmp_path, monkeypatch, encoder, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        foundation_weights_save(encoder, path)
    assert raised.value.argument == "path"


def test_verbose_prints_what_was_opened(r_path, capsys):
    foundation_weights_load(r_path, verbose=True)
    assert "moco, 4 channels" in capsys.readouterr().out


def test_a_file_of_r_torch_does_not_say_how_its_patches_lay_and_the_argument_does(r_path, tmp_path):
    assert foundation_weights_load(r_path).patch_orientation is None
    encoder = foundation_weights_load(r_path, patch_orientation="transposed")
    assert encoder.patch_orientation == "transposed"
    path = foundation_weights_save(encoder, tmp_path / "encoder.safetensors")
    assert foundation_weights_load(path).patch_orientation == "transposed"
    with pytest.raises(InputError, match="`patch_orientation` must be 'transposed', as the enc"):
        foundation_weights_load(path, patch_orientation="rows_first")
    with pytest.raises(InputError, match="`patch_orientation` must be one of 'rows_first'"):
        foundation_weights_load(r_path, patch_orientation="sideways")


def test_older_files_of_r_torch_do_not_say_it_either(data_folder):
    path = data_folder / "rtorch_files" / "moco_encoder_q_serv2_rds.pt"
    assert foundation_weights_load(path).patch_orientation is None
