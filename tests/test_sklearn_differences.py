"""What docs/sklearn.md says of differences from scikit-learn, of those that no other test sees."""

import numpy as np
import pytest

from pair import SMALL, X, Y

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn import neural_network

from featherweight.sklearn import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # of older versions of scikit-learn, with a newer SciPy
    pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning"),
]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_float32_stays(solver):
    x = X.astype(np.float32)
    a = MLPClassifier(**SMALL, solver=solver, max_iter=2).fit(x, Y)
    assert a.coefs_[0].dtype == a.predict_proba(x).dtype == np.float32
    theirs = neural_network.MLPClassifier(**SMALL, solver=solver, max_iter=2).fit(x, Y)
    assert theirs.coefs_[0].dtype == (np.float64 if solver == "lbfgs" else np.float32)


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
def test_what_is_not_finite_from_the_first_ends_lbfgs(make):
    a = make(**SMALL, solver="lbfgs", max_iter=2)
    with pytest.raises((ValueError, FloatingPointError)):
        a.fit(X * 1e200, Y)
    assert not hasattr(a, "coefs_")


def test_what_float32_can_not_hold():
    x = X.astype(np.float32)
    a = MLPRegressor(**SMALL, max_iter=2)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        a.fit(x, X[:, 0] * 1e30)


def test_weights_are_not_deleted():
    a = MLPClassifier(**SMALL, max_iter=1).fit(X, Y)
    with pytest.raises(AttributeError):
        del a.coefs_
    assert len(a.coefs_) == 3


def test_the_page_of_a_notebook_links_nowhere():
    a = MLPClassifier()
    assert a._get_doc_link() == ""
    assert "MLPClassifier" in a._repr_html_()
    assert 'href="https://scikit-learn.org' not in a._repr_html_()
