"""Every check has a twin here that plants an error, and must be rejected."""

import dataclasses
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import compare
import featherweight as fw
import golden
import oracle
import test_gradients
import test_math
import test_training

SIZES, NAMES = (31, 18, 17, 4), ("tanh", "gelu", "softmax")


def rejected(check, *args, match=None):
    with pytest.raises(AssertionError, match=match):
        check(*args)


@pytest.fixture(scope="module")
def case():
    """A network of the oracle, rows, targets."""
    net = oracle.Net(*compare.random_parameters(SIZES, np.float32), NAMES)
    x = test_gradients.inputs(65, 31, np.float32)
    return net, x, test_gradients.targets("cross_entropy", 65, 4)


def changed(net, **fields):
    """A copy of the network with other fields."""
    return dataclasses.replace(net, **fields)


# ---- assert_close
@pytest.mark.parametrize("at", [(0, 0), (3, 2), (64, 3)])
def test_one_element_off(case, dtype, at):
    net, x, _ = case
    expected, bound = net(x), compare.forward_bounds(net, x, dtype)[-1]
    compare.assert_close(expected, expected, bound)
    for size in (0.99, -0.99):
        actual = expected.copy()
        actual[at] += size * bound[at]
        compare.assert_close(actual, expected, bound)
    for size in (2, -2):
        actual = expected.copy()
        actual[at] += size * bound[at]
        rejected(compare.assert_close, actual, expected, bound, match="1 of 260 elements")
    for value in (np.nan, np.inf, -np.inf, -expected[at]):
        actual = expected.copy()
        actual[at] = value
        rejected(compare.assert_close, actual, expected, bound)
        rejected(compare.assert_close, expected, actual, bound)


def test_shapes_and_places(case):
    net, x, _ = case
    expected, bound = net(x), compare.forward_bounds(net, x, np.float32)[-1]
    swapped = expected.copy()
    swapped[[7, 8]] = swapped[[8, 7]]
    rejected(compare.assert_close, swapped, expected, bound)
    rejected(compare.assert_close, expected[:-1], expected, bound)
    rejected(compare.assert_close, expected.T, expected, bound[:1, :1])
    rejected(compare.assert_close, expected + 1, expected, np.inf, match="not finite")
    infinite = np.where(expected > 0.9, np.inf, expected)
    infinite[0, 0] = np.inf
    rejected(compare.assert_close, np.where(np.isinf(infinite), -np.inf, 0), infinite, 1)


# ---- the bounds have teeth: a network with one small fault lies outside of them
def faults(net):
    """(name, the network with that fault)."""
    w, b = net.weights, net.biases
    for i in range(3):
        less = [v.copy() for v in b]
        less[i][np.argmax(np.abs(less[i]))] = 0
        yield f"a bias missing in layer {i}", changed(net, biases=less)
        short = [v.copy() for v in w]
        short[i][1, -1] = 0
        yield f"a sum one term short in layer {i}", changed(net, weights=short)
        early = [v.copy() for v in w]
        early[i][1] = np.roll(early[i][1], 1)
        yield f"a row off by one in layer {i}", changed(net, weights=early)
    yield "another activation", changed(net, activations=("tanh", "silu", "softmax"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_faults_lie_outside_of_the_bounds(case, dtype):
    net, x, t = case
    bound = compare.forward_bounds(net, x, dtype)[-1]
    assert np.max(bound) < 100 * np.finfo(dtype).eps
    good, loss_bound = net.loss(x, t), compare.loss_bound(net, x, t, "cross_entropy", dtype)
    g, bounds = net.gradients(x, t), compare.gradient_bounds(net, x, t, "cross_entropy", dtype)
    for name, bad in faults(net):
        rejected(compare.assert_close, bad(x), net(x), bound, name)
        rejected(compare.assert_close, bad.loss(x, t), good, loss_bound, name)
        other = bad.gradients(x, t)
        rejected(compare.assert_close, other.input, g.input, bounds[2], name)
        for i in range(3):
            rejected(compare.assert_close, other.weights[i], g.weights[i], bounds[0][i], name)
            rejected(compare.assert_close, other.biases[i], g.biases[i], bounds[1][i], name)


def test_the_approximate_gelu_is_not_gelu(case, monkeypatch):
    net, x, _ = case
    expected, bound = net(x), compare.forward_bounds(net, x, np.float32)[-1]

    def approximate(z):
        return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))

    monkeypatch.setitem(oracle.ACTIVATIONS, "gelu", (approximate, None))
    rejected(compare.assert_close, net(x), expected, bound)


