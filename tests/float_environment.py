"""The calling thread's floating-point environment, as another library may have set it."""

import contextlib
import ctypes
import platform

_X86 = platform.machine() in ("x86_64", "AMD64")
_FLUSH = {"ftz": 0x8000, "daz": 0x0040} if _X86 else {"ftz": 1 << 24, "daz": 1 << 24}
_ROUND = (
    {"down": 0x2000, "up": 0x4000, "zero": 0x6000}
    if _X86
    else {"up": 1 << 22, "down": 2 << 22, "zero": 3 << 22}
)
SETTINGS = ["ftz", "daz", "ftz daz", "down", "up", "zero", "ftz daz up"]
_CONTROL = 0xFFC0 if _X86 else 0xFFFFFFFF
_AT = 28 if _X86 else 0  # of the control register's 4 bytes in fenv_t
_SIZE = 32 if _X86 else 8
_libm = ctypes.CDLL("libm.so.6") if platform.system() == "Linux" else None


def available():
    """Whether this platform's environment can be set from here."""
    return _libm is not None and (_X86 or platform.machine() == "aarch64")


def _get():
    buffer = ctypes.create_string_buffer(_SIZE)
    assert _libm.fegetenv(buffer) == 0
    return buffer


def control():
    """The control bits: rounding, flushing, exceptions masked."""
    return int.from_bytes(_get().raw[_AT : _AT + 4], "little") & _CONTROL


def set_control(word):
    raw = bytearray(_get().raw)
    raw[_AT : _AT + 4] = word.to_bytes(4, "little")
    assert _libm.fesetenv(ctypes.create_string_buffer(bytes(raw), _SIZE)) == 0


@contextlib.contextmanager
def set_to(setting):
    """What `setting` names, of SETTINGS or empty for none, in this thread until the end."""
    before = control()
    word = before
    for name in setting.split():
        word |= _FLUSH.get(name, 0) | _ROUND.get(name, 0)
    set_control(word)
    try:
        yield word & _CONTROL
    finally:
        set_control(before)
