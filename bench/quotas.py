"""Processes in a control group of their own with a quota of CPUs, where one can be made."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from featherweight.support.threads import _groups

PERIOD = 100_000  # µs


def _limit(group: Path, cpus: float) -> None:
    quota = round(cpus * PERIOD)
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{quota} {PERIOD}")
    else:  # version 1, or no controller of CPUs: an OSError
        for name, value in (("period", PERIOD), ("quota", quota)):
            with open(group / f"cpu.cfs_{name}_us", "r+") as f:
                f.write(str(value))


@contextmanager
def group(cpus: float) -> Iterator[Path]:
    """Make a group below one that this process is in, and remove it when its processes have ended.

    Raises OSError where it can't be made: it takes Linux, the right to, and, of version 2, a group
    that hands its controller of CPUs down.
    """
    error = OSError("no control groups are mounted")
    for parent in _groups(b""):
        made = Path(os.fsdecode(parent)) / f"featherweight-{os.getpid()}"
        try:
            made.mkdir()
        except OSError as e:
            error = e
            continue
        try:
            _limit(made, cpus)
        except OSError as e:
            error = e
            made.rmdir()
            continue
        try:
            yield made
        finally:
            made.rmdir()
        return
    raise error


def inside(group: Path, command: list[str]) -> list[str]:
    """Return the command that runs another one in a group."""
    return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs"), *command]
