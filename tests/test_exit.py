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


@pytest.mark.parametrize("fit", [False, True])
def test_a_daemon_thread_does_not_hold_the_end_up(fit):
    assert run(DAEMON.replace("FIT", str(fit))) == "used\n"


@pytest.mark.parametrize("first", [False, True])
def test_a_subinterpreter_is_refused(first):
    said = run(SUBINTERPRETER.replace("FIRST", str(first)))
    assert (
        "expected the main interpreter" in said or "does not support loading in subinterp" in said
    )
