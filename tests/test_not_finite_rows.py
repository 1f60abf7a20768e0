"""NaN and infinity in rows: named by row and column, by whatever finds them first."""

import warnings

import numpy as np
import pytest

import compare
import featherweight as fw

BAD = [np.nan, np.inf, -np.inf]


def problem(bad=np.nan, row=17, column=3, dtype=np.float64):
    x = np.random.default_rng(0).normal(size=(300, 10)).astype(dtype)
    x[row, column] = bad
    return x, np.arange(300) % 3


def network(**options):
    return fw.Network([10, 8, 3], **({"rng": 0, "threads": 1} | options))


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("given", [np.float32, np.float64, ">f4"], ids=str)
def test_fit(bad, given, dtype):
    x, labels = problem(bad, dtype=given)
    for options in (
        {},
        {"epochs": 3},
        {"shuffle": False},
        {"callbacks": lambda state: None},
        {"optimizer": fw.LBFGS()},
        {"rows": np.arange(299, 10, -1)},
        {"batch_size": 300},
    ):
        net = network(dtype=dtype)
        before = net.parameters.copy()
        with pytest.raises(
            FloatingPointError,
            match=rf"^x: expected finite numbers, found {bad} in row 17, column 3; .*weights",
        ) as info:
            net.fit(x, labels, **options)
        assert "\n" not in str(info.value)
        compare.assert_same_bits(net.parameters, before)
    net.fit(x, labels, rows=np.arange(18, 300))  # without that row


def test_what_else_makes_the_loss_infinite_is_said_as_before():
    x, labels = problem(0.0)
    for x_or_batches in (x, [(x, labels)] * 3):
        y = labels if x_or_batches is x else None
        with pytest.raises(FloatingPointError, match=r"^(loss|weights): expected"):
            network().fit(x_or_batches, y, optimizer=fw.SGD(1e30), epochs=3)


def test_partial_fit_and_fit_many():
    x, labels = problem()
    with pytest.raises(FloatingPointError, match=r"^x: .* found nan in row 17, column 3"):
        network().partial_fit(x, labels)
    for rows in (None, [None, np.arange(20)]):
        nets = [network(), network(rng=1)]
        with pytest.raises(FloatingPointError, match=r"^networks\[0\]: x: .* in row 17, column 3"):
            fw.fit_many(nets, x, labels, rows=rows)


def test_batches():
    x, labels = problem()
    batches = [(x[i : i + 10], labels[i : i + 10]) for i in range(0, 300, 10)]
    with pytest.raises(
        FloatingPointError, match=r"^x: .* found nan in row 7, column 3 of batch 2; .*step 2; "
    ):
        network().fit(batches, epochs=2)
    x, labels = problem(np.inf, 299)  # by whose update the weights are lost, at the very end
    batches = [(x[i : i + 10], labels[i : i + 10]) for i in range(0, 300, 10)]
    with pytest.raises(FloatingPointError, match=r"found inf in row 9, column 3 of batch 30; "):
        network().fit(batches)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f4", "f8", ">f8", "f2"])
def test_memory_maps_block_by_block(kind, order, tmp_path):
    x = np.memmap(tmp_path / "x", kind, "w+", shape=(60_000, 10), order=order)
    labels = np.arange(60_000) % 3
    network().fit(x, labels)
    x[54_321, 4] = np.nan
    with pytest.raises(FloatingPointError, match=r"found nan in row 54321, column 4; "):
        network().fit(x, labels, batch_size=1000)
    for call in (network().gradients, network().evaluate, network().score):
        with pytest.raises(ValueError, match=r"found nan in row 54321, column 4$"):
            call(x, labels)
    if np.dtype(kind).itemsize == 8:
        x[54_321, 4] = 1e40
        with pytest.raises(FloatingPointError, match=r"found 1e\+40, which float32 does not hold"):
            network().fit(x, labels, batch_size=1000)


def test_validation_data():
    bad, labels = problem()
    x, _ = problem(0.0)
    net = network()
    sentence = r"^validation x: .* found nan in row 17, column 3 \(after epoch 1\); the network"
    with pytest.raises(FloatingPointError, match=sentence):
        net.fit(x, labels, epochs=3, validation_data=(bad, labels))
    assert net.history.epoch == []
    with pytest.raises(FloatingPointError, match=sentence):
        net.fit([(x, labels)], validation_data=(bad, labels))
    with pytest.raises(FloatingPointError, match=r"^x: .* found nan in row 17, column 3"):
        net.fit(bad, labels, epochs=3, validation_split=0.5)
    outputs = np.zeros((300, 3))  # a loss that isn't finite for another reason is written down
    outputs[0] = 3e38
    wide = fw.Network([10, 3], output="identity", rng=0)
    history = wide.fit(x, np.zeros((300, 3)), optimizer=fw.SGD(1e-30), validation_data=(x, outputs))
    assert history.val_loss == [np.inf]


