"""Comparisons with teeth: bounds from sizes and dtype, bits, and the record of what a run used.

A bound is LIMIT = 8 standard deviations of a statistical error analysis (Higham and Mary, "A new
approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41, 2019) on the oracle's
own numbers. Worst-case bounds would be a hundred times wider and pass a missing term. The tests'
inputs are fixed, so nothing is left to chance from one run to the next. u = eps / 2:

- A rounding is off by up to u of its result, evenly: a deviation of u / sqrt(3). The sum rule over
  n products has a path of k = min(n, 64) + ceil(blocks / 2) of them, and one more for the bias, on
  partial sums of about the size m = |z| + |b| + sqrt(sum (w a)^2): so u sqrt((k + 1) / 3) m. The
  oracle's own sum, in float64, adds n more with its own u.
- What the products' factors are off by comes in quadrature: sqrt(sum (w s_a)^2).
- An activation moves an error E in z to the largest |f(z') - f(z)| for |z' - z| <= E, found at the
  ends of that range and at the function's own extremes, and has its largest error, ULPS, for four
  deviations more. Its derivative likewise, with DERIVATIVE_EPS, absolute, since 1 - a^2 may be how
  it is computed.
- Gradients: the same rules, backwards.
"""

import functools
import itertools
import math

import numpy as np

import oracle

# (float32, float64): the largest error of an activation's value, in units in the last place
ULPS = {
    "identity": (0, 0),
    "relu": (0, 0),
    "leaky_relu": (1, 0.51),
    "sigmoid": (3, 3),
    "tanh": (2, 2),
    "elu": (1.5, 1.5),
    "softplus": (3, 3),
    "exp": (2, 1.5),
    "silu": (4, 4),
    "gelu": (6, 6),
    "softmax": (4, 4),
}
DERIVATIVE_EPS = 8  # of 1, absolute
LIMIT = 8

# where the function, or its derivative, turns
_TURNS = {"silu": (-1.2784645427610738,), "gelu": (-0.7517915246935645,)}
_DERIVATIVE_TURNS = {
    "sigmoid": (0.0,),
    "tanh": (0.0,),
    "silu": (-2.3993572805154675, 2.3993572805154675),
    "gelu": (-math.sqrt(2), math.sqrt(2)),
}


# ---- the comparers
def assert_close(actual, expected, bound, what="result"):
    """|actual - expected| <= bound, element by element; NaN and infinities in the same places."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"{what}: {actual.shape} is not {expected.shape}"
    for kind, test in (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf)):
        wrong = np.argwhere(test(actual) != test(expected))
        assert not len(wrong), f"{what}: {kind} differs, first at {wrong[0]} of {len(wrong)} places"
    finite = np.isfinite(expected)
    bound = np.broadcast_to(np.asarray(bound, np.float64), expected.shape)
    assert np.all(np.isfinite(bound[finite])), f"{what}: the bound itself is not finite"
    error = np.zeros(expected.shape)
    error[finite] = np.abs(actual[finite] - expected[finite])
    if not np.all(error[finite] <= bound[finite]):
        ratio = np.where(finite, error / np.maximum(bound, 5e-324), 0)
        at = np.unravel_index(np.argmax(ratio), ratio.shape)
        raise AssertionError(
            f"{what}: {np.sum(ratio > 1)} of {error.size} elements off; worst at {at}: "
            f"{actual[at]!r}, expected {expected[at]!r} +- {bound[at]:.3g}"
        )


def assert_same_bits(actual, expected, what="result"):
    """Dtype, shape and every bit equal; of a NaN only that it is one."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype} is not {expected.dtype}"
    assert actual.shape == expected.shape, f"{what}: {actual.shape} is not {expected.shape}"
    differ = bits(actual) != bits(expected)
    if actual.dtype.kind == "f":
        differ &= ~(np.isnan(actual) & np.isnan(expected))
    where = np.argwhere(differ)
    if len(where):
        at = tuple(where[0])
        raise AssertionError(
            f"{what}: {len(where)} of {actual.size} elements differ in bits, first at {at}: "
            f"{actual[at]!r} is not {expected[at]!r}"
        )


def ulp(exact, dtype):
    """The unit in the last place of the dtype at exact, a float64 array; at infinities that of max.

    Of the smallest binade, and below it, that is the smallest subnormal.
    """
    return np.spacing(np.minimum(np.abs(exact), np.finfo(dtype).max / 2).astype(dtype))


