"""The scikit-learn pair with validation data of the caller's own."""

import numpy as np
import pytest

from pair import SMALL, X, Y

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from featherweight.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

HELD = {"X_val": X[100:], "y_val": Y[100:]}


def test_scores_are_of_the_data_given():
    x, y = X[:100], Y[:100]
    a = MLPClassifier(**SMALL, max_iter=5).fit(x, y, **HELD)
    assert a.validation_scores_[-1] == a.score(*HELD.values())
    np.testing.assert_array_equal(
        a.coefs_[0], MLPClassifier(**SMALL, max_iter=5).fit(x, y).coefs_[0]
    )
    settings = SMALL | dict(n_iter_no_change=2, early_stopping=True, learning_rate_init=0.05)
    b = MLPClassifier(**settings).fit(x, y, **HELD, sample_weight_val=np.ones(50))
    assert b.best_validation_score_ == max(b.validation_scores_) == b.score(*HELD.values())
    assert b.n_iter_ < 200
    held, target = X[100:], X[100:, 0]
    c = MLPRegressor(**SMALL, max_iter=2).fit(x, x[:, 0], X_val=held, y_val=target)
    assert c.validation_scores_[-1] == pytest.approx(c.score(held, target))


def test_weights_of_rows_count_and_those_of_classes_do_not():
    y, weights = Y[100:].copy(), np.ones(50)
    y[:20], weights[:20] = 2 - y[:20], 0.0
    fit = dict(X_val=X[100:], y_val=y, sample_weight_val=weights)
    for more in ({}, {"class_weight": {0: 1.0, 1: 9.0, 2: 1.0}}):
        a = MLPClassifier(**SMALL, max_iter=3, **more).fit(X[:100], Y[:100], **fit)
        assert a.validation_scores_[-1] == pytest.approx(a.score(X[120:], Y[120:]))
    b = MLPRegressor(**SMALL, max_iter=3).fit(X[:100], Y[:100], **fit)
    assert b.validation_scores_[-1] == pytest.approx(b.score(X[120:], Y[120:]))


def test_a_pipeline_transforms_them_as_the_rest():
    import sklearn
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    far = X * 1000 + 5e4
    scaler = StandardScaler().fit(far[:100])
    alone = MLPClassifier(**SMALL, max_iter=3)
    alone.fit(
        scaler.transform(far[:100]), Y[:100], X_val=scaler.transform(far[100:]), y_val=Y[100:]
    )
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**SMALL, max_iter=3).set_fit_request(X_val=True, y_val=True)
        pipe = Pipeline([("scale", StandardScaler()), ("net", model)], transform_input=["X_val"])
        pipe.fit(far[:100], Y[:100], X_val=far[100:], y_val=Y[100:])
    assert pipe[-1].validation_scores_ == alone.validation_scores_


