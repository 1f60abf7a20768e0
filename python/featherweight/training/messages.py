"""The sentences on how training ended, and where."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..model.samples import Samples
from ..support.not_finite import first


def stopped(now: int, whole: int, epochs: int, holds: str, unit: str = "epoch") -> str:
    """Return the sentence on where training was stopped, and what the network holds.

    `now` is the epoch in hand, 0 before the first, `whole` how many have ended.
    """
    if now:
        where = f"in {unit} {now} of"
    else:
        where = f"after {unit} {whole} of" if whole == epochs else f"before {unit} {whole + 1} of"
    return f"training stopped {where} {epochs}; {held(holds)}"


def held(holds: str) -> str:
    """Return the sentence on what the network holds."""
    return f"the network holds the weights of {holds}"


def note(error: BaseException, failure: BaseException) -> None:
    """Add to an error what failed as training ended."""
    said = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
    if said != f"{type(error).__name__}: {error}":  # of what failed twice
        error.add_note(f"as training ended: {said}")


def not_finite(what: str, why: str | None, where: str) -> FloatingPointError:
    """Return the error of a loss or weights that are no longer finite, and why if it is known."""
    if why is not None:
        sentence = f"{why}; the {what} became nan or infinite {where}"
    elif what == "weights":
        sentence = f"weights: expected finite ones, found nan or infinity {where}"
    else:
        sentence = f"loss: expected a finite one, found nan or infinity {where}"
    return FloatingPointError(sentence)


def bad_inputs(batches: Iterable[tuple[int, Samples]], dtype: np.dtype[Any]) -> str | None:
    """Return a sentence on the first inputs that are NaN or infinite, or None.

    Batches have their numbers; 0 is all rows.
    """
    for number, samples in batches:
        found = first(samples.x, dtype, rows=samples.rows)
        if found is not None:
            batch = f" of batch {number}" if number else ""
            return f"x: expected finite numbers, found {found}{batch}"
    return None


def bad_validation(
    validation: Samples, samples: Samples | None, dtype: np.dtype[Any]
) -> FloatingPointError | None:
    """Return the error of validation data that are NaN or infinite, or None.

    They may be a part of the x that is trained on.
    """
    found = first(validation.x, dtype, rows=validation.rows)
    if found is None:
        return None
    own = samples is None or validation.x is not samples.x
    return FloatingPointError(f"{'validation ' * own}x: expected finite numbers, found {found}")
