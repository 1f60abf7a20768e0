"""The reader of IDX files against files packed by hand with struct."""

import gzip
import math
import random
import re
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from featherweight import data
from featherweight.data import idx as _idx

# type code -> (struct letter, dtype, values that show sign, width and byte order)
TYPES = {
    0x08: ("B", np.uint8, [0, 1, 127, 128, 255, 7]),
    0x09: ("b", np.int8, [0, 1, -1, 127, -128, 7]),
    0x0B: ("h", np.int16, [0, 1, -1, 258, 32767, -32768]),
    0x0C: ("i", np.int32, [0, 1, -1, 16909060, 2**31 - 1, -(2**31)]),
    0x0D: ("f", np.float32, [0.0, 1.0, -1.5, math.inf, -math.inf, 2.0**-149]),
    0x0E: ("d", np.float64, [0.0, 1.0, -1.5, math.inf, 1e308, 2.0**-1074]),
}
FLAT = struct.pack(">HBBI", 0, 8, 1, 6) + b"digits"


def pack(code, shape, values):
    letter = TYPES[code][0]
    header = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)
    return header + struct.pack(f">{len(values)}{letter}", *values)


def write(folder, content, compress=False, name="some.idx"):
    file = folder / name
    file.write_bytes(gzip.compress(content, mtime=0) if compress else content)
    return file


