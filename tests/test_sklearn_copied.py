"""The scikit-learn pair with fitted attributes that were copied from scikit-learn's own."""

import copy
import pickle

import numpy as np
import pytest

from pair import SMALL, X, Y

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn import neural_network
from sklearn.exceptions import NotFittedError

from featherweight.sklearn import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # of older versions of scikit-learn, with a newer SciPy
    pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning"),
]

COPIED = {
    "softmax": (MLPClassifier, Y, {}),
    "logistic": (MLPClassifier, Y > 0, {"activation": "logistic"}),
    "multilabel": (MLPClassifier, X[:, :3] > 0, {"early_stopping": True}),
    "sgd": (MLPRegressor, X[:, :2], {"solver": "sgd"}),
    "lbfgs": (MLPRegressor, X[:, 0], {"solver": "lbfgs", "hidden_layer_sizes": ()}),
}


def copied(case):
    """scikit-learn's estimator, fitted, and one of ours with its fitted attributes."""
    make, y, settings = COPIED[case]
    theirs = getattr(neural_network, make.__name__)(**SMALL | settings, max_iter=4).fit(X, y)
    a = make(**theirs.get_params())
    assert not hasattr(a, "network_")
    for name, value in vars(theirs).items():
        setattr(a, name, value)
    return theirs, a


@pytest.mark.parametrize("case", COPIED)
def test_attributes_copied_from_scikit_learn_s_predict(case, tmp_path):
    theirs, a = copied(case)
    np.testing.assert_allclose(a.predict(X), theirs.predict(X), rtol=1e-9)
    for b in (a, copied(case)[1]):  # one that has predicted, and one that has not
        for c in (b, pickle.loads(pickle.dumps(b)), copy.deepcopy(b)):
            assert c.score(X, COPIED[case][1]) == pytest.approx(theirs.score(X, COPIED[case][1]))
        b.save(tmp_path / "a.safetensors")
        c = type(b).load(tmp_path / "a.safetensors")
        np.testing.assert_array_equal(c.predict(X), b.predict(X))
        before = b.coefs_[0].copy()
        if case != "lbfgs":
            b.set_params(learning_rate_init=1e-12)
            b.set_params(warm_start=True, max_iter=1).fit(X, COPIED[case][1])
            np.testing.assert_allclose(b.coefs_[0], before, atol=1e-9)
        b.coefs_[0] = before * 0
        assert not b.network_.weights[0].any()


def test_attributes_that_make_no_network():
    a = MLPRegressor(hidden_layer_sizes=(3,))
    a.coefs_, a.intercepts_ = [np.ones((5, 3)), np.ones((3, 1))], [np.ones(3), np.ones(1)]
    with pytest.raises(NotFittedError):
        a.predict(X)
    a.out_activation_ = "identity"
    a.intercepts_ = [np.ones(3)]
    with pytest.raises(ValueError, match="intercepts_: expected 2 arrays, found 1"):
        a.predict(X)
    a.coefs_ = [np.ones(5), np.ones(3)]
    with pytest.raises(ValueError, match=r"coefs_\[0\]: expected a matrix, found shape \(5,\)"):
        a.predict(X)
    a.coefs_ = []
    with pytest.raises(ValueError, match="coefs_: expected a matrix of each layer, found none"):
        a.predict(X)
    a.coefs_ = [np.ones((5, 3), np.float32), np.ones((3, 1), np.float32)]
    a.intercepts_ = [np.ones(3), np.ones(1)]
    assert a.predict(X).dtype == np.float32
    assert (a.n_layers_, a.n_outputs_) == (3, 1)
