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

_PACKAGE = __package__.partition(".")[0]
_gate = _thread.RLock()  # held while modules are imported, and while the process forks
_importing: list[tuple[str, ...]] = []  # by the thread that holds it
_imported: set[str] = set()


def ensure_imported(*names: str) -> None:
    """Import modules, ours with a dot before their names, before the statement that uses them.

    What can't be imported is left to that statement, which says why. Not to be called while one
    of our modules is being imported.
    """
    # as the interpreter ends nothing can be imported any more
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
                with suppress(Exception):
                    import_module(name, _PACKAGE)
                    _imported.add(name)
        finally:
            _importing.clear()


if sys.platform != "win32":
    os.register_at_fork(
        before=_gate.acquire, after_in_parent=_gate.release, after_in_child=_gate.release
    )