@pytest.mark.parametrize("task", ["classes", "values"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_large_sparse_matrix_is_validated_on_in_parts(task, weighted, monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    many, y = np.tile(X, (20, 1)), np.tile(Y, 20)  # of several parts
    many[many < 0] = 0
    make = MLPClassifier if task == "classes" else MLPRegressor
    weights = np.arange(len(y)) if weighted else None
    found = []
    for limit in (1 << 30, 0):
        monkeypatch.setattr("featherweight.sklearn._data.DENSE", limit)
        a = make(**SMALL, max_iter=3, callbacks=lambda state: None)
        a.fit(X, Y, X_val=sparse.csr_matrix(many), y_val=y, sample_weight_val=weights)
        found.append(a.history_)
    np.testing.assert_allclose(found[1].val_loss, found[0].val_loss, rtol=1e-12)
    assert found[1].val_accuracy == found[0].val_accuracy


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": X}, "X_val, y_val: expected both or neither, found X_val$"),
        (
            {"sample_weight_val": Y},
            "X_val, y_val: expected both or neither, found sample_weight_val",
        ),
        (
            {"X_val": X, "y_val": Y[:5]},
            "y_val: expected as many targets as X_val has rows, 150, fou",
        ),
        ({"X_val": X, "y_val": Y + 7}, "y_val: expected classes of"),
        (
            {"X_val": X, "y_val": X[:, :2] > 0},
            r"y_val: expected shape \(150,\), as y, found \(150, 2\)",
        ),
        ({"X_val": X, "y_val": list("abc") * 50}, "y_val: "),
        ({"X_val": X, "y_val": [["a"], ["b", "c"]] * 75}, "y_val: "),
        ({"X_val": X, "y_val": X[:, 0]}, "y_val: "),
        ({"X_val": X, "y_val": [{}] * 150}, "y_val: "),
        ({"X_val": X[:, :2], "y_val": Y}, "X_val: X has 2 features"),
        ({"X_val": X * np.nan, "y_val": Y}, "X_val: Input X contains NaN"),
        ({"X_val": X, "y_val": Y, "sample_weight_val": [1.0]}, "sample_weight_val: "),
        ({"X_val": X, "y_val": Y, "sample_weight_val": -Y - 1.0}, "sample_weight_val: Negative"),
        ({"X_val": X, "y_val": Y, "sample_weight_val": 0 * Y}, "sample_weight_val: "),
    ],
)
def test_classifiers_data_are_checked(given, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        MLPClassifier(**SMALL).fit(X, Y, **given)


@pytest.mark.parametrize(
    ("settings", "y", "y_val", "message"),
    [
        ({}, X[:, :2], X[:, 0], r"y_val: expected shape \(150, 2\), as y, found \(150,\)"),
        ({}, X[:, 0], Y.astype(str), "y_val: expected numbers, found strings"),
        ({}, Y, Y * np.nan, "^y_val: Input y_val contains NaN"),
        ({"loss": "poisson"}, Y, X[:, 0], "y_val: expected, for poisson, values of at least 0"),
        ({"solver": "lbfgs"}, Y, Y, "solver: expected 'sgd' or 'adam' with X_val, found 'lbfgs'"),
    ],
)
def test_regressors_data_are_checked(settings, y, y_val, message):
    a = MLPRegressor(**SMALL | settings)
    with pytest.raises((TypeError, ValueError), match=message):
        a.fit(X, y, X_val=X, y_val=y_val)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_r2_is_of_two_rows_at_least(early_stopping):
    a = MLPRegressor(**SMALL, max_iter=1, early_stopping=early_stopping)
    with pytest.raises(ValueError, match="X_val: expected at least 2 rows, to tell R2, found 1"):
        a.fit(X, Y, X_val=X[:1], y_val=Y[:1])
    a.fit(X, Y, X_val=X[:2], y_val=Y[1:3])
    MLPClassifier(**SMALL, max_iter=1).fit(X, Y, X_val=X[:1], y_val=Y[:1])


@pytest.mark.parametrize("own", [False, True])
def test_one_class_is_always_right(own):
    y, given = np.full(150, "only"), {}
    if own:
        given = {"X_val": X[100:], "y_val": y[100:]}
    # at such a rate the output stays at what it began with, above 0.5 for some rows
    settings = SMALL | dict(random_state=1, learning_rate_init=1e-9, early_stopping=not own)
    settings |= dict(max_iter=3)
    a = MLPClassifier(**settings).fit(X, y, **given)
    assert (a.network_(X) > 0.5).any()
    assert a.validation_scores_ == [1.0] * 3
    assert a.score(X, y) == 1.0


# ---- the best score is of the data it was found on
HELD_OUT = {
    "easy": {"X_val": X[100:]},
    "hard": {"X_val": X[100:], "y_val": (Y[100:] + 1) % 3},
    "weighted": {"X_val": X[100:], "y_val": Y[100:], "sample_weight_val": np.arange(50)},
    "split": {},
}


def held_out_as(kind, a):
    """Such arguments; the easy ones have the classes that are predicted, and a score of 1."""
    found = dict(HELD_OUT[kind])
    if kind == "easy":
        found["y_val"] = a.predict(found["X_val"])
    return found


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("then", ["hard", "weighted", "split"])
def test_a_warm_start_with_other_data_looks_for_their_best(then, sparse):
    as_is = pytest.importorskip("scipy.sparse").csr_matrix if sparse else np.asarray
    settings = SMALL | dict(early_stopping=True, warm_start=True, max_iter=1)
    a = MLPClassifier(**settings, learning_rate_init=1e-9).fit(X[:100], Y[:100])
    easy = held_out_as("easy", a)
    a.fit(as_is(X[:100]), Y[:100], X_val=as_is(easy["X_val"]), y_val=easy["y_val"])
    assert a.best_validation_score_ == 1.0
    before = a.network_.parameters.copy()
    a.set_params(learning_rate_init=0.02, max_iter=10)
    given = held_out_as(then, a)
    if given:
        given["X_val"] = as_is(given["X_val"])
    a.fit(as_is(X[:100]), Y[:100], **given)
    assert a.best_validation_score_ == max(a.validation_scores_[2:]) < 1.0
    assert (a.network_.parameters != before).any()
    a.set_params(max_iter=1).fit(as_is(X[:100]), Y[:100], **given)  # with the same, it is kept
    assert a.best_validation_score_ == max(a.validation_scores_[2:])


def test_patience_begins_anew_with_other_data():
    settings = SMALL | dict(early_stopping=True, warm_start=True, max_iter=50, n_iter_no_change=2)
    a = MLPClassifier(**settings, tol=2.0).fit(X, Y)  # nothing is an improvement of 2
    assert (a.n_iter_, a._no_improvement_count) == (4, 3)
    assert a.fit(X, Y).n_iter_ == 1  # which goes on losing patience
    assert a.fit(X, Y, **HELD).n_iter_ == 4
    assert a.fit(X, Y, **HELD).n_iter_ == 1


@pytest.mark.parametrize("early_stopping", [False, True])
def test_data_that_change_leave_the_books_as_after_the_last_good_epoch(early_stopping):
    held, kept = X[100:].astype(np.float32), []

    def change(state):
        kept.append(state.network.parameters.copy())
        if state.epoch == 2:
            held[3, 1] = np.nan

    a = MLPClassifier(**SMALL, max_iter=5, early_stopping=early_stopping, callbacks=change)
    match = r"^X_val: expected finite numbers, found nan in row 3, column 1 .* end of epoch 2$"
    with pytest.raises(ValueError, match=match):
        a.fit(X[:100].astype(np.float32), Y[:100], X_val=held, y_val=Y[100:])
    np.testing.assert_array_equal(a.network_.parameters, kept[-1])
    assert a.n_iter_ == len(kept) == len(a.loss_curve_) == len(a.validation_scores_) == 2
    assert a.t_ == 200


@pytest.mark.parametrize("early", [True, False])
def test_targets_that_change_later_change_no_score(early):
    """Neither scikit-learn's scores nor our loss: both are of the targets that were given."""
    x, target = X.astype(np.float32), X[:, 0].astype(float)
    for kind, y, wrong in ((MLPRegressor, target, np.nan), (MLPClassifier, Y, 99)):
        held, weights, found = y[100:].copy(), np.ones(50), []
        for change in (False, True):

            def cb(state, change=change, held=held, weights=weights, wrong=wrong):
                if change and state.epoch == 2:
                    held[3:] = wrong
                    weights[3:] = 0

            settings = SMALL | dict(max_iter=4, early_stopping=early, callbacks=cb)
            given = dict(X_val=x[100:], y_val=held, sample_weight_val=weights)
            found.append(kind(**settings).fit(x[:100], y[:100], **given))
        a, b = found
        assert a.validation_scores_ == b.validation_scores_
        assert a.history_.val_loss == b.history_.val_loss
        assert len(b.history_.val_loss) == b.n_iter_ == len(b.loss_curve_)
