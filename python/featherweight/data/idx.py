"""Reader of IDX files, the format that MNIST is published in."""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.checks import counted
from ..support.hints import named

if TYPE_CHECKING:  # at run time these would cost more than the rest of the import
    import io
    from pathlib import Path

    from numpy.typing import NDArray

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 20
# A gzip file does not say how much it holds. Up to this many bytes the header's word is good
# enough to allocate on; above, the file is decompressed once only to measure it, so that a lying
# header costs time, not memory. MNIST's largest file, 47 MB, stays below.
_UNMEASURED = 64 << 20


@named
def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, the format of the MNIST files.

    An IDX file holds one array: two zero bytes, a type code, the number of dimensions, each
    dimension as a big-endian uint32, then the numbers in C order, big-endian.

    Parameters
    ----------
    path : str or path-like
        The file, plain or compressed with gzip; which of the two is told by its content, not by
        its name.

    Returns
    -------
    ndarray
        A fresh writable array in C order, of one dimension or more. Its dtype, in the machine's
        own byte order, follows the type code: uint8 (0x08), int8 (0x09), int16 (0x0B),
        int32 (0x0C), float32 (0x0D) or float64 (0x0E).

    Raises
    ------
    ValueError
        If the file is not an IDX file, holds fewer or more bytes than its header promises,
        promises an array that no machine can hold, or is a damaged gzip file. What the header
        promises is checked against the file before an array of more than 64 MiB is allocated.
    TypeError
        If `path` is neither a string nor path-like.
    OSError
        If the file cannot be read.

    Notes
    -----
    The format is described at the end of http://yann.lecun.com/exdb/mnist/.
    """
    file = to_path(path, "read_idx()")
    with file.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not compressed:
            return _read(raw, file, os.fstat(raw.fileno()).st_size)
        import gzip
        import zlib

        try:
            with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
                return _read(stream, file, None)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{file} is a damaged gzip file: {error}") from error


def to_path(path: object, who: str) -> Path:
    """`path` as a Path, or a TypeError that names `who`."""
    from pathlib import Path

    name = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(name, str):
        raise TypeError(
            f"{who} expected path to be a str or path-like, found {type(path).__name__}"
        )
    return Path(name)


def _read(stream: io.BufferedIOBase, file: Path, size: int | None) -> NDArray[Any]:
    """The array in `stream`, which holds `size` bytes where that is known."""
    dtype, shape = _read_header(stream, file)
    total = math.prod(shape) * dtype.itemsize
    start = stream.tell()
    if size is not None:
        _check_length(size - start, total, file)
    elif total > _UNMEASURED:
        _check_length(_measure(stream, total), total, file)
        stream.seek(start)

    data = np.empty(total, np.uint8)
    view = data.data
    done = 0
    while done < total and (block := stream.read(min(_CHUNK, total - done))):
        view[done : done + len(block)] = block
        done += len(block)
    # At the end of a gzip stream this read also checks the checksum.
    _check_length(done + len(stream.read(1)), total, file)

    array = data.view(dtype).reshape(shape)
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return array


def _read_header(stream: io.BufferedIOBase, file: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise ValueError(f"{file} is no IDX file: it ends after {counted(len(magic), 'byte')}")
    if magic[:2] != b"\0\0":
        raise ValueError(
            f"{file} is no IDX file: expected two zero bytes at its start, found 0x{magic.hex()}"
        )
    if magic[2] not in _TYPES:
        codes = ", ".join(f"0x{code:02X}" for code in _TYPES)
        raise ValueError(f"{file} has IDX type code 0x{magic[2]:02X}, expected one of {codes}")
    ndim = magic[3]
    if ndim == 0:
        raise ValueError(f"{file} declares 0 dimensions, expected 1 or more")
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(
            f"{file} ends within its header: expected {4 * ndim} bytes of sizes for "
            f"{counted(ndim, 'dimension')}, found {len(sizes)}"
        )
    dtype = np.dtype(_TYPES[magic[2]])
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    try:
        np.empty((0,) * ndim)  # the limit differs between releases of NumPy
    except ValueError as error:
        raise ValueError(f"{file} declares {ndim} dimensions, more than NumPy allows") from error
    # NumPy refuses such a shape even where another dimension is 0.
    if math.prod(n for n in shape if n) * dtype.itemsize > sys.maxsize:
        raise ValueError(f"{file} declares the shape {shape}, more than fits in any memory")
    return dtype, shape


def _measure(stream: io.BufferedIOBase, limit: int) -> int:
    """How many bytes are left in `stream`; stops counting above `limit`."""
    count = 0
    while count <= limit and (block := stream.read(_CHUNK)):
        count += len(block)
    return count


def _check_length(found: int, expected: int, file: Path) -> None:
    if found < expected:
        raise ValueError(
            f"{file} is cut short: its header promises {expected} bytes of data, found {found}"
        )
    if found > expected:
        raise ValueError(f"{file} goes on after the {expected} bytes that its header promises")
