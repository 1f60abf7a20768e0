"""How training ends: whatever ends it, what is due is done and a sentence says where."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .training import Run


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


def _holds(run: "Run") -> str:
    return f"the network holds the weights of {run.state._holds}"
