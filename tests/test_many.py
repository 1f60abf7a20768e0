"""fit_many: the bits of every network alone, folds, interrupts, and what is refused."""

import functools
import os
import signal
import threading
import tracemalloc

import numpy as np
import pytest

import compare
import featherweight as fw


def problem(dtype=np.float32):
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(300, 20)).astype(dtype)
    return x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 1)


def networks(dtype=np.float32, threads=None):
    hidden = [(), (8,), (16, 16), (33, 7), (64,)] * 3
    return [
        fw.Network([20, *h, 3], rng=i, dtype=dtype, threads=threads) for i, h in enumerate(hidden)
    ]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_has_the_bits_of_being_trained_alone(threads, dtype):
    x, labels = problem(dtype)
    nets, alone = networks(dtype, 2), networks(dtype)
    folds = [np.flatnonzero(np.arange(300) % 5 != i % 5) for i in range(len(nets))]
    rates = [0.001 * (i + 1) for i in range(len(nets))]
    options = {"epochs": 3, "dropout": 0.0, "validation_split": 0.1, "label_smoothing": 0.1}
    histories = fw.fit_many(
        nets, x, labels, optimizer=[fw.Adam(r) for r in rates], rows=folds, rng=range(15),
        threads=threads, **options,
    )  # fmt: skip
    for i, (net, other) in enumerate(zip(nets, alone, strict=True)):
        history = other.fit(
            x[folds[i]], labels[folds[i]], optimizer=fw.Adam(rates[i]), rng=i, **options
        )
        compare.assert_same_bits(net.parameters, other.parameters)
        assert histories[i].loss == history.loss
        assert histories[i].val_loss == history.val_loss
        assert net.threads == 2
    assert not np.array_equal(nets[0].parameters, nets[5].parameters)  # of one shape


def test_rows_of_fit_in_their_order(isa, dtype):
    x, labels = problem(dtype)
    one, other = (fw.Network([20, 16, 3], rng=1, dtype=dtype, isa=isa) for _ in range(2))
    rows = np.random.Generator(np.random.Philox(1)).integers(0, 300, 200)
    w = np.arange(300) % 4 + 0.5
    one.fit(x, labels, rows=rows, sample_weight=w, class_weight="balanced", shuffle=False)
    other.fit(x[rows], labels[rows], sample_weight=w[rows], class_weight="balanced", shuffle=False)
    compare.assert_same_bits(one.parameters, other.parameters)


