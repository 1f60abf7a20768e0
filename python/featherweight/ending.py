"""How training ends: whatever ends it, what is due is done and a sentence says where."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .training import Run


@contextmanager
def training(run: "Run", unit: str = "epoch") -> Iterator[None]:
    """Let a run begin, and end it in order, by whatever way it ends."""
    run.begin()
    try:
        yield
        run.finish()
    except BaseException as error:
        whole = len(run.history.epoch)  # which is noted last of all that an epoch brought
        for name in run.history.names:
            del run.history[name][whole:]
        run.finish()
        holds = f"the network holds the weights of {run.state._holds}"
        if error is run.failure:
            error.args = (f"{error}; {holds}",)
        if isinstance(error, KeyboardInterrupt):
            now = run.state.epoch
            where = f"in {unit} {now} of" if now else f"before {unit} {whole + 1} of"
            raise KeyboardInterrupt(
                f"training stopped {where} {run.plan.epochs}; {holds}"
            ) from None
        raise
    finally:
        run.close()
