"""How training ends: whatever ends it, what is due is done and a sentence says where."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..support.not_finite import first

if TYPE_CHECKING:
    from ..model.samples import Samples
    from .run import Epoch, Run


@contextmanager
def training(run: "Run", unit: str = "epoch") -> Iterator[None]:
    """Let a run begin, and end it in order, by whatever way it ends.

    What fails as it ends is told in notes to what ended it, or, if it ended well, is raised.
    """
    error: BaseException | None = None
    try:
        run.begin()
        yield
    except BaseException as e:
        error = e
    try:
        if error is not None:
            whole = len(run.history.epoch)  # which is noted last of all that an epoch brought
            for name in run.history.names:
                del run.history[name][whole:]
        failures = run.finish()
        if error is None and failures:
            error = failures.pop(0)
        if error is not None:
            raise _told(run, unit, error, failures)
    finally:
        run.close()


def _told(
    run: "Run", unit: str, error: BaseException, failures: list[BaseException]
) -> BaseException:
    """Return what ended training, with a sentence on where, and with what failed after it."""
    if error is run.failure:
        error.args = (f"{error}; {_holds(run)}",)
    if isinstance(error, KeyboardInterrupt):
        error = KeyboardInterrupt(stopped(run, unit))
        error.__suppress_context__ = True
    for failure in failures:
        note(error, failure)
    return error


def stopped(run: "Run", unit: str = "epoch") -> str:
    """Return the sentence on where training was stopped, and what the network holds."""
    now, whole, epochs = run.state.epoch, len(run.history.epoch), run.plan.epochs
    if now:
        where = f"in {unit} {now} of"
    else:
        where = f"after {unit} {whole} of" if whole == epochs else f"before {unit} {whole + 1} of"
    return f"training stopped {where} {epochs}; {_holds(run)}"


def note(error: BaseException, failure: BaseException) -> None:
    """Add to an error what failed as training ended."""
    said = f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
    if said != f"{type(error).__name__}: {error}":  # of what failed twice
        error.add_note(f"as training ended: {said}")


def failure_of(run: "Run", epoch: "Epoch") -> FloatingPointError | ValueError:
    """Return the error of an epoch that failed; the run knows it.

    Its loss or weights were no longer finite, or its data were changed.
    """
    of = "" if run.samples is None else f" of {-(-run.samples.n // run._size)}"
    where = f"in epoch {epoch.number}, step {epoch.failed}{of}"
    if epoch.invalid is not None:
        run.failure = ValueError(f"{epoch.invalid} ({where})")
        return run.failure
    why = bad_inputs(run)
    if why is not None:
        sentence = f"{why}; the {epoch.what} became nan or infinite {where}"
    elif epoch.what == "weights":
        sentence = f"weights: expected finite ones, found nan or infinity {where}"
    else:
        sentence = f"loss: expected a finite one, found nan or infinity {where}"
    run.failure = FloatingPointError(sentence)
    return run.failure


def bad_inputs(run: "Run") -> str | None:
    """Return a sentence on the inputs trained on last that are NaN or infinite, or None."""
    for number, samples in run.latest if run.samples is None else [(0, run.samples)]:
        found = first(samples.x, run.network.dtype, rows=samples.rows)
        if found is not None:
            batch = f" of batch {number}" if number else ""
            return f"x: expected finite numbers, found {found}{batch}"
    return None


def check_validation(run: "Run", validation: "Samples") -> None:
    """Raise the error of validation data that are NaN or infinite, if they are."""
    found = None if run.checked else first(validation.x, run.network.dtype, rows=validation.rows)
    run.checked = True
    if found is not None:
        own = run.samples is None or validation.x is not run.samples.x  # not a part of x
        run.failure = FloatingPointError(
            f"{'validation ' * own}x: expected finite numbers, found {found}"
        )
        raise run.failure


def _holds(run: "Run") -> str:
    return f"the network holds the weights of {run.state._holds}"
