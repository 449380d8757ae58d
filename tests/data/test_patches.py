"""Patches: any real array in, owned float32 out, and the caller's memory only read."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edaphos_bridge.data.patches import Patches
from edaphos_bridge.errors import InputError

DTYPES = [
    "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g",
    ">i2", ">u4", ">i8", ">f2", ">f4", ">f8",
]  # fmt: skip
TORCH_DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
]  # fmt: skip
# Around the block of 64 rows that are converted at a time.
SHAPES = st.tuples(
    st.integers(1, 5) | st.sampled_from([63, 64, 65, 130]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
)


@st.composite
def laid_out(draw, array):
    """`array` with the same values behind another memory order, strides or sign of strides."""
    order = draw(st.permutations(range(4)))
    steps = [draw(st.sampled_from([1, -1, 2, -2])) for _ in range(4)]
    stored = np.zeros(
        [array.shape[axis] * abs(steps[axis]) for axis in order], dtype=array.dtype
    ).transpose(np.argsort(order))
    view = stored[tuple(slice(None, None, step) for step in steps)]
    view[...] = array
    return stored, view


@st.composite
def real_arrays(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(SHAPES)
    if dtype.kind == "f":
        width = min(dtype.itemsize * 8, 64)
        limit = 60000.0 if width == 16 else 2.0**126
        elements = st.floats(-limit, limit, width=width)
    else:
        elements = hnp.from_dtype(dtype)
    array = draw(hnp.arrays(dtype, shape, elements=elements, fill=elements))
    return draw(laid_out(array))


@given(real_arrays(), st.booleans())
def test_any_real_array_in_any_memory_order_gives_its_float32_values(arrays, writeable):
    stored, x = arrays
    before = stored.tobytes()
    expected = np.array(np.asarray(x, np.float32), order="C")
    x.flags.writeable = writeable
    tensor = Patches(x).tensor()
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    assert tensor.numpy().tobytes() == expected.tobytes()
    tensor.fill_(7)  # torch ignores NumPy's read-only flag: shared memory would change
    assert stored.tobytes() == before


@st.composite
def real_tensors(draw):
    dtype = draw(st.sampled_from(TORCH_DTYPES))
    shape = draw(SHAPES)
    order = draw(st.permutations(range(4)))
    step = draw(st.sampled_from([1, 2]))
    values = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 100)))
    stored = torch.zeros([shape[axis] * step for axis in order], dtype=dtype)
    view = stored.permute(*np.argsort(order).tolist())[::step, ::step, ::step, ::step]
    view.copy_(torch.from_numpy(values))
    if dtype.is_floating_point:
        view /= 3
        view = view.requires_grad_(draw(st.booleans()))
    return stored, view


@given(real_tensors())
def test_any_real_tensor_gives_its_float32_values(tensors):
    stored, x = tensors
    before = stored.detach().clone()
    expected = x.detach().to(torch.float32).contiguous()
    tensor = Patches(x).tensor()
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    assert not tensor.requires_grad
    assert torch.equal(tensor, expected)
    tensor.fill_(7)
    assert torch.equal(stored.detach(), before)


def test_nested_lists_are_an_array():
    assert Patches([[[[1, 2]]], [[[3, 4]]]]).tensor().tolist() == [[[[1, 2]]], [[[3, 4]]]]


def test_a_parameter_is_read_like_any_tensor():
    parameter = torch.nn.Parameter(torch.ones(2, 1, 1, 1))
    Patches(parameter).tensor().fill_(0)
    assert parameter.sum() == 2


@st.composite
def rows_of(draw, n):
    return sorted(draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=min(n, 12))))


@st.composite
def spoilt(draw):
    """Zeros with NaN or infinity at random places, and the rows where they are."""
    shape = draw(SHAPES)
    rows = draw(rows_of(shape[0]))
    x = np.zeros(shape, dtype=draw(st.sampled_from(["f2", "f4", "f8", ">f8"])))
    for row in rows:
        for _ in range(draw(st.integers(1, 3))):
            place = tuple(draw(st.integers(0, extent - 1)) for extent in shape[1:])
            x[(row, *place)] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    return draw(laid_out(x))[1], rows


def check_report(patches, rows):
    with pytest.raises(InputError) as caught:
        patches.tensor()
    error = caught.value
    assert error.argument == "x"
    assert list(error.rows) == rows
    count = f"`x` holds NA, NaN or infinite values in {len(rows)} of {len(patches)} patches"
    assert str(error).startswith(count)
    assert f"(first: {', '.join(map(str, rows[:5]))}" in str(error)


@given(spoilt())
def test_values_that_are_not_finite_are_counted_by_patch_and_the_first_rows_named(case):
    x, rows = case
    check_report(Patches(x), rows)
    check_report(Patches(torch.from_numpy(np.array(x, dtype=np.float64, order="C"))), rows)


@given(SHAPES, st.data())
def test_masked_cells_count_as_missing_whatever_lies_under_the_mask(shape, data):
    rows = data.draw(rows_of(shape[0]))
    mask = np.zeros(shape, dtype=bool)
    for row in rows:
        mask[(row, *(data.draw(st.integers(0, extent - 1)) for extent in shape[1:]))] = True
    x = np.ma.masked_array(np.ones(shape), mask=mask)
    check_report(Patches(x), rows)
    assert x.data.sum() == np.prod(shape)


def test_a_masked_array_without_masked_cells_is_an_array():
    x = np.ma.masked_array(np.ones((2, 1, 1, 1)))
    assert Patches(x).tensor().sum() == 2


@given(SHAPES, st.data())
def test_a_number_that_stands_for_a_missing_cell_is_found(shape, data):
    missing = -(2**31)
    rows = data.draw(rows_of(shape[0]))
    x = np.zeros(shape, dtype=np.int32, order=data.draw(st.sampled_from("CF")))
    for row in rows:
        x[(row, *(data.draw(st.integers(0, extent - 1)) for extent in shape[1:]))] = missing
    check_report(Patches(x, missing_value=missing), rows)


def test_without_a_missing_value_that_number_is_a_number():
    x = np.full((1, 1, 1, 1), -(2**31), dtype=np.int32)
    assert Patches(x).tensor().item() == -(2**31)


def test_a_double_too_large_for_float32_is_infinite_and_an_error():
    check_report(Patches(np.array([0.0, 1e300]).reshape(2, 1, 1, 1)), [1])


@given(real_arrays(), st.integers(1, 70))
def test_batches_are_the_rows_in_order_and_no_larger_than_asked(arrays, size):
    x = arrays[1]
    patches = Patches(x)
    batches = list(patches.batches(size))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert torch.equal(torch.cat(batches), patches.tensor())


def test_a_batch_is_put_where_one_was_that_nobody_holds_any_more():
    patches = Patches(np.random.default_rng(1).normal(size=(50, 2, 3, 3)))
    places = [batch.data_ptr() for batch in patches.batches(10)]
    assert len(places) == 5
    assert len(set(places)) == 2  # the loop holds one while the next is read


@given(real_arrays(), st.data())
def test_reading_rows_is_slicing(arrays, data):
    x = arrays[1]
    start = data.draw(st.integers(0, len(x)))
    stop = data.draw(st.integers(start, len(x) + 3))
    assert torch.equal(Patches(x).read(start, stop), Patches(x).tensor()[start:stop])


def test_a_bad_row_in_a_later_batch_is_reported_over_all_of_x():
    x = np.zeros((200, 1, 1, 1))
    x[[3, 150]] = np.nan
    with pytest.raises(InputError, match="in 2 of 200 patches") as caught:
        Patches(x).read(100, 200)
    assert caught.value.rows == (3, 150)
    assert len(Patches(x).read(10, 100)) == 90


@pytest.mark.parametrize("order", ["C", "F"])
def test_conversion_takes_the_memory_of_one_float32_array_and_a_small_block(order):
    x = np.zeros((3000, 8, 16, 16), dtype=np.float64, order=order)
    patches = Patches(x)
    tracemalloc.start()
    tensor = patches.tensor()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < tensor.nbytes + 3 * 2**20


@given(real_arrays(), st.data())
def test_rows_come_in_the_order_asked_for_and_may_repeat(arrays, data):
    x = arrays[1]
    rows = data.draw(st.lists(st.integers(0, len(x) - 1), max_size=9))
    chosen = Patches(x).rows(torch.tensor(rows, dtype=torch.int64))
    assert chosen.dtype == torch.float32
    assert chosen.is_contiguous()
    assert torch.equal(chosen, Patches(x).tensor()[rows])


def test_every_large_finite_value_is_usable():
    x = np.full((3, 2, 40, 40), 3e38)  # their sum is not finite
    assert Patches(x).tensor().min() > 2.9e38
    Patches(-x).check()


@given(spoilt())
def test_check_finds_what_reading_finds(case):
    x, rows = case
    with pytest.raises(InputError) as caught:
        Patches(x).check()
    assert list(caught.value.rows) == rows


def test_shape_and_channels_are_known_without_reading():
    patches = Patches(np.full((3, 4, 5, 6), np.nan))
    assert (len(patches), patches.channels, patches.shape) == (3, 4, (3, 4, 5, 6))


@pytest.mark.parametrize("shape", [(), (4,), (4, 5), (4, 5, 5), (1, 1, 4, 5, 5)])
def test_other_than_four_dimensions_are_an_error_that_shows_the_shape(shape):
    with pytest.raises(InputError, match="`x` must have the four dimensions") as caught:
        Patches(np.zeros(shape))
    assert f"found {list(shape)}" in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 4, 5, 5), (3, 0, 5, 5), (3, 4, 0, 5), (3, 4, 5, 0)])
def test_a_zero_extent_is_an_error_that_shows_the_shape(shape):
    with pytest.raises(InputError, match="`x` must not have an extent of zero") as caught:
        Patches(torch.zeros(shape))
    assert f"found {list(shape)}" in str(caught.value)


def test_no_patches_are_allowed_where_asked_for_but_no_empty_patches():
    empty = Patches(np.zeros((0, 4, 5, 5)), allow_empty=True)
    assert empty.tensor().shape == (0, 4, 5, 5)
    assert list(empty.batches(3)) == []
    with pytest.raises(InputError, match="extent of zero"):
        Patches(np.zeros((0, 4, 0, 5)), allow_empty=True)


@pytest.mark.parametrize(
    "x",
    [
        None,
        "patches",
        b"patches",
        {"x": 1},
        object(),
        [[1, 2], [3]],
        np.zeros((1, 1, 1, 1), dtype=complex),
        np.zeros((1, 1, 1, 1), dtype="U3"),
        np.full((1, 1, 1, 1), None),
        np.zeros((1, 1, 1, 1), dtype="M8[s]"),
        np.zeros((1, 1, 1, 1), dtype="m8[s]"),
        torch.zeros((1, 1, 1, 1), dtype=torch.complex64),
        [torch.zeros(1), "a"],
    ],
)
def test_something_that_holds_no_real_numbers_is_an_error_that_names_x(x):
    with pytest.raises(InputError, match=r"^`x` must") as caught:
        Patches(x)
    assert "; found " in str(caught.value)


@pytest.mark.parametrize("dtype", ["?", "u1", "f8", ">f4"])
def test_a_view_with_zero_strides_is_read_like_any_other(dtype):
    x = np.broadcast_to(np.array(1, dtype=dtype), (70, 2, 3, 3))
    assert torch.equal(Patches(x).tensor(), torch.ones(70, 2, 3, 3))


# Borrowing


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_a_reader_that_does_not_write_borrows_what_needs_no_conversion(kind):
    x = np.random.default_rng(1).normal(size=(5, 2, 3, 3)).astype(np.float32)
    given = kind(x)
    borrowed = list(Patches(given).batches(2, borrow=True))
    assert [len(batch) for batch in borrowed] == [2, 2, 1]
    assert all(np.shares_memory(batch.numpy(), x) for batch in borrowed)
    np.testing.assert_array_equal(torch.cat(borrowed).numpy(), x)
    copied = list(Patches(given).batches(2))
    assert not any(np.shares_memory(batch.numpy(), x) for batch in copied)


@pytest.mark.parametrize(
    "other",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        np.asfortranarray,
        lambda x: np.broadcast_to(x, x.shape),
        lambda x: np.ma.masked_array(x, mask=False),
    ],
    ids=["double", "big endian", "column-major", "read-only", "masked"],
)
def test_anything_else_is_copied_all_the_same(other):
    x = np.random.default_rng(1).normal(size=(5, 2, 3, 3)).astype(np.float32)
    given = other(x)
    batches = list(Patches(given).batches(2, borrow=True))
    assert not any(np.shares_memory(batch.numpy(), given) for batch in batches)
    np.testing.assert_array_equal(torch.cat(batches).numpy(), x)


def test_what_is_borrowed_is_checked_too():
    x = np.zeros((5, 2, 3, 3), dtype=np.float32)
    x[3, 0, 0, 0] = np.nan
    x[4, 1, 2, 2] = np.inf
    with pytest.raises(InputError, match=r"infinite values in 2 of 5 patches \(first: 3, 4;"):
        list(Patches(x).batches(2, borrow=True))


def test_sums_that_overflow_are_no_missing_values():
    x = np.full((3, 2, 3, 3), 3e38, dtype=np.float32)
    assert torch.equal(torch.cat(list(Patches(x).batches(2, borrow=True))), torch.from_numpy(x))


@pytest.mark.parametrize("borrow", [True, False])
@pytest.mark.parametrize("stride", [-4, 3])
def test_the_stride_of_an_extent_of_one_means_nothing(borrow, stride):
    x = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    given = np.lib.stride_tricks.as_strided(x, x.shape, (stride, *x.strides[1:]))
    assert given.flags.c_contiguous
    (batch,) = Patches(given).batches(5, borrow=borrow)
    np.testing.assert_array_equal(batch.numpy(), x)
