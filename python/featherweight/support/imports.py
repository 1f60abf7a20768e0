"""Modules that are imported when they are first needed, also where a process forks meanwhile.

Importing featherweight is quick because training, files and pictures are imported by the first call
that uses them. Another thread may fork in the middle of such an import: in the child the thread
that imports is gone, and the module's lock is locked for ever. So forks wait for it. A signal
handler that runs in the middle of it, in the thread that imports, can't wait, and gets an error
that says so.
"""

import _thread  # threading would have to be imported, which NumPy doesn't
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

from .. import _core

_PACKAGE = __package__.partition(".")[0]
_gate = _thread.RLock()  # held while modules are imported, and while the process forks
_importing: list[tuple[str, ...]] = []  # by the thread that holds it
_imported: set[str] = set()


def ending() -> bool:
    """Return whether the interpreter ends and can import nothing more, as in late finalizers."""
    path: Any = sys.meta_path
    return path is None


def refuse_at_end() -> None:
    """Say that what was called needs an import, if the interpreter can make none any more.

    Raises
    ------
    RuntimeError
        As the interpreter ends.
    """
    if ending():
        raise RuntimeError(
            "featherweight: expected a running interpreter, found one that is ending: what was "
            "called needs modules that can't be imported any more (calls of a network, predict, "
            "activations, weights and biases need none)"
        )


def ensure_imported(*names: str) -> None:
    """Import modules, ours with a dot before their names, before the statement that uses them.

    What can't be imported is left to that statement, which says why. Not to be called while one
    of our modules is being imported. Imported code runs in the caller's floating-point
    environment, as where the caller had imported it.

    Raises
    ------
    RuntimeError
        In a signal handler that interrupts an import of ours, and as the interpreter ends.
    """
    refuse_at_end()
    # a daemon thread may have ended with the gate
    if _imported.issuperset(names) or sys.is_finalizing():
        return
    with _gate:
        if _importing:
            raise RuntimeError(
                "featherweight is importing modules of its own in this thread: expected no call "
                "that needs some before that is done, as from a signal handler (after a first "
                "call of the same method they are there)"
            )
        try:
            _importing.append(names)
            for name in names:
                with suppress(Exception), _core.CallersEnvironment():
                    import_module(name, _PACKAGE)
                    _imported.add(name)
        finally:
            _importing.clear()


if sys.platform != "win32":
    os.register_at_fork(
        before=_gate.acquire, after_in_parent=_gate.release, after_in_child=_gate.release
    )
