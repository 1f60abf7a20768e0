"""How many threads a network may use."""

import os

_default: int | None = None


def _cgroup_limit() -> float:
    """Return the CPUs that the control group's quota (version 2, then 1) allows, or infinity."""
    for quota_file, period_file in (
        ("/sys/fs/cgroup/cpu.max", None),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ):
        try:
            with open(quota_file) as f:
                words = f.read().split()
            if period_file is not None:
                with open(period_file) as f:
                    words.append(f.read())
            quota, period = float(words[0]), float(words[1])
        except (OSError, ValueError, IndexError):
            continue  # no such file, or "max": no limit there
        if quota > 0 and period > 0:
            return quota / period
    return float("inf")


def _openmp_limit() -> float:
    """Return what OMP_NUM_THREADS allows, or infinity.

    Other libraries' pools heed it, and joblib sets it for its processes so that all of them
    together use each CPU once.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # of nested levels
    return int(first) if first.isdecimal() and int(first) > 0 else float("inf")


def available_threads() -> int:
    """Return how many threads may run at once: by affinity, control group and OMP_NUM_THREADS."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, int(min(float(cpus), _cgroup_limit(), _openmp_limit())))


def check_threads(threads: int | None) -> int:
    """Return `threads` as a positive int, or the default for None."""
    import operator

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


def get_num_threads() -> int:
    """Return how many threads networks use by default.

    Returns
    -------
    int
        What `set_num_threads` was given, or else what the process may use, at least 1: by its CPU
        affinity, its control group's quota and the environment's ``OMP_NUM_THREADS``.
    """
    return available_threads() if _default is None else _default
