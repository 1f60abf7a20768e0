"""Every workload of the comparison, by dtype, instruction set and threads, beside NumPy by hand.

    OPENBLAS_NUM_THREADS=1 python -m pytest bench/test_bench.py --benchmark-enable \
        --benchmark-group-by=group [-k "batch-tiny and avx512"]

Each case asserts first that its answer is right, and that the check would notice if it were not.
Compare the lines of a group with each other (their minima), not with another run's. Untimed, as the
tests run them, the cases have few rows.
"""

import dataclasses
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import featherweight as fw

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bits
import libraries
import workloads

UNTIMED_ROWS = 1024
SCALAR_FLOPS = 1e9  # what the scalar path, the reference and not for speed, is spared


class Ours(libraries.Featherweight):
    """featherweight on an instruction set, in a precision."""

    def inputs(self, w):
        x = inputs(w)
        return x if x.dtype == np.uint8 else x.astype(self.options["dtype"])


@lru_cache(maxsize=1)  # for all cases of a workload; some are 188 MB
def inputs(w):
    return workloads.inputs(w)


def sized(key, timed):
    w = workloads.WORKLOADS[key]
    return w if timed else dataclasses.replace(w, rows=min(w.rows, UNTIMED_ROWS))


def run(benchmark, library, w, threads, tolerance):
    """Check a library's answer to a workload, then time it."""
    benchmark.group = w.title
    if w.kind == "forward":
        f, x = library.forward(w, threads)
        found = f(x).reshape(w.rows, -1)[: workloads.CHECKED_ROWS]
        workloads.check(found, workloads.expected_outputs(w), tolerance)
        benchmark(f, x)
    else:
        epoch, check = library.epoch(w, threads)
        # a few steps from the same start: roundings grow, but not to a thousandth
        workloads.check(check(), workloads.expected_weights(w), 1e-3)
        benchmark.pedantic(epoch, rounds=3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("isa", fw.isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("key", workloads.WORKLOADS)
def test_featherweight(benchmark, key, dtype, isa, threads):
    w = sized(key, not benchmark.disabled)
    if isa == "scalar" and w.flops > SCALAR_FLOPS:
        pytest.skip("the scalar path is the reference, not for speed")
    tolerance = {"float32": 1e-5, "float64": 1e-6}[dtype]  # the inputs are float32 in both
    run(benchmark, Ours(isa=isa, dtype=dtype), w, threads, tolerance)


@pytest.mark.parametrize("key", workloads.WORKLOADS)
def test_numpy(benchmark, key):
    w = sized(key, not benchmark.disabled)
    run(benchmark, libraries.NumPy(), w, 1, 1e-5)


def test_bits(capsys, monkeypatch):
    assert not bits.main()
    lines = capsys.readouterr().out.splitlines()
    count = 2 * len(fw.isas())
    assert [line.split()[0] for line in lines[:count:2]] == [f"{isa}," for isa in fw.isas()]
    assert len({line.split()[-1] for line in lines[:count]}) == 1
    assert len({line.split()[-1] for line in lines[count:-1]}) == 1
    assert len(lines) == count + 4 + 1
    train = bits.fitted

    def wrong(isa=None, threads=None):
        """A weight's last bit depends on the threads."""
        net = train(isa, threads)
        if threads == 2:
            bits.changed(net)
        return net

    monkeypatch.setattr(bits, "fitted", wrong)
    assert bits.main()
    monkeypatch.setattr(bits, "fitted", train)
    monkeypatch.setattr(bits, "TRAINED", "0")
    assert bits.main()
