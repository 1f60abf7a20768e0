"""The scikit-learn pair's parameters at the ends of what they may be."""

from numbers import Integral

import numpy as np
import pytest

from pair import SMALL, X, Y

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn import neural_network
from sklearn.utils._param_validation import Interval

import featherweight as fw
from featherweight.sklearn import MLPClassifier
from featherweight.sklearn._checks import CONSTRAINTS

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # of older versions of scikit-learn, with a newer SciPy
    pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning"),
]

SOLVER = {"momentum": "sgd", "power_t": "sgd", "max_fun": "lbfgs"}
WITH = {"power_t": {"learning_rate": "invscaling"}}


def ends(interval):
    """The last numbers inside an interval's ends, and the first outside, as far as there are."""
    for end, outwards in ((interval.left, -1), (interval.right, 1)):
        if end is None:
            continue
        closed = interval.closed in ("both", "left" if outwards < 0 else "right")
        if interval.type is Integral:
            assert closed
            yield end, end + outwards
        elif closed:
            yield float(end), float(np.nextafter(end, outwards * np.inf))
        else:
            yield float(np.nextafter(end, -outwards * np.inf)), float(end)


ENDS = [
    (name, *pair)
    for name, allowed in CONSTRAINTS.items()
    for interval in (allowed if isinstance(allowed, list) else ())
    if isinstance(interval, Interval)
    for pair in ends(interval)
]


def test_there_are_such_ends():
    assert {"momentum", "epsilon", "beta_2", "dropout", "threads"} <= {name for name, *_ in ENDS}


@pytest.mark.parametrize(("name", "inside", "outside"), ENDS)
@pytest.mark.filterwarnings("ignore:Training ended at iteration")
def test_ends_of_intervals(name, inside, outside):
    settings = SMALL | {"max_iter": 3, "solver": SOLVER.get(name, "adam")} | WITH.get(name, {})
    a = MLPClassifier(**settings | {name: inside}).fit(X, Y)
    if name in neural_network.MLPClassifier().get_params():
        b = neural_network.MLPClassifier(**settings | {name: inside}).fit(X, Y)
        np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-9)
    with pytest.raises((TypeError, ValueError), match=name):
        MLPClassifier(**settings | {name: outside}).fit(X, Y)


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "sgd", "momentum": 1.0, "nesterovs_momentum": False},
        {"solver": "sgd", "momentum": 1.0, "schedule": fw.schedules.ExponentialLR(0.9)},
        {"epsilon": 1e-300},
    ],
)
def test_such_a_model_goes_on_from_a_file(settings, tmp_path):
    a = MLPClassifier(**SMALL | settings, max_iter=2, warm_start=True).fit(X, Y)
    a.save(tmp_path / "a.safetensors")
    b = MLPClassifier.load(tmp_path / "a.safetensors").fit(X, Y)
    np.testing.assert_array_equal(a.fit(X, Y).coefs_[0], b.coefs_[0])
    c = MLPClassifier(**SMALL | settings, max_iter=4).fit(X, Y)
    np.testing.assert_array_equal(c.coefs_[0], b.coefs_[0])
