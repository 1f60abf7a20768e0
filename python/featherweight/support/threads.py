"""How many threads a network may use."""

import math
import operator
import os
from collections.abc import Iterator

from .hints import named

_default: int | None = None


def _read(path: bytes) -> bytes:
    try:
        with open(path, "rb", buffering=0) as f:
            return f.read()
    except (OSError, ValueError, NameError):  # no such file, no such name, no `open` at the end
        return b""


def _quota(group: bytes) -> float:
    """Return the CPUs that a control group's own quota allows, or infinity."""
    words = _read(group + b"/cpu.max").split()  # version 2
    if not words:
        words = [_read(group + b"/cpu.cfs_%s_us" % name) for name in (b"quota", b"period")]
    try:
        quota, period = int(words[0]), int(words[1])
    except (ValueError, IndexError):
        return math.inf  # no such file, or "max"
    return quota / period if quota > 0 and period > 0 else math.inf  # -1 is version 1's "max"


def _groups(root: bytes) -> Iterator[bytes]:
    """Yield the folders of the process's control groups that may have quotas, and of those above.

    A group's name begins at the top of its hierarchy, of which a mount may show a part only, as in
    containers. Where that part has none of the process's groups, the mount's uppermost one is all
    that can be known, and is taken for the container's.
    """
    names = {}  # by controller, which version 2 has none of
    for line in _read(root + b"/proc/self/cgroup").split(b"\n"):
        words = line.split(b":", 2)
        if len(words) == 3:
            names.update(dict.fromkeys(words[1].split(b","), words[2]))
    for line in _read(root + b"/proc/self/mountinfo").split(b"\n"):
        first, is_cgroup, last = line.partition(b" - cgroup")
        where, kind = first.split(), last.split()
        if not is_cgroup or len(where) < 5 or len(kind) < 2:
            continue
        controller = b"" if last.startswith(b"2") else b"cpu"
        if controller and controller not in kind[-1].split(b","):
            continue  # another controller's hierarchy
        # spaces and backslashes, which systemd puts in names, are escaped
        top, mount = (w.replace(b"\\040", b" ").replace(b"\\134", b"\\") for w in where[3:5])
        top, name = top.rstrip(b"/"), names.get(controller, b"")
        below = name[len(top) :].rstrip(b"/") if (name + b"/").startswith(top + b"/") else b""
        if b".." in below.split(b"/"):
            continue  # outside of all that this process's namespace has
        while below:
            yield root + mount + below
            below = below.rpartition(b"/")[0]
        yield root + mount


def _cgroup_limit(root: str = "") -> float:
    """Return the CPUs that the process's control groups allow, by the least quota, or infinity."""
    return min(map(_quota, _groups(os.fsencode(root))), default=math.inf)


def _openmp_limit() -> float:
    """Return what OMP_NUM_THREADS allows, or infinity.

    Other libraries' pools heed it, and joblib sets it for its processes so that all of them
    together use each CPU once.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # of nested levels
    return int(first) if first.isdecimal() and int(first) > 0 else math.inf


def available_threads() -> int:
    """Return how many threads may run at once: by affinity, control groups and OMP_NUM_THREADS."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, int(min(float(cpus), _cgroup_limit(), _openmp_limit())))


def check_threads(threads: int | None) -> int:
    """Return `threads` as a positive int, or the default for None."""
    if threads is None:
        return get_num_threads()
    try:
        if isinstance(threads, bool):
            raise TypeError
        n = operator.index(threads)
    except TypeError:
        raise TypeError(f"threads: expected a whole number, found {threads!r}") from None
    if not 1 <= n <= 1024:
        raise ValueError(f"threads: expected 1 to 1024, found {n}")
    return n


@named
def set_num_threads(n: int) -> None:
    """Set how many threads networks made from now on use by default.

    Parameters
    ----------
    n : int
        1 to 1024. No result depends on it.

    Raises
    ------
    TypeError, ValueError
        If `n` isn't a whole number, or isn't from 1 to 1024.

    Notes
    -----
    Where threadpoolctl (3.2 or newer) is used, its limits, of user_api "featherweight", hold for
    networks already made too. It knows of us if it was imported before featherweight, or else from
    the next network made on.
    """
    global _default
    _default = check_threads(n)


@named
def get_num_threads() -> int:
    """Return how many threads networks use by default.

    Returns
    -------
    int
        What `set_num_threads` was given, or else what the process may use, at least 1: by its CPU
        affinity, the quotas of its control group and of those above it, and the environment's
        ``OMP_NUM_THREADS``.
    """
    return available_threads() if _default is None else _default
