"""scikit-learn's own tests of its pair, read from where it is installed and run with ours in place.

All its tests but those named below, each for a reason.
"""

import importlib.util
import warnings
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
import featherweight.sklearn as ours

# What they look at is private to scikit-learn's implementation
LEFT_OUT = {
    "test_gradient": "calls _loss_grad_lbfgs, scikit-learn's own backward pass",
}


def _theirs():
    """The test functions of scikit-learn's file, by name, which know our classes by its names."""
    name = "sklearn.neural_network.tests.test_mlp"
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        pytest.skip("scikit-learn is installed without its tests", allow_module_level=True)
    module = importlib.util.module_from_spec(spec)
    source = Path(spec.origin).read_text(encoding="utf-8")
    line = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
    assert source.count(line) == 1
    source = source.replace(line, "from featherweight.sklearn import MLPClassifier, MLPRegressor")
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    assert module.MLPClassifier is ours.MLPClassifier
    found = {k: v for k, v in vars(module).items() if k.startswith("test_") and callable(v)}
    assert len(found) > 30
    assert set(LEFT_OUT) <= set(found)
    return {k: v for k, v in found.items() if k not in LEFT_OUT}


globals().update(_theirs())


@pytest.fixture
def global_random_seed():
    """A fixture of scikit-learn's."""
    return 42


@pytest.fixture(autouse=True)
def _lenient():
    """Warnings are no errors there."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield
