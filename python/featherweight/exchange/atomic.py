"""Files that are written whole or not at all, and places where none can be written."""

import errno
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from ..support import checks
from ..support.imports import ensure_imported

with suppress(ImportError):  # of Unix alone
    import fcntl

_UNFINISHED = ".fw-tmp"  # how the name ends of what is being written
_LONG = 100  # bytes of a file's name, from which on that of what is being written is shortened
_STREAMS = ("/dev/std", "/dev/fd/", "/proc/self/fd/")  # of the process itself, written in place


def check_place(path: "str | os.PathLike[str]", name: str = "path") -> None:
    """Refuse a path where no file can be written, before the work whose result it is for.

    A file is begun beside it and removed again, as permissions alone don't tell: a file system may
    be read-only, or full.

    Parameters
    ----------
    path : path
    name : str
        What the sentence calls it.

    Raises
    ------
    OSError
        If there can be no such file.
    """
    given = checks.path(name, path)
    if not _written_in_place(given):
        handle, temporary = _begin(given, _target(given, name), name)
        os.close(handle)
        os.unlink(temporary)


@contextmanager
def replacing(
    path: "str | os.PathLike[str]", name: str = "path", *, clean: bool = True
) -> Iterator[BinaryIO]:
    """Open a file that takes the place of the one at `path` when its content is whole.

    It is written beside that one and renamed, so that whatever happens there is one of the two.
    While it is written it is locked, so that nobody takes it for one that a killed process left
    behind; those are removed if `clean`. Devices and pipes are written to directly.
    """
    given = checks.path(name, path)
    if _written_in_place(given):
        with open(given, "wb") as f:
            yield f
        return
    target = _target(given, name)
    if clean:
        remove_leftovers(given)
    handle, temporary = _begin(given, target, name)
    try:
        mode = _mode(target)
        with os.fdopen(handle, "wb") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
            os.chmod(temporary, mode)
            if os.name == "posix":  # the lock ends with the file, and the name goes before it
                os.replace(temporary, target)
        if os.name != "posix":  # where an open file can't be renamed, nor removed by others
            os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):  # Ctrl-C may come when it has got its name
            os.unlink(temporary)
        raise


def remove_leftovers(path: str) -> None:
    """Remove what processes that were killed while they wrote `path` have left beside it."""
    folder, base = os.path.split(os.path.realpath(path))
    # what mkstemp draws has 8 characters; any number would take in other files' names
    pattern = f"{glob.escape(os.path.join(folder, _prefix(base)))}????????{_UNFINISHED}"
    for left in glob.glob(pattern):
        with suppress(OSError):
            handle = os.open(left, os.O_RDWR)
            try:
                if _lock(handle):  # else somebody is writing it now
                    os.unlink(left)
            finally:
                os.close(handle)


def _prefix(base: str) -> str:
    """Return how the name begins of what is written to take the place of the file `base`.

    Of a long name by its hash: a file system that has room for the name has none for a longer one.
    """
    if len(os.fsencode(base)) > _LONG:
        ensure_imported("hashlib")
        from hashlib import sha256

        base = sha256(os.fsencode(base)).hexdigest()[:32]
    return f".{base}."


def _target(path: str, name: str) -> str:
    """Return the file to be replaced: through a link, the one that it points to."""
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise _error(IsADirectoryError, errno.EISDIR, name, "the path of a file", "a folder", path)
    # "x/" names a folder, also where none is yet; realpath takes it for x
    if os.path.basename(path) in ("", os.curdir, os.pardir):
        found = "the name of a folder"
        raise _error(IsADirectoryError, errno.EISDIR, name, "the path of a file", found, path)
    try:
        os.stat(target)
    except OSError as e:
        if e.errno == errno.ENAMETOOLONG:
            found = "one that is too long for the file system"
            raise _error(OSError, e.errno, name, "a shorter name or path", found, path) from None
    return target


def _error(
    kind: type[OSError], number: int, name: str, expected: str, found: str, path: str
) -> OSError:
    """Return an error of one sentence, with its number as the system's own errors have it."""
    error = kind(f"{name}: expected {expected}, found {found}: {path}")
    error.errno = number
    return error


def _written_in_place(path: str) -> bool:
    """Whether it is a device, a pipe or one of the process's own streams."""
    other = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    return other or os.path.abspath(path).startswith(_STREAMS)


def _begin(path: str, target: str, name: str) -> tuple[int, str]:
    """Create an empty file beside the target, locked; return its handle and its path."""
    folder, base = os.path.split(target)
    if not os.path.isdir(folder):
        shown = folder if os.path.islink(path) else os.path.dirname(path)
        hint = " (os.path.expanduser replaces the ~)" if shown.startswith("~") else ""
        raise FileNotFoundError(f"{name}: expected a folder that exists, found no {shown}{hint}")
    ensure_imported("tempfile")
    import tempfile

    while True:
        try:
            handle, temporary = tempfile.mkstemp(_UNFINISHED, _prefix(base), folder)
        except OSError as e:
            error = type(e)(
                f"{name}: expected a folder that can be written to, found {folder} ({e.strerror})"
            )
            error.errno = e.errno
            raise error from None
        # between its creation and the lock somebody may have taken it for a leftover
        if _lock(handle, True) and os.path.exists(temporary):
            return handle, temporary
        os.close(handle)


def _lock(handle: int, otherwise: bool = os.name != "posix") -> bool:
    """Lock a file until it is closed, also by the death of the process; False if it is locked.

    Where files can't be locked, return `otherwise`.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (NameError, OSError):
        return otherwise
    return True


def _mode(target: str) -> int:
    """Return the permissions of the file to be replaced, or those that a new file would get."""
    try:
        return os.stat(target).st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
