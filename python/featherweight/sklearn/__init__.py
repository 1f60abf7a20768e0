"""scikit-learn's pair of multi-layer perceptrons, on featherweight: one changed import.

Needs scikit-learn 1.6 or newer: ``pip install 'featherweight[sklearn]'``.
"""

from ..support.optional import missing

try:
    from sklearn.utils.validation import validate_data as _needed  # noqa: F401 - new in 1.6
except ImportError:
    raise missing("sklearn", "sklearn", "featherweight.sklearn") from None

from ._classifier import MLPClassifier
from ._regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
