"""What the arguments of `Network.fit` mean, checked before anything is changed."""

import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from .. import losses
from ..model.model import Model
from ..model.outputs import output_kind
from ..model.samples import Samples, class_weighted, multilabel, split_rows
from ..optimizers import Adam, check_optimizer
from ..optimizers.ranges import check_limits
from ..support import checks
from . import metrics
from .callbacks import check_callbacks
from .plan import Plan
from .progress import check_progress
from .run import Run


class Task(NamedTuple):
    """What a call of fit shall do, all of it checked."""

    plan: Plan
    samples: Samples | None
    batches: Iterable[Any] | None
    validation: Samples | None
    split: float

    def run(self, network: Model) -> Run:
        """Return it as a run, with the memory that it takes."""
        samples, validation = self.samples, self.validation
        if self.split > 0 and samples is not None:
            samples, validation = split_rows(samples, self.split, self.plan.key)
            for part, purpose in ((samples, "train on"), (validation, "validate on")):
                if part.weights is not None and not part.weights[part.rows].any():
                    raise ValueError(
                        "validation_split: expected a weight above 0 among the rows to "
                        f"{purpose}, found only zeros"
                    )
        return Run(network, samples, self.batches, validation, self.plan)


def prepare(
    net: Model, given: dict[str, Any], shared: dict[Any, tuple[Samples, Samples | None]]
) -> Task:
    """Check what fit was given, and return what is to be done; nothing is changed.

    `shared` keeps converted data for networks that take them alike.
    """
    o = SimpleNamespace(**given)
    check_optimizer(o.optimizer)
    found = losses.resolve(o.loss, net.output)
    key = net._generator.key if o.rng is None else checks.key(o.rng)
    if o.resume is not None:
        checks.path("resume", o.resume)
    if o.resume is not None and o.rng is None:
        from .record import key_in

        before = key_in(o.resume)
        key = key if before is None else before
    plan = Plan(
        epochs=checks.whole("epochs", o.epochs, 0),
        batch_size=checks.whole("batch_size", o.batch_size, 1),
        optimizer=Adam() if o.optimizer is None else o.optimizer,
        loss=found,
        shuffle=checks.flag("shuffle", o.shuffle),
        key=key,
        first_epoch=net._generator.epochs if o.rng is None else 0,
        limits=check_limits(o.clip_value, o.clip_norm, o.l2),
        classifier=output_kind(net.output) == "classifier",
        dropout=checks.dropout(o.dropout, o.input_dropout, len(net.sizes) - 2),
        smoothing=losses.check_smoothing(o.label_smoothing, found),
        output_weights=checks.output_weights(o.output_weights, net.sizes[-1], found.name),
        metrics=metrics.check(o.metrics),
        callbacks=check_callbacks(o.callbacks),
        progress=check_progress(o.progress),
        max_time=math.inf
        if o.max_time is None
        else checks.number("max_time", o.max_time, 0.0, math.inf, open_low=True),
    )
    samples, batches = None, None
    if o.y is None and not isinstance(o.x, np.ndarray):
        batches = _check_batches(o.x, plan.epochs)
        for name in ("sample_weight", "class_weight", "rows"):
            if given[name] is not None:
                raise ValueError(f"{name}: expected None with an iterable of batches")
        validation = _validation(net, o.validation_data, found.name)
    elif o.y is None:
        raise TypeError("y: expected targets, found None")
    else:
        kind = (net.sizes[0], net.sizes[-1], net.dtype, found.name)
        if kind not in shared:
            samples = Samples.checked(net, o.x, o.y, o.sample_weight, loss=found.name)
            shared[kind] = samples, _validation(net, o.validation_data, found.name)
        samples, validation = shared[kind]
        if o.rows is not None:
            samples = samples._replace(rows=checks.rows(o.rows, samples.n))
        if samples.n == 0:
            raise ValueError("x: expected at least one row to train on, found none")
        if samples.rows is not None and samples.weights is not None:
            checks.weights_of_rows("sample_weight", samples.weights[samples.rows], net.dtype)
        if o.class_weight is not None:
            if not plan.classifier:
                raise ValueError(
                    "class_weight: expected a softmax or sigmoid output with it, "
                    f"found {net.output!r}"
                )
            samples = class_weighted(samples, o.class_weight, net.sizes[-1], net.dtype)
    if plan.classifier and any(multilabel(j) for j in (samples, validation) if j is not None):
        plan.classifier, plan.multilabel = False, True
        metrics.check_multilabel(plan.metrics)
    split = checks.number("validation_split", o.validation_split, 0.0, 1.0)
    if split > 0:
        if samples is None or validation is not None:
            raise ValueError(
                "validation_split: expected arrays to split and no validation_data with it"
            )
        if samples.n < 2:
            raise ValueError(
                f"validation_split: expected at least 2 rows to split, found {samples.n}"
            )
    plan.optimizer._check(plan, samples)
    return Task(plan, samples, batches, validation, split)


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
    if hasattr(batches, "shape") or isinstance(batches, (str, bytes)):
        raise TypeError("y: expected targets, found None")
    if not isinstance(batches, Iterable):
        if hasattr(batches, "__getitem__"):
            raise TypeError(
                "x: expected, without y, an iterable of batches, such as a DataLoader, found a "
                f"{kind}, which can't be iterated over"
            )
        raise TypeError("y: expected targets, found None")
    if epochs > 1 and iter(batches) is batches:
        raise ValueError(
            f"x: expected, for {epochs} epochs, an iterable that can be run through anew, "
            "found an iterator"
        )
    return batches


def _validation(net: Model, given: Any, loss: str) -> Samples | None:
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
    samples = Samples.checked(net, given[0], given[1], weights, loss=loss, name="validation ")
    if samples.n == 0:
        raise ValueError("validation_data: expected at least one row, found none")
    return samples
