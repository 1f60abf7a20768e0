"""What calls and training take of memory: nothing for each call or step, and little at once. The
compiled core's own allocations are counted in cpp/tests/test_allocations.cc."""

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import featherweight as fw
from featherweight.support.not_finite import _PART, finite

CALLS = 100


def cost(call):
    """Blocks left by so many calls, and the most bytes that one had at once."""
    repeat = range(CALLS)
    call()
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for _ in repeat:
            call()
        left = sys.getallocatedblocks() - before
        tracemalloc.start()
        call()
        tracemalloc.reset_peak()
        size, _ = tracemalloc.get_traced_memory()
        call()
        peak = tracemalloc.get_traced_memory()[1] - size
        tracemalloc.stop()
    finally:
        gc.enable()
    return left, peak


# what the measurement itself takes: integers and a tuple
SLACK_BLOCKS, SLACK_BYTES = 3, 200


def is_free(call):
    left, peak = cost(call)
    return left <= SLACK_BLOCKS and peak <= SLACK_BYTES


@pytest.mark.parametrize("kind", ["own", "uint8"])
@pytest.mark.parametrize(("rows", "threads"), [(0, 1), (1, 1), (1000, 1), (1000, 2)])
def test_a_call_with_out_allocates_nothing(rows, threads, kind, dtype):
    """0 rows stands for a single row of one dimension."""
    net = fw.Network([300, 48, 10], rng=0, threads=threads, dtype=dtype)
    x = np.ones((rows, 300) if rows else 300, np.uint8 if kind == "uint8" else dtype)
    out = net(x)
    assert is_free(lambda: net(x, out=out))


def test_what_allocates_is_noticed():
    net, kept = fw.Network([300, 48, 10], rng=0), []
    x = np.ones((1000, 300), np.float32)
    one, out, many = net(x[0]), np.empty((1000, 10)), net(x)
    for call in (
        lambda: net(x),
        lambda: net(x.astype(np.float64), out=many),
        lambda: np.add(many, 1, out=out).sum(axis=1),
        lambda: kept.append(net(x[0], out=one)[:3]),
        lambda: kept.append(float(one[0])),
    ):
        assert not is_free(call)


@pytest.mark.parametrize("threads", [1, 2])
def test_more_steps_allocate_no_more(threads):
    """The same rows in 40 steps and in 5."""
    net = fw.Network([300, 48, 10], rng=0, threads=threads)
    x, y, adam, kept = np.ones((1280, 300), np.float32), np.ones(1280, int), fw.Adam(), []

    def peak(batch_size, **options):
        tracemalloc.start()
        net.fit(x, y, batch_size=batch_size, optimizer=adam, **options)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(32)
    few, many = peak(256), peak(32)
    assert abs(many - few) < 2000
    twin = peak(32, callbacks=lambda state: kept.append(state.network.parameters.copy()))
    assert twin - few > 2000


# ---- training at large
LARGE = (784, 2048, 2048, 10)
BATCH = 32
OPTIMIZERS = {"SGD": "SGD()", "momentum": "SGD(momentum=0.9)", "Adam": "Adam()"}
PEAK = """
import sys, numpy as np, featherweight as fw

def kilobytes(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key + ":"))

sizes, batch, threads, options = {sizes}, {batch}, {threads}, {options}
x, y = np.zeros((3 * batch, sizes[0]), np.float32), np.zeros(3 * batch, int)
# first a small one, so that what is there once for all is there: modules, threads, their stacks
small = fw.Network([sizes[0], 64, 10], threads=threads)
small.fit(x, y, optimizer=fw.{optimizer}, **options)
with open("/proc/self/clear_refs", "w") as f:
    f.write("5")  # the peak begins anew
before = kilobytes("VmRSS")
net = fw.Network(sizes, rng=0, threads=threads)
planted = np.ones({planted}, np.uint8)
net.fit(x, y, epochs=2, batch_size=batch, optimizer=fw.{optimizer}, **options)
print((kilobytes("VmHWM") - before) * 1024)
"""


def peak_of_training(threads, optimizer, options, planted=0):
    """The bytes that training takes at its peak, in a process of its own."""
    program = PEAK.format(
        sizes=LARGE, batch=BATCH, threads=threads, optimizer=OPTIMIZERS[optimizer],
        options=options, planted=planted,
    )  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return int(run.stdout)


SLACK = 2 << 20  # pages begun, the kernel's count of them, and all that is small


def allowed(parameters, slots, options):
    """The network, its weights as of the last good epoch, the optimizer's state, a whole gradient
    if something looks at it, and a batch's activations."""
    copies = 2 + slots + ("clip_norm" in options)
    activations = 4 * BATCH * 2 * sum(LARGE[1:])  # of each layer the outputs and their gradients
    return copies * parameters + activations + SLACK


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("optimizer", "slots", "options"),
    [("SGD", 0, {}), ("momentum", 1, {}), ("Adam", 2, {}), ("SGD", 0, {"clip_norm": 1.0})],
    ids=["SGD", "momentum", "Adam", "SGD, clip_norm"],
)
def test_training_takes_what_it_must(threads, optimizer, slots, options):
    parameters = fw.Network(LARGE, rng=0).parameters.nbytes
    most = allowed(parameters, slots, options)
    assert peak_of_training(threads, optimizer, options) <= most
    # a byte more for each parameter, such as flags, and all the more one more copy
    assert peak_of_training(threads, optimizer, options, planted=parameters // 4) > most


def test_flags_of_few_numbers_at_once_find_all_that_is_not_finite():
    for n in (0, 1, _PART, _PART + 1, 3 * _PART):
        values = np.zeros(n, np.float32)
        assert finite(values)
        for i in {0, n // 2, n - 1} if n else ():
            for bad in (np.nan, np.inf, -np.inf):
                values[i] = bad
                assert not finite(values)
            values[i] = 0


SCARCE = """
import resource
import numpy as np
import featherweight as fw

fw.set_num_threads(2)
rng = np.random.default_rng(0)
x, y = rng.integers(0, 255, (20000, 100), dtype=np.uint8), rng.integers(0, 2, 20000)
net = fw.Network([100, 2048, 2], rng=0)
net.fit(x[:64], y[:64])
status = open("/proc/self/status").read()
taken = int(status.split("VmData:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (taken + ({megabytes} << 20), resource.RLIM_INFINITY))
try:
    net.fit(x, y, epochs=2, metrics="f1", shuffle=False)
except MemoryError:
    pass
resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
print("whole", np.isfinite(net(x[:500])).all())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("megabytes", [2, 4, 6, 8])
def test_a_thread_without_memory_is_an_error_and_not_the_end(megabytes):
    """The scratch that each thread takes for itself is missing somewhere in these."""
    program = SCARCE.replace("{megabytes}", str(megabytes))
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "whole True\n"), run.stderr
