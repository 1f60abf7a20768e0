"""From the arguments of `Network.fit` to a plan, checked before anything is changed; its course."""

import math
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core, losses
from ..exchange.safetensors import Content, read
from ..losses import Loss
from ..model.model import Model
from ..model.outputs import output_kind
from ..model.samples import Samples, class_weighted, multilabel
from ..optimizers import Adam, Optimizer, check_optimizer
from ..optimizers.ranges import check_limits
from ..support import checks
from ..support.changes import places
from ..support.imports import ensure_imported
from . import metrics as metrics_
from .callbacks import check_callbacks
from .history import History
from .plan import Plan
from .progress import check_progress
from .run import Run

# converted data, training's and validation's, that networks take alike
Shared = dict[Any, tuple[Samples, Samples | None]]


def prepare(
    network: Model,
    x: ArrayLike | Iterable[Any],
    y: ArrayLike | None = None,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    optimizer: Optimizer | None = None,
    loss: Any = None,
    shuffle: bool = True,
    rng: Any = None,
    rows: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: dict[int, float] | str | None = None,
    output_weights: Sequence[float] | None = None,
    validation_data: tuple[Any, ...] | None = None,
    validation_split: float = 0.0,
    l2: float = 0.0,
    clip_value: float | None = None,
    clip_norm: float | None = None,
    dropout: float | Sequence[float] = 0.0,
    input_dropout: float = 0.0,
    label_smoothing: float = 0.0,
    metrics: Any = (),
    callbacks: Any = (),
    progress: Any = "auto",
    max_time: float | None = None,
    resume: str | PathLike[str] | None = None,
    shared: Shared | None = None,
) -> Plan:
    """Return the plan that arguments of `Network.fit` mean; nothing is changed.

    `shared` keeps converted data for other networks.
    """
    if optimizer is not None:
        check_optimizer(optimizer)
    kind = losses.resolve(loss, network.output)
    generator = network._generator
    key = generator.key if rng is None else checks.key(rng)
    saved = None
    if resume is not None:
        saved = _saved(resume)
        if saved is not None and rng is None:
            from .record import key_in

            key = key_in(saved)
    plan = Plan(
        epochs=checks.whole("epochs", epochs, 0),
        batch_size=checks.whole("batch_size", batch_size, 1),
        optimizer=Adam() if optimizer is None else optimizer,
        loss=kind,
        shuffle=checks.flag("shuffle", shuffle),
        key=key,
        first_epoch=generator.epochs if rng is None else 0,
        limits=check_limits(clip_value, clip_norm, l2),
        classifier=output_kind(network.output) == "classifier",
        saved=saved,
        dropout=checks.dropout(dropout, input_dropout, len(network.sizes) - 2),
        smoothing=losses.check_smoothing(label_smoothing, kind),
        output_weights=checks.output_weights(
            output_weights, network.sizes[-1], kind.name, network.dtype
        ),
        metrics=metrics_.check(metrics),
        callbacks=check_callbacks(callbacks),
        progress=check_progress(progress),
        max_time=math.inf
        if max_time is None
        else checks.number("max_time", max_time, 0.0, math.inf, open_low=True),
    )
    if y is None and not isinstance(x, np.ndarray):
        plan.batches = _check_batches(x, plan.epochs)
        for name, value in (
            ("sample_weight", sample_weight),
            ("class_weight", class_weight),
            ("rows", rows),
        ):
            if value is not None:
                raise ValueError(f"{name}: expected None with an iterable of batches")
        plan.validation = _validation(network, validation_data, kind.name)
    else:
        plan.samples, plan.validation = _data(
            network, x, y, kind, sample_weight, validation_data, {} if shared is None else shared
        )
        plan.samples = _chosen(network, plan.samples, rows, class_weight, plan.classifier)
    data = (plan.samples, plan.validation)
    plan.places, plan.validation_places = (places((p or ())[:4]) for p in data)
    if plan.classifier and any(multilabel(p) for p in data if p and p.values is not None):
        plan.become_multilabel()
    plan.split = _split(validation_split, plan)
    _check_loop(plan)
    return plan


def _saved(path: str | PathLike[str]) -> Content | None:
    """Return what a checkpoint holds, read once; None if there is no such file yet."""
    ensure_imported(".training.record")
    try:
        return read(checks.path("resume", path))
    except FileNotFoundError:
        return None


def _data(
    network: Model,
    x: Any,
    y: ArrayLike | None,
    loss: Loss,
    sample_weight: ArrayLike | None,
    validation_data: Any,
    shared: Shared,
) -> tuple[Samples, Samples | None]:
    """Return samples to train on and to validate on; those of networks of a kind are shared."""
    if y is None:
        raise without_targets(x)
    sizes = network.sizes
    kind = (sizes[0], sizes[-1], network.dtype, loss.name)
    if kind not in shared:
        samples = Samples.checked(network, x, y, sample_weight, loss=loss.name)
        shared[kind] = samples, _validation(network, validation_data, loss.name)
    return shared[kind]


