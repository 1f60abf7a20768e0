"""Schedules: their formulas by hand, and in training."""

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle
import rates

S = fw.schedules


@pytest.mark.parametrize("name", rates.CASES)
def test_formulas(name):
    make, expected = rates.CASES[name]
    t = np.arange(25.0)
    found = make(0.5, "step").rates(0.5, t)
    wanted = np.array([0.5 * expected(i) for i in range(25)])
    compare.assert_close(found, wanted, 1e-14, name)
    with pytest.raises(AssertionError):  # the twin: a moment late
        compare.assert_close(np.roll(found, 1), wanted, 1e-14, name)


def test_plateau():
    """Patience 1: the second epoch in a row without a better value reduces; cooldown 2 waits."""
    s = S.ReduceLROnPlateau(factor=0.5, patience=1, cooldown=2, threshold=0.0, min_lr=0.2)
    seen = []
    for value in (5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0):
        s.observe(value)
        seen.append(float(s.rates(1.0, np.zeros(1))[0]))
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2]
    s.reset()
    assert s.rates(1.0, np.zeros(1)) == 1.0


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_what_a_plateau_takes_for_better(mode, threshold_mode):
    """2 is followed by what is just not better, by NaN, and by what is, with a threshold of 0.1."""
    limit = 0.2 if threshold_mode == "rel" else 0.1
    sign = -1 if mode == "min" else 1
    for value, reductions in (
        (2 + sign * limit * 0.99, 1),
        (np.nan, 1),
        (2 + sign * limit * 1.01, 0),
    ):
        s = S.ReduceLROnPlateau(
            mode, factor=0.5, patience=0, threshold=0.1, threshold_mode=threshold_mode
        )
        s.observe(2.0)
        s.observe(value)
        assert s.rates(1.0, np.zeros(1)) == 0.5**reductions


def problem(dtype, rows=48):
    rng = np.random.Generator(np.random.Philox(3))
    net = fw.Network((7, 17, 3), "tanh", dtype=dtype, rng=1)
    return net, rng.uniform(-1, 1, (rows, 7)).astype(dtype), rng.integers(0, 3, rows)


