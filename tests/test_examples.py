"""The scripts in examples/: whole where that takes seconds, cut short where it takes minutes."""

import os
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import featherweight as fw

ROOT = Path(__file__).resolve().parents[1]


def example(name):
    """What a script defines, without running it."""
    return runpy.run_path(str(ROOT / "examples" / name), run_name="example")


def accuracies(text):
    """What each line says was reached, and the goal."""
    return [(float(a), float(b)) for a, b in re.findall(r": ([\d.]+)% \(\w+: ([\d.]+)%\)", text)]


def told(name):
    """The accuracies that a script printed by the table of docs/examples.md."""
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| `python examples/{re.escape(name)}` \|(.*)", page, re.M)
    return [float(row.split("|")[2].removesuffix(" % ")) for row in rows]


@pytest.fixture
def mnist(monkeypatch):
    folder = os.environ.get("FEATHERWEIGHT_DATA") or str(ROOT.parent / "shared" / "data" / "mnist")
    try:
        found = fw.data.mnist(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        pytest.skip(f"needs the full MNIST set: {error}")
    monkeypatch.setenv("FEATHERWEIGHT_DATA", folder)
    return found


def test_nielsen(mnist, capsys):
    """By the numerical contract the figures are those of the page on every machine."""
    example("nielsen.py")["main"]()
    reached = accuracies(capsys.readouterr().out)
    assert len(reached) == 2
    assert all(found >= goal for found, goal in reached), reached
    assert [found for found, _ in reached] == told("nielsen.py")


def shortened(name, epochs, capsys):
    names = example(name)
    names["main"].__globals__["EPOCHS"] = epochs
    names["main"]()
    ((found, goal),) = accuracies(capsys.readouterr().out)
    assert goal in (98.75, 99.3)
    return found


def test_srivastava(mnist, capsys):
    """In 4 of its 100 epochs, which reach 98.99 %."""
    assert shortened("srivastava.py", 4, capsys) > 97


def test_simard(mnist, capsys):
    """In 4 of its 100 epochs."""
    pytest.importorskip("scipy", reason="SciPy is not installed")
    assert shortened("simard.py", 4, capsys) > 98


def test_distortions():
    """None of them is the image itself, they have its ink, and stay near it."""
    pytest.importorskip("scipy", reason="SciPy is not installed")
    names, images = example("simard.py"), fw.data.digits().test.images[:300]
    found = names["distort"](images, np.random.default_rng(0))
    assert found.shape == images.shape
    assert found.dtype == np.uint8
    again = names["distort"](images, np.random.default_rng(1))
    assert (found != again).any(axis=1).all()
    ink = found.sum(dtype=float) / images.sum(dtype=float)
    assert 0.85 < ink < 1.15
    rows = np.arange(28).repeat(28)
    middles = [(a @ rows) / a.sum(axis=1) for a in (found.astype(float), images.astype(float))]
    moved = middles[0] - middles[1]
    assert 0.3 < moved.std() < 2
    assert abs(moved.mean()) < 0.3
    with pytest.MonkeyPatch.context() as patch:  # the twin: nothing is done to them
        for name in ("SHIFT", "ANGLE", "STRETCH", "ALPHA"):
            patch.setitem(names["distort"].__globals__, name, 0.0)
        np.testing.assert_array_equal(names["distort"](images, np.random.default_rng(0)), images)


def test_tables():
    """Scores that are not below those of scikit-learn's own networks."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    names = example("tabular.py")
    names["main"].__globals__["SEEDS"] = 1
    wine, linnerud = names["main"](["wine", "linnerud"])
    assert wine >= 0
    assert linnerud >= -1e-6
