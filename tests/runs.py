"""The runs of training that have begun in a test, for tests that look into them."""

import pytest

from featherweight.training.run import Run

RUNS = []


@pytest.fixture(autouse=True)
def _runs(monkeypatch):
    """Note each run as it begins; for modules that import it."""
    begin = Run.begin
    monkeypatch.setattr(Run, "begin", lambda self: RUNS.append(self) or begin(self))
    yield
    RUNS.clear()
