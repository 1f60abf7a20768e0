"""Epochs in which Python has no part: the same as one by one, in one crossing."""

import signal
import sys
import threading

import numpy as np
import pytest

import compare
import featherweight as fw
from featherweight.training import epochs, many, progress

rng = np.random.Generator(np.random.Philox(4))
X = rng.normal(size=(70, 9)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)


def crossings(run):
    """How often the core's functions that train are called."""
    found = {"epoch": 0, "epochs": 0}

    def watch(frame, event, function):
        if event == "c_call" and getattr(function, "__name__", "") in found:
            found[function.__name__] += 1

    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


def trained(optimizer, epochs=7, one_by_one=False, **options):
    net = fw.Network([9, 8, 2], options.pop("activation", "tanh"), rng=2, **options)
    watcher = {"callbacks": lambda state: None} if one_by_one else {}
    history = net.fit(X, LABELS, epochs=epochs, batch_size=16, optimizer=optimizer, **watcher)
    return net, history


@pytest.mark.parametrize(
    "make",
    [
        lambda: fw.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: fw.Adam(0.01),
        lambda: fw.AdamW(0.01),
        lambda: fw.RMSprop(0.01, momentum=0.5, centered=True),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_bits_of_epochs_one_by_one(make, threads):
    optimizers = make(), make()
    net, history = trained(optimizers[0], threads=threads)
    other, expected = trained(optimizers[1], one_by_one=True)
    for _ in range(2):
        compare.assert_same_bits(net.parameters, other.parameters)
        for name in ("epoch", "loss", "accuracy", "lr"):
            assert history[name] == expected[name]
        assert len(history.seconds) == len(history.images_per_second) == len(history.epoch)
        assert optimizers[0]._steps == optimizers[1]._steps
        assert optimizers[0]._epochs == optimizers[1]._epochs
        # and training goes on likewise, by the generator and the optimizer that have gone on
        history = net.fit(X, LABELS, epochs=2, batch_size=16, optimizer=optimizers[0])
        expected = other.fit(
            X, LABELS, epochs=2, batch_size=16, optimizer=optimizers[1], callbacks=lambda s: None
        )
    other.parameters[0] = np.nextafter(other.parameters[0], np.float32(9))
    with pytest.raises(AssertionError):
        compare.assert_same_bits(net.parameters, other.parameters)


def test_one_crossing_for_all():
    assert crossings(lambda: trained(fw.Adam())) == {"epoch": 0, "epochs": 1}
    assert crossings(lambda: trained(fw.Adam(), one_by_one=True)) == {"epoch": 7, "epochs": 0}
    scheduled = fw.SGD(0.1, schedule=fw.schedules.ExponentialLR(0.9))
    assert crossings(lambda: trained(scheduled)) == {"epoch": 7, "epochs": 0}


def test_more_epochs_than_are_taken_at_once(monkeypatch):
    monkeypatch.setattr(epochs, "MOST", 3)
    assert crossings(lambda: trained(fw.Adam())) == {"epoch": 0, "epochs": 3}
    net, history = trained(fw.Adam())
    other, expected = trained(fw.Adam(), one_by_one=True)
    compare.assert_same_bits(net.parameters, other.parameters)
    assert history.loss == expected.loss


@pytest.mark.parametrize("rate", [3e5, 1e38])
def test_what_is_not_finite_ends_it_at_the_same_epoch(rate):
    """By the loss (in an epoch after the first) and by the weights alone."""
    sentences, nets = [], []
    for one_by_one in (False, True):
        net = fw.Network([9, 8, 2], "relu", output="identity", rng=2)
        optimizer = fw.SGD(rate)
        options = {"callbacks": lambda state: None} if one_by_one else {}
        with pytest.raises(FloatingPointError) as error:
            net.fit(X, LABELS[:, None] * np.ones((1, 2)), epochs=50, optimizer=optimizer, **options)
        sentences.append(str(error.value))
        nets.append((net.parameters.copy(), net.history.to_dict()["loss"]))
    assert sentences[0] == sentences[1]
    compare.assert_same_bits(nets[0][0], nets[1][0])
    assert nets[0][1] == nets[1][1]
    assert np.isfinite(nets[0][0]).all()


def test_ctrl_c_keeps_whole_epochs():
    net = fw.Network([9, 8, 2], rng=2)
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    # a shell starts its background jobs with SIGINT ignored
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt, match=r"training stopped in epoch \d+ of 10000000; "):
            net.fit(X, LABELS, epochs=10_000_000, optimizer=fw.SGD(1e-3))
        timer.join()
    finally:
        signal.signal(signal.SIGINT, handler)
    done = len(net.history.epoch)
    assert done > 10
    assert len(net.history.loss) == len(net.history.seconds) == done
    assert np.isfinite(net.parameters).all()
    # the generator goes on after the epoch that was in hand
    assert net._generator.epochs in (done, done + 1)


def test_max_time_ends_it():
    net = fw.Network([9, 8, 2], rng=2)
    history = net.fit(X, LABELS, epochs=10_000_000, optimizer=fw.SGD(1e-3), max_time=0.2)
    assert 10 < len(history.epoch) < 10_000_000
    assert history.epoch == list(range(1, len(history.epoch) + 1))


def test_a_bar_for_many_counts_whole_epochs_without_crossings():
    shown = []

    class Shared(progress.SharedBar):
        def update(self, epochs):
            shown.append((epochs, len(calls)))
            super().update(epochs)

    calls = []
    run = epochs.Passes.one
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "SharedBar", Shared)
        patch.setattr(epochs.Passes, "one", lambda *a: calls.append(1) or run(*a))
        nets = [fw.Network([9, 8, 2], rng=i) for i in range(3)]
        fw.fit_many(nets, X, LABELS, epochs=20, progress=True, threads=2)
        assert not calls
        assert sum(n for n, _ in shown) == 60
        fw.fit_many(nets, X, LABELS, epochs=2, progress=True, callbacks=lambda state: None)
    assert len(calls) == 6
    assert sum(n for n, _ in shown) == 66
