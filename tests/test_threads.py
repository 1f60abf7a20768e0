"""How many threads are the default: what control groups, as they are mounted, allow."""

import math
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from featherweight.support.threads import _cgroup_limit, available_threads

V2 = "30 24 0:26 {top} /cg rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "33 32 0:30 {top} /cg/cpu rw - cgroup cgroup rw,{controllers}\n"
OTHERS = (
    "22 27 0:21 / /proc rw - proc proc rw\n"
    "29 27 0:25 / /cg/memory rw,relatime shared:9 shared:3 - cgroup cgroup rw,memory\n"
    "34 32 0:31 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
    "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
)


@pytest.fixture
def plant(tmp_path):
    """Write what the kernel would show below a root; return the limit found there."""

    def limit(group, mounts, files):
        given = {"proc/self/cgroup": group, "proc/self/mountinfo": mounts} | files
        for name, text in given.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return _cgroup_limit(str(tmp_path))

    return limit


def v1(folder, quota, period="100000\n"):
    return {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": period}


@pytest.mark.parametrize(
    ("path", "top", "files", "expected"),
    [
        # the process's own
        ("/a/b", "/", {"cg/a/b/cpu.max": "150000 100000\n"}, 1.5),
        # the least of those above it, which an own one doesn't lift, and of no other's
        ("/a/b", "/", {"cg/a/b/cpu.max": "max 100000\n", "cg/a/cpu.max": "40000 100000\n"}, 0.4),
        ("/a/b", "/", {"cg/a/b/cpu.max": "400000 100000", "cg/a/cpu.max": "20000 10000"}, 2),
        ("/a/b", "/", {"cg/a/b/cpu.max": "200000 100000", "cg/a/cpu.max": "30000 10000"}, 2),
        ("/a/b", "/", {"cg/cpu.max": "300000 100000"}, 3),
        ("/a", "/", {"cg/b/cpu.max": "100000 100000", "cg/a/c/cpu.max": "1000 100000"}, math.inf),
        # a container: the mount's root is the group, or one above it
        ("/docker/1", "/docker/1", {"cg/cpu.max": "200000 100000"}, 2),
        ("/docker/1/a", "/docker/1", {"cg/a/cpu.max": "100000 100000", "cg/cpu.max": "9 1"}, 1),
        ("/", "/", {"cg/cpu.max": "200000 100000"}, 2),
        # what is mounted has none of its groups: the container's quota is all that there is
        ("/", "/docker/1", {"cg/cpu.max": "200000 100000"}, 2),
        ("/docker/12", "/docker/1", {"cg/cpu.max": "2 1", "cg2/cpu.max": "1 1"}, 2),
        # outside of the namespace: the root's isn't its own
        ("/../b", "/", {"cg/cpu.max": "200000 100000", "b/cpu.max": "1 1"}, math.inf),
        # names as systemd writes them, escaped in one file and not in the other
        (r"/a\x2db c/d", r"/a\134x2db\040c", {"cg/d/cpu.max": "1 1"}, 1),
        # nothing, or nothing that can be understood
        ("/a/b", "/", {}, math.inf),
        ("/a/b", "/", {"cg/a/b/cpu.max": "", "cg/a/cpu.max": "2 1"}, 2),
        ("/a/b", "/", {"cg/a/b/cpu.max": b"\xff \xfe", "cg/a/cpu.max": "1"}, math.inf),
        ("/a/b", "/", {"cg/a/b/cpu.max": "100000 0", "cg/a/cpu.max": "-1 100000"}, math.inf),
    ],
)
def test_quotas_of_version_2(plant, path, top, files, expected):
    assert plant(f"0::{path}\n", OTHERS + V2.format(top=top), files) == expected


@pytest.mark.parametrize(
    ("path", "top", "files", "expected"),
    [
        ("/a/b", "/", v1("cg/cpu/a/b", "150000\n"), 1.5),
        ("/a/b", "/", v1("cg/cpu/a/b", "-1\n") | v1("cg/cpu/a", "40000\n"), 0.4),
        ("/a/b", "/", v1("cg/cpu/a/b", "-1\n") | v1("cg/cpu", "500000", "250000"), 2),
        ("/docker/1", "/docker/1", v1("cg/cpu", "200000"), 2),
        ("/elsewhere", "/docker/1", v1("cg/cpu", "200000"), 2),
        ("/a", "/", v1("cg/cpu/other", "200000"), math.inf),
        ("/a", "/", {"cg/cpu/a/cpu.cfs_quota_us": "100000"} | v1("cg/cpu", "3", "1"), 3),
        ("/a", "/", v1("cg/cpu/a", "much") | v1("cg/cpu", "1", ""), math.inf),
    ],
)
@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_quotas_of_version_1(plant, controllers, path, top, files, expected):
    groups = f"9:memory:/b\n3:{controllers}:{path}\n1:name=systemd:/c\n0::/d\n"
    unified = V2.format(top="/").replace("/cg ", "/cg/unified ")  # without that controller
    mounts = OTHERS + V1.format(top=top, controllers=controllers) + unified
    assert plant(groups, mounts, files | v1("cg/cpuset", "1000")) == expected


def test_names_with_colons_and_what_is_cut_off(plant):
    files = {"cg/a:b/cpu.max": "2 1"}
    assert plant("0::/a:b", V2.format(top="/"), files) == 2
    for group, mounts in (
        ("", ""),
        ("0", "x"),
        ("\n::\n", "30 24 0:26 / - cgroup2\n - cgroup2 \n"),
    ):
        assert plant(group, mounts, files) == math.inf
    assert plant("", V2.format(top="/"), {"cg/cpu.max": "3 1"}) == 3  # the container's


def test_no_such_files(tmp_path):
    assert _cgroup_limit(str(tmp_path)) == math.inf


def test_a_process_in_a_group_with_a_quota(monkeypatch):
    """As the kernel has it: in the group itself, and in one below that has no quota of its own."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "bench")
    from quotas import group, inside

    program = "from featherweight.support import threads as t; "
    program += "print(t._cgroup_limit(), t.available_threads())"

    def found(where):
        command = inside(where, [sys.executable, "-c", program])
        limit, threads = subprocess.check_output(command, text=True).split()
        return float(limit), int(threads)

    before = _cgroup_limit(), available_threads()
    with ExitStack() as stack:
        try:
            made = stack.enter_context(group(0.4))
        except OSError as error:
            # needs root and a hierarchy to write into; planted files are read anywhere, above
            pytest.skip(f"no control group can be made here: {error}")
        below = made / "below"
        below.mkdir()
        stack.callback(below.rmdir)
        assert found(made) == found(below) == (0.4, 1)
    assert not made.exists()
    assert (_cgroup_limit(), available_threads()) == before
