"""threadpoolctl lists our pool and limits it, whichever of the two is imported first."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("threadpoolctl", minversion="3.2")

FOUND = """
def ours():
    return [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "featherweight"]
"""


def run(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    "order",
    [
        "import threadpoolctl; import featherweight as fw",
        "import featherweight as fw; import threadpoolctl; fw.Network([2, 2])",
        "import featherweight as fw; import threadpoolctl; threadpoolctl.threadpool_info();"
        "net = fw.Network([2, 2]); fw.Network([2, 2])",
    ],
)
def test_it_is_listed_once(order):
    program = f"{order}\n{FOUND}\nfrom featherweight.support.threads import available_threads\n"
    program += "(i,) = ours(); print(i['num_threads'] == available_threads(), i['version'],"
    program += "i['prefix'], i['internal_api'], fw.__version__)"
    right, version, prefix, api, own = run(program)
    assert (right, version, prefix, api) == ("True", own, "_core.", "featherweight")


def test_it_is_not_imported_for_us():
    program = "import featherweight as fw, sys; fw.Network([2, 2])\n"
    assert run(program + "print('threadpoolctl' in sys.modules)") == ["False"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_limit_holds_for_networks_already_made():
    """The pool's threads start when they're first needed: a limit of 1 leaves them unstarted."""
    program = f"""
import threadpoolctl, numpy as np, featherweight as fw
{FOUND}
def threads():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Threads:"))

from featherweight.support.threads import available_threads
net = fw.Network([784, 512, 10], rng=0, threads=3)
x = np.ones((4000, 784), np.float32)
alone, before = net(x[:1]), threads()
with threadpoolctl.threadpool_limits(1):
    y, labels = net(x), np.zeros(4000, int)
    net.gradients(x, labels)
    net.fit(x, labels, batch_size=1000, progress=False)
    limited, shown = threads() - before, ours()[0]["num_threads"]
    after = net(x)
with threadpoolctl.threadpool_limits(2, user_api="featherweight"):
    assert np.array_equal(net(x), after)
    two = threads() - before
with threadpoolctl.threadpool_limits(1, user_api="blas"):
    untouched = ours()[0]["num_threads"] == available_threads()
print(limited, shown, two, net.threads, np.array_equal(y[:1], alone), untouched)
"""
    assert run(program) == ["0", "1", "1", "3", "True", "True"]
    unlimited = program.replace(
        "threadpool_limits(1)", "threadpool_limits(3, user_api='featherweight')"
    )
    assert run(unlimited)[:2] == ["2", "3"]  # the twin: without the limit they're seen


@pytest.mark.parametrize("version", ["0", "3.1"])
def test_one_that_cannot_be_told_is_left_alone(version):
    program = (
        "import sys, types; sys.modules['threadpoolctl'] = types.ModuleType('threadpoolctl')\n"
    )
    if version == "0":
        program = "import sys; sys.modules['threadpoolctl'] = None\n"
    assert run(program + "import featherweight as fw; fw.Network([2, 2]); print('well')") == [
        "well"
    ]
