"""Dropout, label smoothing, class and output weights, and the losses with a parameter."""

import warnings

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle
from featherweight.support import checks

SIZES = (37, 50, 33, 5)
RATES = (0.2, 0.5, 0.3)
BOUND = {np.float32: 3e-6, np.float64: 1e-13}


def problem(dtype, isa=None, output="softmax", hidden="tanh", threads=1, rows=70, sizes=SIZES):
    rng = np.random.Generator(np.random.Philox(8))
    net = fw.Network(sizes, hidden, output, dtype=dtype, rng=4, isa=isa, threads=threads)
    x = rng.uniform(-1, 1, (rows, sizes[0])).astype(dtype)
    return net, x, rng.integers(0, sizes[-1], rows)


def masks(rng, rates, rows, epoch=0, sizes=SIZES):
    key = checks.key(rng)
    return [
        oracle.mask(key, i, epoch, rows, sizes[i], r) if r else np.ones((len(rows), sizes[i]))
        for i, r in enumerate(rates)
    ]


def assert_gradients(found, expected, bound, planted=1e-3):
    for a, b in zip(
        (*found.weights, *found.biases, found.input),
        (*expected.weights, *expected.biases, expected.input),
        strict=True,
    ):
        compare.assert_close(a, b, bound)
        with pytest.raises(AssertionError):
            compare.assert_close(a + planted, b, bound)


# ---- dropout
def test_philox_is_the_published_one():
    """The known answers of Random123 (kat_vectors) for philox4x32-10."""
    zero = oracle.philox(0, 0, [0])[:, 0]
    assert [hex(int(w)) for w in zero] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    pi = oracle.philox(
        0x299F31D0A4093822, 0x0370734413198A2E, np.array([0x85A308D3243F6A88], np.uint64)
    )[:, 0]
    assert [hex(int(w)) for w in pi] == ["0xd16cfe09", "0x94fdcceb", "0x5001e420", "0x24126ea1"]


@pytest.mark.parametrize("hidden", ["tanh", "relu", ("silu", "sigmoid")], ids=str)
@pytest.mark.parametrize("rates", [RATES, (0.0, 0.5, 0.0), (0.9, 0.0, 0.0)], ids=str)
def test_gradients_with_masks(rates, hidden, isa, dtype):
    net, x, labels = problem(dtype, isa, hidden=hidden)
    twin, t = compare.twin(net), oracle.one_hot(labels, 5)
    expected = twin.gradients(x, t, masks=masks(9, rates, np.arange(70)))
    loss, found = net.gradients(x, labels, dropout=rates[1:], input_dropout=rates[0], rng=9)
    compare.assert_close(loss, expected.loss, BOUND[dtype])
    assert_gradients(found, expected, BOUND[dtype])
    _, other = net.gradients(x, labels, dropout=rates[1:], input_dropout=rates[0], rng=10)
    assert not np.array_equal(other.weights[0], found.weights[0])


def test_gradients_are_differences(dtype):
    """With the masks fixed, the gradient is what the loss changes by."""
    net, x, labels = problem(np.float64)
    options = {"dropout": RATES[1:], "input_dropout": RATES[0], "rng": 3}
    _, flat = net.gradients(x, labels, flat=True, **options)
    for at in np.flatnonzero(flat)[::97]:
        kept = net.parameters[at]
        losses = []
        for step in (1e-5, -1e-5):
            net.parameters[at] = kept + step
            losses.append(net.gradients(x, labels, **options)[0])
        net.parameters[at] = kept
        compare.assert_close((losses[0] - losses[1]) / 2e-5, flat[at], 1e-8)


@pytest.mark.parametrize("uint8", [False, True])
def test_fit_with_dropout(uint8, isa, dtype):
    """Two epochs of shuffled batches: a mask is drawn for a row's place in its epoch."""
    net, x, labels = problem(dtype, isa)
    if uint8:
        other = fw.Network(SIZES, "tanh", dtype=dtype, isa=isa, input_scale=1 / 200)
        other.parameters[:] = net.parameters
        net, x = other, ((x + 1) * 100).astype(np.uint8)
    twin, t, order = compare.twin(net), oracle.one_hot(labels, 5), []
    theirs = oracle.SGD(0.25)
    for epoch in range(2):
        for i in range(0, 70, 16):
            at = np.arange(i, min(i + 16, 70))
            g = twin.gradients(x[at], t[at], masks=masks(9, RATES, at, epoch))
            order.append(g.loss * len(at))
            theirs.step(twin.weights + twin.biases, g.weights + g.biases)
    history = net.fit(
        x, labels, epochs=2, batch_size=16, shuffle=False, rng=9, optimizer=fw.SGD(0.25),
        dropout=RATES[1:], input_dropout=RATES[0],
    )  # fmt: skip
    bound = 30 * BOUND[dtype]
    for a, b in zip((*net.weights, *net.biases), twin.weights + twin.biases, strict=True):
        compare.assert_close(a, b, bound * (1 + np.abs(b)))
    compare.assert_close(history.loss[1], sum(order[5:]) / 70, bound)


