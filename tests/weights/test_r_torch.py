"""Files of R torch, new and old: every bit, and no crash on any damage."""

import gzip
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from closeness import assert_close
from edaphos_bridge.embeddings import embed
from edaphos_bridge.encoders import MoCoEncoder, SimCLREncoder
from edaphos_bridge.errors import WeightsError
from edaphos_bridge.files.container import read_safetensors
from edaphos_bridge.weights.r_rds import rds_tensors
from edaphos_bridge.weights.r_torch import named_tensors
from edaphos_bridge.weights.reading import read_encoder

ENCODERS = [
    ("moco_encoder_q.pt", "moco", MoCoEncoder, 44),
    ("moco_encoder_q_serv2_rds.pt", "moco", MoCoEncoder, 44),
    ("simclr_encoder.pt", "simclr", SimCLREncoder, 8),
]


def tensors_in(data):
    """All tensors of a file of R torch by name."""
    if data.startswith(b"\x1f\x8b"):
        return rds_tensors(data)
    return named_tensors(*read_safetensors(data))


def read_or_refuse(read, data):
    """`read` gives something or a WeightsError; any other exception fails the test."""
    try:
        return read(data)
    except WeightsError:
        return None


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


class Bomb:
    """A pickle that, if it were ever loaded, would leave a folder behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


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


# --- the old form --------------------------------------------------------------------------


def i4(*numbers):
    return b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)


def text(value):
    return i4(0x40009, len(value)) + value.encode()


START = b"X\n" + i4(3, 0x40205, 0x30500, 5) + b"UTF-8"
NAMES, END = i4(0x402, 1) + text("names"), i4(254)


def rds_content(archive, *, kind="list"):
    """What R serializes for list(weight = <one tensor>), before gzip."""
    fields = i4(0x10, 3) + text("values") + text("type") + text("version")
    version = i4(14, 1) + struct.pack(">d", 2.0)
    tensor = START + i4(0x213, 3) + i4(24, len(archive)) + archive
    tensor += i4(0x10, 1) + text("tensor") + version + NAMES + fields + END
    values = i4(0x213, 1) + i4(0x318, len(tensor)) + tensor
    values += i4(0x402, 1) + text("class") + i4(0x10, 1) + text("torch_serialized_tensor") + END
    values += i4(0x402, 1) + text("names") + i4(0x10, 1) + text("weight") + END
    content = START + i4(0x213, 3) + values + i4(0x10, 1) + text(kind) + version
    return content + i4(0x402, 1) + text("names") + fields + END


@pytest.fixture(scope="module")
def archive(r_file):
    """The archive of libtorch of one small tensor, without the parts that are not read."""
    content = gzip.decompress(r_file("moco_encoder_q_serv2_rds.pt"))
    start = content.index(b"PK\x03\x04", content.index(b"PK\x05\x06"))
    whole = content[start : content.index(b"PK\x05\x06", start) + 22]
    return repacked(whole, {})


def repacked(archive, changes):
    """The archive with other parts."""
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        parts = {name: stored.read(name) for name in ("archive/data/0", "archive/data.pkl")}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", changes.pop("compression", zipfile.ZIP_STORED)) as new:
        for name, part in {**parts, **changes}.items():
            new.writestr(zipfile.ZipInfo(name), part, new.compression)
    return buffer.getvalue()


def test_a_small_file_of_the_old_form_is_read(archive, inside):
    tensors = tensors_in(gzip.compress(rds_content(archive)))
    recorded = inside("moco")["state/backbone.conv1.bias"]
    assert tensors["weight"].numpy().tobytes() == recorded.tobytes()


def test_a_small_file_of_the_old_form_cut_off_at_any_byte_is_an_error(archive):
    content = rds_content(archive)
    packed = gzip.compress(content)
    for length in range(len(packed)):
        with pytest.raises(WeightsError):
            tensors_in(packed[:length] or b"\x1f\x8b")
    for length in range(len(content)):
        with pytest.raises(WeightsError):
            tensors_in(gzip.compress(content[:length], 0))


@pytest.mark.parametrize("mask", [1, 4, 0x80, 0xFF])
def test_any_byte_of_a_small_file_of_the_old_form_may_be_wrong(archive, mask):
    content = rds_content(archive)
    packed = gzip.compress(content)
    for place in range(len(content)):
        wrong = bytearray(content)
        wrong[place] ^= mask
        found = read_or_refuse(tensors_in, gzip.compress(bytes(wrong), 0))
        assert not found or all(t.numel() * t.itemsize <= 2**10 for t in found.values())
    for place in range(2, len(packed)):
        wrong = bytearray(packed)
        wrong[place] ^= mask
        read_or_refuse(read_encoder, bytes(wrong))


def test_an_archive_that_is_packed_or_has_other_parts_is_an_error(archive):
    for changes in (
        {"compression": zipfile.ZIP_DEFLATED},
        {"archive/data/1": b"more"},
        {"archive/byteorder": b"big"},
        {"archive/data/0": bytes(124)},
        {"archive/data.pkl": pickle.dumps(Bomb("never"))},
        {"archive/data.pkl": b""},
    ):
        with pytest.raises(WeightsError):
            tensors_in(gzip.compress(rds_content(repacked(archive, changes))))


def test_a_shape_beyond_the_storage_is_an_error(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        description = stored.read("archive/data.pkl")
    shape = b"(K\x20t(K\x01t"
    assert shape in description
    for other in (
        b"(K\x21t(K\x01t", b"(K\x20t(K\x02t", b"(J\xff\xff\xff\x7ft(K\x00t", b"(K\x20t(t",
        b"(J\xff\xff\xff\xfft(K\x01t", b"(K\x20",
    ):  # fmt: skip
        changed = repacked(archive, {"archive/data.pkl": description.replace(shape, other)})
        with pytest.raises(WeightsError):
            tensors_in(gzip.compress(rds_content(changed)))


def test_strides_are_followed(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        description = stored.read("archive/data.pkl")
        storage = np.frombuffer(stored.read("archive/data/0"), dtype="<f4")
    other = description.replace(b"(K\x20t(K\x01t", b"(K\x04K\x08t(K\x01K\x04t")
    changed = repacked(archive, {"archive/data.pkl": other})
    found = tensors_in(gzip.compress(rds_content(changed)))["weight"]
    assert np.array_equal(found.numpy(), storage.reshape(8, 4).T)


def test_a_module_of_the_old_form_is_an_error_that_names_the_line_that_saves_its_state(archive):
    with pytest.raises(WeightsError, match=r"torch_save\(module\$state_dict\(\)"):
        tensors_in(gzip.compress(rds_content(archive, kind="module")))


def peak_of(data, says):
    """Bytes of memory that are taken while a file is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=says):
            read_encoder(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_an_error_before_it_has_unpacked():
    bomb = gzip.compress(bytes(2**28))
    assert peak_of(bomb, "unpacks to more") < 2 * (16 * 2**20 + 10 * len(bomb))


def test_what_is_unpacked_takes_no_more_than_its_size_again(archive):
    size = 15 * 2**20
    numbers = START + i4(13, size // 4) + bytes(size)
    assert peak_of(gzip.compress(numbers), "holds no list of tensors") < 2.5 * size
    part = b"PK\1\2" + bytes(42)
    many = archive[:-22] + part * (size // len(part)) + archive[-22:]
    assert peak_of(gzip.compress(rds_content(many)), "more parts") < 3.5 * size
    endless = repacked(archive, {"archive/data.pkl": b"0" * size})
    assert peak_of(gzip.compress(rds_content(endless)), "endless description") < 3.5 * size
    for ending in (b"", b"more"):
        assert peak_of(gzip.compress(bytes(size))[:-9] + ending, "cut off|damaged") < 2.5 * size


def test_a_header_of_safetensors_is_not_parsed_where_it_is_endless():
    header = b'{"a":[' + b"[]," * 2**23 + b"[]]}"
    data = len(header).to_bytes(8, "little") + header
    assert peak_of(data, "a header of") < 2**20
