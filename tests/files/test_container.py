"""Files of tensors: bit-equal, atomic, never a pickle, and no crash on any bytes."""

import contextlib
import json
import os
import pickle
import warnings

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from edaphos_bridge.errors import WeightsError
from edaphos_bridge.files.container import (
    FORMAT_VERSION,
    pack,
    prefixed,
    unpack,
    without_prefix,
)

TENSORS = {
    "weight": torch.tensor([[1.5, -0.0], [float("nan"), float("-inf")]]),
    "count": torch.tensor(3),
    "flags": torch.tensor([True, False]),
    "half": torch.tensor([0.1], dtype=torch.bfloat16),
    "empty": torch.zeros(0, 3),
}
METADATA = {"classes": ["a", 1, True], "none": None, "text": 'é"\n'}
DATA = pack("thing", TENSORS, METADATA)
HEADER_END = 8 + int.from_bytes(DATA[:8], "little")


def test_tensors_come_back_with_their_bits_dtypes_and_shapes_and_metadata_as_it_was():
    tensors, document = unpack("thing", DATA)
    assert set(tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        assert tensors[name].view(torch.uint8 if tensor.ndim else tensor.dtype).tolist() == (
            tensor.view(torch.uint8 if tensor.ndim else tensor.dtype).tolist()
        )
    assert {name: document[name] for name in METADATA} == METADATA
    assert document["kind"] == "thing"
    assert document["format_version"] == FORMAT_VERSION


def test_the_file_is_plain_safetensors_that_others_can_read():
    assert set(safetensors.torch.load(DATA)) == set(TENSORS)


def test_equal_content_is_equal_bytes():
    assert pack("thing", dict(reversed(TENSORS.items())), dict(METADATA)) == DATA


def test_views_and_tied_weights_are_stored_as_they_read():
    base = torch.arange(12.0).reshape(3, 4).requires_grad_()
    tensors, _ = unpack("t", pack("t", {"a": base.T, "b": base.T, "c": base[:, ::2]}, {}))
    assert torch.equal(tensors["a"], base.T)
    assert torch.equal(tensors["b"], base.T)
    assert torch.equal(tensors["c"], base[:, ::2])


def test_a_state_that_is_no_tensor_is_an_error_that_names_it():
    with pytest.raises(WeightsError, match="'extra' in the state dict is a dict, not a tensor"):
        pack("thing", {"extra": {}}, {})


@pytest.mark.filterwarnings("ignore")  # torch's, of the kinds of tensors themselves
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: torch.ones(2, 2).to_sparse(), "layout torch.sparse_coo"),
        (lambda: torch.ones(2, dtype=torch.complex128), "a tensor of torch.complex128"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8), "torch.quint8"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "a nested tensor"),
    ],
)
def test_a_tensor_that_safetensors_has_no_form_for_is_an_error_that_names_it(make, kind):
    with pytest.raises(WeightsError, match=f"'odd' in the state dict is .*{kind}"):
        pack("thing", {"fine": torch.ones(2, dtype=torch.complex64), "odd": make()}, {})


def test_a_truncated_file_is_an_error_at_every_length():
    for length in range(len(DATA)):
        with pytest.raises(WeightsError):
            unpack("thing", DATA[:length])


def test_a_file_with_something_after_its_end_is_an_error():
    with pytest.raises(WeightsError):
        unpack("thing", DATA + b"\0")


def reads_or_refuses(data):
    """Reading gives tensors or a WeightsError; any other exception fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(WeightsError):
            unpack("thing", data)


@given(st.integers(0, HEADER_END - 1), st.integers(0, 255))
def test_any_byte_of_the_header_may_be_wrong(place, value):
    reads_or_refuses(DATA[:place] + bytes([value]) + DATA[place + 1 :])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    reads_or_refuses(data)
    reads_or_refuses(len(data).to_bytes(8, "little") + data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["kind", "format_version", "x"]), inner)
        ),
        max_leaves=6,
    )
)
def test_any_metadata_is_read_or_refused(document):
    text = json.dumps(document)
    reads_or_refuses(safetensors.torch.save({}, metadata={"edaphos_bridge": text}))
    wrapped = json.dumps({"kind": "thing", "format_version": document})
    reads_or_refuses(safetensors.torch.save({}, metadata={"edaphos_bridge": wrapped}))


@pytest.mark.parametrize("value", ["Infinity", "-1e999", "NaN", "null", "[]", '"x"', "1" * 5000])
def test_a_format_version_that_is_no_number_is_an_error(value):
    text = f'{{"kind": "thing", "format_version": {value}}}'
    with pytest.raises(WeightsError):
        unpack("thing", safetensors.torch.save({}, metadata={"edaphos_bridge": text}))


def test_a_safetensors_file_of_someone_else_is_an_error_that_says_so():
    with pytest.raises(WeightsError, match="was not written by edaphos_bridge"):
        unpack("thing", safetensors.torch.save(TENSORS))
    with pytest.raises(WeightsError, match="was not written by edaphos_bridge"):
        unpack("thing", safetensors.torch.save(TENSORS, metadata={"format": "pt"}))


def test_another_kind_of_file_is_an_error_that_names_both():
    with pytest.raises(WeightsError, match="holds a 'thing', not a 'classifier'"):
        unpack("classifier", DATA)


def test_a_newer_format_is_an_error_that_says_to_update():
    document = json.dumps({"kind": "thing", "format_version": FORMAT_VERSION + 1})
    newer = safetensors.torch.save(TENSORS, metadata={"edaphos_bridge": document})
    with pytest.raises(WeightsError, match=f"has format {FORMAT_VERSION + 1}.*Update"):
        unpack("thing", newer)


class Bomb:
    """A pickle that, if it were ever loaded, would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_a_pickle_is_refused_and_nothing_in_it_runs(tmp_path, write):
    file, trace = tmp_path / "file", tmp_path / "trace"
    if write == "pickle":
        file.write_bytes(pickle.dumps(Bomb(trace)))
    else:
        torch.save(Bomb(trace), file)
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        unpack("thing", file.read_bytes())
    assert not trace.exists()


def test_prefixes_separate_two_state_dicts():
    one, two = {"a": torch.ones(1), "b.c": torch.zeros(1)}, {"a": torch.zeros(2)}
    both = {**prefixed("head", one), **prefixed("headless", two)}
    assert without_prefix("head", both) == one
    assert without_prefix("headless", both) == two