def ulp_errors(got, exact):
    """|got - exact| in units in the last place of got's dtype, subnormal numbers being flushed.

    So near the smallest normal number that an error of some ulps decides, either is right.
    """
    info = np.finfo(got.dtype)
    tiny = np.float64(info.smallest_normal)
    errors = np.abs(got - oracle.flushed(exact, got.dtype)) / ulp(exact, got.dtype)
    undecided = np.abs(np.abs(exact) - tiny) <= 8 * np.float64(info.eps) * tiny
    either = np.minimum(errors, np.abs(got - exact) / ulp(exact, got.dtype))
    return np.where(undecided, np.where(got == 0, 0, either), errors)


def bits(a):
    """The array's bits as unsigned integers."""
    a = np.ascontiguousarray(a).reshape(np.shape(a))
    return a.view(f"u{a.dtype.itemsize}")


def missing_paths(seen, isas, paths):
    """What a full run should have exercised and did not, as "isa: path"."""
    return [f"{isa}: {path}" for isa in isas for path in paths if (isa, path) not in seen]


# ---- networks of both kinds with the same parameters
def random_parameters(sizes, dtype, seed=0):
    """Weights and biases of the dtype: (list of (O, I), list of (O,))."""
    rng = np.random.Generator(np.random.Philox(seed))
    weights, biases = [], []
    for n_in, n_out in itertools.pairwise(sizes):
        limit = math.sqrt(3 / n_in)
        weights.append(rng.uniform(-limit, limit, (n_out, n_in)).astype(dtype))
        biases.append(rng.uniform(-0.5, 0.5, n_out).astype(dtype))
    return weights, biases


def set_parameters(net, weights, biases):
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        net.weights[i] = w
        net.biases[i] = b


def twin(net):
    """The oracle's network with the parameters of a featherweight one."""
    names = (*net.activation, net.output)
    return oracle.Net(list(net.weights), list(net.biases), names, net.input_scale)


# ---- the bounds, from standard deviations s_...
def rounding(k, dtype):
    return np.sqrt(k / 3) * np.finfo(dtype).eps / 2


