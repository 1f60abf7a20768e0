"""How often training goes from one file of the package into another before compiled code begins.

Counted are calls of functions, but not of ``support/`` and of the optimizers' ranges, which check
and lead nowhere else, nor reading a property.
"""

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

import featherweight as fw
from featherweight import looking, losses
from featherweight.exchange import safetensors
from featherweight.training.fit import prepare
from featherweight.training.run import Run

ROOT = Path(fw.__file__).resolve().parent
LEAVES = ("support/", "optimizers/ranges.py")
COMPILED = ("epoch", "epochs")  # the core's functions that train
X = np.random.default_rng(0).random((64, 5), np.float32)
Y = (X[:, 0] > 0.5).astype(np.int64)


def place(frame):
    """The file of ours that a frame's code is in, or None of others and of leaves."""
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(ROOT):
        return None
    name = path.relative_to(ROOT).as_posix()
    return None if name.startswith(LEAVES) else name


def is_property(frame):
    """Whether a frame reads a property."""
    owner = type(frame.f_locals.get("self"))
    found = getattr(owner, frame.f_code.co_name, None)
    return isinstance(found, property) and found.fget.__code__ is frame.f_code


def walk(run):
    """The calls across files before the core's first epoch: (from, to, function)."""
    calls, begun, seen = [], [], []

    def watch(frame, event, function):
        if event == "c_call" and getattr(function, "__name__", "") in COMPILED:
            begun.append(function)
        if begun or event != "call" or any(frame is s for s in seen):
            return
        here = place(frame)
        if here is None or is_property(frame):
            return
        seen.append(frame)  # a generator's frame is entered anew for each item
        caller = frame.f_back
        while caller is not None and place(caller) is None:
            caller = caller.f_back
        if caller is not None and place(caller) != here:
            calls.append((place(caller), here, frame.f_code.co_name))

    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(None)
    assert begun
    return calls


def network():
    return fw.Network([5, 4, 2], rng=0)


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint after one epoch; and all modules are imported."""
    path = tmp_path / "run.fw"
    for _ in range(2):
        network().fit(X, Y, epochs=1, callbacks=fw.Checkpoint(path), resume=path)
    network().fit(X, Y)
    return path


def test_a_plain_fit_is_a_short_walk(checkpoint):
    net = network()
    calls = walk(lambda: net.fit(X, Y, epochs=2))
    assert len(calls) <= 25, calls
    assert ("network.py", "training/fit.py", "prepare") in calls  # the walk can be seen


def test_a_resumed_fit_is_a_short_walk(checkpoint):
    net, kept = network(), fw.Checkpoint(checkpoint)
    calls = walk(lambda: net.fit(X, Y, epochs=2, callbacks=kept, resume=checkpoint))
    assert len(calls) <= 50, calls
    assert any(where == "training/record.py" for _, where, _ in calls)


def test_a_checkpoint_is_read_once(checkpoint, monkeypatch):
    reads = []
    read = safetensors.read
    monkeypatch.setattr("featherweight.training.fit.read", lambda p: reads.append(p) or read(p))
    network().fit(X, Y, epochs=2, resume=checkpoint)
    network().fit(X, Y, epochs=2, resume=checkpoint, rng=0)
    assert len(reads) == 2
    calls = walk(lambda: network().fit(X, Y, epochs=2, resume=checkpoint))
    assert [name for _, where, name in calls if where == "exchange/safetensors.py"].count(
        "read"
    ) == 1


def test_a_planted_detour_is_found(checkpoint, monkeypatch):
    """Calls that go back and forth between two files are counted each time."""
    net = network()
    before = len(walk(lambda: net.fit(X, Y, epochs=2)))
    inner = Run.ready

    def detour(run):
        for _ in range(3):
            losses.default(run.network.output)
            looking._bounds((0, 1))
        inner(run)

    detour.__code__ = detour.__code__.replace(co_filename=str(ROOT / "training" / "run.py"))
    monkeypatch.setattr(Run, "ready", detour)
    assert len(walk(lambda: net.fit(X, Y, epochs=2))) == before + 6


def taken(function, *own):
    """What a function takes, by name: the kind and the default; but its own arguments."""
    found = inspect.signature(function).parameters.values()
    return {p.name: (p.kind, p.default) for p in found if p.name not in own}


def test_a_plan_is_prepared_of_what_fit_takes():
    assert taken(prepare, "network", "shared") == taken(fw.Network.fit, "self")
    assert taken(prepare, "network") != taken(fw.Network.fit, "self")
