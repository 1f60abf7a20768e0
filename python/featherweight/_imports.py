"""Modules that are imported when they are first needed, whatever interrupts that.

Importing featherweight is quick because training, files and pictures are imported by the first call
that uses them. Two things can happen in the middle of such an import. Another thread may fork: in
the child the thread that imports is gone, and the module's lock is locked for ever. And a signal
handler may run that calls us, to which the module is there by half. So the import is done by a
thread of its own: forks wait for it, and a handler that needs the module, too.
"""

import os
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module

_gate = threading.RLock()  # held while an import begins, and while the process forks
_helpers: list[threading.Thread] = []
_imported: set[str] = set()


def ensure_imported(*names: str) -> None:
    """Import modules, ours with a dot before their names, before the statement that uses them.

    What can't be imported is left to that statement, which says why. Not to be called while one
    of our modules is being imported.
    """
    # as the interpreter ends, no thread that is started runs any more
    if _imported.issuperset(names) or sys.is_finalizing():
        return
    helper = threading.Thread(target=_import, args=(names,), daemon=True)
    with _gate:
        _helpers.append(helper)
        try:
            helper.start()
        except RuntimeError:  # no thread can be started
            _helpers.remove(helper)
    _wait_for(helper)


def _import(names: tuple[str, ...]) -> None:
    try:
        for name in names:
            with suppress(Exception):
                import_module(name, __package__)
                _imported.add(name)
    finally:
        _helpers.remove(threading.current_thread())


def _wait_for(helper: threading.Thread) -> None:
    # not by Thread.join, which takes a thread for ended when Ctrl-C interrupts it (Python 3.11)
    while helper in _helpers:
        time.sleep(1e-3)


def _before_fork() -> None:
    """Wait until nothing of ours is being imported, and let no import begin."""
    if threading.current_thread() in _helpers:  # a module forks as it is imported
        return
    _gate.acquire()
    for helper in list(_helpers):
        if helper.ident is not None:  # else a handler forks before it has been started
            _wait_for(helper)


def _after_fork() -> None:
    if threading.current_thread() not in _helpers:
        _gate.release()


if sys.platform != "win32":
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
