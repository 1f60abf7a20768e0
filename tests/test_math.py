"""Every activation's accuracy in units in the last place, against exact values.

float32 is compared with float64 formulas on a sample of all floats (every 9973rd bit pattern; set
FEATHERWEIGHT_MATH_STRIDE=1 for all 2^32 of them) and float64 with mpmath.
"""

import os

import mpmath as mp
import numpy as np
import pytest

import compare
import featherweight as fw
import oracle

STRIDE = int(os.environ.get("FEATHERWEIGHT_MATH_STRIDE", "9973"))
CHUNK = 1 << 19

# name, range, largest error in ulp in float32 and in float64
TABLE = [
    ("identity", (-np.inf, np.inf), *compare.ULPS["identity"]),
    ("relu", (-np.inf, np.inf), *compare.ULPS["relu"]),
    ("leaky_relu", (-np.inf, np.inf), *compare.ULPS["leaky_relu"]),
    ("sigmoid", (-np.inf, np.inf), *compare.ULPS["sigmoid"]),
    ("tanh", (-np.inf, np.inf), *compare.ULPS["tanh"]),
    ("elu", (-np.inf, np.inf), *compare.ULPS["elu"]),
    ("softplus", (-np.inf, np.inf), *compare.ULPS["softplus"]),
    ("exp", (-np.inf, 88.7), *compare.ULPS["exp"]),
    ("silu", (-np.inf, np.inf), *compare.ULPS["silu"]),
    ("gelu", (-np.inf, np.inf), *compare.ULPS["gelu"]),
    ("softmax", (-np.inf, np.inf), *compare.ULPS["softmax"]),  # of two: (0, z)
]
NAMES = [row[0] for row in TABLE]

with mp.workdps(60):
    SQRT2, SLOPE = mp.sqrt(2), mp.mpf(0.01)
EXACT = {
    "identity": lambda z: z,
    "relu": lambda z: z if z > 0 else mp.mpf(0),
    "leaky_relu": lambda z: z if z > 0 else SLOPE * z,
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "tanh": mp.tanh,
    "elu": lambda z: z if z > 0 else mp.expm1(z),
    "softplus": lambda z: mp.log1p(mp.exp(z)),
    "exp": mp.exp,
    "silu": lambda z: z / (1 + mp.exp(-z)),
    "gelu": lambda z: z if z > 40 else z * mp.erfc(min(-z, 60) / SQRT2) / 2,
    "softmax": lambda z: 1 / (1 + mp.exp(-z)),
}
# where an implementation changes its formula, or a result its binade or its kind
EDGES = (0.1, 0.125, 0.3465736, 0.34657359, 0.5, 0.54931, 0.625, 0.6931472, 1.0, 1.5, 2.0, 3.0)
EDGES += (4.0, 5.0, 8.0, 9.0, 9.0109, 10.0, 13.0, 14.0, 14.17, 16.6, 17.33, 18.0, 19.06, 20.0, 37.0)
EDGES += (38.0, 38.6, 40.0, 87.3365, 88.0, 88.3763, 88.7228, 89.0, 103.2789, 103.9721, 104.0, 150.0)
EDGES += (705.0, 708.3964, 709.0, 709.7827, 710.0, 744.4401, 745.1332, 746.0, 1e4, 1e10, 1e30)


def through(name, x, isa):
    """name(x) by a network of one weight, 1, and no bias: its z is x to the bit."""
    if name == "softmax":
        net = fw.Network([1, 2], output=name, dtype=x.dtype, isa=isa)
        net.weights[0] = np.array([[0.0], [1.0]], x.dtype)
        return net(x[:, None])[:, 1]
    net = fw.Network([1, 1], output=name, dtype=x.dtype, isa=isa)
    net.weights[0] = np.ones((1, 1), x.dtype)
    return net(x[:, None])[:, 0]


def near_edges(dtype, steps):
    """Floats around every edge, of both signs, and around 0 and the smallest normal."""
    info = np.finfo(dtype)
    at = np.array([0.0, info.smallest_normal, *EDGES], dtype)
    ints = at.view(f"i{at.itemsize}")[:, None] + np.arange(steps)[None, :] - steps // 2
    x = np.abs(ints).astype(ints.dtype).view(dtype).ravel()
    return np.concatenate([x, -x])


def float32_samples():
    """In chunks: bit patterns at the stride, a dense range around 0, and the edges."""
    for start in range(0, 1 << 32, STRIDE * CHUNK):
        stop = min(start + STRIDE * CHUNK, 1 << 32)
        yield np.arange(start, stop, STRIDE, dtype=np.uint64).astype(np.uint32).view(np.float32)
    yield (np.arange(-120_000, 120_000) / np.float64(1024)).astype(np.float32)
    yield near_edges(np.float32, 200)


def in_range(x, low, high):
    return x[np.isfinite(x) & (x >= low) & (x <= high)]


