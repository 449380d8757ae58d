"""Files of R torch in the old form, RDS: every bit, and no crash on any damage."""

import gzip
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from edaphos_bridge.errors import WeightsError
from edaphos_bridge.weights.reading import read_encoder
from r_files import Bomb, peak_of, read_or_refuse, tensors_in


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
