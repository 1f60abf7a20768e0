"""Data that change while they are trained on: an error that names them, and nothing outside them.

Python's checks come before training, and compiled code reads the arrays later: what it finds by
then must be valid, or training ends with the network as after the last good epoch.
"""

import threading

import numpy as np
import pytest

import compare
import featherweight as fw
from changing import INPUTS, ROWS, Changing, ChangingInAnEpoch, network, rows
from featherweight import _core

LABELS = [3, -1, 100, 10**9, -(10**6), 2**62, np.iinfo(np.int64).min, np.iinfo(np.int64).max]
LOSSES = {
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
    "mse": "identity",
    "huber": "identity",
    "quantile": "identity",
    "poisson": "exp",
}
# values that a loss can't be trained on
VALUES = {
    "cross_entropy": [np.nan, -0.5, 7.0, np.inf],
    "binary_cross_entropy": [np.nan, -0.5, 1.5, -np.inf],
    "poisson": [np.nan, -1.0, np.inf],
    "mse": [np.nan, np.inf, -np.inf],
    "huber": [np.nan, np.inf],
    "quantile": [np.nan, -np.inf],
}


def expect_an_error(net, changing, match, *args, **options):
    with pytest.raises(ValueError, match=match) as caught:
        net.fit(*args, epochs=6, batch_size=8, callbacks=changing, **options)
    assert "in epoch 3" in str(caught.value)
    assert "the network holds the weights of the end of epoch 2" in str(caught.value)
    compare.assert_same_bits(net.parameters, changing.weights)
    assert len(net.history.epoch) == 2


@pytest.mark.parametrize("kind", [Changing, ChangingInAnEpoch])
@pytest.mark.parametrize("label", LABELS)
def test_labels(label, kind, isa):
    x, y = rows()
    changing = kind(lambda: y.__setitem__(slice(17, None), label))
    match = rf"y: expected class labels from 0 to 2, found {label}\b"
    net = network(isa=isa)
    expect_an_error(net, changing, match, x, y)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(("loss", "bad"), [(k, v) for k, vs in VALUES.items() for v in vs])
def test_values(loss, bad, mapped, dtype, tmp_path):
    x, y = rows(dtype)
    values = np.eye(3)[y].astype(np.float64 if mapped else dtype)
    if mapped:
        np.save(tmp_path / "y.npy", values)
        values = np.load(tmp_path / "y.npy", mmap_mode="r+")
    changing = Changing(lambda: values.__setitem__((40, 1), bad))
    net = network(LOSSES[loss], dtype=dtype)
    expect_an_error(net, changing, r"y: expected .* in row 40: the array was", x, values, loss=loss)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_weights_of_rows(bad, dtype):
    x, y = rows(dtype)
    weights = np.ones(ROWS, dtype)
    changing = Changing(lambda: weights.__setitem__(33, bad))
    match = "sample_weight: expected finite weights of at least 0, found .* in row 33"
    expect_an_error(network(dtype=dtype), changing, match, x, y, sample_weight=weights)


@pytest.mark.parametrize("callbacks", [True, False])
def test_weights_that_become_zero(callbacks):
    x, y = rows()
    weights = np.ones(ROWS, np.float32)
    net = network()
    if callbacks:
        changing = Changing(lambda: weights.fill(0))
        expect_an_error(net, changing, "found only zeros", x, y, sample_weight=weights)
        return
    timer = threading.Timer(0.1, lambda: weights.fill(0))
    timer.start()
    with pytest.raises(ValueError, match="sample_weight: expected a weight above 0"):
        net.fit(x, y, epochs=10**7, batch_size=16, sample_weight=weights)
    timer.join()
    assert net.history.loss[-1] > 0


def expect_the_end_of_epoch_2(net, changing, match, *args, unit="epoch", **options):
    with pytest.raises((ValueError, FloatingPointError), match=match) as caught:
        net.fit(*args, epochs=6, callbacks=changing, **options)
    found = str(caught.value)
    assert found.endswith(f"(after {unit} 3); the network holds the weights of the end of {unit} 2")
    compare.assert_same_bits(net.parameters, changing.weights)
    assert [len(values) for values in net.history.to_dict().values() if values] == [2] * len(
        [values for values in net.history.to_dict().values() if values]
    )