@pytest.mark.parametrize(("name", "span", "limit", "_"), TABLE, ids=NAMES)
def test_float32(name, span, limit, _, measured):
    worst, at = -1.0, 0.0
    for chunk in float32_samples():
        x = in_range(chunk, *span)
        if not len(x):
            continue
        wide = oracle.flushed(x, np.float32).astype(np.float64)
        exact = oracle.act("sigmoid" if name == "softmax" else name, wide)
        got = through(name, x, fw.isas()[0])
        for isa in fw.isas()[1:]:
            compare.assert_same_bits(through(name, x, isa), got, f"{name} on {isa}")
        assert np.all(np.isfinite(got)), f"{name}({x[~np.isfinite(got)][0]!r}) is not finite"
        error = compare.ulp_errors(got, exact)
        k = np.argmax(error)
        if error[k] > worst:
            worst, at = float(error[k]), float(x[k])
    measured(f"float32 {name:<11} {worst:6.3f} ulp at {at!r}, bound {limit}")
    assert worst <= limit, f"{name}: {worst:.3f} ulp at {at!r}"


def float64_samples():
    rng = np.random.Generator(np.random.Philox(11))
    magnitude = np.exp(rng.uniform(np.log(5e-324), np.log(1e308), 800))
    useful = np.exp(rng.uniform(np.log(1e-9), np.log(800.0), 1200))
    x = np.concatenate([magnitude, useful, rng.uniform(0, 50, 1200), rng.uniform(0, 3, 400)])
    return np.concatenate([x, -x, near_edges(np.float64, 8)])


def worst_float64(name, x, got):
    """The largest error of got = name(x) in ulp, and where."""
    worst, at = -1.0, 0.0
    tiny, eps = (float(n) for n in (np.finfo(np.float64).smallest_normal, np.finfo(np.float64).eps))
    with mp.workdps(40):
        for value, result in zip(x.tolist(), got.tolist(), strict=True):
            exact = EXACT[name](mp.mpf(value if abs(value) >= tiny else 0.0))
            ulp = mp.mpf(float(compare.ulp(float(exact), np.float64)))
            undecided = abs(abs(exact) - tiny) <= 8 * eps * tiny
            if abs(exact) < tiny and not (undecided and result):
                exact = mp.mpf(0)
            error = 0.0 if undecided and not result else float(abs(mp.mpf(result) - exact) / ulp)
            if error > worst:
                worst, at = error, value
    return worst, at


@pytest.mark.parametrize(("name", "span", "_", "limit"), TABLE, ids=NAMES)
def test_float64(name, span, _, limit, measured):
    x = in_range(float64_samples(), *span)
    got = through(name, x, fw.isas()[0])
    for isa in fw.isas()[1:]:
        compare.assert_same_bits(through(name, x, isa), got, f"{name} on {isa}")
    assert np.all(np.isfinite(got)), f"{name}({x[~np.isfinite(got)][0]!r}) is not finite"
    worst, at = worst_float64(name, x, got)
    measured(f"float64 {name:<11} {worst:6.3f} ulp at {at!r}, bound {limit}")
    assert worst <= limit, f"{name}: {worst:.3f} ulp at {at!r}"


@pytest.mark.parametrize("name", [n for n in NAMES if n != "softmax"])
def test_derivatives(name, isa, dtype, measured):
    """The factor f'(z) that training uses, read off the input's gradient, in eps of 1."""
    rows, small = 1 << 14, 2.0**-70
    rng = np.random.Generator(np.random.Philox(12))
    x = np.concatenate([rng.uniform(-12, 12, rows - 2048), rng.uniform(-100, 100, 2048)])
    x = np.minimum(x, 3 if name == "exp" else 100).astype(dtype)
    # y = w2 f(x) is lost beside the target 1/2, so that dL/dy = -1 / rows, exactly
    net = fw.Network([1, 1, 1], activation=name, output="identity", dtype=dtype, isa=isa)
    net.weights[0] = np.ones((1, 1), dtype)
    net.weights[1] = np.full((1, 1), small, dtype)
    _, grads = net.gradients(x[:, None], np.full((rows, 1), 0.5), loss="mse")
    got = grads.input[:, 0].astype(np.float64) * -rows / small
    expected = oracle.act_derivative(name, x.astype(np.float64))
    size = np.maximum(1, np.abs(expected))  # above 1 for exp alone, or nearly
    worst = np.max(np.abs(got - expected) / size) / np.finfo(dtype).eps
    measured(f"{np.dtype(dtype)} {name:<10}' {worst:6.3f} eps of 1 on {isa}")
    compare.assert_close(
        got, expected, compare.DERIVATIVE_EPS * np.finfo(dtype).eps * size, f"{name}'"
    )


@pytest.mark.parametrize("name", ["sigmoid", "gelu", "silu", "elu", "softplus", "tanh", "exp"])
def test_far_tails(name, isa, dtype):
    """Beyond the last finite exponential: limits, never NaN; subnormal results are 0."""
    big = np.array([110, 800, 1e4, 1e10, 1e30, np.finfo(dtype).max], dtype)
    if dtype == np.float64:
        big = big[1:]
    for x in (big, -big):
        got = through(name, x, isa)
        with np.errstate(over="ignore"):
            expected = oracle.act(name, x).astype(dtype)
        compare.assert_close(got, expected, compare.ulp(expected, dtype), f"{name}, far")
    low = -102.0 if dtype == np.float32 else -743.0
    x = np.array([low], dtype)
    if name in ("sigmoid", "softplus", "exp"):
        assert 0 < oracle.act(name, x)[0] < np.finfo(dtype).smallest_normal
        compare.assert_same_bits(through(name, x, isa), np.zeros(1, dtype), name)
