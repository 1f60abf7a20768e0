"""net(x) and net.activations(x) against the oracle: sizes, layouts, special values, no copies."""

import tracemalloc
from functools import cache

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle

ROWS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 31, 33, 63, 64, 65, 129)
INPUTS = (1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200)
OUTPUTS = (1, 2, 10, 15, 16, 17, 31, 32, 33, 48, 50)
SHAPES = [*zip(INPUTS, OUTPUTS, strict=True), *zip(INPUTS, OUTPUTS[3:] + OUTPUTS[:3], strict=True)]
HIDDEN = tuple(oracle.ACTIVATIONS)
DEPTHS = {
    (5, 7): "tanh",
    (17, 33, 10): "sigmoid",
    (31, 16, 15, 3): ("relu", "gelu"),
    (129, 48, 17, 33, 10): ("silu", "leaky_relu", "elu"),
    (65, 50, 31, 2, 1): ("softplus", "identity", "tanh"),
}


def ending(sizes, output):
    """The output, or identity where a softmax would have a single, constant one."""
    return "identity" if output == "softmax" and sizes[-1] == 1 else output


@cache
def case(sizes, names, output, dtype, seed=0):
    """Parameters, rows of x, and the oracle's activations with their bounds."""
    output = ending(sizes, output)
    weights, biases = compare.random_parameters(sizes, dtype, seed)
    rng = np.random.Generator(np.random.Philox(seed + 1))
    x = rng.uniform(-2, 2, (max(ROWS), sizes[0])).astype(dtype)
    names = (names,) * (len(sizes) - 2) if isinstance(names, str) else names
    net = oracle.Net(weights, biases, (*names, output))
    return weights, biases, x, net.forward(x)[1], compare.forward_bounds(net, x, dtype)


def build(sizes, names, output, dtype, isa, seed=0, **options):
    output = ending(sizes, output)
    net = fw.Network(sizes, names, output, dtype=dtype, isa=isa, **options)
    compare.set_parameters(net, *case(sizes, names, output, dtype, seed)[:2])
    return net


def check_rows(net, sizes, names, output, dtype, exercised):
    _, _, x, a, bounds = case(sizes, names, output, dtype)
    for n in ROWS:
        y = net(x[:n])
        assert y.shape == (n, sizes[-1])
        assert y.dtype == dtype
        compare.assert_close(y, a[-1][:n], bounds[-1][:n], f"{sizes} {output}, {n} rows")
    exercised(net, "rows")
    one = net(x[0])
    assert one.shape == (sizes[-1],)
    compare.assert_close(one, a[-1][0], bounds[-1][0], f"{sizes} {output}, 1-D")
    exercised(net, "one row")


# ---- sizes
@pytest.mark.parametrize("n_in", INPUTS)
def test_every_size(n_in, isa, dtype, exercised):
    for n_out in OUTPUTS:
        sizes = (n_in, n_out)
        net = build(sizes, (), "identity", dtype, isa)
        check_rows(net, sizes, (), "identity", dtype, exercised)


@pytest.mark.parametrize("output", [*HIDDEN, "softmax"])
def test_every_activation(output, isa, dtype, exercised):
    for sizes in SHAPES:
        net = build(sizes, (), output, dtype, isa)
        check_rows(net, sizes, (), output, dtype, exercised)


@pytest.mark.parametrize("sizes", DEPTHS, ids=str)
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_every_depth(sizes, output, isa, dtype, exercised):
    net = build(sizes, DEPTHS[sizes], output, dtype, isa)
    check_rows(net, sizes, DEPTHS[sizes], output, dtype, exercised)


@pytest.mark.parametrize("sizes", DEPTHS, ids=str)
def test_activations_of_every_layer(sizes, isa, dtype):
    net = build(sizes, DEPTHS[sizes], "softmax", dtype, isa)
    _, _, x, a, bounds = case(sizes, DEPTHS[sizes], "softmax", dtype)
    for some in (slice(None), slice(0, 0), slice(0, 1), 0):
        got = net.activations(x[some])
        assert isinstance(got, list)
        assert len(got) == len(sizes)
        for i, layer in enumerate(got):
            assert layer.dtype == dtype
            compare.assert_close(layer, a[i][some], bounds[i][some], f"layer {i}")
        compare.assert_same_bits(got[-1], net(x[some]))
        compare.assert_same_bits(got[0], x[some])


