"""``featherweight bench``: how near this machine's own limit the library comes, in a minute.

Each workload is timed in turn with NumPy doing the same and with a loop that shows what one core
can do at best, many times over; the least time counts, since whatever else runs can only add to it.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..network import Network
from ..optimizers import SGD, Adam
from ..threads import get_num_threads
from ..writing import check_place, replacing
from . import CommandError, Parser, say, sentence
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
    for workload in _WORKLOADS:
        for n in threads:
            found = measure(workload, n, isa, options.seconds)
            facts["workloads"].append({"title": workload.title, "threads": n, **found})
            ratio = f"{found['numpy'] / found['seconds']:.1f}x" if found["numpy"] else ""
            say(
                f"{workload.title:<38}{n:>8}{_human(found['seconds']):>10}"
                f"{found['share']:>13.0%} {ratio:>13}"
            )
    say(
        "The limit is the cores' fused multiply-adds or, of one row, reading the weights once, "
        "whichever takes longer. NumPy uses the threads that it was given."
    )
    if options.json:
        import json

        with replacing(options.json, "--json") as f:
            f.write(json.dumps(facts, indent=1).encode())
    return 0


def measure(w: Workload, threads: int, isa: str, seconds: float) -> dict[str, float]:
    """Return the least seconds, NumPy's (0 if it isn't timed) and the share of the limit."""
    pairs = list(zip(w.sizes, w.sizes[1:], strict=False))
    net = Network(w.sizes, w.activation, rng=0, threads=threads, isa=isa)
    rng = np.random.default_rng(0)
    x = rng.random((max(1, w.rows), w.sizes[0]), np.float32)
    numpy = None
    if w.epoch:
        y = rng.integers(0, w.sizes[-1], w.rows)
        optimizer = SGD(0.1) if w.epoch == "sgd" else Adam()

        def ours() -> Any:
            return net.fit(x, y, batch_size=w.batch, optimizer=optimizer, progress=False)
    else:
        row_or_rows = x if w.rows else x[0]
        out = net(row_or_rows)

        def ours() -> Any:
            return net(row_or_rows, out=out)

        numpy = _numpy_forward(net, row_or_rows)
        if not np.allclose(numpy(), out, atol=1e-4):
            raise CommandError("bench: expected NumPy's answer, found another", 1)
    weight_bytes = 4.0 * sum((i + 1) * o for i, o in pairs)
    least = {"ours": np.inf, "numpy": np.inf}
    flops = bandwidth = 0.0
    end = time.perf_counter() + seconds
    while True:
        least["ours"] = min(least["ours"], _least(ours, seconds / 20))
        if numpy is not None:
            least["numpy"] = min(least["numpy"], _least(numpy, seconds / 20))
        flops = max(flops, _core.fma_limit(isa, False))
        bandwidth = max(bandwidth, _core.read_limit(isa, int(weight_bytes)))
        if time.perf_counter() > end:
            break
    passes = [1.0] * len(pairs) if not w.epoch else [2.0, *[3.0] * (len(pairs) - 1)]
    work = 2.0 * max(1, w.rows) * sum(p * i * o for p, (i, o) in zip(passes, pairs, strict=True))
    limit = work / flops / threads
    if not w.rows:
        limit = max(limit, weight_bytes / bandwidth)
    return {
        "seconds": least["ours"],
        "numpy": least["numpy"] if numpy is not None else 0.0,
        "share": limit / least["ours"],
    }


def _least(f: Callable[[], Any], seconds: float) -> float:
    """Return the least time of one call within about so many seconds."""
    clock = time.perf_counter
    start = clock()
    f()
    calls = range(max(1, min(1000, int(1e-3 / max(clock() - start, 1e-7)))))
    least, end = np.inf, clock() + seconds
    while True:
        start = clock()
        for _ in calls:
            f()
        stop = clock()
        least = min(least, (stop - start) / len(calls))
        if stop > end:
            return float(least)


def _numpy_forward(net: Network, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    """Return the same forward pass written in NumPy."""
    layers = [(np.ascontiguousarray(w.T), b) for w, b in zip(net.weights, net.biases, strict=True)]

    def forward() -> NDArray[Any]:
        a = x
        for i, (w, b) in enumerate(layers):
            a = a @ w
            a += b
            if i + 1 == len(layers):
                a -= a.max(axis=-1, keepdims=True)
                np.exp(a, out=a)
                a /= a.sum(axis=-1, keepdims=True)
            elif net.activation[i] == "relu":
                np.maximum(a, 0, out=a)
            else:
                np.negative(a, out=a)
                np.exp(a, out=a)
                a += 1
                np.reciprocal(a, out=a)
        return a

    return forward


def _human(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
