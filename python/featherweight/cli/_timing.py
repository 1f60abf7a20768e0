"""What ``bench`` measures with: least times, what the cores do at best, and shares of that."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import _core

TRIES = 5  # measurements of the limits at most where a time is below what they allow


class Rates(NamedTuple):
    """What a machine does at best.

    Attributes
    ----------
    flops : float
        Floating-point operations a second of one core's fused multiply-adds.
    reading : dict of int to float
        Bytes a second that so many threads read together, each its own part of them.
    """

    flops: float
    reading: dict[int, float]

    def best(self, other: "Rates") -> "Rates":
        """Return the higher of both rates, for each number of threads."""
        counts = self.reading.keys() | other.reading.keys()
        return Rates(
            max(self.flops, other.flops),
            {n: max(self.reading.get(n, 0.0), other.reading.get(n, 0.0)) for n in counts},
        )


def share(
    work: float, weight_bytes: float, rates: Rates, threads: int, seconds: float
) -> tuple[float, str]:
    """Return the share of the limit that a time reaches, and which limit that is.

    Parameters
    ----------
    work : float
        Floating-point operations.
    weight_bytes : float
        Bytes that have to be read; 0 if reading is no limit, as with many rows.
    rates : Rates
        What the machine does at best, its reading with `threads` threads among it.
    threads : int
        Threads that the work may take; the arithmetic is divided among as many cores.
    seconds : float
        The time that the work took.

    Returns
    -------
    share : float
        The least time that the limits allow, over `seconds`.
    which : str
        The limit that takes longer: ``"FMA"`` or ``"reading"``.
    """
    arithmetic = work / (rates.flops * threads)
    reading = weight_bytes / rates.reading[threads] if weight_bytes else 0.0
    limit, which = max((arithmetic, "FMA"), (reading, "reading"))
    return limit / seconds, which


def measure_rates(isa: str, weight_bytes: float, threads: int) -> Rates:
    """Return what one core's multiply-adds and the reading of `threads` threads reach now."""
    reading = {threads: reading_rate(isa, weight_bytes, threads)} if weight_bytes else {}
    return Rates(_core.fma_limit(isa, False), reading)


def reading_rate(isa: str, weight_bytes: float, threads: int) -> float:
    """Return the bytes a second that threads read at once, each its own equal part.

    Each runs on a core of its own where there are as many and the system can pin threads: then
    each core's caches hold its part alone, as when a network's threads share its weights.
    """
    part = max(1, int(weight_bytes) // threads)
    cores = available_cores()[-threads:]
    together = threading.Barrier(threads)
    rates: list[float] = []

    def read(i: int) -> None:
        try:
            if len(cores) == threads:
                pin({cores[i]})
            together.wait()
            rates.append(_core.read_limit(isa, part))
        except BaseException:
            together.abort()  # the others end, too
            raise

    readers = [threading.Thread(target=read, args=(i,)) for i in range(threads)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    if len(rates) < threads:
        raise RuntimeError(f"reading: expected {threads} threads to finish, found {len(rates)}")
    return sum(rates)


def available_cores() -> list[int]:
    """Return the cores that this process may use; none where the system doesn't say."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def pin(cores: set[int]) -> None:
    """Hold the calling thread, and those that it starts from now on, to these cores if possible."""
    try:
        os.sched_setaffinity(0, cores)
    except (AttributeError, OSError):  # no such call here, or a core that is no longer allowed
        return


def least_time(f: Callable[[], Any], seconds: float) -> float:
    """Return the least time of one call within about so many seconds."""
    clock = time.perf_counter
    start = clock()
    f()
    calls = range(max(1, min(1000, int(1e-3 / max(clock() - start, 1e-7)))))
    least, end = float("inf"), clock() + seconds
    while True:
        start = clock()
        for _ in calls:
            f()
        stop = clock()
        least = min(least, (stop - start) / len(calls))
        if stop > end:
            return least
