"""The scikit-learn pair beside scikit-learn's own: the same steps, checks and tags."""

import inspect
import pickle
import warnings
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn import datasets, neural_network
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import featherweight as fw
import featherweight.sklearn as ours

PAIR = ("MLPClassifier", "MLPRegressor")
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
WEIGHTED = (
    "sample_weight" in inspect.signature(neural_network.MLPClassifier.fit).parameters
)  # since 1.7

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # of older versions of scikit-learn, with a newer SciPy
    pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning"),
]


CHECKS = [pair for name in PAIR for pair in estimator_checks_generator(getattr(ours, name)())]


@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=[f"{type(e).__name__}-{c.func.__name__}" for e, c in CHECKS]
)
def test_scikit_learn_s_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        check(estimator)


@pytest.mark.parametrize("name", PAIR)
def test_as_many_checks_and_no_tag_less(name):
    def checks(module):
        return Counter(
            c.func.__name__ for _, c in estimator_checks_generator(getattr(module, name)())
        )

    assert checks(neural_network) <= checks(ours)
    theirs, found = (getattr(m, name)().__sklearn_tags__() for m in (neural_network, ours))
    for tag in theirs.__dataclass_fields__:
        if tag != "transformer_tags":  # there is no transform there
            assert getattr(theirs, tag) == getattr(found, tag), tag


@pytest.mark.parametrize("name", PAIR)
def test_parameters_have_their_names_order_and_defaults(name):
    theirs = getattr(neural_network, name)().get_params()
    found = getattr(ours, name)().get_params()
    for key, value in theirs.items():
        assert found[key] == value
    order = list(getattr(ours, name).__init__.__annotations__)
    theirs_order = getattr(neural_network, name).__init__.__code__.co_varnames[1:]
    theirs_order = [key for key in theirs_order if key in theirs]
    assert [key for key in order if key in theirs] == theirs_order


def data(task):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(230, 7))
    y = {
        "binary": x[:, 0] * x[:, 1] > 0,
        "multiclass": (x[:, 0] > 0).astype(int) + (x[:, 1] > 0),
        "multilabel": (x[:, :3] > 0).astype(int),
        "regression": x[:, 0] * x[:, 1],
        "outputs": x[:, :3] ** 2,
        "poisson": np.floor(np.abs(x[:, 0]) * 3),
        "poisson outputs": np.floor(np.abs(x[:, :2]) * 3),
    }[task]
    return x, y, rng.integers(1, 4, 230).astype(float)


def both(task, **settings):
    """The two estimators, not fitted."""
    classifies = task in ("binary", "multiclass", "multilabel")
    if "poisson" in task:
        if "loss" not in neural_network.MLPRegressor().get_params():
            pytest.skip("scikit-learn before 1.7 has no poisson")
        settings["loss"] = "poisson"
    name = PAIR[not classifies]
    found = {"hidden_layer_sizes": (9, 6), "alpha": 0.1, "batch_size": 50, "random_state": 3}
    found |= {"max_iter": 12, "learning_rate_init": 0.01} | settings
    return getattr(ours, name)(**found), getattr(neural_network, name)(**found)


def assert_same(a, b, bound=1e-9):
    """Ours and theirs have the same parameters and curves."""
    for p, q in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=bound)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(a, name) == getattr(b, name), name
    np.testing.assert_allclose(a.loss_, b.loss_, rtol=0, atol=bound)
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_"):
        assert hasattr(a, name) == hasattr(b, name)
        theirs = getattr(b, name, None)
        if theirs is None:
            assert getattr(a, name, None) is None
        else:
            np.testing.assert_allclose(getattr(a, name), theirs, rtol=0, atol=bound)


SOLVERS = {
    "sgd": {"solver": "sgd"},
    "no momentum": {"solver": "sgd", "momentum": 0.0},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "adaptive": {
        "solver": "sgd", "learning_rate": "adaptive", "nesterovs_momentum": False, "tol": 0.01,
        "n_iter_no_change": 1,
    },
    "adam": {"solver": "adam"},
    "early stopping": {"solver": "adam", "early_stopping": True, "n_iter_no_change": 2},
    "in order": {"solver": "adam", "shuffle": False},
    "lbfgs": {"solver": "lbfgs", "max_iter": 4},
}  # fmt: skip
TASKS = (
    *("binary", "multiclass", "multilabel", "regression", "outputs"),
    *("poisson", "poisson outputs"),
)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_same_seed_takes_the_same_steps(solver, task, weighted):
    if solver == "lbfgs" and task == "outputs":
        pytest.skip("there the gradient is not that of the loss: a sum over outputs and a mean")
    if weighted and not WEIGHTED:
        pytest.skip("scikit-learn before 1.7 has no sample_weight")
    x, y, weights = data(task)
    for activation in ACTIVATIONS:
        a, b = both(task, activation=activation, **SOLVERS[solver])
        given = {"sample_weight": weights} if weighted else {}
        assert_same(a.fit(x, y, **given), b.fit(x, y, **given))
        np.testing.assert_allclose(a.predict(x), b.predict(x), atol=1e-8)
        assert a.score(x, y) == pytest.approx(b.score(x, y), abs=1e-8)


