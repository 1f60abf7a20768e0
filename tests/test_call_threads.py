"""The compiled call among Python threads: a network built anew meanwhile, and the GIL."""

import multiprocessing
import sys
import threading
import time

import numpy as np
import pytest

import featherweight as fw
from test_call import build, values


@pytest.mark.parametrize("rows", [1, 2000])
def test_init_once_more_while_others_call(rows):
    """Each call's result is that of one network or the other, or a sentence."""
    net = build(cls=fw.Network)
    x, rest = values((rows, 17), np.float32), 200
    wanted = {build((17, n, 5), cls=fw.Network)(x).tobytes() for n in (9, 11)}
    strange = []

    def call():
        while rest:
            y = net(x)
            if y.tobytes() not in wanted:
                strange.append(y)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for t in threads:
        t.start()
    while rest:
        net.__init__((17, 9 + rest % 2 * 2, 5), "tanh", "identity", rng=3)
        rest -= 1
    for t in threads:
        t.join()
    assert not strange


@pytest.mark.not_sanitized(reason="long, and about Python alone")
def test_long_work_gives_up_the_gil_and_short_work_does_not():
    net = fw.Network([256, 256, 10], rng=0, threads=1)
    for rows, long in ((1, False), (2, False), (40_000, True)):
        x, out = np.ones((rows, 256), np.float32), np.empty((rows, 10), np.float32)
        assert runs_beside(lambda x=x: net(x)) == long
        assert runs_beside(lambda x=x, out=out: net(x, out=out)) == long


def runs_beside(call):
    """Whether another thread gets to run Python before `call` returns."""
    interval, go, seen = sys.getswitchinterval(), threading.Lock(), []
    go.acquire()
    call()

    def wait():
        with go:
            seen.append(True)

    sys.setswitchinterval(1000)  # the GIL changes hands only where it's given up
    thread = threading.Thread(target=wait)
    try:
        thread.start()
        go.release()
        call()
        found = list(seen)
    finally:
        sys.setswitchinterval(interval)
    thread.join()
    return bool(found)


def change(net, x, queue):
    net.fit(x[:64], np.zeros(64, int), progress=False)
    net.weights[0] = np.zeros((256, 256), np.float32)
    queue.put(float(np.abs(net.weights[0]).max()))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork, and so no such child")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_may_change_a_network_that_other_threads_were_calling():
    net = fw.Network([256, 256, 10], rng=0, threads=1)
    x, stop = np.ones((20_000, 256), np.float32), threading.Event()

    def call():
        while not stop.is_set():
            net(x)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.05)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    try:
        for _ in range(3):
            child = context.Process(target=change, args=(net, x, queue))
            child.start()
            child.join(60)
            assert child.exitcode == 0, "it waits for threads that it doesn't have"
            assert queue.get(timeout=60) == 0
            child.close()
    finally:
        stop.set()
        thread.join()
    assert np.abs(net.weights[0]).max() > 0
