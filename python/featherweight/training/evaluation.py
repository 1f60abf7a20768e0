"""How good a network is: `Network.score` and `Network.evaluate`."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core, losses
from ..model.model import Model
from ..model.outputs import decided, output_kind, refuse_nan
from ..model.samples import BLOCK, NO_WEIGHT, Samples, multilabel
from ..support import checks
from ..support.changes import Place
from ..support.not_finite import refuse
from . import metrics
from .messages import bad_validation


def outputs(model: Model, samples: Samples) -> NDArray[Any]:
    """Return what a model makes of rows, some at a time."""
    plain, rows = model._plain(), samples.rows
    found = np.empty((samples.n, model.sizes[-1]), model.dtype)
    for i in range(0, samples.n, BLOCK):
        part = slice(i, i + BLOCK)
        found[part] = plain(samples.x[part if rows is None else rows[part]])
    return found


def score(model: Model, x: ArrayLike, y: ArrayLike) -> float:
    """Return what `Network.score` does."""
    samples = Samples.checked(model, x, y, loss="mse")
    if samples.n == 0:
        return math.nan
    with _core.OurEnvironment():
        found = outputs(model, samples)
        if math.isnan(np.vdot(found, found)):
            refuse_nan(model, x, found)
        if output_kind(model.output) == "regressor":
            return metrics.r2(samples.targets, found)
        if multilabel(samples):
            return metrics.accuracy(samples.targets, found, True)
        if model.sizes[-1] == 1:
            return float(((found > 0.5) == (samples.targets > 0.5)).mean())
        truth = samples.labels if samples.values is None else samples.values.argmax(axis=1)
        return float((found.argmax(axis=1) == truth).mean())


def evaluate(
    model: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: Any,
    sample_weight: ArrayLike | None,
    output_weights: Sequence[float] | None,
) -> tuple[float, float]:
    """Return what `Network.evaluate` does."""
    kind = losses.resolve(loss, model.output)
    samples = Samples.checked(model, x, y, sample_weight, loss=kind.name)
    trainer = _core.CoreTrainer(
        model._core, kind.name, max(1, min(BLOCK, samples.n)), kind.parameter, 0.0,
        checks.output_weights(output_weights, model.sizes[-1], kind.name, model.dtype),
    )  # fmt: skip
    value = trainer.evaluate(_core.CoreSamples(*samples))[0]
    if not math.isfinite(value):
        refuse("x", x, samples.x, model.dtype)
    return value, score(model, x, y)


class DataError(Exception):
    """Data that are no longer valid: its argument is the error that says so."""


@contextmanager
def _data(prefix: str = "") -> Iterator[None]:
    """Tell errors of data, which end training by going back, from those of metrics."""
    try:
        yield
    except ValueError as e:
        raise DataError(ValueError(f"{prefix}{e}")) from None


def measured(
    model: Model,
    checker: _core.CoreTrainer | None,
    samples: Samples | None,
    validation: Samples | None,
    asked: list[metrics.Metric],
    classifier: bool,
    multilabel: bool,
    places: tuple[list[Place], list[Place]],
) -> dict[str, float]:
    """Return the figures of an epoch by name: of validation, and metrics of all data.

    `samples` are those trained on; `checker` evaluates validation data; `places` are both's.
    Data that are no longer valid raise a `DataError`.
    """
    row: dict[str, float] = {}
    if checker is not None and validation is not None:
        with _data("validation_data: "):
            validation.expect_unchanged("y", places[1])
            row["val_loss"], correct = checker.evaluate(_core.CoreSamples(*validation))
            if validation.weights is not None and not validation.weights.any():
                raise ValueError(NO_WEIGHT)
        if not math.isfinite(row["val_loss"]):
            error = bad_validation(validation, samples, model.dtype)
            if error is not None:
                raise DataError(error)
        if classifier:
            row["val_accuracy"] = correct / validation.n
    # a classifier's accuracy is there already
    asked = [m for m in asked if not (classifier and m.name == "accuracy")]
    if not asked:
        return row
    of = ("", "y", samples, places[0]), ("val_", "validation y", validation, places[1])
    for prefix, what, data, where in of:
        if data is not None:
            with _data():
                data.expect_unchanged(what, where)
            found = _values(model, data, asked, multilabel, what)
            row |= {prefix + name: value for name, value in found.items()}
    return row


def _values(
    model: Model, samples: Samples, asked: list[metrics.Metric], multilabel: bool, what: str
) -> dict[str, float]:
    """Return metrics' values by name; `what` is what sentences call the targets."""
    with _data():
        targets = samples.checked_targets(model.sizes[-1], what)
    found = outputs(model, samples)
    predicted = (found > 0.5).astype(np.int64) if multilabel else decided(found, model.output)
    values = {}
    for metric in asked:
        value = metrics.value(metric, targets, found, predicted, multilabel)
        try:
            values[metric.name] = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"metrics: expected a number from {metric.name}, found {value!r}"
            ) from None
    return values
