"""Files of R torch, new and old: every bit, and no crash on any damage."""

import gzip
import io
import json
import pickle
import struct
import tracemalloc

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from closeness import assert_close
from edaphos_bridge.embeddings import embed
from edaphos_bridge.encoders import MoCoEncoder, SimCLREncoder
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.reading import read_encoder
from r_files import Bomb, peak_of, read_or_refuse, tensors_in

ENCODERS = [
    ("moco_encoder_q.pt", "moco", MoCoEncoder, 44),
    ("moco_encoder_q_serv2_rds.pt", "moco", MoCoEncoder, 44),
    ("simclr_encoder.pt", "simclr", SimCLREncoder, 8),
]


# --- what is inside ------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "name", "kind", "count"), ENCODERS)
def test_every_tensor_is_bit_equal_to_the_recorded_one(r_file, inside, file, name, kind, count):
    tensors = tensors_in(r_file(file))
    stored = inside(name)
    recorded = {key[6:]: value for key, value in stored.items() if key.startswith("state/")}
    assert set(tensors) == set(recorded)
    assert len(tensors) == count
    for key, tensor in tensors.items():
        counter = key.endswith("num_batches_tracked")
        assert tensor.dtype == (torch.int64 if counter else torch.float32)
        assert list(tensor.shape) == list(recorded[key].shape)
        assert tensor.numpy().tobytes() == recorded[key].astype(tensor.numpy().dtype).tobytes()


@pytest.mark.parametrize(("file", "name", "kind", "count"), ENCODERS)
def test_architecture_and_widths_are_found_and_features_are_within_1e_6(
    r_file, inside, file, name, kind, count
):
    encoder, stored = read_encoder(r_file(file)), inside(name)
    assert type(encoder) is kind
    assert (encoder.in_channels, encoder.feature_dim, encoder.proj_dim) == (4, 16, 8)
    features = embed(name, encoder, stored["x_pretrain"], False)
    projections = embed(name, encoder, stored["x_pretrain"], True)
    assert_close(features, stored["backbone_features"], 1e-6)
    assert_close(projections, stored["projections"], 1e-6)


def test_the_old_and_the_new_form_are_the_same_encoder(r_file, equal_states):
    new, old = (tensors_in(r_file(file)) for file, *_ in ENCODERS[:2])
    assert equal_states(new, old)


def test_r_counts_by_columns_and_the_tensor_in_a_file_by_rows(r_file):
    tensors = tensors_in(r_file("tensor_1to6_2x3.pt"))
    assert list(tensors) == ["...unnamed..."]
    assert tensors["...unnamed..."].tolist() == [[1, 3, 5], [2, 4, 6]]


def test_a_nested_list_gives_its_tensors_with_joined_names(r_file):
    tensors = tensors_in(r_file("nested_list.pt"))
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        "a": [1, 2, 3], "b.c": [True, False], "e": [2.5],
    }  # fmt: skip
    assert tensors["a"].dtype == torch.int64


@pytest.mark.parametrize("file", ["tensor_1to6_2x3.pt", "nested_list.pt"])
def test_tensors_that_are_no_encoder_are_an_error_that_names_them(r_file, file):
    with pytest.raises(WeightsError, match=r"neither a MoCo nor a SimCLR encoder \(names: '"):
        read_encoder(r_file(file))


def stored_by_r(tensors, **changes):
    document = {"type": "module", "version": 3, "requires_grad": [], "special_dtype": []}
    text = json.dumps({**document, **changes})
    return safetensors.torch.save(tensors, metadata={"__r__": text})


def test_a_module_has_its_names_as_keys_and_its_r_closure_is_not_looked_at(r_file, equal_states):
    tensors = tensors_in(r_file("simclr_encoder.pt"))
    closure = torch.tensor(list(b"X\n\0\0\0\3not to be read"), dtype=torch.uint8)
    found = tensors_in(stored_by_r({**tensors, "__robj__": closure}))
    assert equal_states(dict(sorted(found.items())), dict(sorted(tensors.items())))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 4}, "serialization version 4"),
        ({"version": None}, "serialization version None"),
        ({"type": "closure"}, "'closure', which is not known"),
        ({"type": ["list"]}, "which is not known"),
        ({"type": "list"}, "lacks the R object"),
        ({"type": "tensor"}, "should hold one tensor"),
        ({"special_dtype": {"a": "cfloat"}}, "complex"),
    ],
)
def test_what_is_not_known_is_an_error_that_says_so(changes, says):
    with pytest.raises(WeightsError, match=says):
        tensors_in(stored_by_r({"a": torch.ones(2)}, **changes))


@pytest.mark.parametrize("text", ["", "[]", "null", '"x"', "{}", "[" * 100_000, '{"type": "list"}'])
def test_damaged_metadata_is_an_error(text):
    data = safetensors.torch.save({"a": torch.ones(2)}, metadata={"__r__": text})
    with pytest.raises(WeightsError):
        tensors_in(data)


