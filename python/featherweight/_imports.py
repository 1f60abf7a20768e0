"""Modules that are imported when they are first needed, whatever interrupts that.

Importing featherweight is quick because training, files and pictures are imported by the first call
that uses them. Two things can happen in the middle of such an import. Another thread may fork: in
the child the thread that imports is gone, and the module's lock is locked for ever. And a signal
handler may run that calls us, to which the module is there by half. So the import is done by a
thread of its own: forks wait for it, and a handler that needs the module, too.
"""

import _thread  # threading would have to be imported, which NumPy doesn't
import os
import sys
import time
from contextlib import suppress
from importlib import import_module


class _Helper:
    """A thread that imports; its number is 0 until it runs."""

    number = 0


_gate = _thread.RLock()  # held while an import begins, and while the process forks
_helpers: list[_Helper] = []
_imported: set[str] = set()


def ensure_imported(*names: str) -> None:
    """Import modules, ours with a dot before their names, before the statement that uses them.

    What can't be imported is left to that statement, which says why. Not to be called while one
    of our modules is being imported.
    """
    # as the interpreter ends, no thread that is started runs any more
    if _imported.issuperset(names) or sys.is_finalizing():
        return
    helper = _Helper()
    with _gate:
        _helpers.append(helper)
        try:
            _thread.start_new_thread(_import, (helper, names))
        except RuntimeError:  # no thread can be started
            _helpers.remove(helper)
    _wait_for(helper)


def _import(helper: _Helper, names: tuple[str, ...]) -> None:
    helper.number = _thread.get_ident()
    try:
        for name in names:
            with suppress(Exception):
                import_module(name, __package__)
                _imported.add(name)
    finally:
        _helpers.remove(helper)


def _wait_for(helper: _Helper) -> None:
    while helper in _helpers:
        time.sleep(1e-3)


def _forks_itself() -> bool:
    """Whether this thread is one that imports, of a module that forks."""
    return any(helper.number == _thread.get_ident() for helper in _helpers)


def _before_fork() -> None:
    """Wait until nothing of ours is being imported, and let no import begin."""
    if _forks_itself():
        return
    _gate.acquire()
    for helper in list(_helpers):
        if helper.number:  # else a handler forks before it has been started
            _wait_for(helper)


def _after_fork() -> None:
    if not _forks_itself():
        _gate.release()


if sys.platform != "win32":
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