def refuses(file, message):
    """read_idx refuses `file` by one sentence that names it and says `message`."""
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        data.read_idx(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def peak_memory(act):
    """Bytes that were allocated at once while `act()` ran, at most."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("shape", [(6,), (3, 2), (1, 2, 3), (1, 1, 6, 1, 1)])
def test_every_type_comes_back_exactly(tmp_path, code, shape, compress):
    _, dtype, values = TYPES[code]
    array = data.read_idx(write(tmp_path, pack(code, shape, values), compress))
    assert array.dtype == dtype
    assert array.dtype.isnative
    assert array.shape == shape
    assert array.ravel().tolist() == values
    assert array.flags.writeable
    assert array.flags.c_contiguous
    assert array.flags.aligned


def test_nan_survives(tmp_path):
    array = data.read_idx(write(tmp_path, pack(0x0D, (2,), [math.nan, 1.0])))
    assert np.isnan(array).tolist() == [True, False]


def test_known_bytes(tmp_path):
    """A file spelled out byte by byte, so that a mistake in pack() cannot hide."""
    content = bytes.fromhex("00000b02 00000002 00000001 0102 fffe")
    assert data.read_idx(write(tmp_path, content)).tolist() == [[258], [-2]]


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0), (0, 0)])
def test_empty_arrays(tmp_path, code, shape):
    array = data.read_idx(write(tmp_path, pack(code, shape, [])))
    assert array.shape == shape
    assert array.dtype == TYPES[code][1]


@pytest.mark.parametrize("compress", [False, True])
def test_arrays_larger_than_a_chunk(tmp_path, compress):
    values = random.Random(0).randbytes(3_000_001)
    content = struct.pack(">HBBI", 0, 8, 1, len(values)) + values
    assert data.read_idx(write(tmp_path, content, compress)).tobytes() == values


def test_large_gzip_files_are_measured_first_and_still_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_idx, "_UNMEASURED", 10)
    _, _, values = TYPES[0x0C]
    file = write(tmp_path, pack(0x0C, (2, 3), values), compress=True)
    assert data.read_idx(file).ravel().tolist() == values


def test_content_not_name_tells_gzip(tmp_path):
    assert data.read_idx(write(tmp_path, FLAT, True, "plain.idx")).tobytes() == b"digits"
    assert data.read_idx(write(tmp_path, FLAT, False, "squeezed.gz")).tobytes() == b"digits"


def test_gzip_of_several_members(tmp_path):
    file = write(tmp_path, gzip.compress(FLAT[:9]) + gzip.compress(FLAT[9:]))
    assert data.read_idx(file).tobytes() == b"digits"


def test_path_may_be_a_string(tmp_path):
    assert data.read_idx(str(write(tmp_path, FLAT))).tobytes() == b"digits"


@pytest.mark.parametrize("path", [None, 3, b"bytes"])
def test_other_paths_are_refused(path):
    message = f"read_idx() expected path to be a str or path-like, found {type(path).__name__}"
    with pytest.raises(TypeError, match=re.escape(message)):
        data.read_idx(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file: it ends after 0 bytes"),
        (b"\0\0\x08", "is no IDX file: it ends after 3 bytes"),
        (b"PK\3\4....", "expected two zero bytes at its start, found 0x504b0304"),
        (b"\0\1\x08\1\0\0\0\0", "expected two zero bytes at its start, found 0x00010801"),
        (b"\0\0\x0a\1\0\0\0\0", "has IDX type code 0x0A, expected one of 0x08, 0x09, 0x0B"),
        (b"\0\0\x00\1\0\0\0\0", "has IDX type code 0x00, expected"),
        (b"\0\0\x08\0", "declares 0 dimensions, expected 1 or more"),
        (b"\0\0\x08\2\0\0\0\1\0\0", "expected 8 bytes of sizes for 2 dimensions, found 6"),
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x", "declares 255 dimensions, more than NumPy"),
        (FLAT[:-1], "is cut short: its header promises 6 bytes of data, found 5"),
        (FLAT[:8], "is cut short: its header promises 6 bytes of data, found 0"),
        (FLAT + b"!", "goes on after the 6 bytes that its header promises"),
        (pack(0x0E, (2,), [1.0, 2.0])[:-1], "promises 16 bytes of data, found 15"),
        (pack(0x08, (0,), []) + b"!", "goes on after the 0 bytes"),
    ],
)
def test_what_is_not_a_whole_idx_file_is_refused(tmp_path, content, message, compress):
    refuses(write(tmp_path, content, compress), message)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2**31,), f"promises {2**31} bytes of data, found 5"),
        ((2**30, 2**30), f"promises {2**60} bytes of data, found 5"),
        ((2**32 - 1,) * 2, "more than fits in any memory"),
        ((2**32 - 1,) * 30, "more than fits in any memory"),
        ((0, 2**32 - 1, 2**32 - 1), "more than fits in any memory"),
        ((2**32 - 1, 2**32 - 1, 0), "more than fits in any memory"),
    ],
)
def test_headers_that_promise_too_much(tmp_path, shape, message, compress):
    content = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + b"short"
    file = write(tmp_path, content, compress)
    assert peak_memory(lambda: refuses(file, message)) < 4 << 20


def test_gzip_bombs_cost_no_memory(tmp_path):
    size = 100 << 20
    squeeze = zlib.compressobj(wbits=31)
    parts = [squeeze.compress(struct.pack(">HBBI", 0, 8, 1, size + 1))]
    parts += [squeeze.compress(bytes(1 << 20)) for _ in range(100)]
    bomb = b"".join([*parts, squeeze.flush()])
    assert len(bomb) < size // 500

    file = write(tmp_path, bomb)
    message = f"promises {size + 1} bytes of data, found {size}"
    assert peak_memory(lambda: refuses(file, message)) < 16 << 20

    modest = gzip.compress(struct.pack(">HBBI", 0, 8, 1, 5)) + gzip.compress(bytes(size))
    file = write(tmp_path, modest)
    message = "goes on after the 5 bytes"
    assert peak_memory(lambda: refuses(file, message)) < 16 << 20


def test_the_memory_check_sees_an_allocation():
    assert peak_memory(lambda: np.empty(20 << 20, np.uint8)) >= 20 << 20
    assert peak_memory(lambda: bytes(20 << 20)) >= 20 << 20


def damaged_gzips():
    whole = gzip.compress(FLAT, mtime=0)
    return {
        "only its magic": whole[:2],
        "cut in the stream": whole[:-12],
        "cut in the checksum": whole[:-6],
        "wrong checksum": whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],
        "wrong length": whole[:-1] + b"\x7f",
        "unknown method": whole[:2] + b"\x63" + whole[3:],
        "bad stream": whole[:10] + b"\xff" * 20,
        "garbage behind": whole + b"garbage",
    }


@pytest.mark.parametrize("measured", [False, True])
@pytest.mark.parametrize("kind", damaged_gzips())
def test_damaged_gzip_files_are_refused(tmp_path, monkeypatch, kind, measured):
    if measured:
        monkeypatch.setattr(_idx, "_UNMEASURED", 0)
    refuses(write(tmp_path, damaged_gzips()[kind]), "is a damaged gzip file: ")


def test_every_single_byte_cut_is_refused(tmp_path):
    for whole in (FLAT, gzip.compress(FLAT, mtime=0)):
        assert data.read_idx(write(tmp_path, whole)).tobytes() == b"digits"
        for length in range(len(whole)):
            with pytest.raises(ValueError, match=r"some\.idx"):
                data.read_idx(write(tmp_path, whole[:length]))