def test_dropout_by_threads_batches_and_instruction_sets(dtype):
    found, sizes = [], (784, 16, 5)
    for isa in fw.isas():
        for threads in (1, 2, 3):
            net, x, labels = problem(dtype, isa, threads=threads, rows=2000, sizes=sizes)
            net.fit(x, labels, batch_size=64, dropout=0.5, input_dropout=0.2, rng=1)
            found.append(net.parameters.copy())
    for other in found[1:]:
        compare.assert_same_bits(other, found[0])


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_masks_are_fair(rate):
    """Kept as often as they should be, as whole and by column; what is kept grows by as much."""
    net = fw.Network([200, 1], output="identity", dtype=np.float64)
    net.weights[0] = np.ones((1, 200))
    x = np.ones((2000, 200))
    _, g = net.gradients(x, np.zeros(2000), input_dropout=rate, rng=5)
    kept = g.input != 0
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / kept.size)
    assert abs(kept.mean(axis=0) - (1 - rate)).max() < 5 * np.sqrt(rate * (1 - rate) / 2000)
    assert abs(np.corrcoef(kept[:, 0], kept[:, 16])[0, 1]) < 0.1


# ---- losses with a parameter, and output weights
@pytest.mark.parametrize("weights", [None, (0.5, 0.0, 2.0, 1.0, 3.0)])
@pytest.mark.parametrize(
    ("loss", "output"),
    [
        (fw.losses.Huber(0.3), "identity"),
        (fw.losses.Quantile(0.8), "identity"),
        (fw.losses.Quantile(0.3), "tanh"),
        ("poisson", "exp"),
        ("mse", "sigmoid"),
        ("binary_cross_entropy", "sigmoid"),
    ],
    ids=str,
)
def test_losses(loss, output, weights, isa, dtype):
    net, x, _ = problem(dtype, isa, output)
    t = np.random.Generator(np.random.Philox(2)).integers(0, 2, (70, 5)).astype(dtype)
    name = loss if isinstance(loss, str) else loss.name
    parameter = None if isinstance(loss, str) else loss.parameter
    twin, w = compare.twin(net), 1.0 if weights is None else np.array(weights)
    expected = twin.gradients(x, t, name, None, parameter, w)
    history = net.fit(
        x, t, batch_size=70, shuffle=False, loss=loss, output_weights=weights,
        optimizer=fw.SGD(0.25), rng=0,
    )  # fmt: skip
    compare.assert_close(history.loss[0], expected.loss, BOUND[dtype] * (1 + expected.loss))
    for a, b, g in zip(net.weights, twin.weights, expected.weights, strict=True):
        compare.assert_close(a, b - 0.25 * g, BOUND[dtype])
        with pytest.raises(AssertionError):
            compare.assert_close(a, b + 0.25 * g, BOUND[dtype])
    again, _, _ = problem(dtype, isa, output)
    value, found = again.gradients(x, t, loss=loss, output_weights=weights)
    for measured in (value, again.evaluate(x, t, loss=loss, output_weights=weights)[0]):
        compare.assert_close(measured, expected.loss, BOUND[dtype] * (1 + expected.loss))
    assert_gradients(found, expected, BOUND[dtype])


def test_the_default_of_exp_is_poisson():
    net, x, _ = problem(np.float64, output="exp")
    t = np.random.Generator(np.random.Philox(2)).poisson(2.0, (70, 5))
    assert net.evaluate(x, t)[0] == net.evaluate(x, t, loss="poisson")[0]
    with pytest.raises(ValueError, match="poisson, values of at least 0"):
        net.fit(x, t - 9)


# ---- label smoothing
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("as_rows", [False, True])
def test_label_smoothing(as_rows, output, isa, dtype):
    net, x, labels = problem(dtype, isa, output)
    t = oracle.one_hot(labels, 5)
    expected = compare.twin(net).gradients(x, t * 0.8 + (0.04 if output == "softmax" else 0.1))
    y = t if as_rows else labels
    loss, found = net.gradients(x, y, label_smoothing=0.2)
    compare.assert_close(loss, expected.loss, BOUND[dtype])
    assert_gradients(found, expected, BOUND[dtype])
    history = net.fit(x, y, batch_size=70, validation_data=(x, y), label_smoothing=0.2)
    assert history.val_loss[0] == net.evaluate(x, y)[0]
    assert history.accuracy[0] > 0


