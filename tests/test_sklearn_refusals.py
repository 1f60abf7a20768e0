"""What the scikit-learn pair refuses: in a sentence, and everything is as it was."""

import numpy as np
import pytest

from pair import SMALL, X, Y

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import featherweight as fw
from featherweight.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": ["relu"]}, "activation: expected 2 names, one for each hidden layer"),
        ({"activation": ["relu", "rely"]}, r"activation\[1\]: expected one of"),
        ({"activation": [["relu"], ["tanh"]]}, r"activation\[0\]: expected one of"),
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
    ("y", "message"),
    [
        (["1", "2"] * 75, "y: expected numbers, found strings"),
        (np.array(["1", "2"] * 75, object), "y: expected numbers, found strings"),
        ([[1.0], [2.0, 3.0]], "y: expected numbers, found rows of unequal length"),
        ("sparse", "y: expected a dense array, found a sparse matrix"),
    ],
)
def test_a_regressor_takes_numbers(y, message):
    if isinstance(y, str):
        y = pytest.importorskip("scipy.sparse").csr_matrix(X[:, :2])
    with pytest.raises((TypeError, ValueError), match=message):
        MLPRegressor().fit(X, y)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ([0, 1], ValueError, r"target: expected a class, or one for each of 150 rows, found shape"),
        ([[0], [1, 2]], ValueError, r"target: expected classes of \[0 1 2\], found"),
        ("a", ValueError, r"target: expected classes of \[0 1 2\], found 'a'"),
        (9, ValueError, r"target: expected classes of \[0 1 2\], found 9"),
    ],
)
def test_gradients_of_classes_that_there_are(target, error, message):
    a = MLPClassifier(**SMALL, max_iter=1).fit(X, Y)
    with pytest.raises(error, match=message):
        a.input_gradient(X, target)


@pytest.mark.parametrize("target", ["a", None, 1.0, True, 2, -1])
def test_gradients_of_outputs_that_there_are(target):
    a = MLPRegressor(**SMALL, max_iter=1).fit(X, X[:, :2])
    with pytest.raises((TypeError, IndexError), match=r"target: expected (a whole number|0 to 1)"):
        a.input_gradient(X, target)


def test_other_refusals():
    with pytest.raises(ValueError, match="expected 'exp' with loss='poisson'"):
        MLPRegressor(loss="poisson", output_activation="relu").fit(X, Y)
    with pytest.raises(ValueError, match="for poisson, values of at least 0"):
        MLPRegressor(loss="poisson").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="output_activation: expected 'logistic'"):
        MLPClassifier(output_activation="softmax").fit(X, X[:, :3] > 0)
    with pytest.raises(ValueError, match="number of a label"):
        MLPClassifier(**SMALL, max_iter=1).fit(X, X[:, :3] > 0).input_gradient(X)


# ---- and everything is as it was
def kept(a):
    """All that an estimator holds, to be compared."""
    found = {k: repr(v) for k, v in vars(a).items() if k not in a.get_params()}
    if "network_" in found:
        found["parameters"] = a.network_.parameters.tobytes()
        found["network"] = a.network_._generator.epochs, id(a.network_.history)
    if "_optimizer" in found:  # with what its repr leaves out
        state = dict(vars(a._optimizer))
        found["slots"] = [state.pop(name).tobytes() for name in ("_slots", "_memo")]
        found["optimizer"] = repr(state)
    if "_random_state" in found:
        found["random"] = a._random_state.get_state()[1].tobytes()
    if isinstance(a.random_state, np.random.RandomState):
        found["given random"] = a.random_state.get_state()[1].tobytes()
    return found


class Refusing:
    """A callback that is against all training."""

    def on_train_begin(self, state):
        raise RuntimeError("no training today")


