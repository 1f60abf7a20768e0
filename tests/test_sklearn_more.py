"""What featherweight.sklearn adds to scikit-learn's pair, which was refused there."""

import importlib
import inspect
import pickle
import re
import time
import warnings

import numpy as np
import pytest

from pair import SMALL, X, Y, assert_same

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn import neural_network

import featherweight as fw
from featherweight.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ---- what was refused
def test_class_weight():
    few = np.r_[np.flatnonzero(Y == 0)[:8], np.flatnonzero(Y == 1)[:60]]
    x, y = X[few], np.array(["few", "many"])[Y[few]]
    for given in ("balanced", {"few": 68 / 16, "many": 68 / 120}):
        a = MLPClassifier(**SMALL, max_iter=20, class_weight=given).fit(x, y)
        weights = np.where(y == "few", 68 / 16, 68 / 120)
        b = MLPClassifier(**SMALL, max_iter=20).fit(x, y, weights)
        assert_same(a, b)


@pytest.mark.parametrize("given", ["balanced", {0: 3.0}])
def test_rows_and_classes_weigh_together(given):
    weights = np.arange(150) % 4.0
    a = MLPClassifier(**SMALL, max_iter=5, class_weight=given).fit(X, Y, weights)
    by = np.ones(3)
    if given == "balanced":  # a row of weight 2 is as good as two
        by = weights.sum() / (3 * np.bincount(Y, weights))
    else:
        by[0] = 3.0
    assert_same(a, MLPClassifier(**SMALL, max_iter=5).fit(X, Y, weights * by[Y]))


def test_balanced_labels_weigh_by_their_product():
    y = (X[:, :2] > 0.5).astype(int)
    a = MLPClassifier(**SMALL, max_iter=3, class_weight="balanced").fit(X, y)
    by = np.prod([150 / (2 * np.bincount(c)[c]) for c in y.T], axis=0)
    np.testing.assert_allclose(
        a.coefs_[0], MLPClassifier(**SMALL, max_iter=3).fit(X, y, by).coefs_[0], rtol=1e-9
    )


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_balanced_rows_count_as_if_repeated(kind):
    checks = importlib.import_module("sklearn.utils.estimator_checks")
    check = getattr(checks, f"check_sample_weight_equivalence_on_{kind}_data")
    for settings in ({"solver": "lbfgs"}, {}):
        check("MLPClassifier", MLPClassifier(class_weight="balanced", **settings))


