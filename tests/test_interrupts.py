"""fit and evaluate interrupted: by callbacks, by signals between epochs and inside, by handlers."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle
from test_training import build, data


def whole(net, x):
    assert np.all(np.isfinite(net.parameters))
    assert np.all(np.isfinite(net(x)))
    compare.assert_same_bits(
        net.parameters, oracle.pack(list(net.weights), list(net.biases)), "padding is 0"
    )


def test_an_interrupt_in_a_callback_keeps_the_epochs_done():
    x, labels = data(50, 5, 3, np.float32)
    options = {"shuffle": False, "batch_size": 16}
    net, other = (build((5, 17, 3), "tanh", "softmax", np.float32) for _ in range(2))

    def interrupt(state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net.fit(x, labels, epochs=5, callbacks=[interrupt], **options)
    other.fit(x, labels, epochs=2, **options)
    compare.assert_same_bits(net.parameters, other.parameters)
    net.fit(x, labels, epochs=1, **options)
    whole(net, x)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
@pytest.mark.parametrize("rows", [64, 3_000_000])
def test_a_signal_stops_the_training(rows):
    """Between short epochs, and inside of a long one: the network is whole, and trains on."""
    net = build((5, 33, 33, 3), "tanh", "softmax", np.float32)
    few, labels = data(64, 5, 3, np.float32)
    x, y = np.resize(few, (rows, 5)), np.resize(labels, rows)
    before, view, ended, done = net.parameters.copy(), net.parameters, [], threading.Event()

    def send():
        while np.array_equal(view, before) and not done.wait(0.01):
            pass
        if not done.wait(0.05):
            os.kill(os.getpid(), signal.SIGINT)

    def note(state):
        ended.append(state.epoch)

    # a shell starts its background jobs with SIGINT ignored
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        with pytest.raises(KeyboardInterrupt, match="epoch"):
            net.fit(x, y, epochs=10**5, batch_size=1, optimizer=fw.SGD(0.01), callbacks=[note])
    finally:
        done.set()
        sender.join()
        signal.signal(signal.SIGINT, handler)
    assert rows == 64 or not ended
    whole(net, few)
    net.fit(few, labels)
    whole(net, few)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_a_signal_handler_may_read_the_network_but_not_change_it():
    net = fw.Network([200, 64, 3], rng=0, threads=1)
    x = np.random.default_rng(0).random((200_000, 200), np.float32)
    seen, refused = [], []

    def handler(*_):
        seen.append(net(x[0]))
        try:
            net.biases[0] = net.biases[0]
        except RuntimeError as e:  # or between epochs, where it is allowed
            refused.append(str(e))
        with pytest.raises(RuntimeError, match="already being trained"):
            net.fit(x[:10], np.zeros(10, int), progress=False)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        net.fit(x, np.zeros(len(x), int), epochs=3, optimizer=fw.SGD(0.01), progress=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(seen) > 1
    assert refused
    assert all("middle of an epoch" in text for text in refused)
    assert not np.array_equal(seen[0], seen[-1])
    assert np.array_equal(net(x[0]), net(x[:1])[0])


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_a_signal_ends_an_evaluation_or_reads_in_it():
    net = fw.Network([20, 512, 512, 2], rng=0, threads=1)
    x, labels = np.zeros((80_000, 20), np.float32), np.zeros(80_000, np.int64)
    expected, seen, refused = net(x[0]), [], []

    def read(*_):
        seen.append(net(x[0]))
        for change in (lambda: net.fit(x, labels), lambda: net.biases.__setitem__(0, np.ones(512))):
            with pytest.raises(RuntimeError, match="in the middle of an evaluation") as info:
                change()
            refused.append(info)

    def end(*_):
        raise KeyboardInterrupt

    def run(handler, after):
        before = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, after)
        begun = time.process_time()
        try:
            # of its two parts, the loss is computed first, by one call of compiled code
            loss, _ = net.evaluate(x, labels)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return loss, time.process_time() - begun

    loss, whole = run(signal.SIG_IGN, 0)
    assert run(read, 0.02)[0] == loss
    assert len(seen) == 1
    assert len(refused) == 2
    compare.assert_same_bits(seen[0], expected)
    begun = time.process_time()
    with pytest.raises(KeyboardInterrupt):
        run(end, 0.02)
    assert time.process_time() - begun < whole / 2