def sum_rounding(n, dtype):
    """The relative deviation of the sum rule over n products, the oracle's own included."""
    blocks = -(-n // 64)
    k = min(n, 64) + -(-blocks // 2) + 1
    return rounding(k, dtype) + rounding(n + 1, np.float64)


def _quad(*terms):
    # hypot, since the square of a bound in the far tails would underflow
    return functools.reduce(np.hypot, terms)


def spread(f, z, e, turns=()):
    """The largest |f(z') - f(z)| for |z' - z| <= e."""
    at = [z - e, z + e, *(np.clip(t, z - e, z + e) for t in turns)]
    with np.errstate(all="ignore"):
        return np.max([np.abs(f(p) - f(z)) for p in at], axis=0)


def _value(name, z, a, s_z, dtype):
    """The deviation of an activation's value."""
    info, ulps = np.finfo(dtype), ULPS[name][dtype == np.float64] + 4 * (dtype == np.float64)
    if name == "softmax":
        # relative: every exp(z - max) has two z, and the sum of O of them O roundings
        with np.errstate(over="ignore"):
            shift = np.expm1(2 * LIMIT * np.max(s_z, axis=-1, keepdims=True)) / LIMIT
        moved = _quad(a * np.minimum(shift, 1), a * rounding(z.shape[-1], dtype))
    else:
        f, turns = functools.partial(oracle.act, name), _TURNS.get(name, ())
        moved = spread(f, z, LIMIT * s_z, turns) / LIMIT
    own = ulps / 4 * info.eps * np.abs(a)
    return _quad(moved, own) + info.smallest_normal  # where the result is flushed to 0


def _forward(net, x, dtype):
    """Deviations of every z and of [input as used, every activation]."""
    dtype = np.dtype(dtype)
    zs, a = net.forward(x)
    s_z, s_a = [], [np.abs(a[0]) * np.finfo(dtype).eps / 2 * (net.input_scale != 1)]
    for i, (w, b, name) in enumerate(zip(net.weights, net.biases, net.activations, strict=True)):
        size = np.abs(zs[i]) + np.abs(b) + np.sqrt(a[i] ** 2 @ (w**2).T)
        # inputs and partial sums may be flushed to 0, all of them in the same direction
        floor = np.finfo(dtype).smallest_normal * (w.shape[1] + 1)
        through = np.sqrt(s_a[i] ** 2 @ (w**2).T)
        s_z.append(_quad(sum_rounding(w.shape[1], dtype) * size, through) + floor)
        s_a.append(_value(name, zs[i], a[i + 1], s_z[i], dtype))
    return s_z, s_a


def forward_bounds(net, x, dtype):
    """Bounds of [input as used, every activation], for oracle.Net's forward."""
    return [LIMIT * s for s in _forward(net, x, dtype)[1]]


def loss_bound(net, x, t, loss, dtype, w=None):
    """The bound of the batch's loss."""
    zs, a = net.forward(x)
    (*_, s_z), (*_, s_y) = _forward(net, x, dtype)
    z, y, eps, n = zs[-1], a[-1], np.finfo(dtype).eps, a[-1].shape[1]
    w = np.ones(len(t)) if w is None else w
    value = oracle.loss_rows(loss, z, y, t)
    if loss == "cross_entropy":
        size = np.sum(t, axis=1) * (np.abs(z).max(axis=1) + np.log(n) + 1)
        moved = 2 * np.sum(t, axis=1) * s_z.max(axis=1)
    elif loss == "poisson":
        size, moved = np.mean(y + t * np.abs(z), axis=1), np.mean(s_y + t * s_z, axis=1)
    elif loss in ("huber", "quantile"):
        size = np.mean(np.abs(y) + np.abs(t), axis=1)
        moved = np.mean(2 * s_y, axis=1)
    elif loss == "binary_cross_entropy":
        size, moved = np.mean(np.abs(z) * (1 + t) + 1, axis=1), np.mean(2 * s_z, axis=1)
    else:
        d = np.abs(y - t)
        size, moved = np.mean(d**2, axis=1), np.mean(2 * d * s_y + LIMIT * s_y**2, axis=1)
    share = w / np.sum(w)
    rows = np.linalg.norm(share * _quad(moved, rounding(n, dtype) * size, eps * size))
    total = sum_rounding(len(t), dtype) * (np.linalg.norm(share * value) + share @ np.abs(value))
    return LIMIT * float(_quad(rows, 2 * total))


def gradient_bounds(net, x, t, loss, dtype, w=None):
    """Bounds of d_weights, d_biases (lists) and d_input, for oracle.Net's gradients."""
    eps, (zs, a) = np.finfo(dtype).eps, net.forward(x)
    s_z, s_a = _forward(net, x, dtype)
    g = net.gradients(x, t, loss, w)
    w = np.ones(len(t)) if w is None else np.asarray(w, np.float64)
    share, rows = (w / np.sum(w))[:, None], sum_rounding(len(t), dtype)
    y, n = a[-1], t.shape[1]
    s_dy = share / n * _quad(s_a[-1], eps * (np.abs(y) + np.abs(t)))
    if loss == "cross_entropy":
        s_dz = _quad(n * s_dy, rounding(n, dtype) * np.abs(y) * share)
    elif loss == "binary_cross_entropy":
        s_dz = s_dy
    elif net.output == "softmax":
        dy = np.abs(g.da[-1])
        pull = dy + np.sum(dy * y, axis=1, keepdims=True)
        s_sum = np.linalg.norm(_quad(dy * s_a[-1], y * 2 * s_dy), axis=1, keepdims=True)
        s_sum = _quad(s_sum, rounding(n, dtype) * pull)
        s_dz = _quad(s_a[-1] * pull, y * 2 * s_dy, y * s_sum, eps * y * pull)
    else:
        s_dz = _through(net.output, zs[-1], s_z[-1], g.da[-1], 2 * s_dy, eps)
    s_dz = _quad(s_dz, (rows + eps) * g.dz[-1])
    d_weights, d_biases = [], []
    for i in range(len(net.weights) - 1, -1, -1):
        dz2, a2, w2 = g.dz[i] ** 2, a[i] ** 2, net.weights[i] ** 2
        size = np.sqrt(dz2.T @ a2) + np.abs(g.weights[i])
        factors = np.sqrt(s_dz.T**2 @ a2 + dz2.T @ s_a[i] ** 2)
        d_weights.insert(0, LIMIT * _quad(rows * size, factors))
        size = np.sqrt(np.sum(dz2, axis=0)) + np.abs(g.biases[i])
        d_biases.insert(0, LIMIT * _quad(rows * size, np.linalg.norm(s_dz, axis=0)))
        da = np.abs(g.dz[i] @ net.weights[i])
        s_da = sum_rounding(len(w2), dtype) * (np.sqrt(dz2 @ w2) + da)
        s_da = _quad(s_da, np.sqrt(s_dz**2 @ w2))
        if i:
            s_dz = _through(net.activations[i - 1], zs[i - 1], s_z[i - 1], da, s_da, eps)
    return d_weights, d_biases, LIMIT * _quad(net.input_scale * s_da, eps * g.input)


def _through(name, z, s_z, da, s_da, eps):
    """The deviation of da * f'(z)."""
    derivative = functools.partial(oracle.act_derivative, name)
    s_slope = spread(derivative, z, LIMIT * s_z, _DERIVATIVE_TURNS.get(name, ())) / LIMIT
    if name not in ("identity", "relu"):
        s_slope = _quad(s_slope, DERIVATIVE_EPS / 4 * eps)
    slope = np.abs(derivative(z))
    return _quad(da * s_slope, slope * s_da, LIMIT * s_da * s_slope, eps * slope * da)