@pytest.mark.parametrize("name", [n for n in oracle.ACTIVATIONS if n != "identity"])
def test_a_wrong_derivative_in_one_place(name, dtype, monkeypatch):
    net = oracle.Net(*compare.random_parameters((9, 17, 3), dtype), (name, "softmax"))
    x = test_gradients.inputs(33, 9, dtype)
    t = test_gradients.targets("cross_entropy", 33, 3)
    good, bounds = net.gradients(x, t), compare.gradient_bounds(net, x, t, "cross_entropy", dtype)
    value, derivative = oracle.ACTIVATIONS[name]

    def wrong(z):
        d = derivative(z)
        if d.shape == (33, 17):
            d[12, 5] += 1e-3
        return d

    monkeypatch.setitem(oracle.ACTIVATIONS, name, (value, wrong))
    bad = net.gradients(x, t)
    rejected(compare.assert_close, bad.input, good.input, bounds[2])
    rejected(compare.assert_close, bad.biases[0], good.biases[0], bounds[1][0])
    numeric = test_gradients.difference(lambda: net.loss(x, t), net.biases[0])
    compare.assert_close(good.biases[0], numeric, 2e-9)
    rejected(compare.assert_close, bad.biases[0], numeric, 2e-9)


# ---- bits
@pytest.mark.parametrize("bit", [0, 1, 22, 23, 30, 31])
def test_one_bit(bit):
    a = test_gradients.inputs(5, 7, np.float32)
    b = a.copy()
    b.view(np.uint32)[3, 2] ^= 1 << bit
    compare.assert_same_bits(a, a.copy())
    rejected(compare.assert_same_bits, b, a, match="1 of 35")
    assert golden.digest(compare.bits(a)) != golden.digest(compare.bits(b))


def test_bits_tell_zeros_kinds_and_rows_apart():
    a = np.array([[0.0, np.nan], [1.0, np.inf]], np.float32)
    compare.assert_same_bits(a, np.copysign(a, [[1, -1], [1, 1]]).astype(np.float32))
    rejected(compare.assert_same_bits, np.copysign(a, [[-1, 1], [1, 1]]).astype(np.float32), a)
    rejected(compare.assert_same_bits, np.nan_to_num(a), a)
    rejected(compare.assert_same_bits, a[::-1], a)
    rejected(compare.assert_same_bits, a.astype(np.float64), a, match="float64")
    rejected(compare.assert_same_bits, a[:1], a)


