"""What is imported by the first call that uses it, interrupted by a fork or a signal."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and signals as on Unix")

# the import of a module amid training's, which says that it has begun and takes its time
BEGIN = """
import os, signal, sys, threading, time, warnings
import numpy as np
import featherweight as fw

warnings.simplefilter("ignore")  # of forks in processes with threads
begun, late, x, y = threading.Event(), "featherweight.training.run", np.eye(3), [0, 1, 2]

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == late:
            begun.set()
            time.sleep(0.3)

sys.meta_path.insert(0, Slow())

def train():
    net = fw.Network([3, 3], rng=0)
    net.fit(x, y, progress=False)
    return net.parameters

def child():
    number = os.fork()
    if number == 0:
        signal.alarm(8)  # which ends what waits for ever
        train()
        os._exit(0)
    return os.waitpid(number, 0)[1]

"""
CASES = {
    "fork": """
thread = threading.Thread(target=train)
thread.start()
begun.wait()
assert child() == 0
thread.join()
""",
    "fork in a handler": """
found = []
def handler(*_):
    found.append(os.fork())
    if found == [0]:
        signal.alarm(8)
signal.signal(signal.SIGUSR1, handler)
threading.Thread(target=lambda: (begun.wait(), os.kill(os.getpid(), signal.SIGUSR1))).start()
train()  # parent and child go on with the import
if found == [0]:
    os._exit(0)
assert os.waitpid(found[0], 0)[1] == 0
""",
    "handler": """
found = []
def handler(*_):
    try:
        found.append(train())
    except RuntimeError as e:
        found.append(str(e))
signal.signal(signal.SIGUSR1, handler)
threading.Thread(target=lambda: (begun.wait(), os.kill(os.getpid(), signal.SIGUSR1))).start()
own = train()
assert "as from a signal handler" in found[0], found
os.kill(os.getpid(), signal.SIGUSR1)
assert np.array_equal(found[1], own)
""",
    "interrupt": """
threading.Thread(target=lambda: (begun.wait(), os.kill(os.getpid(), signal.SIGINT))).start()
try:
    train()
except KeyboardInterrupt:
    assert child() == 0  # which imports anew what was interrupted
    train()
""",
    "fork in another's save": """
late = "safetensors.numpy"
net = fw.Network([3, 3])
thread = threading.Thread(target=net.save, args=(sys.argv[1],))
thread.start()
begun.wait()
number = os.fork()
if number == 0:
    signal.alarm(8)
    net.save(sys.argv[1] + "2")
    os._exit(0)
assert os.waitpid(number, 0)[1] == 0
thread.join()
""",
    "fork in the first use of an optimizer": """
late = "featherweight.schedules"
thread = threading.Thread(target=lambda: fw.Adam)
thread.start()
begun.wait()
assert child() == 0
thread.join()
""",
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_whole_for_all(case, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", BEGIN + CASES[case], str(tmp_path / "net")],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_what_is_missing_is_told_by_who_uses_it():
    code = (
        "import sys; sys.modules['scipy.optimize'] = None\n"
        "import featherweight as fw, numpy as np\n"
        "fw.Network([2, 2]).fit(np.eye(2), [0, 1], optimizer=fw.LBFGS())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: LBFGS needs SciPy" in ran.stderr


def test_the_main_thread_stays_the_main_one():
    """`threading` takes the thread that imports it first for the main one."""
    code = (
        "import featherweight as fw\n"
        "net = fw.Network([4, 4, 2], rng=[1, 2])\n"
        "net.fit([[0, 1, 2, 3]], [1], progress=False)\n"
        "import threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('done'))).start()\n"
        "print(threading.current_thread() is threading.main_thread())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "True\ndone\n", ran.stderr


@pytest.mark.parametrize("name", ["random", "json", "tempfile", "dataclasses"])
def test_a_script_named_like_a_module_that_is_imported_ends(name, tmp_path):
    script = tmp_path / f"{name}.py"
    script.write_text(
        "import featherweight as fw\n"
        "net = fw.Network([4, 4, 2], rng=0)\n"
        "net.save('q')\n"
        "net.fit([[0, 1, 2, 3]], [1], progress=False)\n"
    )
    subprocess.run([sys.executable, script], capture_output=True, timeout=60, cwd=tmp_path)


def test_a_thread_with_a_small_stack_imports_what_needs_more():
    pytest.importorskip("scipy")
    code = (
        "import threading, numpy as np, featherweight as fw\n"
        "threading.stack_size(65536)\n"
        "fw.Network([2, 2]).fit(np.eye(2), [0, 1], optimizer=fw.LBFGS(), progress=False)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("call", ["save(sys.argv[1])", "score(x, y)", "fit(x, y)"])
def test_a_first_call_as_the_interpreter_ends_ends(call, tmp_path):
    """Where a thread that is started would never run: the call may fail, but it doesn't wait."""
    code = (
        "import sys, numpy as np, featherweight as fw\n"
        "x, y = np.eye(2), [0, 1]\n"
        "class Late:\n"
        "    def __init__(self): self.net, self.fw = fw.Network([2, 2]), fw\n"
        f"    def __del__(self, sys=sys, x=x, y=y): self.net.{call}\n"
        "late = Late()\n"
        "late.itself = late\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "net")]
    assert subprocess.run(command, capture_output=True, timeout=30).returncode == 0


THIRD = """
found = 5e-324 * 1.0
"""
FLUSHED = """
import featherweight as fw
from featherweight import _core
from featherweight.support import imports, optional

tiny = 5e-324
with _core.OurEnvironment():
    assert tiny * 1.0 == 0
    assert optional.need("third", "plot", "this").found == tiny
    imports.ensure_imported("another")
    import another
    assert another.found == tiny
    assert tiny * 1.0 == 0
"""


def test_other_packages_are_imported_in_the_callers_environment(tmp_path):
    """They may look, as NumPy does, whether there are numbers below the smallest normal one."""
    for name in ("third", "another"):
        (tmp_path / f"{name}.py").write_text(THIRD.replace("5e-324", "float('5e-324')"))
    run = subprocess.run(
        [sys.executable, "-c", FLUSHED.replace("tiny = 5e-324", "tiny = float('5e-324')")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