VALIDATION = {
    "label": (1, (4,), 10**9, "validation_data: y: expected class labels .* found 1000000000"),
    "input": (0, (4, 2), np.nan, "validation x: expected finite numbers, found nan in row 4, col"),
    "weight": (2, (4,), np.nan, "validation_data: sample_weight: .* found nan in row 4"),
    "negative": (2, (4,), -1.0, "validation_data: sample_weight: .* found -1 in row 4"),
    "zeros": (2, slice(None), 0.0, "validation_data: sample_weight: .* only zeros"),
}


@pytest.mark.parametrize("lbfgs", [False, True])
@pytest.mark.parametrize("metrics", [(), ("f1",)])
@pytest.mark.parametrize("way", VALIDATION)
def test_validation_data_that_change(way, metrics, lbfgs):
    x, y = rows()
    validation = [x.copy(), y.copy(), np.ones(ROWS, np.float32)]
    part, place, value, match = VALIDATION[way]
    options = {"optimizer": fw.LBFGS(), "unit": "iteration"} if lbfgs else {}
    expect_the_end_of_epoch_2(
        network(), Changing(lambda: validation[part].__setitem__(place, value)), match, x, y,
        validation_data=tuple(validation), metrics=metrics, **options,
    )  # fmt: skip


def test_targets_that_change_before_a_metric():
    """In an iterable's place: what no step reads any more."""
    x, y = rows()

    class AtTheEnd(ChangingInAnEpoch):
        def on_batch_end(self, state):
            if state.epoch == 3 and state.batch == 8:  # the last
                self.change()

    changing = AtTheEnd(lambda: y.__setitem__(5, -7))
    match = "y: expected class labels from 0 to 2, found -7"
    expect_the_end_of_epoch_2(network(), changing, match, x, y, batch_size=8, metrics="f1")


def test_an_error_of_a_metric_is_no_error_of_the_data():
    x, y = rows()
    net = network()

    def bad(truth, predicted):
        raise ValueError("of its own")

    with pytest.raises(ValueError, match=r"of its own$"):
        net.fit(x, y, metrics=bad)


def test_validation_inputs_that_change_after_a_loss_that_was_infinite():
    x, _ = rows()
    outputs = np.zeros((ROWS, 3), np.float32)
    wide = outputs.copy()
    wide[0] = 3e38
    validation = x.copy()
    changing = Changing(lambda: validation.__setitem__((4, 2), np.nan))
    net = network("identity")
    match = "validation x: expected finite numbers, found nan in row 4"
    expect_the_end_of_epoch_2(net, changing, match, x, outputs, validation_data=(validation, wide))


class Spoiling:
    """A callback that makes a network's weights NaN at some event of epoch 3."""

    def __init__(self, event):
        self.weights = None
        setattr(self, event, self.spoil)
        if event != "on_epoch_end":
            self.on_epoch_end = self.keep

    def keep(self, state):
        self.weights = state.network.parameters.copy()

    def spoil(self, state):
        if state.epoch == (2 if self.weights is None else 3):
            if self.weights is None:
                self.keep(state)
            state.network.parameters[...] = np.nan


@pytest.mark.parametrize(
    "event", ["on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end"]
)
def test_weights_that_a_callback_makes_nan(event, dtype):
    x, y = rows(dtype)
    net, spoiling = network(dtype=dtype), Spoiling(event)
    if event != "on_epoch_end":
        spoiling.weights = net.parameters.copy()
    with pytest.raises(FloatingPointError, match=r"in epoch 3, .* the end of epoch 2$"):
        net.fit(x, y, epochs=6, batch_size=8, callbacks=spoiling)
    compare.assert_same_bits(net.parameters, spoiling.weights)
    assert len(net.history.epoch) == 2


def test_weights_that_a_callback_makes_nan_as_training_begins():
    class Early:
        def on_train_begin(self, state):
            state.network.parameters[...] = np.nan

    x, y = rows()
    net = network()
    before = net.parameters.copy()
    with pytest.raises(FloatingPointError, match=r"weights of before the first epoch$"):
        net.fit(x, y, epochs=6, callbacks=Early())
    compare.assert_same_bits(net.parameters, before)