def test_a_step_more_would_be_noticed():
    x, y, _ = data("binary")
    a, b = both("binary")
    with pytest.raises(AssertionError):
        assert_same(a.fit(x, y), b.set_params(max_iter=13).fit(x, y))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_with_its_weights_its_outputs(task, dtype):
    x, y, _ = data(task)
    x = x.astype(dtype)
    a, b = both(task)
    a.set_params(max_iter=1).fit(x, y)
    b.fit(x, y)
    assert a.coefs_[0].dtype == dtype
    a.coefs_, a.intercepts_ = b.coefs_, b.intercepts_
    bound = 1e-12 if dtype == np.float64 else 1e-5
    outputs = "predict_proba" if hasattr(a, "predict_proba") else "predict"
    found, theirs = getattr(a, outputs)(x), getattr(b, outputs)(x)
    np.testing.assert_allclose(found, theirs, rtol=bound, atol=bound)
    assert found.dtype == dtype
    a.coefs_[0] = 2 * b.coefs_[0]  # by item, too
    np.testing.assert_array_equal(a.coefs_[0], (2 * b.coefs_[0]).astype(dtype))
    with pytest.raises(ValueError, match="read-only"):
        a.coefs_[0][0, 0] = 1.0
    with pytest.raises(ValueError, match=r"coefs_\[1\]: expected shape \(9, 6\)"):
        a.coefs_ = [b.coefs_[0], b.coefs_[0], b.coefs_[2]]


def test_no_thread_count_changes_a_bit():
    images, labels = datasets.load_digits(return_X_y=True)
    for solver in ("adam", "sgd", "lbfgs"):
        found = [
            ours.MLPClassifier((40, 20), solver=solver, max_iter=3, random_state=0, threads=n)
            .fit(np.tile(images, (1, 4)), labels)
            for n in (1, 2, 4)
        ]  # fmt: skip
        for other in found[1:]:
            assert other.loss_ == found[0].loss_
            for p, q in zip(other.coefs_, found[0].coefs_, strict=True):
                np.testing.assert_array_equal(p, q)


@pytest.mark.not_sanitized(reason="about how good scores are, and long")
@pytest.mark.parametrize("load", ["iris", "wine", "breast_cancer", "diabetes"])
def test_scores_over_ten_splits_are_not_below_its_own(load):
    x, y = getattr(datasets, f"load_{load}")(return_X_y=True)
    name = PAIR[load == "diabetes"]
    settings = dict(random_state=0, max_iter=60)
    splits = 10
    if load != "diabetes":
        splits = StratifiedShuffleSplit(10, random_state=0)
    scores = [
        cross_val_score(make_pipeline(StandardScaler(), getattr(m, name)(**settings)), x, y,
                        cv=splits).mean()
        for m in (ours, neural_network)
    ]  # fmt: skip
    assert scores[0] >= scores[1] - 1e-6


@pytest.mark.parametrize(
    "classes", [["b", "a", "c"], [7, -1, 3], [1.0, 2.0, 4.0]], ids=["str", "int", "float"]
)
def test_classes_of_any_type(classes):
    x, y, _ = data("multiclass")
    for dtype in (None, object):
        labels = np.array(classes, dtype)[y]
        if dtype is object and not isinstance(classes[0], str):
            continue
        a, b = both("multiclass")
        a.fit(x, labels)
        b.fit(x, labels)
        assert a.classes_.dtype == b.classes_.dtype
        np.testing.assert_array_equal(a.predict(x), b.predict(x))
        np.testing.assert_allclose(a.predict_log_proba(x), b.predict_log_proba(x), atol=1e-8)


def test_one_class_is_a_class():
    x = np.arange(6.0).reshape(3, 2)
    a, b = both("binary", max_iter=2, batch_size="auto")
    for m in (a, b):
        assert (m.fit(x, ["x"] * 3).predict(x) == "x").all()
    np.testing.assert_allclose(a.predict_proba(x), b.predict_proba(x))