def test_input_scale(isa, dtype):
    """x is cast to the network's dtype, then multiplied by the scale in it: one rounding each."""
    sizes, scale = (129, 48, 17, 33, 10), 1 / 255
    net = build(sizes, DEPTHS[sizes], "softmax", dtype, isa, input_scale=scale)
    plain = build(sizes, DEPTHS[sizes], "softmax", dtype, isa)
    x = (np.arange(9 * 129) * 7919 % 256).reshape(9, 129).astype(np.uint8)
    used = x.astype(dtype) * dtype(scale)
    compare.assert_same_bits(net.activations(x)[0], used, "inputs as used")
    compare.assert_same_bits(net(x), plain(used))
    net_o = compare.twin(net)
    compare.assert_close(net(x), net_o(x), compare.forward_bounds(net_o, x, dtype)[-1])


# ---- layouts: all of them give the bits of the contiguous array
LAYOUT_SIZES = (17, 33, 10)
LAYOUT_ROWS = 29


def _moved(x, by):
    """x at an address that is by bytes after a multiple of 64."""
    raw = np.zeros(x.nbytes + 256, np.uint8)
    start = -raw.ctypes.data % 64 + by
    view = raw[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def _loose(x, columns=3):
    wide = np.full((len(x), x.shape[1] + columns), 99, x.dtype)
    wide[:, : x.shape[1]] = x
    return wide[:, : x.shape[1]]


def _frozen(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def _records(x, pad):
    """Rows at a stride that is not a multiple of the item's size."""
    raw = np.zeros((len(x), x.shape[1] * x.itemsize + pad), np.uint8)
    view = np.ndarray(x.shape, x.dtype, raw, 0, (raw.strides[0], x.itemsize))
    view[...] = x
    return view


IN_PLACE = {
    **{f"base+{k}": (lambda x, k=k: _moved(x, k * x.itemsize)) for k in (1, 2, 3, 5, 7, 9, 15)},
    "loose rows": _loose,
    "very loose rows": lambda x: _loose(x, 1000),
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "rows backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "read-only": _frozen,
    "subclass": lambda x: x.view(type("Sub", (np.ndarray,), {})),
}
CONVERTED = {
    "Fortran order": np.asfortranarray,
    "columns backwards": lambda x: np.ascontiguousarray(x[:, ::-1])[:, ::-1],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "unaligned": lambda x: _moved(x, 1),
    "rows at odd bytes": lambda x: _records(x, 3),
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("layout", [*IN_PLACE, *CONVERTED])
def test_layouts(layout, isa, dtype):
    net = build(LAYOUT_SIZES, "sigmoid", "softmax", dtype, isa)
    x = case(LAYOUT_SIZES, "sigmoid", "softmax", dtype)[2][:LAYOUT_ROWS]
    expected = net(x)
    laid = (IN_PLACE | CONVERTED)[layout](x)
    compare.assert_same_bits(net(laid), expected, layout)
    compare.assert_same_bits(net(laid, copy=None), expected, layout)
    compare.assert_same_bits(net(laid, copy=True), expected, layout)
    compare.assert_same_bits(net.activations(laid)[-1], expected, layout)
    compare.assert_same_bits(net(laid[5]), expected[5], layout)
    if layout in IN_PLACE:
        compare.assert_same_bits(net(laid, copy=False), expected, layout)
        compare.assert_same_bits(net(laid[5], copy=False), expected[5], layout)
    else:
        with pytest.raises(ValueError, match="copy"):
            net(laid, copy=False)


@pytest.mark.parametrize(
    "layout", [k for k in (IN_PLACE | CONVERTED) if k not in ("unaligned", "other byte order")]
)
def test_uint8_layouts(layout, isa, dtype, exercised):
    net = build(LAYOUT_SIZES, "sigmoid", "softmax", dtype, isa, input_scale=1 / 255)
    x = (np.arange(LAYOUT_ROWS * 17) * 7919 % 256).reshape(LAYOUT_ROWS, 17).astype(np.uint8)
    expected = net(x.astype(dtype))
    laid = (IN_PLACE | CONVERTED)[layout](x)
    compare.assert_same_bits(net(laid), expected, layout)
    compare.assert_same_bits(net(x[5]), expected[5], layout)
    if layout in IN_PLACE or layout == "rows at odd bytes":
        compare.assert_same_bits(net(laid, copy=False), expected, layout)
    exercised(net, "uint8")


def test_one_row_repeated_without_a_copy(isa, dtype):
    """A row stride of 0 is a row stride."""
    net = build(LAYOUT_SIZES, "sigmoid", "softmax", dtype, isa)
    x = case(LAYOUT_SIZES, "sigmoid", "softmax", dtype)[2]
    same = np.broadcast_to(x[3], (LAYOUT_ROWS, 17))
    expected = np.broadcast_to(net(x[3]), (LAYOUT_ROWS, 10))
    compare.assert_same_bits(net(same, copy=False), expected)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "i8", "u2", "?", "u1"])
def test_other_dtypes_are_converted_or_refused(kind, isa, dtype):
    net = build(LAYOUT_SIZES, "sigmoid", "softmax", dtype, isa)
    x = (np.arange(LAYOUT_ROWS * 17) * 31 % 2).reshape(LAYOUT_ROWS, 17).astype(kind)
    compare.assert_same_bits(net(x), net(x.astype(dtype)))
    if np.dtype(kind) in (np.dtype(dtype), np.uint8):
        compare.assert_same_bits(net(x, copy=False), net(x))
    else:
        with pytest.raises(ValueError, match="copy"):
            net(x, copy=False)


# ---- special values
def specials(dtype):
    info = np.finfo(dtype)
    tiny, least, big = info.smallest_normal, info.smallest_subnormal, info.max
    ends = (0.0, tiny, least, 3 * least, tiny / 2, 1e-30, 1e-3, 88.0, 104.0, 709.0, 746.0, 1e30)
    ends = np.array([*ends, big, np.inf], dtype)
    return np.concatenate([ends, -ends, [dtype(np.nan)]])


@pytest.mark.parametrize("name", [*HIDDEN, "softmax"])
def test_special_values(name, isa, dtype):
    """z is each special value itself; NaN and infinities come out where the oracle's do.

    Subnormal inputs count as 0, and subnormal results are 0.
    """
    x = specials(dtype)[:, None]
    net = fw.Network([1, 3], output=name, dtype=dtype, isa=isa)
    net.weights[0] = np.array([[1], [1], [-1]], dtype)
    reference = compare.twin(net)
    with np.errstate(over="ignore"):
        expected = oracle.flushed(reference(oracle.flushed(x, dtype)), dtype).astype(dtype)
    ulps = compare.ULPS[name][dtype == np.float64] + 2
    compare.assert_close(net(x), expected, ulps * compare.ulp(expected, dtype), name)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("at", [0, 15, 16, 63, 64, 128])
def test_special_inputs_stay_in_their_row(special, at, isa, dtype):
    sizes = (129, 48, 17, 33, 10)
    net = build(sizes, DEPTHS[sizes], "identity", dtype, isa)
    x = case(sizes, DEPTHS[sizes], "identity", dtype)[2][:13].copy()
    clean = net(x)
    x[7, at] = special
    got, reference = net.activations(x), compare.twin(net).forward(x)[1]
    for i, layer in enumerate(got):
        assert np.array_equal(np.isnan(layer), np.isnan(reference[i])), f"layer {i}"
        assert np.array_equal(np.isposinf(layer), np.isposinf(reference[i])), f"layer {i}"
    compare.assert_same_bits(np.delete(got[-1], 7, axis=0), np.delete(clean, 7, axis=0))


@pytest.mark.parametrize("magnitude", [1e-40, 1e-30, 1e3, 1e15, 1e30])
@pytest.mark.parametrize("output", [*HIDDEN, "softmax"])
def test_magnitudes(output, magnitude, isa, dtype):
    sizes = (17, 33)
    net = build(sizes, (), output, dtype, isa)
    x = (case(sizes, (), output, dtype)[2][:13] * magnitude).astype(dtype)
    reference = compare.twin(net)
    with np.errstate(over="ignore", invalid="ignore"):
        bound = compare.forward_bounds(reference, x, dtype)[-1]
        expected = oracle.flushed(reference(x), dtype).astype(dtype)
    bound = np.where(np.isfinite(expected), bound, 0)
    compare.assert_close(net(x), expected, bound, f"{output} at {magnitude}")


def test_overflow_within_a_sum(isa):
    """float32 overflows as IEEE arithmetic does, and a fused multiply-add not before its end."""
    net = fw.Network([2, 2], output="identity", isa=isa)
    net.weights[0] = np.array([[1, -2], [1, 1]], np.float32)
    big, inf = np.finfo(np.float32).max, np.float32(np.inf)
    y = net(np.array([[big, big], [0, big], [big, inf], [inf, -inf], [inf, inf]], np.float32))
    expected = [[-big, inf], [-inf, big], [-inf, inf], [inf, np.nan], [np.nan, inf]]
    assert np.array_equal(y, expected, equal_nan=True)


# ---- nothing copied
def test_out_is_the_result(isa, dtype):
    net = build(LAYOUT_SIZES, "sigmoid", "softmax", dtype, isa)
    x = case(LAYOUT_SIZES, "sigmoid", "softmax", dtype)[2]
    for some in (slice(None), slice(0, 1), slice(0, 0), 0):
        out = np.full(np.shape(net(x[some])), -1, dtype)
        assert net(x[some], out=out) is out
        compare.assert_same_bits(out, net(x[some]))


def test_a_wrong_out_is_refused_and_untouched(isa, dtype):
    net = build(LAYOUT_SIZES, "sigmoid", "softmax", dtype, isa)
    x = case(LAYOUT_SIZES, "sigmoid", "softmax", dtype)[2][:5]
    other = np.float64 if dtype == np.float32 else np.float32
    for out in (
        np.zeros((4, 10), dtype),
        np.zeros((5, 11), dtype),
        np.zeros((10,), dtype),
        np.zeros((5, 10), other),
        np.zeros((5, 10), np.int64),
        np.zeros((5, 10), np.dtype(dtype).newbyteorder()),
        _frozen(np.zeros((5, 10), dtype)),
        [[0.0] * 10] * 5,
    ):
        with pytest.raises((ValueError, TypeError)):
            net(x, out=out)
        assert np.all(np.asarray(out) == 0)


def test_no_copy_of_a_large_input(isa):
    """NumPy's memory is traced: neither x nor the result is made anew."""
    net = build((200, 50), (), "identity", np.float32, isa)
    x, out = np.ones((20_000, 200), np.float32), np.empty((20_000, 50), np.float32)
    net(x, out=out)
    tracemalloc.start()
    net(x, out=out)
    net(np.broadcast_to(x[0], x.shape), out=out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("sizes", [(16, 16), (33, 33), (16, 48, 16), (64, 20, 64)], ids=str)
def test_out_may_overlap_x(sizes, isa, dtype):
    net = build(sizes, "tanh" if len(sizes) > 2 else (), "identity", dtype, isa)
    n, rows = sizes[0], 67
    x = case(sizes, "tanh" if len(sizes) > 2 else (), "identity", dtype)[2][:rows]
    expected = net(x)
    for shift in (0, 1, n, n + 3, 8 * n, -1, -n, -9 * n):
        block = np.zeros((rows + 20) * n, dtype)
        start = 10 * n
        laid = block[start : start + rows * n].reshape(rows, n)
        out = block[start + shift : start + shift + rows * n].reshape(rows, n)
        laid[...] = x
        net(laid, out=out)
        compare.assert_same_bits(out, expected, f"out {shift} elements after x")
    one = x[3].copy()
    net(one, out=one)
    compare.assert_same_bits(one, expected[3], "one row onto itself")


def test_parameters_are_a_view_in_packed_order(isa, dtype):
    sizes = (17, 33, 10)
    net = build(sizes, "sigmoid", "softmax", dtype, isa)
    weights, biases, x, _, _ = case(sizes, "sigmoid", "softmax", dtype)
    flat = net.parameters
    assert flat.dtype == dtype
    assert flat.flags.writeable
    assert np.shares_memory(flat, net.parameters)
    compare.assert_same_bits(flat, oracle.pack(weights, biases), "packed order")
    before = net(x)
    flat *= 2
    compare.assert_same_bits(net.weights[1], 2 * weights[1])
    assert np.all(net(x) != before)
    net.biases[0] = np.zeros(33, dtype)
    assert np.all(flat[3 * 16 * 17 : 3 * 16 * 17 + 48] == 0)
    flat[:] = 0
    assert np.all(net(x) == dtype(1) / dtype(10))
