"""`featherweight bench` compares like with like: NumPy's threads, the limits of as many cores."""

import json
import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import featherweight as fw
from featherweight.cli import _numpy_child, _timing, bench, main
from featherweight.cli._numpy_child import NumpyProcess
from featherweight.cli._timing import Rates, share

ISA = fw._core.check_isa("")


# ---- NumPy's process
def by_hand(net, x, hidden):
    """A forward pass in float64."""
    a = x.astype(np.float64)
    for i, (w, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        a = a @ w.T.astype(np.float64) + b
        if i + 1 < len(net.weights):
            a = hidden(a)
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize(
    ("activation", "hidden"),
    [("relu", lambda z: np.maximum(z, 0)), ("sigmoid", lambda z: 1 / (1 + np.exp(-z)))],
)
def test_numpy_answers(rows, activation, hidden):
    sizes = (30, 8, 8, 5)
    net, x = _numpy_child.network_and_input(sizes, activation, rows)
    with closing(NumpyProcess(1)) as peer:
        found = peer.prepare(sizes, activation, rows)
        assert peer.least_time(0.001) > 0
    assert found.shape == ((rows, 5) if rows else (5,))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(net, x, hidden), atol=1e-6)
    assert peer.process.returncode == 0


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_numpy_has_as_many_threads(threads, monkeypatch):
    """Whatever the environment says otherwise."""
    for name in _numpy_child.VARIABLES:
        monkeypatch.setenv(name, "7")
    with closing(NumpyProcess(threads)) as peer:
        peer.prepare((4, 3, 2), "relu", 2)
        about = Path(f"/proc/{peer.process.pid}")
        if not (about / "environ").exists():
            pytest.skip("no /proc to look at another process")
        entries = (about / "environ").read_bytes().split(b"\0")
        cores = os.sched_getaffinity(peer.process.pid)
        tasks = len(list((about / "task").iterdir()))
    variables = dict(e.decode(errors="replace").split("=", 1) for e in entries if b"=" in e)
    assert {variables[name] for name in _numpy_child.VARIABLES} == {str(threads)}
    assert len(cores) == min(threads, len(os.sched_getaffinity(0)))
    assert tasks <= threads  # OpenBLAS starts them when it is loaded


def test_numpy_obeys_the_variables():
    """What the variables set is what the library of products then says of itself."""
    pytest.importorskip("threadpoolctl")
    code = (
        "import json, numpy, threadpoolctl;"
        "print(json.dumps([p['num_threads'] for p in threadpoolctl.threadpool_info()"
        " if p['user_api'] == 'blas']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | dict.fromkeys(_numpy_child.VARIABLES, "1"),
        capture_output=True,
        check=True,
    )
    assert all(n == 1 for n in json.loads(run.stdout))


def test_numpy_has_the_threads_of_each_line(capsys, tmp_path, monkeypatch):
    """And the slices of a line are of the process with as many threads."""
    asked = []

    class Recorded(NumpyProcess):
        def __init__(self, threads):
            super().__init__(threads)
            self.threads = threads

        def least_time(self, seconds):
            asked.append(self.threads)
            return super().least_time(seconds)

    monkeypatch.setattr(bench, "NumpyProcess", Recorded)
    monkeypatch.setattr(bench, "get_num_threads", lambda: 2)
    monkeypatch.setattr(bench, "_WORKLOADS", [bench.Workload("few", (4, 3, 2), "relu", 9)])
    target = tmp_path / "bench.json"
    assert main(["bench", "--seconds", "0.001", "--json", str(target)]) == 0
    assert sorted(set(asked)) == [1, 2]
    assert asked == sorted(asked)
    for line, threads in zip(json.loads(target.read_text())["workloads"], (1, 2), strict=True):
        assert line.keys() == {"title", "threads", "seconds", "numpy", "share"}
        assert line["threads"] == threads
        assert line["numpy"] > 0
    assert "few" in capsys.readouterr().out


def test_a_process_that_fails(capsys, monkeypatch):
    with closing(NumpyProcess(1)) as peer:
        with pytest.raises(RuntimeError, match=r"NumPy, found .*activation"):
            peer.prepare((4, 3, 2), "none such", 2)
        assert peer.prepare((4, 3, 2), "relu", 2).shape == (2, 2)  # and goes on
        peer.process.kill()
        peer.process.wait()
        with pytest.raises(RuntimeError, match="NumPy, found that it ended"):
            peer.least_time(0.001)
    monkeypatch.setattr(_numpy_child, "_START", "raise SystemExit")
    assert main(["bench", "--seconds", "0.001"]) == 1
    assert "expected an answer of the process with NumPy" in capsys.readouterr().err