def test_activations_by_layer_and_output_activations():
    a = MLPClassifier(**SMALL, max_iter=3, activation=["gelu", "logistic"]).fit(X, Y)
    assert a.network_.activation == ("gelu", "sigmoid")
    for output in ("softmax", "logistic"):
        for y in (Y, Y > 0):
            a = MLPClassifier(
                **SMALL, max_iter=60, output_activation=output, learning_rate_init=0.01
            ).fit(X, y)
            assert a.out_activation_ == output
            np.testing.assert_allclose(a.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
            assert a.score(X, y) > 0.85
    b = MLPRegressor(**SMALL, max_iter=3, output_activation="softplus").fit(X, X[:, 0] ** 2)
    assert (b.predict(X) > 0).all()


def test_callbacks_schedule_and_history():
    seen = []

    def stop_at_4(state):
        seen.append(state.history.loss[-1])
        return state.epoch == 4

    schedule = fw.schedules.StepLR(2, 0.1)
    a = MLPClassifier(**SMALL, callbacks=stop_at_4, schedule=schedule).fit(X, Y)
    assert a.n_iter_ == 4
    assert seen == a.loss_curve_ == a.history_.loss
    np.testing.assert_allclose(a.history_.lr, [1e-3, 1e-3, 1e-4, 1e-4])
    stopping = fw.EarlyStopping("val_loss", patience=2)
    b = MLPClassifier(**SMALL | {"learning_rate_init": 0.1}, callbacks=stopping)
    b.fit(X[:100], Y[:100], X_val=X[100:], y_val=Y[100:])
    assert b.n_iter_ < 200
    assert len(b.history_.val_loss) == b.n_iter_


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_of_scikit_learn(solver):
    pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9 has no callbacks")

    class Recorder:
        def __init__(self):
            self.log = []

        def setup(self, estimator, context):
            self.log.append("setup")

        def teardown(self, estimator, context):
            self.log.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.log.append(f"begin {context.task_name} {context.task_id}")

        def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
            self.log.append(f"end {context.task_name} {context.task_id}")
            self.score = fitted_estimator.score(X, y)
            return context.task_name == "epoch" and context.task_id == 2

    recorder = Recorder()
    a = MLPClassifier(**SMALL, solver=solver).set_callbacks(recorder).fit(X, Y)
    assert a.n_iter_ == 3
    epochs = [f"{what} epoch {i}" for i in range(3) for what in ("begin", "end")]
    assert recorder.log == ["setup", "begin fit 0", *epochs, "end fit 0", "teardown"]
    assert recorder.score == a.score(X, Y)


class Watching:
    """A callback of scikit-learn's that notes what it is told."""

    def __init__(self):
        self.subtasks, self.fitted, self.metadata = [], [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.subtasks.append(context.max_subtasks)

    def on_fit_task_end(self, estimator, context, *, metadata=None, fitted_estimator=None):
        if context.task_name == "epoch" and fitted_estimator is not None:
            f = fitted_estimator
            self.fitted.append((f.n_iter_, f.loss_))
            self.metadata.append(metadata)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_what_callbacks_of_scikit_learn_are_told(solver):
    pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9 has no callbacks")
    watching, weights = Watching(), np.ones(150)
    a = MLPClassifier(**SMALL, solver=solver, max_iter=3).set_callbacks(watching)
    a.fit(X, Y, weights)
    assert [n for n, _ in watching.fitted] == [1, 2, 3]
    assert [loss for _, loss in watching.fitted] == pytest.approx(a.history_.loss)
    assert watching.subtasks[0] == 3
    for metadata in watching.metadata:
        np.testing.assert_array_equal(metadata["sample_weight"], weights)
    if solver == "adam":
        watching.subtasks.clear()
        a.partial_fit(X, Y)
        assert watching.subtasks[0] == 1


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_max_time(solver):
    settings = SMALL | dict(solver=solver, tol=0.0, alpha=0.0, max_fun=10**6)
    slow = MLPClassifier(
        **settings, max_iter=10**6, max_time=0.05, callbacks=lambda state: time.sleep(0.02)
    ).fit(X, Y)
    assert 0 < slow.n_iter_ < 10  # rather than all day


def test_progress(capsys):
    MLPClassifier(**SMALL, max_iter=2, progress=True).fit(X, Y)
    assert "epoch 2/2" in capsys.readouterr().err


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_may_end_training_before_it_begins(solver, tmp_path):
    class Never:
        def on_train_begin(self, state):
            return True

    a = MLPClassifier(**SMALL, solver=solver, callbacks=Never()).fit(X, Y)
    assert a.n_iter_ == len(a.history_.loss) == 0
    a.save(tmp_path / "a.safetensors")
    b = MLPClassifier.load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


def test_what_is_printed(capsys):
    settings = SMALL | dict(verbose=True, n_iter_no_change=1, tol=1.0)
    stop = "did not improve more than tol=1.000000 for 1 consecutive epochs."
    a = MLPClassifier(**settings, early_stopping=True).fit(X, Y)
    printed = capsys.readouterr().out
    for loss, score in zip(a.loss_curve_, a.validation_scores_, strict=True):
        assert f"loss = {loss:.8f}\nValidation score: {score:f}\n" in printed
    assert printed.endswith(f"Validation score {stop} Stopping.\n")
    MLPClassifier(**settings, solver="sgd", learning_rate="adaptive").fit(X, Y)
    printed = capsys.readouterr().out
    assert f"Training loss {stop} Setting learning rate to 0.000200\n" in printed
    assert printed.endswith(f"Training loss {stop} Learning rate too small. Stopping.\n")


def test_an_interrupt_ends_training_and_keeps_what_was_learned():
    def interrupting(state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    a = MLPClassifier(**SMALL, max_iter=9, callbacks=interrupting)
    try:
        with pytest.warns(UserWarning, match="Training interrupted by user"):
            a.fit(X, Y)
    except KeyboardInterrupt:
        pytest.fail("the interrupt came through")
    assert a.n_iter_ == len(a.loss_curve_) == len(a.history_.loss) == 2
    assert_same(a, MLPClassifier(**SMALL, max_iter=2).fit(X, Y))


def test_initial_weights_go_by_each_layers_activation():
    acts = ["relu", "logistic"]
    a = MLPClassifier(**SMALL, activation=acts, learning_rate_init=1e-30, max_iter=1).fit(X, Y)
    draw, sizes = np.random.RandomState(0), (5, 8, 6, 3)
    for i, of in enumerate([6.0, 2.0, 2.0]):  # the output's as the last hidden layer's
        n, m = sizes[i : i + 2]
        bound = np.sqrt(of / (n + m))
        np.testing.assert_allclose(a.coefs_[i], draw.uniform(-bound, bound, (n, m)), atol=1e-15)
        np.testing.assert_allclose(a.intercepts_[i], draw.uniform(-bound, bound, m), atol=1e-15)


def test_dropout_and_weight_decay_regularise():
    plain, dropped, decayed = (
        MLPClassifier(**SMALL, max_iter=100, learning_rate_init=0.01, **more).fit(X, Y)
        for more in ({}, {"dropout": [0.5, 0.2]}, {"weight_decay": 1.0})
    )
    assert dropped.loss_ > plain.loss_
    assert np.square(decayed.coefs_[0]).sum() < np.square(plain.coefs_[0]).sum()
    held = MLPClassifier(**SMALL, max_iter=100, learning_rate_init=0.01, input_dropout=0.5)
    assert held.fit(X, Y).loss_ > plain.loss_


def test_transform():
    a = MLPClassifier(**SMALL | {"hidden_layer_sizes": (8, 7, 6)}, max_iter=3).fit(X, Y)
    found = [a.transform(X, layer=i) for i in range(3)]
    before = X
    for i in range(3):
        before = np.maximum(before @ a.coefs_[i] + a.intercepts_[i], 0)
        np.testing.assert_allclose(found[i], before)
        np.testing.assert_array_equal(a.transform(X, layer=i - 3), found[i])
    np.testing.assert_array_equal(a.transform(X), found[2])
    assert list(a.get_feature_names_out()) == [f"mlpclassifier{i}" for i in range(6)]
    with pytest.raises(IndexError, match="layer: expected -3 to 2, found 3"):
        a.transform(X, layer=3)
    for layer in (1.5, "a"):
        with pytest.raises(TypeError, match="layer: expected a whole number, found"):
            a.transform(X, layer=layer)
    flat = MLPClassifier((), max_iter=3).fit(X, Y)
    for call in (flat.transform, lambda x: flat.get_feature_names_out()):
        with pytest.raises(ValueError, match="transform: expected a hidden layer, found none"):
            call(X)


def test_transform_gives_what_set_output_asks_for():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.DataFrame(X, columns=list("abcde"), index=range(7, 157))
    a = MLPClassifier(**SMALL, max_iter=3).set_output(transform="pandas").fit(frame, Y)
    for layer, units in ((0, 8), (-1, 6)):
        found = a.transform(frame, layer=layer)
        assert list(found.columns) == [f"mlpclassifier{i}" for i in range(units)]
        assert list(found.index) == list(frame.index)
    assert list(a.fit_transform(frame, Y).columns) == list(a.get_feature_names_out())
    plain = a.set_output(transform="default").transform(frame, layer=0)
    assert type(plain) is np.ndarray


def test_a_sparse_matrix_is_taken_in_parts(monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    many = np.tile(X, (20, 1))
    many[many < 0] = 0
    matrix = sparse.csc_matrix(many)
    largest = []
    toarray = sparse.csr_matrix.toarray

    def watched(self, *args, **options):
        largest.append(self.shape[0])
        return toarray(self, *args, **options)

    a = MLPClassifier(**SMALL, max_iter=3, output_activation="logistic").fit(many, np.tile(Y, 20))
    monkeypatch.setattr(sparse.csr_matrix, "toarray", watched)
    monkeypatch.setattr(sparse.csc_matrix, "toarray", watched)
    for call in (a.predict, a.predict_proba, a.transform, a.input_gradient):
        largest.clear()
        np.testing.assert_array_equal(call(matrix), call(many))
        assert largest
        assert max(largest) <= 1024


@pytest.mark.parametrize("task", ["binary", "multiclass", "one against the rest", "regressor"])
def test_input_gradient(task):
    y = {"binary": Y > 0, "regressor": X[:, :2] ** 2}.get(task, Y)
    if task == "regressor":
        a = MLPRegressor(**SMALL, activation="tanh", max_iter=3).fit(X, y)
        found, outputs = a.input_gradient(X, 1), lambda x: a.predict(x)[:, 1]
    else:
        output = "logistic" if task == "one against the rest" else None
        a = MLPClassifier(**SMALL, activation="tanh", max_iter=3, output_activation=output)
        a.fit(X, y)
        found = a.input_gradient(X, a.classes_[0])
        np.testing.assert_array_equal(a.input_gradient(X), a.input_gradient(X, a.predict(X)))

        def outputs(x):
            return a.predict_proba(x)[:, 0]

    for i in range(X.shape[1]):
        step = np.zeros(X.shape[1])
        step[i] = 1e-6
        slope = (outputs(X + step) - outputs(X - step)) / 2e-6
        np.testing.assert_allclose(found[:, i], slope, atol=1e-8)
    if task != "regressor":
        each = np.arange(150) % len(a.classes_)
        found = a.input_gradient(X, a.classes_[each])
        for i, c in enumerate(a.classes_):
            np.testing.assert_array_equal(found[each == i], a.input_gradient(X[each == i], c))


def test_one_against_the_rest_where_all_are_0():
    a = MLPClassifier(**SMALL, max_iter=3, output_activation="logistic").fit(X, Y)
    a.coefs_[2], a.intercepts_[2] = np.zeros((6, 3)), np.full(3, -2000.0)
    np.testing.assert_array_equal(a.predict_proba(X), np.full((150, 3), 1 / 3))
    assert np.isfinite(a.predict_log_proba(X)).all()
    assert not a.input_gradient(X).any()


def test_training_that_diverges_leaves_the_best():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        a = MLPRegressor(solver="sgd", activation="identity", learning_rate_init=9.0,
                         early_stopping=True, random_state=0).fit(X, X[:, 0])  # fmt: skip
    assert any("not finite" in str(w.message) for w in told)
    assert np.isnan(a.validation_scores_[-1])
    assert np.isfinite(a.predict(X)).all()
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        MLPRegressor(solver="sgd", activation="identity", learning_rate_init=9.0).fit(X, X[:, 0])


# ---- what it looks like
@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_every_parameter_is_described(make):
    text = inspect.getdoc(make)
    listed = re.findall(r"^(\w+) : .+\n    \S", text.split("Attributes\n")[0], re.M)
    assert listed == list(inspect.signature(make).parameters)


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_every_method_says_what_it_takes_returns_and_raises(make):
    ours = [c for c in make.__mro__ if c.__module__.startswith("featherweight")]
    names = {n for c in ours for n in vars(c) if not n.startswith("_") and callable(getattr(c, n))}
    assert len(names) > 9
    for name in names:
        if re.fullmatch(r"set_(callbacks|\w+_request)", name):  # made by scikit-learn
            continue
        method = getattr(make, name)
        if not inspect.unwrap(method).__module__.startswith("featherweight"):  # inherited
            continue
        text = inspect.getdoc(method)
        sections = re.findall(r"^(\w+)\n---+$", text, re.M)
        assert sections in (["Parameters", "Returns", "Raises"], ["Parameters", "Raises"]), name


def test_loss_is_there_as_in_scikit_learn():
    assert MLPClassifier().loss == neural_network.MLPClassifier().loss == "log_loss"
    assert "loss" not in MLPClassifier().get_params()


def test_coefs_are_a_list_of_a_fixed_length():
    a = MLPClassifier(**SMALL, max_iter=1).fit(X, Y)
    for kind in ("coefs_", "intercepts_"):
        for change in (
            lambda found: found.append(1), lambda found: found.pop(), lambda found: found.clear(),
            lambda found: found.__setitem__(slice(None), []), lambda found: found.__delitem__(0),
        ):  # fmt: skip
            with pytest.raises(TypeError, match="coefs_, intercepts_: expected"):
                change(getattr(a, kind))
        kept = pickle.loads(pickle.dumps(getattr(a, kind)))
        assert type(kept) is list
        for p, q in zip(kept, getattr(a, kind), strict=True):
            np.testing.assert_array_equal(p, q)
        assert kept[0].flags.writeable
