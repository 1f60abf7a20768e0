"""``featherweight bench``: how near this machine's own limit the library comes, in a minute.

Each workload is timed in turn with NumPy doing the same with as many threads, in a process of its
own, and with loops that show what as many cores can do at best, many times over; the least time
counts, since whatever else runs can only add to it.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..exchange.atomic import check_place, replacing
from ..optimizers import SGD, Adam
from ..support.threads import get_num_threads
from . import CommandError, Parser, say, sentence
from ._numpy_child import NumpyProcess, network_and_input
from ._timing import TRIES, least_time, measure_rates, share
from .info import cpu_model


class Workload(NamedTuple):
    """`rows` of 0 stands for one row alone; `epoch` for a pass of training over them."""

    title: str
    sizes: tuple[int, ...]
    activation: str
    rows: int
    epoch: str = ""
    batch: int = 0


_TINY, _WIDE = (784, 16, 16, 10), (784, 512, 512, 10)
_WORKLOADS = (
    Workload("one row, 784-16-16-10", _TINY, "sigmoid", 0),
    Workload("one row, 784-512-512-10", _WIDE, "relu", 0),
    Workload("10,000 rows, 784-16-16-10", _TINY, "sigmoid", 10_000),
    Workload("2,000 rows, 784-512-512-10", _WIDE, "relu", 2_000),
    Workload("epoch of 10,000, 784-16-16-10, SGD", _TINY, "sigmoid", 10_000, "sgd", 32),
    Workload("epoch of 2,560, 784-512-512-10, Adam", _WIDE, "relu", 2_560, "adam", 128),
)


def parser() -> Parser:
    """Return the parser of this command's options."""
    p = Parser(
        prog="featherweight bench",
        description=(
            "Time the main workloads, beside NumPy doing the same and as a share of what this "
            "machine's cores can do at best."
        ),
        allow_abbrev=False,
    )
    p.add_argument("--json", metavar="FILE", help="also write the numbers there")
    p.add_argument(
        "--seconds", type=float, default=2.0, metavar="S", help="for each line of the table (2)"
    )
    return p


def run(options: argparse.Namespace) -> int:
    """Print the table and return the exit status."""
    if not 0 < options.seconds <= 3600:
        raise CommandError(
            f"--seconds: expected more than 0 and at most 3600, found {options.seconds}", 2
        )
    if options.json:
        try:
            check_place(options.json, "--json")
        except OSError as e:
            raise CommandError(sentence(e), 2) from None
    isa = _core.check_isa("")
    threads = sorted({1, get_num_threads()})
    facts: dict[str, Any] = {
        "featherweight": _core.__version__,
        "numpy": np.__version__,
        "cpu": cpu_model(),
        "instruction_set": isa,
        "workloads": [],
    }
    say(f"{facts['cpu']}, {isa}, NumPy {np.__version__}")
    say(f"{'float32':<38}{'threads':>8}{'time':>10}{'of the limit':>14}{'NumPy takes':>13}")
    with ExitStack() as stack:
        peers = {n: stack.enter_context(closing(NumpyProcess(n))) for n in threads}
        for workload in _WORKLOADS:
            for n in threads:
                found = measure(workload, n, isa, options.seconds, peers[n])
                facts["workloads"].append({"title": workload.title, "threads": n, **found})
                say(_line(workload.title, n, found))
    say(
        "The limit is the fused multiply-adds of as many cores as threads or, of one row, reading "
        "the weights\nonce, each thread its part, whichever takes longer. NumPy has as many "
        "threads, in its own process."
    )
    if any(w["share"] > 1 for w in facts["workloads"]):
        say(
            f"More than 100%: the limits, measured {TRIES} times more, stayed below what the "
            "library reached,\nas where other programs slow the machine meanwhile. Try it again."
        )
    if options.json:
        import json

        with replacing(options.json, "--json") as f:
            f.write(json.dumps(facts, indent=1).encode())
    return 0


def measure(
    w: Workload, threads: int, isa: str, seconds: float, peer: NumpyProcess
) -> dict[str, float]:
    """Return the least seconds, NumPy's (0 if it isn't timed) and the share of the limit."""
    # a network runs its own number of threads, wherever they are; NumPy's process is also pinned
    net, x = network_and_input(w.sizes, w.activation, w.rows, threads=threads, isa=isa)
    if w.epoch:
        y = np.random.default_rng(1).integers(0, w.sizes[-1], w.rows)
        optimizer = SGD(0.1) if w.epoch == "sgd" else Adam()

        def ours() -> Any:
            return net.fit(x, y, batch_size=w.batch, optimizer=optimizer, progress=False)
    else:
        out = net(x)

        def ours() -> Any:
            return net(x, out=out)

        _check(peer, w, out)
    pairs = list(zip(w.sizes, w.sizes[1:], strict=False))
    passes = [1.0] * len(pairs) if not w.epoch else [2.0, *[3.0] * (len(pairs) - 1)]
    work = 2.0 * max(1, w.rows) * sum(p * i * o for p, (i, o) in zip(passes, pairs, strict=True))
    weight_bytes = 0.0 if w.rows else 4.0 * sum((i + 1) * o for i, o in pairs)
    least = numpy = np.inf
    rates = measure_rates(isa, weight_bytes, threads)
    end = time.perf_counter() + seconds
    while True:
        least = min(least, least_time(ours, seconds / 20))
        if not w.epoch:
            numpy = min(numpy, _ask(peer.least_time, seconds / 20))
        rates = rates.best(measure_rates(isa, weight_bytes, threads))
        if time.perf_counter() > end:
            break
    for _ in range(TRIES):  # a limit that was passed was measured too low
        if share(work, weight_bytes, rates, threads, least)[0] <= 1:
            break
        rates = rates.best(measure_rates(isa, weight_bytes, threads))
    return {
        "seconds": float(least),
        "numpy": 0.0 if w.epoch else float(numpy),
        "share": share(work, weight_bytes, rates, threads, least)[0],
    }


def _check(peer: NumpyProcess, w: Workload, out: NDArray[Any]) -> None:
    """Have NumPy prepare the workload, and compare its outputs with ours."""
    found = _ask(peer.prepare, w.sizes, w.activation, w.rows)
    if found.shape != out.shape or not np.allclose(found, out, atol=1e-4):
        raise CommandError("bench: expected NumPy's answer, found another", 1)


def _ask(question: Callable[..., Any], *values: Any) -> Any:
    """Return NumPy's process's answer, or end the command with what it says instead."""
    try:
        return question(*values)
    except RuntimeError as e:
        raise CommandError(str(e), 1) from None


def _line(title: str, threads: int, found: dict[str, float]) -> str:
    ratio = f"{found['numpy'] / found['seconds']:.1f}x" if found["numpy"] else ""
    return (
        f"{title:<38}{threads:>8}{_human(found['seconds']):>10}{found['share']:>13.0%} {ratio:>13}"
    )


def _human(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
