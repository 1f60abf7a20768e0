"""What the tests of the scikit-learn pair share: a small problem and a small model."""

import numpy as np

rng = np.random.default_rng(1)
X = rng.normal(size=(150, 5))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
SMALL = dict(hidden_layer_sizes=(8, 6), batch_size=32, random_state=0, n_iter_no_change=np.inf)


def assert_same(a, b):
    """Two estimators have the same network."""
    np.testing.assert_array_equal(a.network_.parameters, b.network_.parameters)


def held_out_by(cls):
    """A class of estimators, and the rows that its instances have been scored on, as they come."""
    seen = []

    class Looking(cls):
        def _held_out_score(self, x, y, weights):
            seen.append(x.copy())
            return super()._held_out_score(x, y, weights)

    Looking.__name__ = cls.__name__  # by which a saved one is known
    return Looking, seen
