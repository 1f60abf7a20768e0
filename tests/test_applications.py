"""Training in applications: without a stderr, and frozen into a folder of their own."""

import runpy
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import featherweight as fw
from featherweight.training.progress import shown

X, Y = np.eye(4, 3), np.array([0, 1, 2, 0])


class Closed:
    closed = True

    def isatty(self):
        raise ValueError("I/O operation on closed file")

    write = flush = fileno = isatty


class Odd:
    """Neither a file nor a terminal, and says so by no method."""

    def __init__(self, *methods):
        for name in methods:
            setattr(self, name, lambda *_: None)


@pytest.mark.parametrize("progress", [True, "auto", "lines"])
@pytest.mark.parametrize("stream", [None, Closed(), Odd()], ids=["none", "closed", "odd"])
def test_no_bar_where_there_is_no_stderr(stream, progress, monkeypatch):
    nets = [fw.Network([3, 3], rng=i) for i in range(3)]
    expected = fw.Network([3, 3], rng=0)
    expected.fit(X, Y, epochs=2, progress=False)
    monkeypatch.setattr(sys, "stderr", stream)
    history = nets[0].fit(X, Y, epochs=2, progress=progress)
    assert history.epoch == [1, 2]
    assert np.array_equal(nets[0].parameters, expected.parameters)
    nets[1].fit([(X, Y)], progress=progress)
    fw.fit_many(nets, X, Y, progress=progress)
    assert not shown(progress)


def test_no_bar_where_an_estimator_has_no_stderr(monkeypatch):
    sklearn = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    monkeypatch.setattr(sys, "stderr", None)
    options = {"tol": 1e9, "n_iter_no_change": 1, "progress": True}
    assert sklearn.MLPClassifier((3,), **options).fit(X, Y).n_iter_


def test_a_bar_where_stderr_is_no_file(monkeypatch):
    """Such as a log's: what can be written to is."""
    monkeypatch.setattr(sys, "stderr", Odd("write", "flush"))
    assert shown(True)
    assert shown("lines")
    assert not shown("auto")


@pytest.mark.skipif(sys.platform == "win32", reason="files' numbers as on Unix")
def test_no_bar_where_stderrs_file_is_closed():
    code = (
        "import os, numpy as np, featherweight as fw\n"
        "os.close(2)\n"
        "fw.Network([2, 2]).fit(np.eye(2), [0, 1], progress=True)\n"
        "print('trained')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "trained\n")


# ---- PyInstaller
ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="no sources beside the tests")
def test_pyinstaller_finds_the_hook():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]["pyinstaller40"]
    module, name = points["hook-dirs"].split(":")
    (folder,) = getattr(import_module(module), name)()
    assert (Path(folder) / "hook-featherweight.py").is_file()


def test_the_hook_names_every_data_file(monkeypatch):
    """Here with a PyInstaller that has this one function; the real one collects the same."""
    package = Path(fw.__file__).parent

    def collect(name):
        assert name == "featherweight"
        return [(str(p), str(p.parent)) for p in package.rglob("*") if p.suffix in data]

    data = (".xz", ".html", ".css", ".js", ".safetensors")
    hooks = ModuleType("PyInstaller.utils.hooks")
    hooks.collect_data_files = collect
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
    found = runpy.run_path(str(package / "_pyinstaller" / "hook-featherweight.py"))["datas"]
    names = {Path(file).name for file, _ in found}
    assert {"digits.xz", "page.html", "page.css", "page.js", "relu.safetensors"} <= names