def test_numbers_that_float32_does_not_hold():
    x, labels = problem(1e40)
    found = r"expected finite numbers, found 1e\+40, which float32 does not hold, in row 17, col"
    net = network()
    before = net.parameters.copy()
    for call in (
        lambda: net.fit(x, labels),
        lambda: net.partial_fit(x, labels),
        lambda: net.fit([(x, labels)]),
        lambda: net.gradients(x, labels),
        lambda: net.evaluate(x, labels),
        lambda: net.score(x, labels),
        lambda: net.fit(x[:9], labels[:9], validation_data=(x, labels)),
        lambda: net.backward(x[:, :3], x[:, 1:4]),
        lambda: net.weights.__setitem__(0, x[10:18]),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
    with pytest.raises(ValueError, match=f"^x: {found}umn 3"):
        net.fit(x, labels)
    with pytest.raises(ValueError, match=r"^dy: .* row 17, column 2"):
        net.backward(x, x[:, 1:4])
    with pytest.raises(ValueError, match=r"^weights\[0\]: .* row 7, column 3"):
        net.weights[0] = x[10:18]
    with pytest.raises(ValueError, match=r"^biases\[0\]: .* row 2$"):
        net.biases[0] = x[15:23, 3]
    with pytest.raises(ValueError, match=r"^sample_weight: .* sum to at most"):
        net.fit(x[:9], labels[:9], sample_weight=np.full(9, 1e308))
    compare.assert_same_bits(net.parameters, before)
    assert np.isnan(net(x)[17]).any() or np.isfinite(net(x)[17]).all()  # without a warning
    network(dtype=np.float64).fit(x / 1e20, labels)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_no_class_follows_from_nan(output, dtype):
    x, labels = problem()
    net = network(output=output, dtype=dtype)
    sentence = "^x: expected finite numbers, found nan in row 17, column 3$"
    for call in (
        net.predict,
        lambda x: net.predict(x, threshold=0.5),
        lambda x: net.score(x, labels),
        lambda x: net.evaluate(x, labels),
        lambda x: net.gradients(x, labels),
    ):
        with pytest.raises(ValueError, match=sentence):
            call(x)
    with pytest.raises(ValueError, match="found nan in row 0, column 3"):
        net.predict(x[17])
    assert np.isnan(net(x)[17]).all()
    assert np.isfinite(np.delete(net(x), 17, axis=0)).all()
    one = fw.Network([10, 1], output="sigmoid", rng=0, dtype=dtype)
    with pytest.raises(ValueError, match=sentence):
        one.predict(x)
    net.weights[0] = np.full((8, 10), np.nan)
    with pytest.raises(ValueError, match=r"^outputs: expected numbers, found nan in row 0, .*wei"):
        net.predict(np.ones((4, 10)))
    assert net.predict(x[:0]).shape == (0,)


def test_a_regressor_answers_nan_with_nan():
    x, _ = problem()
    net = fw.Network([10, 8, 3], output="identity", rng=0)
    found = net.predict(x)
    assert np.isnan(found[17]).any()
    assert np.isfinite(np.delete(found, 17, axis=0)).all()
    for call in (net.score, net.evaluate, net.gradients):
        with pytest.raises(ValueError, match=r"^x: .* found nan in row 17, column 3$"):
            call(x, np.zeros((300, 3)))


class Changing:
    """A callback that sets an element at the end of epoch 2, and keeps the weights of then."""

    def __init__(self, x, bad, row=17, column=3):
        self.x, self.bad, self.at = x, bad, (row, column)

    def on_epoch_end(self, state):
        if state.epoch == 2:
            self.weights = state.network.parameters.copy()
            self.x[self.at] = self.bad


@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_what_comes_into_the_inputs_during_lbfgs(bad, activation, dtype):
    x, labels = problem(0.0, dtype=dtype)
    net, changing = network(dtype=dtype, activation=activation), Changing(x, bad)
    sentence = (
        f"^x: expected finite numbers, found {bad} in row 17, column 3; the loss became nan or "
        "infinite in iteration 3; the network holds the weights of the end of iteration 2$"
    )
    with pytest.raises(FloatingPointError, match=sentence):
        net.fit(x, labels, epochs=50, optimizer=fw.LBFGS(), callbacks=changing)
    compare.assert_same_bits(net.parameters, changing.weights)
    assert net.history.epoch == [1, 2]


def test_labels_that_change_during_lbfgs_are_named():
    x, labels = problem(0.0)
    net, changing = network(), Changing(labels[:, np.newaxis], 7, 5, 0)
    sentence = r"^y: .* found 7 in row 5: .* \(in iteration 3\); .* of the end of iteration 2$"
    with pytest.raises(ValueError, match=sentence):
        net.fit(x, labels, epochs=50, optimizer=fw.LBFGS(), callbacks=changing)
    compare.assert_same_bits(net.parameters, changing.weights)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_what_comes_into_the_inputs_of_the_scikit_learn_estimators(name, kind, solver):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from featherweight import sklearn as ours

    for early_stopping in (False, True)[: 1 if solver == "lbfgs" else 2]:
        x, labels = problem(0.0, dtype=kind)
        changing = Changing(x, np.nan)
        changing.x = x[:]
        changing.at = slice(None), 3  # of whatever rows are trained on
        estimator = getattr(ours, name)(
            hidden_layer_sizes=(8,), max_iter=5, solver=solver, callbacks=changing, random_state=0,
            early_stopping=early_stopping,
        )  # fmt: skip
        unit = "iteration" if solver == "lbfgs" else "epoch"
        row = r"\d+" if early_stopping else "0"
        sentence = rf"^X: .* found nan in row {row}, column 3; .* of the end of {unit} 2$"
        with pytest.raises(ValueError, match=sentence):
            estimator.fit(x, labels)
        compare.assert_same_bits(estimator.network_.parameters, changing.weights)
        assert estimator.n_iter_ == 2


def test_what_comes_into_a_sparse_matrix(monkeypatch):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from scipy import sparse

    from featherweight import sklearn as ours

    monkeypatch.setattr("featherweight.sklearn._data.DENSE", 0)  # batch by batch
    x, labels = problem(0.0)
    x = sparse.csr_matrix(x)
    changing = Changing(None, None)
    place = x.indptr[17] + 5  # of a row that lacks column 3
    changing.x, changing.at, changing.bad = x.data, place, np.inf
    estimator = ours.MLPClassifier((8,), max_iter=5, callbacks=changing, random_state=0)
    with pytest.raises(ValueError, match=r"^X: .* found inf in row 17, column 6; .* of epoch 2$"):
        estimator.fit(x, labels)
