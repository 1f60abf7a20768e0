"""What sentences name: the argument at fault, and the column of a table."""

import numpy as np
import pytest

import featherweight as fw

X = np.random.default_rng(0).normal(size=(8, 4))
Y = np.arange(8) % 3
VALUES = np.ones((8, 3)) / 3


def net(**options):
    return fw.Network([4, 3], rng=0, **options)


@pytest.mark.parametrize(("dtype", "most"), [(np.float32, "1e\\+30"), (np.float64, "1e\\+300")])
def test_output_weights_that_no_loss_fits(dtype, most):
    weights = [1e308] * 3
    for use in (
        lambda: net(dtype=dtype).fit(X, VALUES, loss="mse", output_weights=weights),
        lambda: net(dtype=dtype).evaluate(X, VALUES, loss="mse", output_weights=weights),
        lambda: net(dtype=dtype).gradients(X, VALUES, loss="mse", output_weights=weights),
    ):
        with pytest.raises(ValueError, match=f"^output_weights: .* sum to at most {most}, found"):
            use()


USES = [
    lambda x: net().evaluate(x, Y),
    lambda x: net().predict(x),
    lambda x: net().score(x, Y),
    lambda x: net().fit(x, Y),
    lambda x: net().partial_fit(x, Y),
    lambda x: net().gradients(x, Y),
    lambda x: net().fit(X, Y, validation_data=(x, Y)),
]


@pytest.mark.parametrize("use", USES)
def test_numbers_that_float32_does_not_hold_are_named_alike(use):
    x = X.copy()
    x[5, 3] = 1e300
    found = r"x: expected finite numbers, found 1e\+300, which float32 does not hold, in row 5, "
    with pytest.raises(ValueError, match=found + "column 3"):
        use(x)
    pd = pytest.importorskip("pandas", reason="needs pandas")
    with pytest.raises(ValueError, match=found + "column 'd'"):
        use(pd.DataFrame(x, columns=list("abcd")))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_targets_of_a_table_are_named_by_column(wrong):
    pd = pytest.importorskip("pandas", reason="needs pandas")
    y = pd.DataFrame(VALUES, columns=list("pqr"))
    y.iloc[3, 1] = wrong
    for use in (
        lambda: net().fit(X, y, loss="mse"),
        lambda: net().evaluate(X, y, loss="mse"),
        lambda: net().gradients(X, y, loss="mse"),
    ):
        with pytest.raises(ValueError, match=f"^y: .*found {wrong} in row 3, column 'q'$"):
            use()
