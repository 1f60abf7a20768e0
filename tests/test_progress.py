"""The bar: where it begins, and which of tqdm's it is."""

import importlib.util
import io
import sys

import numpy as np

import featherweight as fw


def test_what_callbacks_print_as_training_begins_comes_before_the_bar(monkeypatch):
    """Whole lines of their own, on the terminal that both go to."""
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)

    class Header:
        def on_train_begin(self, state):
            print("the header", file=terminal)

    x, y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)
    fw.Network([4, 2], rng=0).fit(x, y, callbacks=Header(), progress=True)
    first, rest = terminal.getvalue().split("\n", 1)
    assert first == "the header"
    assert "rows/s" in rest
    assert "img" not in rest


def test_without_ipywidgets_the_bar_is_of_text(monkeypatch):
    """Even where tqdm would find a notebook; nothing is warned of."""
    find = importlib.util.find_spec

    def without(name, *args):
        return None if name == "ipywidgets" else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)  # importing it would raise
    from tqdm.std import tqdm

    from featherweight import progress

    assert progress._tqdm() is tqdm
