"""Names that scikit-learn's pair doesn't have: of methods' arguments, attributes and parameters."""

import copy
import pickle

import numpy as np
import pytest

import featherweight as fw

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from featherweight.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

R = np.random.default_rng(0)
X, Y = R.normal(size=(64, 6)).astype(np.float32), R.integers(0, 3, 64)
PAIR = [MLPClassifier, MLPRegressor]
ROWS = "expected no batch size: any number of rows"


@pytest.fixture(params=PAIR)
def fitted(request):
    return request.param(max_iter=2, solver="sgd", learning_rate_init=1e-3).fit(X, Y)


KEYWORDS = [
    ("save", ("a",), "overwrite", "expected nothing: an older file is replaced"),
    ("fit", (X, Y), "epochs", r"expected KIND\(max_iter=...\)"),
    ("fit", (X, Y), "optimizer", r"expected KIND\(solver=...\)"),
    ("fit", (X, Y), "sample_weights", "expected sample_weight=..."),
    ("fit", (X, Y), "validation_data", r"expected fit\(X, y, X_val=..., y_val=...\)"),
    ("fit", (X, Y), "foo", r"expected no such argument \(sample_weight, X_val"),
    ("fit", (), "x", "expected X=..."),
    ("partial_fit", (X, Y), "epochs", "expected nothing: it is one epoch"),
    ("predict", (X,), "batch_size", ROWS),
    ("predict", (), "x", "expected X=..."),
    ("score", (X, Y), "sample_weights", "expected sample_weight=..."),
    ("score", (X, Y), "batch_size", ROWS),
    ("transform", (X,), "layers", "expected layer=..."),
    ("input_gradient", (X,), "targets", "expected target=..."),
    ("get_params", (), "deeep", "expected deep=..."),
    ("load", ("a",), "device", "expected nothing: a network runs on CPUs"),
]


@pytest.mark.parametrize(("method", "args", "name", "sentence"), KEYWORDS)
def test_unknown_arguments_of_methods(fitted, method, args, name, sentence):
    kind = type(fitted).__name__
    sentence = f"^{name}: {sentence.replace('KIND', kind)}.*, found .* in {kind}.{method}$"
    with pytest.raises(TypeError, match=sentence):
        getattr(fitted, method)(*args, **{name: 1})


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score", "save", "transform"])
def test_arguments_that_are_missing_are_of_the_public_class(fitted, method):
    with pytest.raises(TypeError, match=rf"^{type(fitted).__name__}.{method}\(\) missing"):
        getattr(fitted, method)()


def test_arguments_that_are_missing_are_of_the_optimizer_used():
    with pytest.raises(TypeError, match=r"^Adam.step\(\) missing"):
        fw.Adam().step()
    with pytest.raises(TypeError, match=r"foo: expected .* in SGD.step$"):
        fw.SGD().step(None, None, foo=1)


ATTRIBUTES = {
    "weights": "coefs_",
    "coef_": "coefs_",
    "bias": "intercepts_",
    "history": "history_",
    "loss_curve": "loss_curve_",
    "los_curve_": "loss_curve_",
    "state_dict": "coefs_ and intercepts_, or save",
    "evaluate": "score",
    "lr": "learning_rate_init",
    "network": "network_",
    "pradict": "predict",
}


@pytest.mark.parametrize(("name", "right"), ATTRIBUTES.items())
def test_unknown_attributes(fitted, name, right):
    assert not hasattr(fitted, name)
    with pytest.raises(AttributeError, match=f"^{name}: expected {right}.* in MLP"):
        getattr(fitted, name)


def test_attributes_of_a_fit_that_has_not_been(fitted):
    with pytest.raises(AttributeError, match=r"^history_: expected fit before"):
        _ = type(fitted)().history_
    with pytest.raises(AttributeError, match="no attribute 'xyzzy'"):
        _ = fitted.xyzzy
    with pytest.raises(AttributeError, match="'partial_fit'"):
        _ = type(fitted)(solver="lbfgs").partial_fit


@pytest.mark.parametrize("kind", PAIR)
def test_misspelt_parameters_are_not_set(kind):
    made = kind()
    for name, right in {
        "hiden": "hidden_layer_sizes",
        "lr": "learning_rate_init",
        "epochs": "max_iter",
        "max_itr": "max_iter",
        "sizes": "hidden_layer_sizes",
    }.items():
        with pytest.raises(AttributeError, match=f"^{name}: expected {right}, found {name} = 1"):
            setattr(made, name, 1)
        with pytest.raises(ValueError, match=f"^{name}: expected {right}; Invalid parameter"):
            made.set_params(**{name: 1})
    made.set_params(max_iter=3).max_iter = 4
    made.note, made._mine, made.lr_ = "mine", 1, 2
    assert (made.max_iter, made.note) == (4, "mine")

    class Mine(kind):
        pass

    mine = Mine()
    mine.lr = 1
    assert mine.lr == 1


@pytest.mark.parametrize("kind", PAIR)
def test_scikit_learn_does_with_it_what_it_did(kind, fitted):
    made = kind(max_iter=2, random_state=0)
    for copied in (clone(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert copied.get_params() == made.get_params()
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(X), fitted.predict(X))
    with config_context(enable_metadata_routing=True):
        asked = kind(max_iter=2).set_fit_request(sample_weight=True)
        asked.set_score_request(sample_weight=True)
        search = GridSearchCV(asked, {"alpha": [0.1, 1]}, cv=2)
        search.fit(X, Y, sample_weight=np.ones(64))
        assert search.best_score_ <= 1