def test_weights_that_a_callback_sets_are_gone_back_to():
    x, y = rows()
    net, labels = network(), y.copy()

    def change(state):
        if state.epoch == 2:
            state.network.parameters[...] = 0.5
            labels[3] = 99

    with pytest.raises(ValueError, match="found 99"):
        net.fit(x, labels, epochs=6, callbacks=change)
    assert (net.parameters == 0.5).all()


def test_a_batch_that_is_refused_is_named():
    x, y = rows()
    net = network()
    before = net.parameters.copy()
    bad = y.copy()
    bad[3] = 7
    with pytest.raises(ValueError, match=r"y: expected .* \(in batch 2 of epoch 1\); the network"):
        net.fit([(x, y), (x, bad)], None)
    compare.assert_same_bits(net.parameters, before)


def test_weights_that_a_split_leaves_on_one_side():
    x, y = rows()
    weights = np.zeros(ROWS, np.float32)
    weights[5] = 1
    net = network()
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=r"validation_split: .* found only zeros$"):
        net.fit(x, y, sample_weight=weights, validation_split=0.5)
    compare.assert_same_bits(net.parameters, before)


def test_weights_that_sum_to_infinity():
    x, y = rows()
    weights = np.ones(ROWS, np.float32)
    changing = Changing(lambda: weights.fill(np.finfo(np.float32).max))
    expect_an_error(network(), changing, "sample_weight: expected", x, y, sample_weight=weights)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_with_threads(threads):
    """Wide enough for rows to be split, and for two threads to share the first layer."""
    rng = np.random.Generator(np.random.Philox(8))
    x, y = rng.normal(size=(512, 784)).astype(np.float32), rng.integers(0, 10, 512)
    for sizes, batch in (((784, 128, 10), 32), ((784, 256, 256, 10), 256)):
        net, labels = fw.Network(sizes, rng=1, threads=threads), y.copy()
        changing = Changing(lambda labels=labels: labels.__setitem__(slice(100, None), 10))
        changing.on_epoch_begin = lambda state: None
        with pytest.raises(ValueError, match=r"y: expected class labels from 0 to 9, found 10\b"):
            net.fit(x, labels, epochs=4, batch_size=batch, callbacks=changing)
        compare.assert_same_bits(net.parameters, changing.weights)


@pytest.mark.parametrize("sizes", [(INPUTS, 9, 3), (784, 128, 3)])
def test_from_another_thread(sizes):
    """Many epochs in one call of compiled code, with nothing of Python's between them."""
    rng = np.random.Generator(np.random.Philox(8))
    x = rng.normal(size=(64, sizes[0])).astype(np.float32)
    y = np.zeros(64, np.int64)
    net = fw.Network(sizes, rng=1, threads=2)
    timer = threading.Timer(0.1, lambda: y.__setitem__(5, 10**9))
    timer.start()
    with pytest.raises(ValueError, match=r"found 1000000000 in row 5: the array was changed"):
        net.fit(x, y, epochs=10**7, batch_size=16)
    timer.join()
    good = len(net.history.epoch)
    again = fw.Network(sizes, rng=1)
    again.fit(x, np.zeros(64, np.int64), epochs=good, batch_size=16)
    compare.assert_same_bits(net.parameters, again.parameters)


def test_in_many_networks():
    x, y = rows()
    nets = [network() for _ in range(4)]
    weights = {}

    def change(state):
        if state.epoch == 2:
            y[11] = 77

    with pytest.raises(ValueError, match=r"networks\[\d\]: y: expected class labels .* found 77"):
        fw.fit_many(nets, x, y, epochs=4, callbacks=change, threads=1)
    for net in nets:
        assert np.isfinite(net.parameters).all()
    assert not weights


@pytest.mark.parametrize("metrics", [(), ("f1", "accuracy")])
def test_validation_data(metrics):
    x, y = rows()
    labels = y.copy()
    changing = Changing(lambda: labels.__setitem__(4, -7))
    net = network()
    with pytest.raises(ValueError, match=r"validation.*: expected class labels .* found -7"):
        net.fit(x, y, epochs=4, validation_data=(x, labels), callbacks=changing, metrics=metrics)
    assert len(net.history.epoch) == 2


