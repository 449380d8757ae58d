"""Tensors of every type, layout and device: their numbers, or an error that says what to do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode

import array_arguments
import edaphos_bridge
from array_arguments import calls_with
from edaphos_bridge.data.patches import Patches
from edaphos_bridge.data.tensors import tensor_as_numpy
from edaphos_bridge.errors import InputError

pytestmark = pytest.mark.filterwarnings(  # of what torch calls unfinished
    r"ignore:(The PyTorch API of nested|Sparse CSR|torch\.quantize_per_tensor)"
)
WEIGHTS = {f"foundation_weights_{what}" for what in ("download", "list", "load", "save")}
WHOLE = torch.arange(6 * 2 * 4 * 4).reshape(6, 2, 4, 4) % 7


@pytest.mark.parametrize(
    "tensor",
    [
        *(
            WHOLE.to(getattr(torch, name))
            for name in (
                *("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"),
                *("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
            )
        ),
        torch.complex(torch.zeros(WHOLE.shape), -WHOLE.float()).conj().imag,  # negative bit
        WHOLE.double().requires_grad_(),
        torch.nn.Parameter(WHOLE.float()),
        WHOLE.transpose(2, 3).contiguous().transpose(2, 3),
    ],
)
def test_the_numbers_of_a_dense_tensor_are_read_whatever_its_type(tensor):
    expected = WHOLE.numpy()
    np.testing.assert_array_equal(tensor_as_numpy(tensor, "x"), expected)
    np.testing.assert_array_equal(Patches(tensor).tensor().numpy(), expected)
    (batch,) = Patches(tensor).batches(6, borrow=True)
    np.testing.assert_array_equal(batch.numpy(), expected)
    np.testing.assert_array_equal(Patches(list(tensor)).tensor().numpy(), expected)


REFUSED = {
    "layout torch.sparse_coo.* .to_dense": lambda x: x.to_sparse(),
    "layout torch.sparse_csr.* .to_dense": lambda x: x.reshape(-1, x.shape[-1]).to_sparse_csr(),
    "torch.quint8.*dequantize": lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8),
    "nested tensor.*to_padded_tensor": lambda x: torch.nested.nested_tensor(list(x)),
    "a nested tensor": lambda x: torch.nested.nested_tensor(list(x), layout=torch.jagged),
    "meta device": lambda x: x.to("meta"),
    "torch.complex64": lambda x: torch.complex(x, x).conj(),
}


@pytest.mark.parametrize("says", REFUSED)
def test_tensors_without_plain_numbers_are_refused_by_every_argument(says):
    for argument, call in calls_with(REFUSED[says]):
        with pytest.raises(InputError, match=f"must be a dense array of real numbers.*{says}") as e:
            call()
        assert e.value.argument == argument


@pytest.mark.parametrize("kind", [torch.Tensor.to_mkldnn, FakeTensorMode().from_tensor])
def test_tensors_of_other_layouts_and_classes_are_refused_too(kind):
    for argument, call in calls_with(kind):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.argument == argument


def test_a_tensor_that_only_stands_for_values_is_refused():
    def inside(x):
        with pytest.raises(InputError, match="`x` must be a dense array of real numbers"):
            tensor_as_numpy(x, "x")
        return x.sum()

    torch.func.vmap(inside)(torch.rand(3, 2))


def test_every_public_function_that_takes_an_array_is_among_the_calls():
    source = Path(array_arguments.__file__).read_text(encoding="utf-8")
    tiles = {"foundation_moco_pretrain_tiles", "foundation_rotation_pretrain_tiles"}
    without = {"foundation_encoder", "foundation_phase", *tiles, *WEIGHTS}
    names = [n for n in edaphos_bridge.__all__ if n.startswith("foundation_") and n not in without]
    assert [name for name in names if f"eb.{name}" not in source] == []
