"""The numerical contract: the sum rule to the bit, and the same bits whatever computes them."""

import json
import os
import platform
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import compare
import featherweight as fw
import golden
import oracle

THREADS = (1, 2, 3)
SIZES = (1, 2, 63, 64, 65, 127, 128, 129, 192, 193, 257, 784)
MIXED = golden.MIXED
NETS = {
    (784, 16, 16, 10): ("sigmoid", "softmax"),
    (784, 128, 10): ("relu", "softmax"),
    (37, 65, 33, 5): ("tanh", "sigmoid"),
    (4, 64, 64, 2): ("gelu", "identity"),
    (20, 17, 9, 33, 16, 15, 31, 12, 8, 18, 3): (MIXED, "softmax"),
}
ROWS = 131
OPTIMIZERS = golden.OPTIMIZERS


def exact(shape, dtype, seed):
    """Numbers with all of their bits in use."""
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.uniform(-1, 1, shape).astype(dtype)


def build(sizes, dtype, **options):
    names, output = NETS[sizes]
    net = fw.Network(sizes, names, output, dtype=dtype, input_scale=1 / 255, **options)
    compare.set_parameters(net, *compare.random_parameters(sizes, dtype))
    return net


@cache
def images(sizes, rows=ROWS):
    x = np.random.Generator(np.random.Philox(6)).integers(0, 256, (rows, sizes[0]), np.uint8)
    return x, np.arange(rows) * 7 % sizes[-1]


def everywhere(dtype, sizes):
    """The network on the first ISA with one thread, then every other one, with its name."""
    for isa in fw.isas():
        for threads in THREADS:
            yield build(sizes, dtype, isa=isa, threads=threads), f"{isa}, {threads} threads"


# ---- the sum rule
@pytest.mark.parametrize("n", SIZES)
def test_z_follows_the_sum_rule(n, isa, dtype):
    for outputs, rows in ((1, 1), (3, 13), (17, 2), (33, 9), (16, 53)):
        net = fw.Network([n, outputs], output="identity", dtype=dtype, isa=isa)
        w, b, x = (exact(s, dtype, k) for k, s in enumerate([(outputs, n), (outputs,), (rows, n)]))
        net.weights[0], net.biases[0] = w, b
        expected = oracle.sum_rule(w.T[:, None, :], x.T[:, :, None]) + b
        compare.assert_same_bits(net(x), expected, f"z of {n} inputs")
        compare.assert_same_bits(net(x[0]), expected[0], f"z of {n} inputs, one row")


@pytest.mark.parametrize("n", [1, 15, 16, 17, 48, 63, 64, 80, 128, 144, 200, 208, 784])
def test_bytes_follow_the_sum_rule(n, isa, dtype):
    scale = 1 / 255
    rng = np.random.Generator(np.random.Philox(5))
    for outputs, rows, gap in ((1, 1, 0), (10, 16, 0), (16, 53, 3), (17, 33, 0), (33, 19, 1)):
        net = fw.Network([n, outputs], output="identity", dtype=dtype, isa=isa, input_scale=scale)
        w, b = exact((outputs, n), dtype, 0), exact((outputs,), dtype, 1)
        net.weights[0], net.biases[0] = w, b
        x = rng.integers(0, 256, (rows, n + gap), np.uint8)[:, :n]
        used = x.astype(dtype) * dtype(scale)
        expected = oracle.sum_rule(w.T[:, None, :], used.T[:, :, None]) + b
        compare.assert_same_bits(net(x), expected, f"z of {rows} rows of {n} bytes")


def exact_batch(net, rows, dtype):
    """x, t, sample weights and dz, where dz takes no rounding but that of y - t.

    Outputs and the sum of the weights are powers of two, so that dz = 2 (y - t) w_r / (W O) is.
    """
    outputs = net.sizes[-1]
    x, t = exact((rows, net.sizes[0]), dtype, 3), exact((rows, outputs), dtype, 4)
    total = 1 << (rows - 1).bit_length()
    w = np.ones(rows)
    w[: total - rows] = 2
    dz = (net(x) - t) * (2 / (total * outputs) * w[:, None]).astype(dtype)
    return x, t, w, dz