def test_data_are_converted_once():
    x, y = np.zeros((2000, 50)), np.zeros((2000, 40))
    nets = [fw.Network([50, 40], output="identity", rng=i) for i in range(20)]
    once = 2 * (x.size + y.size) * 4  # to train on and to validate on
    tracemalloc.start()
    fw.fit_many(nets, x, y, validation_data=(x, y), threads=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * once


def test_one_that_fails_does_not_ruin_the_others():
    x, labels = problem()
    nets, alone = networks()[:3], networks()[:3]
    rates = [0.1, 1e30, 0.1]
    with pytest.raises(FloatingPointError, match=r"networks\[1\]: loss: expected a finite one"):
        fw.fit_many(nets, x, labels, epochs=2, optimizer=[fw.SGD(r) for r in rates])
    for i in (0, 2):
        alone[i].fit(x, labels, epochs=2, optimizer=fw.SGD(0.1))
        compare.assert_same_bits(nets[i].parameters, alone[i].parameters)


class Counting:
    """A schedule's callable or a callback, whose state is its own."""

    def __init__(self):
        self.calls = 0

    def __call__(self, epoch):
        self.calls += 1
        return 0.9**self.calls


@pytest.mark.parametrize("each", [False, True])
def test_what_has_a_state_is_each_networks_own(each, tmp_path):
    """Early stopping, a plateau, a callable that counts, one generator: as when trained alone."""
    x, labels = problem()
    noise = labels.copy()
    noise[::3] = 0
    options = {"epochs": 40, "validation_data": (x, noise), "batch_size": 50}

    def optimizer():
        plateau = fw.schedules.ReduceLROnPlateau(patience=0, factor=0.5, threshold=0.02)
        return fw.SGD(0.5, 0.9, schedule=plateau if each else Counting())

    nets, alone = networks()[:6], networks()[:6]
    callbacks = fw.EarlyStopping(patience=3)
    if each:
        callbacks = [
            (fw.EarlyStopping(patience=3), fw.Checkpoint(tmp_path / f"{i}.fw")) for i in range(6)
        ]
    generator, same = np.random.default_rng(3), np.random.default_rng(3)
    histories = fw.fit_many(
        nets, x, labels, callbacks=callbacks, rng=[generator] * 6, threads=4,
        optimizer=[optimizer() for _ in nets] if each else optimizer(), **options,
    )  # fmt: skip
    for i, (net, other) in enumerate(zip(nets, alone, strict=True)):
        stopping = fw.EarlyStopping(patience=3)
        other.fit(x, labels, callbacks=stopping, optimizer=optimizer(), rng=same, **options)
        compare.assert_same_bits(net.parameters, other.parameters)
        if each:
            assert callbacks[i][0].best_epoch == stopping.best_epoch
            fw.load(tmp_path / f"{i}.fw")
    assert len({len(h.epoch) for h in histories}) > 1


class Fading(fw.schedules.Schedule):
    """A schedule that changes its state when it is asked."""

    def __init__(self):
        super().__init__("epoch")
        self._factor = 1.0

    def rates(self, lr, t):
        self._factor *= 0.9
        return np.full(t.shape, lr * self._factor)


@pytest.mark.parametrize(
    "make",
    [
        Counting,
        Fading,
        lambda: fw.schedules.LambdaLR(Counting()),
        lambda: fw.schedules.ReduceLROnPlateau(patience=0, factor=0.5, threshold=0.02),
        lambda: fw.schedules.SequentialLR([fw.schedules.ConstantLR(0.5, 2), Fading()], [3]),
    ],
)
def test_what_optimizers_share_is_each_networks_own(make):
    """A schedule, and a callable of which each optimizer makes a schedule."""
    x, labels = problem()
    nets, alone, shared = networks()[:6], networks()[:6], make()
    optimizers = [fw.SGD(0.5, schedule=shared) for _ in nets]
    options = {"epochs": 9, "batch_size": 50}
    fw.fit_many(nets, x, labels, optimizer=optimizers, threads=4, **options)
    for net, other in zip(nets, alone, strict=True):
        other.fit(x, labels, optimizer=fw.SGD(0.5, schedule=make()), **options)
        compare.assert_same_bits(net.parameters, other.parameters)
    assert len({id(o.schedule) for o in optimizers}) == 6
    if isinstance(shared, fw.schedules.Schedule):
        assert optimizers[0].schedule is shared


def test_a_schedule_of_ones_own_stays_the_same():
    x, labels = problem()
    schedules = [fw.schedules.ReduceLROnPlateau() for _ in range(3)]
    optimizers = [fw.SGD(schedule=s) for s in schedules]
    fw.fit_many(networks()[:3], x, labels, optimizer=optimizers)
    assert [o.schedule for o in optimizers] == schedules
    shared = [fw.SGD(schedule=schedules[0]) for _ in range(3)]
    with pytest.raises(ValueError, match="rows: expected"):
        fw.fit_many(networks()[:3], x, labels, optimizer=shared, rows=[None, None, [500]])
    assert all(o.schedule is schedules[0] for o in shared)


def test_so_many_threads_train_at_once():
    x, labels = problem()
    met = threading.Barrier(3, timeout=30)

    class Meet:
        def on_train_begin(self, state):
            met.wait()

    fw.fit_many(networks()[:6], x, labels, callbacks=Meet(), threads=3)
    short = threading.Barrier(3, timeout=0.2)
    met = short
    with pytest.raises(threading.BrokenBarrierError):
        fw.fit_many(networks()[:6], x, labels, callbacks=Meet(), threads=2)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
@pytest.mark.parametrize("rows", [64, 3_000_000])
def test_a_signal_ends_all_of_them(rows):
    """At the end of an epoch, where a second signal comes too, and inside of a long one."""
    x, labels = problem()
    big, y = np.resize(x, (rows, 20)), np.resize(labels, rows)
    nets, ended, done, sent = networks(threads=2)[:4], [], threading.Event(), threading.Event()
    before = [net.parameters.copy() for net in nets]
    views = [net.parameters for net in nets]

    def wait(state):
        ended.append(state.epoch)
        sent.wait(30)

    def begun():
        return sum(not np.array_equal(v, b) for v, b in zip(views, before, strict=True))

    def send():
        while not done.wait(0.05):
            if len(ended) == 2 or (rows > 64 and begun() == 2):
                os.kill(os.getpid(), signal.SIGINT)
                if rows == 64 and not done.wait(0.2):
                    os.kill(os.getpid(), signal.SIGINT)
                    done.wait(0.2)
                sent.set()
                return

    # a shell starts its background jobs with SIGINT ignored
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        with pytest.raises(
            KeyboardInterrupt,
            match=r"with 0 of 4 networks trained and 2 in epoch 1 of 10000000; each",
        ):
            fw.fit_many(
                nets, big, y, epochs=10**7, batch_size=1, optimizer=fw.SGD(0.01), threads=2,
                max_time=30, callbacks=wait,
            )  # fmt: skip
    finally:
        done.set()
        sender.join()
        signal.signal(signal.SIGINT, handler)
    assert ended == [1, 1]
    assert begun() == 2
    for net in nets:
        assert np.isfinite(net.parameters).all()
        assert net.threads == 2
        net.fit(x, labels)


def test_what_is_refused_changes_no_network():
    """Whichever network it concerns."""
    x, labels = problem()
    nets = networks()[:3]
    before = [net.parameters.copy() for net in nets]
    other = fw.Network([7, 3], rng=0)
    cycle = fw.SGD(0.1, schedule=fw.schedules.OneCycleLR(0.1, 30))
    for given, sentence in (
        ({"rows": [None, None, [500]]}, r"networks\[2\]: rows: expected row numbers from 0 to 299"),
        ({"networks": [*nets, other]}, r"networks\[3\]: x: expected shape \(7,\)"),
        ({"optimizer": [fw.Adam(), fw.SGD(), cycle]}, r"networks\[2\]: cycle_momentum: expected"),
        ({"rng": [1, 2, -1]}, r"networks\[2\]: rng: expected"),
        ({"dropout": [0.5]}, r"networks\[0\]: dropout: expected 0 rates"),
    ):
        with pytest.raises((TypeError, ValueError), match=sentence):
            fw.fit_many(**({"networks": nets, "x": x, "y": labels} | given))
    lbfgs = [fw.Adam(), fw.Adam(), fw.LBFGS()]
    with pytest.raises((ImportError, ValueError), match="LBFGS"):
        fw.fit_many(nets, x, labels, optimizer=lbfgs, clip_norm=1.0)
    for net, b in zip(nets, before, strict=True):
        compare.assert_same_bits(net.parameters, b)


def test_refusals(tmp_path):
    x, labels = problem()
    nets, adam = networks(), fw.Adam()
    lock = fw.schedules.LambdaLR(functools.partial(lambda lock, epoch: 1.0, threading.Lock()))
    locked = [fw.SGD(schedule=lock) for _ in nets]
    checkpoint, stopping = fw.Checkpoint(tmp_path / "a.fw"), fw.EarlyStopping()
    for given, sentence in (
        ({"networks": [nets[0], nets[0]]}, "networks: expected all different ones"),
        ({"networks": [1]}, r"networks\[0\]: expected a Network"),
        ({"optimizer": [adam] * 15}, "optimizer: expected a different one for each"),
        ({"rows": [[0]]}, "rows: expected a sequence of 15, one for each network, found 1"),
        ({"rows": [[300]] * 15}, r"networks\[0\]: rows: expected row numbers from 0 to 299"),
        ({"resume": "a"}, "resume: expected none"),
        ({"dropouts": 1}, "dropouts: expected dropout="),
        ({"networks": nets[0]}, "networks: expected a sequence of Network, found Network"),
        ({"epochs": None}, "epochs: expected a whole number, found None"),
        ({"progress": "yes"}, "progress: expected True, False, 'auto' or 'lines', found 'yes'"),
        ({"y": None}, "y: expected targets, found None"),
        ({"optimizer": locked}, "schedule of its own .* found one LambdaLR twice: cannot pickle"),
        ({"callbacks": checkpoint}, "callbacks: expected a Checkpoint for one network"),
        ({"callbacks": [[checkpoint]] * 15}, "callbacks: expected a path of its own"),
        ({"callbacks": [[stopping]] * 15}, "callbacks: expected one of its own"),
        ({"callbacks": [[stopping]] * 3}, "callbacks: expected a sequence of 15"),
    ):
        with pytest.raises((TypeError, ValueError), match=sentence):
            fw.fit_many(**({"networks": nets, "x": x, "y": labels} | given))
    assert fw.fit_many([], x, labels) == []