# ---- weights of rows
def test_a_row_of_weight_two_is_the_row_twice(isa, dtype):
    net, x, labels = problem(dtype, isa)
    twice, w = np.concatenate([x, x[:7]]), np.ones(70)
    w[:7] = 2
    loss, found = net.gradients(x, labels, sample_weight=w)
    value, expected = net.gradients(twice, np.concatenate([labels, labels[:7]]))
    compare.assert_close(loss, value, BOUND[dtype])
    for a, b in zip(
        (*found.weights, *found.biases), (*expected.weights, *expected.biases), strict=True
    ):
        compare.assert_close(a, b, BOUND[dtype])


def test_a_row_of_weight_zero_is_not_there(isa, dtype):
    """To the bit if it is the last of its block: the sums have the same order then."""
    net, x, labels = problem(dtype, isa)
    w = np.ones(64)
    w[60:] = 0
    loss, found = net.gradients(x[:64], labels[:64], sample_weight=w)
    value, expected = net.gradients(x[:60], labels[:60])
    assert loss == value
    for a, b in zip(
        (*found.weights, *found.biases), (*expected.weights, *expected.biases), strict=True
    ):
        compare.assert_same_bits(a, b)


def test_large_weights_are_refused_before_their_sums_overflow(dtype):
    """Up to the limit they weigh as others do."""
    net, x, labels = problem(dtype)
    most = 1e30 if dtype == np.float32 else 1e300
    w = np.full(70, 0.99 * most / 70)
    compare.assert_close(
        net.evaluate(x, labels, sample_weight=w)[0], net.evaluate(x, labels)[0], 1e-6
    )
    assert np.isfinite(net.gradients(x, labels, sample_weight=w)[0])
    net.fit(x, labels, sample_weight=w)
    assert np.isfinite(net.parameters).all()
    before = net.parameters.copy()
    with pytest.raises(
        ValueError, match=r"sample_weight: expected weights that sum to at most 1e\+30"
    ):
        net.fit(x, labels, sample_weight=w * 1.02)
    compare.assert_same_bits(net.parameters, before)


@pytest.mark.parametrize("given", ["balanced", {0: 3.0, 2: 0.5}], ids=str)
def test_class_weight(given, dtype):
    net, x, labels = problem(dtype)
    other, _, _ = problem(dtype)
    rows = np.arange(70) % 3 + 1.0
    if given == "balanced":
        weights = 70 / (5 * np.bincount(labels, minlength=5))
    else:
        weights = np.array([3.0, 1.0, 0.5, 1.0, 1.0])
    net.fit(x, labels, rng=1, class_weight=given, sample_weight=rows)
    other.fit(x, labels, rng=1, sample_weight=weights[labels] * rows)
    compare.assert_same_bits(net.parameters, other.parameters)
    with pytest.raises(
        ValueError, match="class_weight: expected whole class labels from 0 to 4 as keys, found 5"
    ):
        net.fit(x, labels, class_weight={5: 1.0})


def test_multilabel():
    net, x, _ = problem(np.float64, output="sigmoid")
    t = (x[:, :5] + x[:, 5:10] > 0).astype(np.int64)
    history = net.fit(x, t, epochs=150, optimizer=fw.Adam(0.01), metrics="subset_accuracy")
    assert history.accuracy == []
    assert history["subset_accuracy"][-1] > 0.95
    found = net.predict(x, threshold=0.5)
    assert found.shape == (70, 5)
    assert (found == t).all(axis=1).mean() == history["subset_accuracy"][-1]