LETTERS = np.array(list("abc"))[Y]
MANY = X[:, :3] > 0
# parameters to set, and the arguments of a call of fit that is refused
REFUSED = {
    "X_val": ({}, (X, LETTERS), {"X_val": X[:, :2], "y_val": LETTERS}),
    "y_val": ({}, (X, LETTERS), {"X_val": X, "y_val": Y}),
    "class_weight": ({"class_weight": {"q": 1}}, (X, np.array(list("xyz"))[Y]), {}),
    "output_activation": ({"output_activation": "softmax"}, (X[:, :3], MANY), {}),
    "sample_weight": ({}, (X[:, :3], LETTERS), {"sample_weight": np.ones(3)}),
    "too few rows": ({"early_stopping": True}, (X[:8], LETTERS[:8]), {}),
    "rows to split": ({"early_stopping": True}, (X[:, :2], MANY[:1]), {}),
    "callbacks": ({"callbacks": Refusing()}, (X, LETTERS), {}),
    "monitor": ({"callbacks": fw.EarlyStopping("val_loss")}, (X, Y), {}),
    "schedule": ({"schedule": lambda epoch: "a"}, (X, Y), {}),
    "schedule that fails": ({"schedule": lambda epoch: 1 / 0, "dropout": 0.1}, (X, LETTERS), {}),
    "rate": ({"callbacks": Refusing(), "learning_rate_init": 0.5}, (X, LETTERS), {}),
    "lbfgs": ({"solver": "lbfgs"}, (X, Y), {"X_val": X, "y_val": Y}),
    "lbfgs, nothing finite": ({"solver": "lbfgs", "activation": "exp"}, (X * 1e9, Y), {}),
}


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("random_state", [0, "instance"])
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_refused_fit_changes_nothing(case, random_state, warm_start, solver):
    settings, data, more = REFUSED[case]
    if random_state == "instance":
        random_state = np.random.RandomState(3)
    drawn = SMALL | {"random_state": random_state, "solver": solver}
    a = MLPClassifier(**drawn, max_iter=3, warm_start=warm_start)
    for fitted in (False, True):
        if fitted:
            a.fit(X, LETTERS)
        normal = a.get_params()
        a.set_params(**settings)
        before = kept(a)
        with pytest.raises((TypeError, ValueError, RuntimeError, ArithmeticError)):
            a.fit(*data, **more)
        assert kept(a) == before
        a.set_params(**normal)
    if not warm_start and not isinstance(random_state, np.random.RandomState):
        once = MLPClassifier(**SMALL, solver=solver, max_iter=3).fit(X, LETTERS)
        np.testing.assert_array_equal(a.fit(X, LETTERS).coefs_[0], once.coefs_[0])


def test_a_refused_partial_fit_changes_nothing():
    a = MLPClassifier(**SMALL, class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight: expected a dict in partial_fit"):
        a.partial_fit(X, Y, classes=[0, 1, 2])
    assert kept(a) == {}
    a.set_params(class_weight=None).partial_fit(X, LETTERS, classes=list("abc"))
    assert list(a.classes_) == list("abc")


def test_a_regressors_refused_fit_changes_nothing():
    a = MLPRegressor(**SMALL, max_iter=3, loss="poisson").fit(X, np.abs(X[:, 0]))
    before = kept(a)
    with pytest.raises(ValueError, match="y: expected, for poisson, values of at least 0"):
        a.fit(X[:, :3], X[:, 0])
    assert kept(a) == before


def test_an_error_after_a_step_keeps_what_was_learned():
    def failing(state):
        if state.epoch == 2:
            raise RuntimeError("enough")

    for solver in ("adam", "lbfgs"):
        a = MLPClassifier(**SMALL, solver=solver, callbacks=failing, max_iter=5)
        with pytest.raises(RuntimeError, match="enough"):
            a.fit(X, Y)
        assert a.n_iter_ == 2
        b = MLPClassifier(**SMALL, solver=solver, max_iter=2).fit(X, Y)
        np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])


def test_callbacks_of_scikit_learn_are_torn_down_when_a_fit_is_refused():
    pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9 has no callbacks")

    class Recorder:
        log = ()

        def setup(self, estimator, context):
            self.log += ("setup",)

        def teardown(self, estimator, context):
            self.log += ("teardown",)

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            pass

    recorder = Recorder()
    a = MLPClassifier(**SMALL, callbacks=Refusing()).set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="no training today"):
        a.fit(X, Y)
    assert recorder.log == ("setup", "teardown")
    assert set(vars(a)) == {*a.get_params(), "_skl_callbacks"}