def test_names_and_tensors_must_belong_together(r_file):
    data = r_file("nested_list.pt")
    for old, new in (
        (b"0x564bcf5bda70", b"0x564bcf5bda71"),  # a key that no name asks for
        (b"0x564bcde53e10", b"0x564bcf5bda70"),  # two keys of one name
    ):
        with pytest.raises(WeightsError):
            tensors_in(data.replace(old, new, 1))
    with pytest.raises(WeightsError):
        tensors_in(data[::-1].replace(b"0x564bcf5bda70"[::-1], b"0x564bcf5bda71"[::-1], 1)[::-1])
    twice = data.replace(b"\0\0\0\1e\0\0\0\xfe", b"\0\0\0\1a\0\0\0\xfe")
    assert twice != data
    with pytest.raises(WeightsError, match="two tensors called 'a'"):
        tensors_in(twice)


# --- damage --------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["nested_list.pt", "tensor_1to6_2x3.pt", "simclr_encoder.pt"])
def test_a_file_cut_off_at_any_byte_is_an_error(r_file, file):
    data = r_file(file)
    for length in range(len(data)):
        with pytest.raises(WeightsError):
            tensors_in(data[:length])
        if length % 50 == 0:
            with pytest.raises(WeightsError):
                read_encoder(data[:length])


@pytest.mark.parametrize(("file", "name", "kind", "count"), ENCODERS[:2])
def test_a_large_file_cut_off_at_many_lengths_is_an_error(r_file, file, name, kind, count):
    data = r_file(file)
    lengths = [*range(400), *range(400, len(data), 4099), *range(len(data) - 30, len(data))]
    for length in lengths:
        with pytest.raises(WeightsError):
            read_encoder(data[:length])


@pytest.mark.parametrize("file", ["nested_list.pt", "tensor_1to6_2x3.pt", "simclr_encoder.pt"])
def test_a_file_with_something_after_its_end_is_an_error(r_file, file):
    with pytest.raises(WeightsError):
        tensors_in(r_file(file) + b"\0")


@pytest.mark.parametrize("file", ["nested_list.pt", "tensor_1to6_2x3.pt"])
def test_any_byte_of_a_small_file_may_have_any_bit_wrong(r_file, file):
    data = r_file(file)
    for place in range(len(data)):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            wrong = bytearray(data)
            wrong[place] ^= mask
            found = read_or_refuse(tensors_in, bytes(wrong))
            if found is not None:
                total = sum(tensor.numel() * tensor.itemsize for tensor in found.values())
                assert total <= len(data)


@pytest.mark.parametrize("mask", [1, 0x10, 0x80])
def test_any_byte_of_an_encoders_header_may_be_wrong(r_file, mask):
    data = r_file("simclr_encoder.pt")
    names = data.index(b"X\n\0\0\0\3")
    header = 8 + int.from_bytes(data[:8], "little")
    for place in [*range(header), *range(names, len(data))]:
        wrong = bytearray(data)
        wrong[place] ^= mask
        found = read_or_refuse(read_encoder, bytes(wrong))
        assert found is None or isinstance(found, SimCLREncoder)


@given(st.data())
def test_several_bytes_of_a_file_may_be_wrong(r_file, data):
    file = data.draw(st.sampled_from(["nested_list.pt", "simclr_encoder.pt", "moco_encoder_q.pt"]))
    content = bytearray(r_file(file))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(content) - 1, 5000)))
        content[place] = data.draw(st.integers(0, 255))
    read_or_refuse(read_encoder, bytes(content))
    read_or_refuse(tensors_in, bytes(content))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    for whole in (data, len(data).to_bytes(8, "little") + data, gzip.compress(data)):
        read_or_refuse(read_encoder, whole)


@pytest.mark.parametrize("shape", [[2**40], [2**31, 2**31], [2**63, 2], [0, 2**60], [-1], [2, 4]])
def test_a_tensor_that_claims_more_than_the_file_holds_is_an_error_and_takes_no_memory(
    r_file, shape
):
    data = r_file("tensor_1to6_2x3.pt")
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["...unnamed..."]["shape"] = shape
    text = json.dumps(header).encode()
    tracemalloc.start()
    with pytest.raises(WeightsError):
        read_encoder(struct.pack("<Q", len(text)) + text + data[8 + length :])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**40, 10**9])
def test_a_header_that_claims_more_than_the_file_holds_is_an_error(r_file, length):
    data = r_file("simclr_encoder.pt")
    with pytest.raises(WeightsError):
        read_encoder(struct.pack("<Q", length) + data[8:])


@pytest.mark.parametrize("write", ["pickle", "torch", "old torch", "gzip"])
def test_a_pickle_is_refused_and_nothing_in_it_runs(tmp_path, write):
    trace, buffer = tmp_path / "trace", io.BytesIO()
    if write == "torch":
        torch.save(Bomb(trace), buffer)
    elif write == "old torch":
        torch.save(Bomb(trace), buffer, _use_new_zipfile_serialization=False)
    else:
        buffer.write(pickle.dumps(Bomb(trace)))
    data = gzip.compress(buffer.getvalue()) if write == "gzip" else buffer.getvalue()
    says = "not R data" if write == "gzip" else "pickle or a zip of Python"
    with pytest.raises(WeightsError, match=says):
        read_encoder(data)
    assert not trace.exists()


def test_a_header_of_safetensors_is_not_parsed_where_it_is_endless():
    header = b'{"a":[' + b"[]," * 2**23 + b"[]]}"
    data = len(header).to_bytes(8, "little") + header
    assert peak_of(data, "a header of") < 2**20
