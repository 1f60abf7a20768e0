"""The warning of bytes that are trained on without a scale."""

import warnings

import numpy as np
import pytest

import featherweight as fw

PIXELS = np.arange(24, dtype=np.uint8).reshape(8, 3) * 10
Y = np.arange(8) % 2
SENTENCE = (
    r"^x: expected uint8 rows with input_scale=1/255 or the like, found values up to 230 and "
    r"input_scale 1\.0; training on unscaled bytes"
)


def net(scale=1.0):
    return fw.Network([3, 2], input_scale=scale, rng=0)


def halves():
    return [(PIXELS[:4], Y[:4]), (PIXELS[4:], Y[4:])]


CASES = {
    "fit": lambda n: n.fit(PIXELS, Y, epochs=3),
    "partial_fit": lambda n: n.partial_fit(PIXELS, Y),
    "batches": lambda n: n.fit(halves()[::-1], epochs=3),
    "rows": lambda n: n.fit(PIXELS, Y, rows=[0, 1]),
    "split": lambda n: n.fit(PIXELS, Y, validation_split=0.5),
    "fit_many": lambda n: fw.fit_many([n, net(), net(1 / 255)], PIXELS, Y, epochs=2),
    "the second of many": lambda n: fw.fit_many([net(1 / 255), n, net()], PIXELS, Y),
}


@pytest.mark.parametrize("case", CASES)
def test_bytes_without_a_scale_are_warned_of_once_where_they_are_given(case):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        CASES[case](net())
    assert [w.category for w in found] == [fw.UnscaledInputWarning]
    assert found[0].filename == __file__
    with pytest.warns(fw.UnscaledInputWarning, match=SENTENCE):
        CASES[case](net())
    assert issubclass(fw.UnscaledInputWarning, UserWarning)


def test_as_an_error_it_comes_before_anything_is_changed():
    n = net()
    before = n.parameters.copy()
    for train in CASES.values():
        with pytest.raises(fw.UnscaledInputWarning):  # warnings are errors in these tests
            train(n)
    assert np.array_equal(n.parameters, before)


@pytest.mark.parametrize(
    "x", [PIXELS > 90, (PIXELS > 90).astype(np.uint8), PIXELS / 255.0, PIXELS // 8, PIXELS + 0.0]
)
def test_nothing_is_warned_of_that_needs_no_scale(x):
    net().fit(x, Y)
    net().fit([(x, Y)])
    fw.fit_many([net()], x, Y)


def test_scaled_bytes_and_calls_are_not_warned_of():
    for scale in (1 / 255, 0.5):
        net(scale).fit(PIXELS, Y)
        net(scale).fit(halves())
    net()(PIXELS)
    net().predict(PIXELS)
    net().score(PIXELS, Y)


def test_looking_costs_no_more_than_a_look_at_the_first_rows():
    x = np.zeros((1001, 3), np.uint8)
    x[1000] = 255
    net().fit(x, np.zeros(1001, int))
    x[999] = 32
    with pytest.warns(fw.UnscaledInputWarning, match="values up to 32 and"):
        net().fit(x, np.zeros(1001, int))


def test_the_scikit_learn_pair_warns_too():
    pytest.importorskip("sklearn")
    from sklearn.exceptions import ConvergenceWarning

    import featherweight.sklearn as pair

    match = r"^X: expected scaled numbers, found uint8 values up to 230; .* fit\(X / 255, y\)"
    for estimator in (pair.MLPClassifier(max_iter=2), pair.MLPRegressor(solver="lbfgs")):
        for train in (estimator.fit, getattr(estimator, "partial_fit", None)):
            if train is None or (estimator.solver == "lbfgs" and train != estimator.fit):
                continue
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                train(PIXELS, Y)
            found = [w for w in found if w.category is fw.UnscaledInputWarning]
            assert len(found) == 1
            assert found[0].filename == __file__
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                with pytest.warns(fw.UnscaledInputWarning, match=match):
                    train(PIXELS, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", fw.UnscaledInputWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        for x in (PIXELS // 8, PIXELS / 255):
            pair.MLPClassifier(max_iter=2).fit(x, Y)