def other_rule(a, b, block=64, fused=True, halves=True):
    """The sum rule with something else about it."""
    sums = []
    for start in range(0, len(a), block):
        total = np.zeros(a.shape[1:], a.dtype)
        for k in range(start, min(start + block, len(a))):
            total = oracle.fma(a[k], b[k], total) if fused else a[k] * b[k] + total
        sums.append(total)
    half = -(-len(sums) // 2) if halves else len(sums)
    parts = [sum(part[1:], part[0]) for part in (sums[:half], sums[half:]) if part]
    return sum(parts[1:], parts[0])


def test_another_sum_rule_gives_other_bits(dtype):
    rng = np.random.Generator(np.random.Philox(2))
    a, b = rng.uniform(-1, 1, (2, 300, 50)).astype(dtype)
    rule = oracle.sum_rule(a, b)
    compare.assert_same_bits(other_rule(a, b), rule)
    for change in ({"block": 63}, {"block": 65}, {"fused": False}, {"halves": False}):
        rejected(compare.assert_same_bits, other_rule(a, b, **change), rule)
    rejected(compare.assert_same_bits, oracle.sum_rule(a[::-1], b[::-1]), rule)
    rejected(compare.assert_same_bits, oracle.sum_rule(a[:-1], b[:-1]), rule)
    assert np.max(np.abs(rule - np.sum(a.astype(np.float64) * b, axis=0))) < 1e-4


# ---- ulp, trajectories, orders
@pytest.mark.parametrize("name", ["sigmoid", "gelu"])
def test_one_result_beyond_its_ulps(name):
    x = np.linspace(-5, 5, 101)
    got = oracle.act(name, x)
    assert test_math.worst_float64(name, x, got)[0] < 40
    got[37] *= 1 + 200 * 2.0**-52
    worst, at = test_math.worst_float64(name, x, got)
    assert worst > 50
    assert at == x[37]
    narrow = oracle.act(name, x).astype(np.float32)
    assert np.max(compare.ulp_errors(narrow, oracle.act(name, x))) <= 0.5
    narrow[37] = np.nextafter(narrow[37], np.float32(9))
    assert np.argmax(compare.ulp_errors(narrow, oracle.act(name, x))) == 37


class Uncorrected(oracle.Adam):
    """Adam without its bias correction."""

    def step(self, params, grads):
        self.t = 10**6
        super().step(params, grads)


SGD, Adam = partial(oracle.SGD, 0.05), partial(oracle.Adam, 0.01)
MUTANTS = {
    "momentum is not nesterov": (partial(SGD, 0.9, True), partial(SGD, 0.9)),
    "no weight decay": (partial(SGD, weight_decay=1e-3), SGD),
    "a little too fast": (SGD, partial(oracle.SGD, 0.0501)),
    "another beta": (Adam, partial(Adam, betas=(0.9, 0.9999))),
    "no correction of the bias": (Adam, partial(Uncorrected, 0.01)),
    "another eps": (Adam, partial(Adam, eps=1e-5)),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_another_optimizer_is_another_trajectory(mutant, case, dtype):
    _, x, t = case
    nets = [oracle.Net(*compare.random_parameters(SIZES, dtype), NAMES) for _ in range(3)]
    right, wrong = MUTANTS[mutant]
    for net, make in zip(nets, (right, right, wrong), strict=True):
        optimizer = make()
        for _ in range(3):
            oracle.train(net, optimizer, test_training.batches(x, t, 16))
    tolerance = test_training.TRAJECTORY[dtype]
    test_training.assert_same_parameters(nets[1], nets[0], tolerance, "the same")
    rejected(test_training.assert_same_parameters, nets[2], nets[0], tolerance, "another")


def test_a_row_that_comes_twice_is_no_order():
    moved = 0.02 * 0.98 ** np.array([3, 1, 0, 2])
    assert test_training.read_order(moved) == [2, 1, 3, 0]
    for bad in ([3, 1, 0, 0], [4, 1, 0, 2], [3, 1, 1, 2]):
        rejected(test_training.read_order, 0.02 * 0.98 ** np.array(bad))
    rejected(test_training.read_order, np.append(moved, 0))


# ---- golden hashes and the record
def test_golden_hashes_that_differ_or_are_missing():
    expected = json.loads(golden.PATH.read_text(encoding="utf-8"))
    assert expected.keys() == {f"{n}, {d}" for n in golden.NETS for d in golden.DTYPES}
    for found in expected.values():
        assert not golden.differing(found, dict(found))
        bad = dict(found, forward=f"{int(found['forward'], 16) ^ 1:064x}")
        assert golden.differing(bad, found) == ["forward"]
        assert golden.differing(found, bad) == ["forward"]
        del bad["forward"]
        assert golden.differing(found, bad) == golden.differing(bad, found) == ["forward"]
    rejected(golden.digest, np.array([np.nan]))


def test_missing_paths():
    seen = {("scalar", "rows"), ("scalar", "fit"), ("avx2", "rows")}
    assert compare.missing_paths(seen, ("scalar", "avx2"), ("rows",)) == []
    assert compare.missing_paths(seen, ("scalar", "avx2"), ("rows", "fit")) == ["avx2: fit"]


@pytest.mark.parametrize("leave_out", ["nothing", "an isa", "a path"])
def test_a_run_that_leaves_one_out_fails(leave_out, tmp_path):
    """A run of its own, with this folder's conftest."""
    here = Path(__file__).resolve().parent
    (tmp_path / "conftest.py").write_text((here / "conftest.py").read_text(encoding="utf-8"))
    isas = fw.isas()[:-1] if leave_out == "an isa" else fw.isas()
    paths = "PATHS[1:]" if leave_out == "a path" else "PATHS"
    (tmp_path / "test_it.py").write_text(
        f"import featherweight as fw\nfrom conftest import PATHS\n"
        f"def test_it(exercised):\n    for isa in {isas!r}:\n        for path in {paths}:\n"
        f"            exercised(fw.Network([1, 2], isa=isa), path)\n"
    )
    for only, fails in (([], leave_out != "nothing"), (["-k", "test_it"], False)):
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *only, tmp_path],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), *sys.path])},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "instruction sets exercised: " in run.stdout
        if not only:
            assert run.returncode == int(fails), run.stdout
            assert ("ERROR: not exercised" in run.stdout) == fails
