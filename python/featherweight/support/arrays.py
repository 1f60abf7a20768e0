"""What to say of .npy and .npz files that are damaged, or something else."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

_KINDS = {
    b"\x93NUMPY": "an .npy file",
    b"PK\x03\x04": "an .npz file",
    b"PK\x05\x06": "an .npz file",  # with nothing in it
}


@contextmanager
def reading(file: BinaryIO, kind: str, expected: str) -> Iterator[None]:
    """Read arrays from a file; what is wrong with it is a ValueError of one sentence.

    Parameters
    ----------
    file : file
        Of bytes, at its beginning.
    kind : {"an .npy file", "an .npz file"}
    expected : str
        What the sentence says is wanted.

    Raises
    ------
    ValueError
        Whatever reading raises, but for want of memory.
    """
    head = file.read(1 << 10)
    file.seek(0)
    found = next((name for start, name in _KINDS.items() if head.startswith(start)), None)
    if found != kind:
        raise ValueError(f"expected {expected}, found {found or _other(head)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that old versions of Python wrote
            yield
    except MemoryError:
        raise
    except Exception as e:  # a damaged file makes zipfile and NumPy raise nearly anything
        text = " ".join(str(e).split()) or type(e).__name__
        # NumPy's own sentence advises to let such a file run code
        found = "Python objects" if "pickle" in text else f"damage: {text}"
        raise ValueError(f"expected {expected}, found {found}") from None


def _other(head: bytes) -> str:
    """Return what a file that begins so may be."""
    if not head:
        return "an empty file"
    try:
        text = head.decode("utf-8", "strict" if len(head) < 1 << 10 else "ignore")
    except UnicodeDecodeError:
        return "something else"
    plain = all(c.isprintable() or c in "\t\r\n\f\ufeff" for c in text)
    return "text" if plain and len(text.encode()) > len(head) - 4 else "something else"
