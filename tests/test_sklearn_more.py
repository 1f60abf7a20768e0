"""What featherweight.sklearn adds to scikit-learn's pair: going on, and what was refused there."""

import copy
import pickle
import time
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import featherweight as fw
from featherweight.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(1)
X = rng.normal(size=(150, 5))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
SMALL = dict(hidden_layer_sizes=(8, 6), batch_size=32, random_state=0, n_iter_no_change=np.inf)


def assert_same(a, b):
    np.testing.assert_array_equal(a.network_.parameters, b.network_.parameters)


# ---- going on
WAYS = {
    "adam": {},
    "sgd": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "dropout": {"dropout": 0.3, "input_dropout": 0.1},
    "schedule": {"schedule": fw.schedules.ExponentialLR(0.9)},
    "weight decay": {"weight_decay": 0.01},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["warm start", "partial_fit", "pickle", "deepcopy", "saved"])
def test_training_goes_on_as_if_never_stopped(way, how, tmp_path):
    whole = MLPClassifier(**SMALL, max_iter=6, **WAYS[way]).fit(X, Y)
    parts = MLPClassifier(**SMALL, max_iter=3, warm_start=True, **WAYS[way])
    if how == "partial_fit":
        for _ in range(6):
            parts.partial_fit(X, Y, classes=[0, 1, 2])
    else:
        parts.fit(X, Y)
        if how == "pickle":
            parts = pickle.loads(pickle.dumps(parts))
        elif how == "deepcopy":
            parts = copy.deepcopy(parts)
        elif how == "saved":
            parts.save(tmp_path / "a.safetensors")
            parts = MLPClassifier.load(tmp_path / "a.safetensors")
        parts.fit(X, Y)
    assert_same(whole, parts)
    assert whole.loss_curve_ == parts.loss_curve_
    assert whole.t_ == parts.t_


def test_a_warm_start_takes_new_settings():
    a = MLPClassifier(**SMALL, max_iter=2, warm_start=True, solver="sgd").fit(X, Y)
    a.set_params(learning_rate_init=0.5, momentum=0.0).fit(X, Y)
    assert a._optimizer.learning_rate == 0.5
    a.set_params(solver="adam").fit(X, Y)
    assert type(a._optimizer).__name__ == "SteppedAdam"
    with pytest.raises(ValueError, match=r"hidden_layer_sizes: expected the network's sizes"):
        a.set_params(hidden_layer_sizes=(3,)).fit(X, Y)


def test_early_stopping_leaves_out_the_same_rows_after_a_warm_start():
    seen = []

    class Looking(MLPClassifier):
        def _held_out_score(self, x, y, weights):
            seen.append(x.copy())
            return super()._held_out_score(x, y, weights)

    a = Looking(**SMALL, max_iter=1, warm_start=True, early_stopping=True).fit(X, Y)
    a.fit(X, Y)
    np.testing.assert_array_equal(seen[0], seen[1])


# ---- what was refused
def test_class_weight():
    few = np.r_[np.flatnonzero(Y == 0)[:8], np.flatnonzero(Y == 1)[:60]]
    x, y = X[few], np.array(["few", "many"])[Y[few]]
    for given in ("balanced", {"few": 68 / 16, "many": 68 / 120}):
        a = MLPClassifier(**SMALL, max_iter=20, class_weight=given).fit(x, y)
        weights = np.where(y == "few", 68 / 16, 68 / 120)
        b = MLPClassifier(**SMALL, max_iter=20).fit(x, y, weights)
        assert_same(a, b)
    with pytest.raises(ValueError, match="class_weight: expected a dict in partial_fit"):
        MLPClassifier(class_weight="balanced").partial_fit(x, y, classes=["few", "many"])


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


def test_validation_data():
    x, y = X[:100], Y[:100]
    held = X[100:], Y[100:]
    a = MLPClassifier(**SMALL, max_iter=5).fit(x, y, validation_data=held)
    assert a.validation_scores_[-1] == a.score(*held)
    assert_same(a, MLPClassifier(**SMALL, max_iter=5).fit(x, y))
    settings = SMALL | dict(n_iter_no_change=2, early_stopping=True, learning_rate_init=0.05)
    b = MLPClassifier(**settings).fit(x, y, validation_data=(*held, np.ones(50)))
    assert b.best_validation_score_ == max(b.validation_scores_) == b.score(*held)
    assert b.n_iter_ < 200
    c = MLPRegressor(**SMALL, max_iter=2).fit(x, x[:, 0], validation_data=(held[0], held[0][:, 0]))
    assert c.validation_scores_[-1] == pytest.approx(c.score(held[0], held[0][:, 0]))


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
    b.fit(X[:100], Y[:100], validation_data=(X[100:], Y[100:]))
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