def test_metrics_of_multilabel_targets():
    """By hand, of a network that is half trained; what callables get; and from an iterable."""
    net, x, _ = problem(np.float64, output="sigmoid")
    t = (x[:, :5] + x[:, 5:10] > 0).astype(np.int64)
    t[:, 4], net.biases[-1] = 0, [0, 0, 0, 0, -9]
    names = ["accuracy", "f1", "mae"]

    def share(y, predicted):
        assert predicted.shape == y.shape
        return np.mean(predicted == y)

    history = net.fit(
        x, t, epochs=4, optimizer=fw.Adam(0.01), metrics=[*names, share], validation_data=(x, t)
    )
    found = net(x) > 0.5
    assert not found[:, 4].any()  # a label that is never there and never found
    whole = (found == t).all(axis=1).mean()
    assert 0 < whole < 0.9
    f1 = [2 * np.sum(found[:, i] & (t[:, i] == 1)) / max(1, np.sum(found[:, i]) + np.sum(t[:, i]))
          for i in range(5)]  # fmt: skip
    assert history["accuracy"][-1] == history["val_accuracy"][-1] == whole
    compare.assert_close(history["f1"][-1], np.mean(f1), 1e-12)
    compare.assert_close(history["mae"][-1], np.mean(np.abs(net(x) - t)), 1e-12)
    assert history["share"][-1] == np.mean(found == t) != whole
    assert net.score(x, t) == net.evaluate(x, t)[1] == whole
    skm = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the label that is never there
        compare.assert_close(history["f1"][-1], skm.f1_score(t, found, average="macro"), 1e-12)
    assert history["accuracy"][-1] == skm.accuracy_score(t, found)


def test_multilabel_targets_from_an_iterable():
    """The first batch, or all of the first epoch, has one label to a row by chance."""
    net, x, _ = problem(np.float64, output="sigmoid")
    one, many = np.eye(5)[np.arange(35) % 5], np.ones((35, 5))
    parts = [(x[:35], one), (x[35:], many)]
    history = net.fit(parts, epochs=2, validation_data=(x[:35], one))
    assert history.accuracy == history.val_accuracy == []
    history = net.fit(parts[:1], epochs=2, validation_data=(x[:35], one))
    assert len(history.accuracy) == len(history.val_accuracy) == 2
    epochs = iter((parts[:1], parts[1:]))

    class Later:
        def __iter__(self):
            yield from next(epochs)

    history = net.fit(Later(), epochs=2, validation_data=(x[:35], one))
    assert history.accuracy == history.val_accuracy == []
    with pytest.raises(ValueError, match="metrics: expected one class to a row with top_5"):
        net.fit(x[35:], many, metrics="top_5_accuracy")


def test_top_5():
    """Scores in a known order: the class of rank 5 counts, that of rank 6 doesn't."""
    net = fw.Network([7, 7], dtype=np.float64, rng=0)
    net.weights[0] = np.eye(7)
    x = np.tile(np.arange(7.0)[::-1], (4, 1))  # class 0 has the largest output
    history = net.fit(
        x, [0, 4, 5, 6], optimizer=fw.SGD(0.0), metrics=["top_5_accuracy", "f1"], shuffle=False
    )
    assert history["top_5_accuracy"] == [0.5]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dropout": 1.0}, "dropout: expected a finite number at least 0 and below 1"),
        ({"dropout": (0.5,)}, "dropout: expected 2 rates, one for each hidden layer, found 1"),
        ({"hidden": (), "dropout": 0.5}, "dropout: expected 0 without hidden layers"),
        (
            {"class_weight": dict.fromkeys(range(5), 1e30)},
            "class_weight: expected weights that sum",
        ),
        ({"input_dropout": -0.1}, "input_dropout: expected"),
        ({"label_smoothing": 1.0}, "label_smoothing: expected"),
        ({"class_weight": "equal"}, "class_weight: found 'equal'"),
        ({"output_weights": [1.0] * 5}, "output_weights: expected a loss that is a sum"),
        ({"loss": "poisson"}, "loss: expected output='exp' with 'poisson'"),
        ({"metrics": "acuracy"}, "metrics: found 'acuracy', did you mean 'accuracy'"),
        (
            {"metrics": [lambda y, p: 1.0] * 2},
            "metrics: expected different names, found '<lambda>'",
        ),
        ({"metrics": ["f1", fw.Metric(max, "val_f1")]}, "metrics: expected different names"),
        ({"metrics": fw.Metric(max, "loss")}, "metrics: expected a name that the history doesn't"),
        ({"metrics": fw.Metric(max, "to_dict")}, "metrics: expected a name that the history"),
        ({"metrics": fw.Metric(max, "accuracy")}, "metrics: expected a name that the history"),
        ({"max_time": 0}, "max_time: expected"),
    ],
)
def test_refusals(options, sentence):
    _, x, labels = problem(np.float32)
    options = dict(options)
    net = fw.Network([SIZES[0], *options.pop("hidden", SIZES[1:-1]), 5], rng=0)
    before = net.parameters.copy()
    with pytest.raises((TypeError, ValueError), match=sentence):
        net.fit(x, labels, **options)
    compare.assert_same_bits(net.parameters, before)