def test_row_numbers_are_copied():
    x, y = rows()
    which = np.arange(0, ROWS, 2)
    net, again = network(), network()
    net.fit(x, y, rows=which, epochs=3, callbacks=lambda state: which.fill(10**9))
    again.fit(x, y, rows=np.arange(0, ROWS, 2), epochs=3)
    compare.assert_same_bits(net.parameters, again.parameters)


def test_other_valid_values_are_the_users_affair():
    x, y = rows()
    net = network()
    history = net.fit(x, y, epochs=3, callbacks=lambda state: y.__setitem__(slice(None), 1))
    assert len(history.epoch) == 3
    assert (net.predict(x) >= 0).all()


# ---- the compiled functions alone: what Python has checked and what comes may differ
def trainer(net, loss="cross_entropy", batch=ROWS):
    return _core.CoreTrainer(net._core, loss, batch)


def samples(x, labels, weights=None):
    return _core.CoreSamples(x, labels, None, weights)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("many", [False, True])
def test_evaluation_and_gradients(label, many, dtype):
    n = 700 if many else ROWS
    x, y = np.zeros((n, INPUTS), dtype), np.zeros(n, np.int64)
    y[n - 3] = label
    net = network(dtype=dtype)
    packed = np.empty_like(net.parameters)
    match = rf"y: expected class labels from 0 to 2, found {label} in row {n - 3}"
    with pytest.raises(ValueError, match=match):
        trainer(net).evaluate(samples(x, y))
    with pytest.raises(ValueError, match=match):
        trainer(net, batch=n).gradients(samples(x, y), packed, None)
    weights = np.ones(n, dtype)
    weights[5] = -3
    for f in (trainer(net).evaluate, lambda *a: trainer(net, batch=n).gradients(*a, packed, None)):
        with pytest.raises(ValueError, match=r"sample_weight: expected .* found -3 in row 5"):
            f(samples(x, np.zeros(n, np.int64), weights))


def test_more_rows_than_there_is_room_for():
    net = network()
    x, packed = np.zeros((ROWS, INPUTS), np.float32), np.empty_like(net.parameters)
    with pytest.raises(ValueError, match="no more rows than the trainer's batch"):
        trainer(net, batch=8).gradients(samples(x, np.zeros(ROWS, np.int64)), packed, None)
    with pytest.raises(ValueError, match="no more rows than the trainer's batch"):
        trainer(net, batch=8).backward(x, np.zeros((ROWS, 3), np.float32), packed, None)


def test_the_last_valid_values_are_taken():
    """The twin: labels 0 and outputs - 1, and the ends of a loss's range, are no errors."""
    x, y = rows()
    y[:2] = 0, 2
    network().fit(x, y, callbacks=lambda state: y.__setitem__(slice(None), 2), epochs=2)
    ranges = {"binary_cross_entropy": (0, 1), "poisson": (0, 1e6), "mse": (-1e9, 1e9)}
    for loss, ends in ranges.items():
        values = np.zeros((ROWS, 3))
        values[::2], values[1::2] = ends
        network(LOSSES[loss]).fit(x, values, loss=loss, optimizer=fw.SGD(0.0), epochs=2)


# ---- files
def test_a_file_rewritten_with_other_labels(tmp_path):
    x, y = rows()
    np.save(tmp_path / "y.npy", y)
    labels = np.load(tmp_path / "y.npy", mmap_mode="r")
    changing = Changing(lambda: np.save(tmp_path / "y.npy", np.full(ROWS, 999)))
    net = network()
    with pytest.raises(ValueError, match="y: expected class labels from 0 to 2, found 999"):
        net.fit(x, labels, epochs=4, callbacks=changing)
    compare.assert_same_bits(net.parameters, changing.weights)


def test_a_batch_whose_rows_have_several_labels_where_a_metric_takes_none():
    net = fw.Network([3, 4, 6], "tanh", "sigmoid", rng=0)
    before, x = net.parameters.copy(), np.eye(6, 3, dtype=np.float32)
    one, several = np.eye(6, dtype=np.float32), np.ones((6, 6), np.float32)
    batches = [(x, one), (x, one), (x, several)]
    with pytest.raises(ValueError, match=r"^metrics: .* found multilabel .*in batch 3 of epoch 1"):
        net.fit(batches, metrics=["top_5_accuracy"])
    assert np.array_equal(net.parameters, before)