def _chosen(
    network: Model,
    samples: Samples,
    rows: ArrayLike | None,
    class_weight: dict[int, float] | str | None,
    classifier: bool,
) -> Samples:
    """Return the rows that are to be trained on, at least one, weighted by their classes."""
    if rows is not None:
        samples = samples._replace(rows=checks.rows(rows, samples.n))
    if samples.n == 0:
        raise ValueError("x: expected at least one row to train on, found none")
    if samples.rows is not None and samples.weights is not None:
        checks.weights_of_rows("sample_weight", samples.weights[samples.rows], network.dtype)
    if class_weight is None:
        return samples
    if not classifier:
        raise ValueError(
            f"class_weight: expected a softmax or sigmoid output with it, found {network.output!r}"
        )
    return class_weighted(samples, class_weight, network.sizes[-1], network.dtype)


def _split(validation_split: float, plan: Plan) -> float:
    """Return the part of the rows that is to be validated on."""
    split = checks.number("validation_split", validation_split, 0.0, 1.0)
    if split > 0:
        if plan.samples is None or plan.validation is not None:
            raise ValueError(
                "validation_split: expected arrays to split and no validation_data with it"
            )
        if plan.samples.n < 2:
            raise ValueError(
                f"validation_split: expected at least 2 rows to split, found {plan.samples.n}"
            )
    return split


def _check_loop(plan: Plan) -> None:
    """Refuse what the optimizer can't do."""
    if plan.optimizer.full_batch:
        ensure_imported(".training.full_batch")
        from . import full_batch

        full_batch.check(plan)
    elif plan.optimizer.schedule is not None:
        plan.optimizer.check()


def carry_out(run: Run, rng: Any) -> History:
    """Train as a run says, from a checkpoint on if its plan has one; by the optimizer's own loop.

    `rng` is what `Network.fit` was given: without, the network's own generator goes on.
    """
    network, plan = run.network, run.plan
    network._core.begin_fit()
    try:
        with _core.OurEnvironment():
            run.ready()
            if plan.saved is not None:
                from .record import restore

                restore(run, plan.saved, rng)
                plan.saved = None  # and with it the tensors
            network._history = run.history
            if not plan.optimizer.full_batch:
                return run.run()
            from .full_batch import minimize

            return minimize(run)
    finally:
        network._core.end_fit()
        if rng is None:  # the generator goes on, whatever ended training
            drawn = max(len(run.history.epoch), run.passes.begun)
            network._generator.epochs = plan.first_epoch + drawn


_NO_BATCHES = (str, bytes, PathLike, dict, set, frozenset)


def without_targets(x: Any, expected: str = "an array or an iterable of batches") -> Exception:
    """Return the error of data without targets: what is wrong with x, or that y is missing."""
    if hasattr(x, "shape"):
        checks.real_array("x", x)  # raises if it is no array of numbers
    elif isinstance(x, _NO_BATCHES) or not isinstance(x, Iterable):
        path = isinstance(x, (str, PathLike))
        hint = "; np.load(path, mmap_mode='r') gives the array in a .npy file" if path else ""
        found = f"a {type(x).__name__}" if isinstance(x, Iterable) and not path else checks.brief(x)
        return TypeError(f"x: expected {expected}, found {found}{hint}")
    return TypeError("y: expected targets, found None")


def _check_batches(batches: Any, epochs: int) -> Iterable[Any]:
    kind = type(batches).__name__
    if hasattr(batches, "_fields"):  # a named tuple, such as a data set's split
        parts = " and ".join(batches._fields)
        raise TypeError(
            f"y: expected targets, found None, and as x a {kind} of {parts}: x and y are given one "
            "by one, as in `fit(*digits.train)`"
        )
    if isinstance(batches, tuple) and any(hasattr(part, "shape") for part in batches):
        raise TypeError(
            "y: expected targets, found None, and as x a tuple of arrays: `fit(*data)` gives them "
            "one by one, as x and y"
        )
    if hasattr(batches, "shape") or isinstance(batches, _NO_BATCHES):
        raise without_targets(batches)
    if not isinstance(batches, Iterable):
        if hasattr(batches, "__getitem__"):
            raise TypeError(
                "x: expected, without y, an iterable of batches, such as a DataLoader, found a "
                f"{kind}, which can't be iterated over"
            )
        raise without_targets(batches)
    if epochs > 1 and iter(batches) is batches:
        raise ValueError(
            f"x: expected, for {epochs} epochs, an iterable that can be run through anew, "
            "found an iterator"
        )
    return batches


def _validation(network: Model, given: Any, loss: str) -> Samples | None:
    if given is None:
        return None
    if not isinstance(given, (tuple, list)) or not 2 <= len(given) <= 3:
        many = f" of {len(given)}" if isinstance(given, (tuple, list)) else ""
        raise TypeError(
            "validation_data: expected (x, y) or (x, y, sample_weight), found a "
            f"{type(given).__name__}{many}"
        )
    for part in given:
        if isinstance(part, tuple) and any(hasattr(a, "shape") for a in part):
            raise TypeError(
                "validation_data: expected (x, y) or (x, y, sample_weight), each of them an array, "
                f"found a {type(given).__name__} with a {type(part).__name__} of arrays in it"
            )
    weights = given[2] if len(given) == 3 else None
    samples = Samples.checked(network, given[0], given[1], weights, loss=loss, name="validation ")
    if samples.n == 0:
        raise ValueError("validation_data: expected at least one row, found none")
    return samples