@pytest.mark.parametrize("kind", ["csr_array", "csc_array", "csr_matrix", "csc_matrix"])
def test_sparse_is_dense_to_the_bit(kind, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    x, y, weights = data("multiclass")
    x[x < 0] = 0
    for solver in ({"solver": "adam"}, {"early_stopping": True}, {"solver": "lbfgs"}):
        a, _ = both("multiclass", **solver)
        a.fit(x, y, weights)
        for limit in (1 << 30, 0):  # as a whole, and batch by batch
            monkeypatch.setattr("featherweight.sklearn._data.DENSE", limit)
            b = clone(a).fit(getattr(sparse, kind)(x), y, weights)
            assert a.loss_ == b.loss_
            np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])
            found = b.predict_proba(getattr(sparse, kind)(x))
            np.testing.assert_array_equal(a.predict_proba(x), found)


def test_pandas_and_feature_names():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    x, y, _ = data("multiclass")
    frame = pd.DataFrame(x, columns=list("abcdefg"))
    a, _ = both("multiclass")
    a.fit(frame, pd.Series(y, name="class"))
    assert list(a.feature_names_in_) == list("abcdefg")
    np.testing.assert_array_equal(a.predict(frame), clone(a).fit(x, y).predict(x))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        a.predict(x)
    with pytest.raises(ValueError, match="feature names"):
        a.predict(frame[list("bacdefg")])


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_grid_search(backend):
    joblib = pytest.importorskip("joblib")
    x, y, _ = data("multiclass")
    model, _ = both("multiclass", max_iter=5)
    pipe = make_pipeline(StandardScaler(), model)
    with joblib.parallel_backend(backend, n_jobs=2):
        found = GridSearchCV(pipe, {"mlpclassifier__alpha": [0.0, 0.1]}, cv=3).fit(x, y)
    alone = GridSearchCV(pipe, {"mlpclassifier__alpha": [0.0, 0.1]}, cv=3).fit(x, y)
    a, b = (g.cv_results_["mean_test_score"] for g in (found, alone))
    np.testing.assert_array_equal(a, b)


def test_processes_of_a_search_share_the_cores():
    joblib = pytest.importorskip("joblib")
    cores = joblib.cpu_count()
    with joblib.parallel_config("loky", n_jobs=cores, inner_max_num_threads=1):
        found = joblib.Parallel()(joblib.delayed(fw.get_num_threads)() for _ in range(cores))
    assert found == [1] * cores


def test_pickle_clone_and_html():
    x, y, _ = data("binary")
    a, _ = both("binary")
    a.fit(x, y)
    for b in (pickle.loads(pickle.dumps(a)), pickle.loads(pickle.dumps(a, 0))):
        np.testing.assert_array_equal(a.predict_proba(x), b.predict_proba(x))
        assert b.loss_curve_ == a.loss_curve_
    assert clone(a).get_params() == a.get_params()
    assert not hasattr(clone(a), "coefs_")
    assert "MLPClassifier" in a._repr_html_()


def test_metadata_routing():
    import sklearn

    x, y, weights = data("binary")
    model, _ = both("binary")
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        pipe.fit(x, y, sample_weight=weights)
    scaled = StandardScaler().fit_transform(x)
    np.testing.assert_array_equal(
        pipe[-1].coefs_[0], clone(model).fit(scaled, y, weights).coefs_[0]
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad):
    x, y, _ = data("binary")
    a, _ = both("binary")
    a.fit(x, y)
    for rows in (x[:1].copy(), x.copy(), np.asfortranarray(x), x.astype(np.float32)):
        rows[0, 3] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            a.predict(rows)
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            clone(a).fit(rows, y[: len(rows)])
    many = np.tile(x, (100_000 // x.size + 2, 1))  # looked at by blocks of rows, as they are used
    assert np.isfinite(a.predict_proba(many)).all()
    for at in ((0, 0), (-1, -1), (128, 0), (len(many) // 2, 1)):
        spoilt = many.copy()
        spoilt[at] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            a.predict_proba(spoilt)
    huge = x.copy()
    huge[0, 0] = 1e200  # whose square isn't finite, though it is
    assert np.isfinite(a.predict_proba(huge)).all()


def test_a_warning_at_max_iter():
    x, y, _ = data("binary")
    for solver in ("adam", "lbfgs"):
        model, _ = both("binary", solver=solver, max_iter=2)
        with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)|lbfgs failed to"):
            model.fit(x, y)