def test_max_time_and_progress(capsys):
    begin = time.monotonic()
    a = MLPClassifier(**SMALL, max_iter=10**6, max_time=0.05).fit(X, Y)
    assert 0 < a.n_iter_ < 10**6
    assert time.monotonic() - begin < 60  # rather than hours
    MLPClassifier(**SMALL, max_iter=2, progress=True).fit(X, Y)
    assert "epoch 2/2" in capsys.readouterr().err


def test_dropout_and_weight_decay_regularise():
    plain, dropped, decayed = (
        MLPClassifier(**SMALL, max_iter=100, learning_rate_init=0.01, **more).fit(X, Y)
        for more in ({}, {"dropout": [0.5, 0.2]}, {"weight_decay": 1.0})
    )
    assert dropped.loss_ > plain.loss_
    assert np.square(decayed.coefs_[0]).sum() < np.square(plain.coefs_[0]).sum()


def test_transform():
    a = MLPClassifier(**SMALL, max_iter=3).fit(X, Y)
    first, last = a.transform(X, layer=0), a.transform(X)
    np.testing.assert_allclose(first, np.maximum(X @ a.coefs_[0] + a.intercepts_[0], 0))
    np.testing.assert_allclose(last, np.maximum(first @ a.coefs_[1] + a.intercepts_[1], 0))
    assert list(a.get_feature_names_out()) == [f"mlpclassifier{i}" for i in range(6)]
    with pytest.raises(IndexError, match="layer: expected -2 to 1, found 2"):
        a.transform(X, layer=2)


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
    with pytest.raises((ValueError, IndexError), match="target: expected"):
        a.input_gradient(X, 9)


# ---- refusals
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": ["relu"]}, "activation: expected 2 names, one for each hidden layer"),
        ({"activation": ["relu", "rely"]}, r"activation\[1\]: expected one of"),
        ({"activation": "rely"}, "The 'activation' parameter of MLPClassifier must be"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"),
        ({"hidden_layer_sizes": (3, 2.5)}, "hidden_layer_sizes: expected whole numbers"),
        ({"dropout": [0.5]}, "dropout: expected 2 rates"),
        ({"dropout": 0.5, "solver": "lbfgs"}, "solver: expected 'sgd' or 'adam' with dropout"),
        ({"weight_decay": 0.1, "solver": "sgd"}, "solver: expected 'adam' with weight_decay"),
        ({"schedule": 3}, "schedule: expected a schedule"),
        (
            {"schedule": len, "learning_rate": "adaptive"},
            "learning_rate: expected 'constant' with schedule",
        ),
        ({"callbacks": 3}, "callbacks: expected callables"),
        ({"threads": 0}, "The 'threads' parameter of MLPClassifier must be"),
        ({"max_time": 0.0}, "The 'max_time' parameter of MLPClassifier must be"),
    ],
)
def test_parameters_are_refused_in_a_sentence(settings, message):
    a = MLPClassifier(**SMALL | settings)
    with pytest.raises((TypeError, ValueError), match=message):
        a.fit(X, Y)
    assert not hasattr(a, "coefs_")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, r"validation_data: expected \(X, y\)"),
        ((X, Y[:5]), "validation_data: expected as many targets as rows"),
        ((X, Y + 7), "validation_data: expected classes of"),
        ((X[:, :2], Y), "X has 2 features"),
    ],
)
def test_validation_data_is_checked(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        MLPClassifier(**SMALL).fit(X, Y, validation_data=given)


def test_other_refusals():
    with pytest.raises(ValueError, match="expected 'exp' with loss='poisson'"):
        MLPRegressor(loss="poisson", output_activation="relu").fit(X, Y)
    with pytest.raises(ValueError, match="for poisson, values of at least 0"):
        MLPRegressor(loss="poisson").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="output_activation: expected 'logistic'"):
        MLPClassifier(output_activation="softmax").fit(X, X[:, :3] > 0)
    with pytest.raises(ValueError, match="number of a label"):
        MLPClassifier(**SMALL, max_iter=1).fit(X, X[:, :3] > 0).input_gradient(X)


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