@pytest.mark.parametrize("rows", SIZES)
def test_gradients_follow_the_sum_rule_over_rows(rows, isa, dtype):
    for n, outputs in ((1, 1), (5, 32), (17, 16), (200, 10)):
        net = fw.Network([n, outputs], output="identity", dtype=dtype, isa=isa)
        net.weights[0], net.biases[0] = exact((outputs, n), dtype, 1), exact((outputs,), dtype, 2)
        x, t, w, dz = exact_batch(net, rows, dtype)
        _, grads = net.gradients(x, t, sample_weight=w)
        expected = oracle.sum_rule(dz[:, :, None], x[:, None, :])
        compare.assert_same_bits(grads.weights[0], expected, f"dW of {rows} rows")
        expected = oracle.sum_rule(dz, np.ones((rows, 1), dtype))
        compare.assert_same_bits(grads.biases[0], expected, f"db of {rows} rows")


@pytest.mark.parametrize("outputs", [1, 2, 16, 64, 128, 256, 1024])
def test_dx_follows_the_sum_rule_over_outputs(outputs, isa, dtype):
    net = fw.Network([19, outputs], output="identity", dtype=dtype, isa=isa)
    weights = exact((outputs, 19), dtype, 1)
    net.weights[0], net.biases[0] = weights, exact((outputs,), dtype, 2)
    x, t, w, dz = exact_batch(net, 11, dtype)
    _, grads = net.gradients(x, t, sample_weight=w)
    expected = oracle.sum_rule(dz.T[:, :, None], weights[:, None, :])
    compare.assert_same_bits(grads.input, expected, f"dx over {outputs} outputs")


@pytest.mark.parametrize("middle", [1, 63, 65, 129, 193])
def test_da_follows_the_sum_rule_between_layers(middle, isa, dtype):
    """An identity layer of any width below an identity output: dx is two sums, one on another."""
    net = fw.Network([7, middle, 4], "identity", "identity", dtype=dtype, isa=isa)
    compare.set_parameters(net, *compare.random_parameters(net.sizes, dtype))
    x, t, w, dz = exact_batch(net, 9, dtype)
    _, grads = net.gradients(x, t, sample_weight=w)
    da = oracle.sum_rule(dz.T[:, :, None], net.weights[1][:, None, :])
    expected = oracle.sum_rule(da.T[:, :, None], net.weights[0][:, None, :])
    compare.assert_same_bits(grads.input, expected, f"dx through {middle}")
    expected = oracle.sum_rule(da[:, :, None], x[:, None, :])
    compare.assert_same_bits(grads.weights[0], expected, f"dW below {middle}")


# ---- the same bits
@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_forward_on_everything(sizes, dtype):
    x, _ = images(sizes)
    expected = None
    for net, where in everywhere(dtype, sizes):
        got = net.activations(x)
        expected = expected or got
        for i, (layer, first) in enumerate(zip(got, expected, strict=True)):
            compare.assert_same_bits(layer, first, f"layer {i} on {where}")
        compare.assert_same_bits(net(x), expected[-1], f"net(x) on {where}")
        compare.assert_same_bits(net(x.astype(dtype)), expected[-1], f"floats on {where}")


@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_a_row_alone_is_that_row_in_any_batch(sizes, dtype):
    x, _ = images(sizes)
    rng = np.random.Generator(np.random.Philox(8))
    expected = build(sizes, dtype, isa=fw.isas()[0], threads=1)(x)
    for net, where in everywhere(dtype, sizes):
        for i in [*range(20), 63, 64, 65, 128, 129, 130]:
            compare.assert_same_bits(net(x[i]), expected[i], f"row {i} alone on {where}")
        for _ in range(4):
            cuts = np.sort(rng.integers(0, ROWS + 1, rng.integers(1, 12)))
            for start, stop in pairwise([0, *cuts, ROWS]):
                what = f"rows {start}:{stop} on {where}"
                compare.assert_same_bits(net(x[start:stop]), expected[start:stop], what)