@pytest.mark.parametrize("by", ["step", "epoch"])
def test_in_training(by, dtype, isa):
    """Three epochs of three steps, each with its own rate, as the oracle takes them."""
    net, x, labels = problem(dtype)
    net = fw.Network((7, 17, 3), "tanh", dtype=dtype, rng=1, isa=isa)
    reference, t = compare.twin(net), oracle.one_hot(labels, 3)
    optimizer = fw.SGD(0.5, momentum=0.5, schedule=S.ExponentialLR(0.7, by=by))
    net.fit(x, labels, epochs=3, batch_size=16, shuffle=False, optimizer=optimizer)
    theirs = oracle.SGD(0.5, momentum=0.5)
    for i in range(9):
        theirs.lr = 0.5 * 0.7 ** (i if by == "step" else i // 3)
        batch = slice(i % 3 * 16, i % 3 * 16 + 16)
        oracle.train(reference, theirs, [(x[batch], t[batch], None)])
    bound = 3e-6 if dtype == np.float32 else 1e-14
    for w, expected in zip(net.weights, reference.weights, strict=True):
        compare.assert_close(w, expected, bound * (1 + np.abs(expected)), by)
        with pytest.raises(AssertionError):
            compare.assert_close(w * 1.001, expected, bound * (1 + np.abs(expected)), by)
    assert optimizer.current_lr == pytest.approx(0.5 * 0.7 ** (9 if by == "step" else 3), rel=1e-12)


def test_an_epoch_cut_in_two_has_the_rates_of_one():
    found = []
    for epochs in ((4,), (1, 3)):
        net, x, labels = problem(np.float32)
        optimizer = fw.Adam(0.02, schedule=S.OneCycleLR(0.05, 12))
        for n in epochs:
            net.fit(x, labels, epochs=n, batch_size=16, optimizer=optimizer)
        found.append(net.parameters.copy())
    compare.assert_same_bits(*found)
    other, x, labels = problem(np.float32)
    other.fit(x, labels, epochs=4, batch_size=16, optimizer=fw.Adam(0.02))
    assert not np.array_equal(other.parameters, found[0])


def test_another_network_begins_anew():
    net, x, labels = problem(np.float32)
    optimizer = fw.SGD(0.5, schedule=S.StepLR(1, 0.5))
    net.fit(x, labels, epochs=2, optimizer=optimizer)
    assert optimizer.current_lr == 0.125
    other, _, _ = problem(np.float32)
    other.fit(x, labels, epochs=1, optimizer=optimizer)
    assert optimizer.current_lr == 0.25


def test_a_plateau_in_training():
    net, x, labels = problem(np.float32)
    optimizer = fw.SGD(0.0, schedule=S.ReduceLROnPlateau(factor=0.5, patience=1))
    optimizer.lr = 1e-8  # nothing gets better by more than the threshold
    net.fit(x, labels, epochs=4, optimizer=optimizer, shuffle=False)
    assert optimizer.current_lr == 1e-8  # a reduction by less than eps isn't made
    optimizer = fw.SGD(1e-4, schedule=S.ReduceLROnPlateau(factor=0.5, patience=1, threshold=0.5))
    net.fit(x, labels, epochs=4, optimizer=optimizer, shuffle=False)
    assert optimizer.current_lr == 5e-5


def test_a_monitor_that_nothing_fills_is_refused_at_once():
    net, x, labels = problem(np.float32)
    before = net.parameters.copy()
    optimizer = fw.SGD(0.1, schedule=S.ReduceLROnPlateau(monitor="val_loss"))
    with pytest.raises(ValueError, match="monitor: found 'val_loss'"):
        net.fit(x, labels, optimizer=optimizer)
    compare.assert_same_bits(net.parameters, before)
    net.fit(x, labels, optimizer=optimizer, validation_data=(x, labels))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: S.StepLR(0), "step_size: expected at least 1, found 0"),
        (lambda: S.StepLR(2, by="day"), "by: found 'day', expected one of 'epoch', 'step'"),
        (lambda: S.ExponentialLR(float("nan")), "gamma: expected a finite number"),
        (lambda: fw.SGD(0.1, schedule=3), "schedule: expected a schedule, a callable or None"),
        (lambda: S.SequentialLR([S.StepLR(2)], [3]), "milestones: expected 0 increasing numbers"),
        (
            lambda: S.SequentialLR([S.StepLR(2), S.OneCycleLR(1.0, 9)], [3]),
            "schedulers: expected schedules that all count by the same",
        ),
        (
            lambda: S.SequentialLR([S.StepLR(2)], None),
            "milestones: expected a sequence, found None",
        ),
        (lambda: S.SequentialLR(3, [1]), "schedulers: expected a sequence, found 3"),
        (lambda: S.SequentialLR([S.StepLR(2)] * 2, ["a"]), "milestones: expected a whole number"),
        (lambda: S.OneCycleLR(1.0, 9, three_phase="no"), "three_phase: expected True or False"),
        (
            lambda: fw.SGD(0.1, schedule=S.OneCycleLR(1.0, 9)).current_lr,
            "cycle_momentum: expected an optimizer with momentum or betas",
        ),
    ],
)
def test_refusals(make, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        make()


class Own(S.Schedule):
    """A schedule of a user's, who has not called the base's __init__."""

    def __init__(self, rates):
        self._rates = rates

    def rates(self, lr, t):
        return self._rates(lr, t)


@pytest.mark.parametrize("by", ["step", "epoch"])
def test_a_schedule_of_ones_own(by):
    """A list is as good as an array; what isn't a rate for each time is refused in a sentence."""
    net, x, labels = problem(np.float32)
    own = Own(lambda lr, t: [lr / (i + 1) for i in t])
    own.by = by
    history = net.fit(x, labels, epochs=2, batch_size=16, optimizer=fw.SGD(0.6, schedule=own))
    wanted = [0.6 / 3, 0.6 / 6] if by == "step" else [0.6, 0.3]
    compare.assert_close(history.lr, wanted, 1e-15)
    before = net.parameters.copy()
    for given, sentence in (
        (
            lambda lr, t: -lr * np.ones(len(t)),
            r"schedule: expected lr finite and at least 0, found (-0\.6|nan)$",
        ),
        (
            lambda lr, t: np.full(len(t), np.nan),
            r"schedule: expected lr finite and at least 0, found (-0\.6|nan)$",
        ),
        (
            lambda lr, t: np.ones(len(t) + 1),
            r"schedule: expected lr of shape \(\d,\), found \(\d,\)",
        ),
        (lambda lr, t: lr, r"schedule: expected lr of shape \(\d,\), found \(\)"),
        (lambda lr, t: ["a"] * len(t), "schedule: expected real numbers"),
    ):
        own._rates = given
        with pytest.raises((TypeError, ValueError), match=sentence):
            net.fit(x, labels, batch_size=16, optimizer=fw.SGD(0.6, schedule=own))
    own.hyper = lambda base, t: {"momentum": np.ones(len(t))}
    with pytest.raises(ValueError, match=r"momentum at least 0 and below 1, found 1\.0"):
        net.fit(x, labels, optimizer=fw.SGD(0.6, momentum=0.9, schedule=own))
    compare.assert_same_bits(net.parameters, before)
