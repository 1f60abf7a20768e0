"""Many networks trained side by side."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from os.path import realpath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..exchange.atomic import check_place
from ..model.model import Model
from ..optimizers import Adam, Optimizer, check_optimizer
from ..support.checks import brief, counted, ordered
from ..support.hints import check_keywords, named, parameters
from ..support.threads import check_threads
from .callbacks import Callback, check_callbacks
from .checkpoint import Checkpoint
from .fit import Shared, carry_out, prepare, without_targets
from .history import History
from .plan import Plan
from .progress import Lines, Part, SharedBar, check_progress, shown
from .run import Run
from .unscaled import warn_of_bytes

if TYPE_CHECKING:
    from concurrent.futures import Future


# what may be given by name; resume has a sentence of its own
_OWN = ("network", "shared", "resume")
_KEYWORDS = ["threads", *(name for name in parameters(prepare) if name not in _OWN)]


@named
def fit_many(
    networks: Sequence[Model],
    x: ArrayLike,
    y: ArrayLike,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    rows: Sequence[ArrayLike | None] | None = None,
    rng: Sequence[Any] | None = None,
    callbacks: Any = (),
    threads: int | None = None,
    progress: Any = "auto",
    **options: Any,
) -> list[History]:
    """Train networks on the same data side by side, each by one thread.

    Each ends with exactly the bits of being trained alone.

    Parameters
    ----------
    networks : sequence of Network
        All different ones; of any sizes between inputs and outputs.
    x, y : array
        As in `Network.fit`; iterables of batches aren't taken.
    optimizer : Optimizer or sequence of these, optional
        One for each network; of a single one each network gets a copy, Adam() by default. Of a
        schedule, or what it calls, that is in several of them each but the first gets a copy.
    rows : sequence of (n,) arrays of int, optional
        For each network the rows that it is trained on, such as a fold's; None is all.
    rng : sequence, optional
        For each network what `Network.fit` takes.
    callbacks : as in `Network.fit`, or a sequence of sequences of these, one for each network
        Of those for all, each network gets a copy of what has a state (``state_dict``, as
        `EarlyStopping` has); the others are called from several threads. A `Checkpoint` is given
        for one network, by which `Network.fit` can resume it.
    threads : int, optional
        1 to 1024; `get_num_threads()` by default. No result depends on it.
    progress : bool, "auto" or "lines"
        One bar for all, or a line for each epoch of each network.
    **options
        Whatever else `Network.fit` takes but `resume`, the same for all; `max_time` is each
        network's own. Metrics of one's own are called from several threads.

    Returns
    -------
    list of History
        In the order of the networks.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments, before any network is changed.
    OSError
        If a checkpoint can't be written where it is to be, likewise.
    FloatingPointError
        If a loss became NaN or infinite, when the other networks have been trained.
    KeyboardInterrupt
        On Ctrl-C, when every network that was being trained has ended the step in hand.
    """
    nets = _networks(networks)
    n, workers, progress = len(nets), check_threads(threads), check_progress(progress)
    if y is None:
        raise without_targets(x, "an array")
    if options.get("resume") is not None:
        raise ValueError(f"resume: expected none in fit_many, found {options['resume']!r}")
    optional = {"optimizer": optimizer, "rows": rows, "rng": rng, "callbacks": callbacks or None}
    passed = {"x": x, "y": y} | {k: v for k, v in optional.items() if v is not None}
    given = {k: v for k, v in options.items() if k != "resume"}
    check_keywords(_KEYWORDS, "fit_many", given, passed=passed)
    own = {
        "optimizer": _optimizers(optimizer, n),
        "rows": _each("rows", rows, n),
        "rng": _each("rng", rng, n),
        "callbacks": _callbacks(callbacks, n),
    }
    plans = _plans(nets, x, y, own, options)
    for path in _paths(own["callbacks"]):  # before any of them is trained
        check_place(path)
    any(warn_of_bytes(net, plan.samples) for net, plan in zip(nets, plans, strict=True))  # once
    _part_schedules(own["optimizer"])  # now that nothing is refused any more
    if not shown(progress):
        return _train(nets, plans, own["rng"], workers)
    if progress == "lines":
        for i, plan in enumerate(plans):
            plan.progress = Lines(plan.epochs, f"networks[{i}]: ")
        return _train(nets, plans, own["rng"], workers)
    bar = SharedBar(sum(plan.epochs for plan in plans))
    try:
        for plan in plans:
            plan.progress = Part(bar)
        return _train(nets, plans, own["rng"], workers)
    finally:
        bar.close()


def _plans(
    nets: list[Model], x: Any, y: Any, own: dict[str, list[Any]], options: dict[str, Any]
) -> list[Plan]:
    """Return what each network is to do, all of it checked."""
    given = options | {"progress": False}
    plans: list[Plan] = []
    shared: Shared = {}
    for i, net in enumerate(nets):
        mine = {name: values[i] for name, values in own.items()}
        try:
            with _core.OurEnvironment():
                plans.append(prepare(net, x, y, **(given | mine), shared=shared))
        except (TypeError, ValueError) as e:
            raise type(e)(f"networks[{i}]: {e}") from None
    return plans


def _train(nets: list[Model], plans: list[Plan], rng: list[Any], workers: int) -> list[History]:
    """Run the plans, each in one of so many threads."""
    from concurrent.futures import ThreadPoolExecutor, wait

    running: dict[int, Run] = {}

    def train(i: int) -> History:
        net, before = nets[i], nets[i].threads
        net.threads = 1
        try:
            running[i] = Run(net, plans[i])
            return carry_out(running[i], rng[i])
        except (TypeError, ValueError, FloatingPointError) as e:
            error = type(e)(f"networks[{i}]: {e}")
            for said in getattr(e, "__notes__", ()):  # of what failed as training ended
                error.add_note(said)
            raise error from None
        finally:
            net.threads = before
            running.pop(i, None)

    # the longest first, so that no thread is left with one at the end
    order = sorted(range(len(nets)), key=lambda i: -nets[i].parameter_count)
    jobs: dict[int, Future[History]] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="fit_many") as pool:
        try:
            for i in order:
                jobs[i] = pool.submit(train, i)
            wait(jobs.values())
        except KeyboardInterrupt:
            halted = _halt(jobs, running)
            raise KeyboardInterrupt(_where(plans, jobs, halted)) from None
    return [jobs[i].result() for i in range(len(nets))]


def _halt(jobs: dict[int, Future[History]], running: dict[int, Run]) -> set[int]:
    """End all training at the step in hand; return which networks have been stopped in it."""
    from concurrent.futures import wait

    halted: set[int] = set()
    while True:
        try:
            for job in jobs.values():
                job.cancel()
            # time and again, as a run may begin just now
            for i, run in running.copy().items():
                halted.add(i)
                run.halt()
            if not wait(jobs.values(), 0.02).not_done:
                return halted
        except KeyboardInterrupt:  # one more of them: it is being done
            continue


def _where(plans: list[Plan], jobs: dict[int, Future[History]], halted: set[int]) -> str:
    """Say how far training has come."""
    begun = {i: job for i, job in jobs.items() if not job.cancelled()}
    epochs = [len(begun[i].result().epoch) for i in sorted(halted) if begun[i].exception() is None]
    last = max((plan.epochs for plan in plans), default=0)
    of = counted(len(plans), "network")
    found = f"training stopped with {len(begun) - len(halted)} of {of} trained"
    if epochs:
        low, high = min(epochs), max(epochs)
        span = f"epoch {low}" if low == high else f"epochs {low} to {high}"
        found += f" and {len(epochs)} in {span} of {last}"
    return found + "; each holds the weights of its last completed step"


# The arguments


def _networks(given: Any) -> list[Model]:
    if not isinstance(given, Iterable):
        raise TypeError(f"networks: expected a sequence of Network, found {brief(given)}")
    nets = list(ordered("networks", given))
    for i, net in enumerate(nets):
        if not isinstance(net, Model):
            raise TypeError(f"networks[{i}]: expected a Network, found {brief(net)}")
    if _twice(nets):
        raise ValueError("networks: expected all different ones, found one twice")
    return nets


def _optimizers(given: Any, n: int) -> list[Any]:
    if isinstance(given, (str, type)):
        check_optimizer(given)
    if given is None or isinstance(given, Optimizer):
        return [copy.deepcopy(given or Adam()) for _ in range(n)]
    own = _each("optimizer", given, n)
    if _twice(own):
        raise ValueError("optimizer: expected a different one for each network, found one twice")
    _parted(own)  # refuses what can't be parted
    return own


def _part_schedules(optimizers: list[Any]) -> None:
    """Give each optimizer a schedule of its own."""
    for i, schedule in _parted(optimizers).items():
        optimizers[i].schedule = schedule


def _parted(optimizers: list[Any]) -> dict[int, Any]:
    """Return, for those whose schedule has a part in common with one before, a copy of it.

    Two of them would change its state for each other: a schedule given twice, or two of one
    callable that counts.
    """
    seen: set[int] = set()
    memos: list[dict[int, Any]] = []  # which keep what they know alive, and so its ids
    copies: dict[int, Any] = {}
    for i, optimizer in enumerate(optimizers):
        schedule = getattr(optimizer, "schedule", None)
        memo: dict[int, Any] = {}
        if schedule is None:
            continue
        memos.append(memo)
        try:
            found = copy.deepcopy(schedule, memo)
        except Exception as e:
            found, why = None, e
        # a copy's memo has all that was copied, and no functions, classes and numbers
        parts = {id(schedule), *memo} - {id(memo)}
        if parts & seen:
            if found is None:
                raise ValueError(
                    "optimizer: expected a schedule of its own for each, or one that can be "
                    f"copied, found one {type(schedule).__name__} twice: {why}"
                )
            copies[i] = found
        seen |= parts
    return copies


def _callbacks(given: Any, n: int) -> list[list[Callback]]:
    several = isinstance(given, (list, tuple)) and bool(given)
    if not (several and all(isinstance(c, (list, tuple)) for c in given)):
        common = check_callbacks(given)
        if any(isinstance(c, Checkpoint) for c in common):
            raise ValueError(
                "callbacks: expected a Checkpoint for one network, in a sequence of callbacks for "
                "each, found one for all"
            )
        return [
            [copy.deepcopy(c) if hasattr(c, "state_dict") else c for c in common] for _ in range(n)
        ]
    own = [check_callbacks(c) for c in _each("callbacks", given, n)]
    if _twice([c for each in own for c in each if hasattr(c, "state_dict")]):
        raise ValueError(
            "callbacks: expected one of its own for each network, where it has a state, found one "
            "twice"
        )
    paths = _paths(own)
    if len({realpath(path) for path in paths}) != len(paths):
        raise ValueError(
            "callbacks: expected a path of its own for each Checkpoint, found one twice"
        )
    return own


def _paths(callbacks: list[list[Callback]]) -> list[str]:
    """Return where checkpoints are to be written."""
    return [c.path for each in callbacks for c in each if isinstance(c, Checkpoint)]


def _twice(given: list[Any]) -> bool:
    return len({id(g) for g in given}) != len(given)


def _each(name: str, given: Any, n: int) -> list[Any]:
    if given is None:
        return [None] * n
    if not isinstance(given, (Sequence, np.ndarray)) or len(given) != n:
        found = len(given) if hasattr(given, "__len__") else given
        raise ValueError(f"{name}: expected a sequence of {n}, one for each network, found {found}")
    return list(given)