# ---- the limit
def test_the_limit_is_the_one_that_takes_longer():
    rates = Rates(flops=100.0, reading={1: 10.0, 2: 50.0})
    assert share(1000.0, 50.0, rates, 1, 20.0) == (0.5, "FMA")
    assert share(1000.0, 200.0, rates, 1, 40.0) == (0.5, "reading")
    assert share(1000.0, 200.0, rates, 2, 10.0) == (0.5, "FMA")  # reading takes 4 s, arithmetic 5 s
    assert share(1000.0, 0.0, Rates(100.0, {}), 2, 10.0) == (0.5, "FMA")  # many rows
    assert share(1000.0, 0.0, rates, 1, 5.0) == (2.0, "FMA")  # nothing is cut off


def test_two_caches_hold_a_half_each():
    """Weights too large for one core's cache: two read them four times as fast as one."""
    one, two, weight_bytes = 10e9, 40e9, 2e6
    rates = Rates(flops=1e15, reading={1: one, 2: two})
    assert share(1.0, weight_bytes, rates, 1, weight_bytes / one)[0] == 1.0
    assert share(1.0, weight_bytes, rates, 2, weight_bytes / two)[0] == 1.0
    with pytest.raises(KeyError):  # another number of threads' rate is no limit
        share(1.0, weight_bytes, Rates(1e15, {1: one}), 2, 1.0)


def test_the_best_rates_count():
    a, b = Rates(3.0, {1: 5.0, 2: 6.0}), Rates(2.0, {2: 8.0, 4: 1.0})
    assert a.best(b) == b.best(a) == Rates(3.0, {1: 5.0, 2: 8.0, 4: 1.0})


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_read_at_once_each_its_part(threads, monkeypatch):
    """Every thread's rate is added; each is on a core of its own if there are enough."""
    before = _timing.available_cores()
    together, seen = threading.Barrier(threads, timeout=60), []

    def read(isa, n):
        together.wait()  # passes only if all are in here at once
        seen.append((n, tuple(_timing.available_cores())))
        return 7.0

    monkeypatch.setattr(_timing._core, "read_limit", read)
    assert _timing.reading_rate(ISA, 1200.0, threads) == 7.0 * threads
    assert [n for n, _ in seen] == [1200 // threads] * threads
    if len(before) >= threads:
        assert {cores for _, cores in seen} == {(c,) for c in before[-threads:]}
    assert _timing.available_cores() == before


def test_a_reader_that_fails_ends_all(monkeypatch):
    def read(isa, n):
        raise MemoryError

    monkeypatch.setattr(_timing._core, "read_limit", read)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    with pytest.raises(RuntimeError, match="expected 2 threads to finish, found 0"):
        _timing.reading_rate(ISA, 1e6, 2)


def test_rates_are_measured():
    rates = _timing.measure_rates(ISA, 4096.0, 2)
    assert rates.flops > 0
    assert rates.reading.keys() == {2}
    assert rates.reading[2] > 0
    assert _timing.measure_rates(ISA, 0.0, 2).reading == {}


@pytest.mark.parametrize("mends", [True, False])
def test_a_share_above_1_is_measured_again(capsys, tmp_path, monkeypatch, mends):
    """And what stays above is shown as it is, with a remark."""
    calls = []

    def rates(isa, weight_bytes, threads):
        calls.append(threads)
        slow = not mends or len(calls) <= slices[0] + 1
        return Rates(1e-3 if slow else 1e18, {threads: 1e18})

    slices = [0]

    def least(f, seconds):
        slices[0] += 1
        return 1.0

    monkeypatch.setattr(bench, "measure_rates", rates)
    monkeypatch.setattr(bench, "least_time", least)
    monkeypatch.setattr(bench, "get_num_threads", lambda: 1)
    monkeypatch.setattr(bench, "_WORKLOADS", [bench.Workload("one", (4, 3, 2), "relu", 0)])
    target = tmp_path / "bench.json"
    assert main(["bench", "--seconds", "0.001", "--json", str(target)]) == 0
    assert len(calls) == 1 + slices[0] + (1 if mends else bench.TRIES)
    (line,) = json.loads(target.read_text())["workloads"]
    out = capsys.readouterr().out
    if mends:
        assert line["share"] < 1
        assert "More than 100%" not in out
    else:
        assert line["share"] == pytest.approx(2 * (4 * 3 + 3 * 2) / 1e-3)
        assert "3600000%" in out
        assert "More than 100%" in out