def test_a_wide_row_is_the_same_however_it_is_shared(dtype):
    """Calls in quick succession share one row's layers among threads."""
    sizes = (601, 530, 97, 10)
    x = exact((601,), dtype, 9)
    expected = None
    for isa in fw.isas():
        for threads in THREADS:
            net = fw.Network(sizes, "tanh", dtype=dtype, isa=isa, threads=threads)
            compare.set_parameters(net, *compare.random_parameters(sizes, dtype))
            outputs = [net(x) for _ in range(50)]
            expected = outputs[0] if expected is None else expected
            for y in outputs:
                compare.assert_same_bits(y, expected, f"{isa}, {threads} threads")


@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_gradients_on_everything(sizes, dtype):
    x, labels = images(sizes)
    w = (np.arange(ROWS) * 7 % 5 + 1) / 4.0
    for rows in (1, 64, ROWS):
        expected = None
        for net, where in everywhere(dtype, sizes):
            for data in (x, x.astype(dtype)):
                loss, flat = net.gradients(
                    data[:rows], labels[:rows], sample_weight=w[:rows], flat=True
                )
                _, grads = net.gradients(data[:rows], labels[:rows], sample_weight=w[:rows])
                expected = expected or (loss, flat, grads.input)
                assert loss == expected[0], f"loss of {rows} rows on {where}"
                compare.assert_same_bits(flat, expected[1], f"gradient of {rows} rows on {where}")
                compare.assert_same_bits(grads.input, expected[2], f"dx of {rows} rows on {where}")


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("sizes", NETS, ids=str)
def test_ten_steps_on_everything(sizes, kind, dtype):
    x, labels = images(sizes)
    expected = None
    for net, where in everywhere(dtype, sizes):
        data = x if net.threads == 1 else x.astype(dtype)
        history = net.fit(
            data, labels, epochs=2, batch_size=29, optimizer=OPTIMIZERS[kind](), rng=5
        )
        expected = expected or (net.parameters.copy(), history.loss)
        compare.assert_same_bits(net.parameters, expected[0], f"ten steps on {where}")
        assert history.loss == expected[1], f"losses on {where}"


def test_wide_layers_shared_by_threads(dtype):
    """Large enough that threads are worth their while, in rows and in outputs."""
    sizes = (300, 515, 33)
    weights, biases = compare.random_parameters(sizes, dtype)
    x, labels = exact((512, 300), dtype, 1), np.arange(512) % 33
    expected = None
    for isa in fw.isas():
        for threads in THREADS:
            net = fw.Network(sizes, "silu", dtype=dtype, isa=isa, threads=threads)
            compare.set_parameters(net, weights, biases)
            y = net(x)
            _, flat = net.gradients(x, labels, flat=True)
            net.fit(x, labels, batch_size=256, optimizer=fw.Adam(), rng=0)
            expected = expected or (y, flat, net.parameters.copy())
            for got, first, what in zip(
                (y, flat, net.parameters), expected, ("net(x)", "gradient", "fit"), strict=True
            ):
                compare.assert_same_bits(got, first, f"{what} on {isa}, {threads} threads")


# ---- golden hashes
@pytest.mark.parametrize("dtype", golden.DTYPES)
@pytest.mark.parametrize("name", golden.NETS)
@pytest.mark.parametrize("threads", THREADS)
def test_golden(name, dtype, threads, isa):
    expected = json.loads(golden.PATH.read_text(encoding="utf-8"))[f"{name}, {dtype}"]
    wrong = golden.differing(golden.hashes(name, dtype, isa=isa, threads=threads), expected)
    assert not wrong, f"{name}, {dtype} on {isa}, {threads} threads: {', '.join(wrong)} differ"


# ---- what can run here
NEEDS = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
@pytest.mark.skipif("FEATHERWEIGHT_EMULATED" in os.environ, reason="the CPU is an emulated one")
def test_isas_are_those_of_the_cpu():
    assert fw.isas()[0] == "scalar"
    if platform.machine() in ("aarch64", "arm64"):
        assert fw.isas() == ("scalar", "neon")
    if platform.machine() in ("x86_64", "AMD64"):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        flags = next(set(line.split()) for line in lines if line.startswith("flags"))
        assert fw.isas() == ("scalar", *(isa for isa, need in NEEDS.items() if need <= flags))
    for isa in fw.isas():
        assert fw.Network([2, 2], isa=isa).isa == isa
