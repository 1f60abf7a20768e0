"""Calls while the interpreter ends, and in interpreters that aren't the main one."""

import subprocess
import sys

import pytest

LATE = """
import numpy as np, featherweight as fw
class Late:
    def __init__(self):
        self.net = fw.Network([100, 256, 10], rng=0, threads=2)
        self.x = np.ones((4000, 100), np.float32)
    def __del__(self):
        net, x = self.net, self.x
        net(x), net(x[0]), net.activations(x), net.predict(x), net.weights[0], net.biases[0]
        net.weights[0] = net.weights[0] * 2
        print("used")
late = Late()
"""
LATE_IMPORTS = """
import os, numpy as np, featherweight as fw
x, y, net = np.ones((4, 3), np.float32), [0, 1, 0, 1], fw.Network([3, 4, 2], rng=0)
WORK = {
    "repr": lambda: repr(net), "str": lambda: str(net), "new": lambda: fw.Network([3, 2], rng=1),
    "weights": lambda: net.weights[0], "biases": lambda: net.biases[0],
    "parameters": lambda: net.parameters, "history": lambda: net.history,
    "predict": lambda: net.predict(x),
}
ATTRIBUTES = {
    "unknown": lambda: net.bogus, "near": lambda: net.layers, "package": lambda: fw.bogus,
    "set": lambda: setattr(net, "bogus", 3),
}
ARGUMENTS = {"argument": lambda: net.fit(x, y, bogus=1), "many": lambda: net.predict(x, y, y, 3)}
SAID = {
    "fit": lambda: net.fit(x, y), "partial_fit": lambda: net.partial_fit(x, y),
    "gradients": lambda: net.gradients(x, y), "evaluate": lambda: net.evaluate(x, y),
    "score": lambda: net.score(x, y), "save": lambda: net.save("none.fw"),
    "load": lambda: fw.load("none.fw"), "diagram": lambda: net.diagram(),
    "backward": lambda: net.backward(x, np.ones((4, 2))), "class": lambda: fw.Adam,
    "module": lambda: fw.data, "plot": lambda: fw.plot.weights(net),
    "texts": lambda: net([["a"]]), "choice": lambda: fw.Network([3, 2], output="relo"),
}
def found(call):
    try:
        call()
    except Exception as e:
        return f"{type(e).__name__}: {e}"
    return ""
class Late:
    def __del__(self):
        for expected, calls in (
            ("", WORK), ("AttributeError: ", ATTRIBUTES), ("TypeError: ", ARGUMENTS),
            ("RuntimeError: featherweight: expected a running interpreter, found one ", SAID),
        ):
            for name, call in calls.items():
                said = found(call)
                if not said.startswith(expected) or bool(said) != bool(expected):
                    os.write(1, f"{name}: {said}\\n".encode())
        os.write(1, b"done\\n")
late = Late()
"""
DAEMON = """
import threading, time, numpy as np, featherweight as fw
net = fw.Network([100, 256, 10], rng=0)
x, y = np.ones((4000, 100), np.float32), np.zeros(4000, np.int64)
def forever():
    while True:
        net.fit(x, y) if FIT else net(x)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.3)
print("used")
"""
SUBINTERPRETER = """
import sys
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
if FIRST:
    import featherweight
i = interpreters.create()
try:
    said = interpreters.run_string(i, "import featherweight._core")
except interpreters.RunFailedError as e:
    said = e
assert "ImportError" in repr(said) or "ImportError" in str(said), said
print(said)
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_late_del_is_answered():
    """The thread that ends the interpreter gets the GIL back after each call."""
    assert run(LATE) == "used\n"


def test_what_can_not_be_imported_any_more_is_said():
    """In one sentence; and what is used most needs no import."""
    assert run(LATE_IMPORTS) == "done\n"


@pytest.mark.parametrize("fit", [False, True])
def test_a_daemon_thread_does_not_hold_the_end_up(fit):
    assert run(DAEMON.replace("FIT", str(fit))) == "used\n"


@pytest.mark.parametrize("first", [False, True])
def test_a_subinterpreter_is_refused(first):
    said = run(SUBINTERPRETER.replace("FIRST", str(first)))
    assert (
        "expected the main interpreter" in said or "does not support loading in subinterp" in said
    )
