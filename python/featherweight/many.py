"""Many networks trained side by side."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import checks
from .callbacks import TrainingState, check_callbacks
from .history import History
from .network import Network
from .optimizers import Adam, Optimizer
from .progress import watched
from .threads import check_threads


def fit_many(
    networks: Sequence[Network],
    x: ArrayLike,
    y: ArrayLike,
    *,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    rows: Sequence[ArrayLike | None] | None = None,
    rng: Sequence[Any] | None = None,
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
        As in `Network.fit`.
    optimizer : Optimizer or sequence of these, optional
        One for each network; of a single one each network gets a copy, Adam() by default.
    rows : sequence of (n,) arrays of int, optional
        For each network the rows that it is trained on, such as a fold's; None is all.
    rng : sequence, optional
        For each network what `Network.fit` takes.
    threads : int, optional
        1 to 1024; `get_num_threads()` by default. No result depends on it.
    progress : bool or "auto"
        One bar for all.
    **options
        Whatever else `Network.fit` takes, the same for all; `callbacks` are called from several
        threads, and must have no state of their own.

    Returns
    -------
    list of History
        In the order of the networks.

    Raises
    ------
    TypeError, ValueError
        For wrong arguments.
    FloatingPointError
        If a loss became NaN or infinite, when the other networks have been trained.
    KeyboardInterrupt
        On Ctrl-C, when every network has ended its epoch.
    """
    from concurrent.futures import ThreadPoolExecutor, wait
    from threading import Event

    nets = list(networks)
    for i, net in enumerate(nets):
        if not isinstance(net, Network):
            raise TypeError(f"networks[{i}]: expected a Network, found {net!r}")
    if len({id(net) for net in nets}) != len(nets):
        raise ValueError("networks: expected all different ones, found one twice")
    if options.get("resume") is not None:
        raise ValueError(f"resume: expected none in fit_many, found {options['resume']!r}")
    if optimizer is None or isinstance(optimizer, Optimizer):
        own: list[Any] = [copy.deepcopy(optimizer or Adam()) for _ in nets]
    else:
        own = _each("optimizer", optimizer, len(nets))
        if len({id(o) for o in own}) != len(own):
            raise ValueError(
                "optimizer: expected a different one for each network, found one twice"
            )
    parts = _each("rows", rows, len(nets))
    seeds = _each("rng", rng, len(nets))
    if len({(net.sizes[0], net.dtype) for net in nets}) == 1:
        x = checks.inputs(x, nets[0].sizes[0], nets[0].dtype, mapped=True)  # converted but once
    callbacks = check_callbacks(options.pop("callbacks", ()))
    stop, bar = Event(), _bar(progress, len(nets), int(options.get("epochs", 1)))

    def after_epoch(state: TrainingState) -> bool:
        if bar is not None:
            bar.update(1)
        return stop.is_set()

    def train(i: int) -> History:
        net, before = nets[i], nets[i].threads
        net.threads = 1
        try:
            return net.fit(
                x, y, optimizer=own[i], rows=parts[i], rng=seeds[i], progress=False,
                callbacks=[*callbacks, after_epoch], **options,
            )  # fmt: skip
        except (TypeError, ValueError, FloatingPointError) as e:
            raise type(e)(f"networks[{i}]: {e}") from None
        finally:
            net.threads = before

    # the longest first, so that no thread is left with one at the end
    order = sorted(range(len(nets)), key=lambda i: -nets[i].parameter_count)
    pool = ThreadPoolExecutor(check_threads(threads), thread_name_prefix="fit_many")
    try:
        jobs = {i: pool.submit(train, i) for i in order}
        wait(jobs.values())
    except KeyboardInterrupt:
        stop.set()
        pool.shutdown(cancel_futures=True)
        done = sum(job.done() and not job.cancelled() for job in jobs.values())
        raise KeyboardInterrupt(
            f"training stopped with {done} of {len(nets)} networks begun, each at an epoch's end"
        ) from None
    finally:
        pool.shutdown()
        if bar is not None:
            bar.close()
    return [jobs[i].result() for i in range(len(nets))]


def _each(name: str, given: Any, n: int) -> list[Any]:
    if given is None:
        return [None] * n
    if not isinstance(given, (Sequence, np.ndarray)) or len(given) != n:
        found = len(given) if hasattr(given, "__len__") else given
        raise ValueError(f"{name}: expected a sequence of {n}, one for each network, found {found}")
    return list(given)


def _bar(progress: Any, networks: int, epochs: int) -> Any:
    if not (progress is True or (progress == "auto" and watched())):
        return None
    from tqdm.auto import tqdm

    return tqdm(total=networks * epochs, unit="epoch")
