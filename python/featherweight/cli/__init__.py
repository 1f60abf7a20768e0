"""The command line: ``featherweight train``, ``predict``, ``bench`` and ``info``.

Each command is a module with ``parser() -> Parser`` and ``run(options) -> int``, imported only when
it is asked for. Exit statuses: 0 done, 1 something failed at work, 2 wrong usage, 130 interrupted,
141 whoever read the output has gone.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

_COMMANDS = {
    "train": "train a network to read digits, measure it and save it",
    "predict": "read the digits in pictures with a saved network",
    "draw": "serve a page to draw digits on, and show the network as it reads them",
    "show": "write pictures of a saved network as PNG files",
    "bench": "time the main workloads beside NumPy and this machine's own limit",
    "info": "say what this installation is and what it can use here",
}
_PROG = "featherweight"


class CommandError(Exception):
    """An error that the command prints as one sentence; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence, with the option that may be meant."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, rest = self.parse_known_args(args, namespace)
        for word in rest:
            right = self.meant(word)
            if right is not None:
                self.error(f"{word.partition('=')[0]}: expected {right}, found {' '.join(rest)}")
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found

    def meant(self, word: str) -> str | None:
        """Return the option that is meant by one that there isn't."""
        from ..support.hints import right_name

        known = {o[2:].replace("-", "_"): o for o in self._option_string_actions if o[:2] == "--"}
        name = word.partition("=")[0].lstrip("-").replace("-", "_")
        right = right_name(name, known) if word.startswith("-") else None
        return known.get(right or "")

    def error(self, message: str) -> NoReturn:
        raise CommandError(message, 2)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line; what the stream can't encode (a file name may be any bytes) is escaped."""
    out = sys.stdout if stream is None else stream
    if out is None:  # closed by the caller's shell
        return
    encoding = getattr(out, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=out, flush=True)


def complain(command: str, text: str, kind: str = "error: ") -> None:
    """Print one sentence on stderr."""
    if sys.stderr is not None:
        say(f"{command}: {kind}{' '.join(text.split())}", sys.stderr)


def sentence(error: BaseException) -> str:
    """Return an exception's message; that of an OSError as ``file: reason``."""
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        return f"{os.fsdecode(name)}: {error.strerror}" if name is not None else error.strerror
    return str(error) or type(error).__name__


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the program's name; by default ``sys.argv[1:]``.

    Returns
    -------
    int
        The exit status: 0 done, 1 something failed at work, 2 wrong usage, 130 interrupted,
        141 whoever read the output has gone.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    name = f"{_PROG} {words[0]}" if words and words[0] in _COMMANDS else _PROG
    try:
        status = _dispatch(words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except CommandError as e:
        complain(name, str(e))
        return e.status
    except SystemExit as e:  # argparse, after --help and --version
        return e.code if isinstance(e.code, int) else 0
    except OSError as e:  # of the output itself: gone, or on a full disk
        # Python flushes stdout once more as it exits, which would fail aloud
        if sys.stdout is not None:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
        if isinstance(e, BrokenPipeError):
            return 141
        complain(name, f"could not write the output: {e.strerror or e}")
        return 1
    except KeyboardInterrupt:
        complain(name, "interrupted", "")
        return 130
    except MemoryError:
        complain(name, "there is not enough memory for this")
        return 1


def _dispatch(words: list[str]) -> int:
    if words and words[0] in _COMMANDS:
        from importlib import import_module

        command = import_module(f".{words[0]}", __name__)
        return int(command.run(command.parser().parse_args(words[1:])))
    parser = _top()
    if not words:
        if sys.stderr is not None:
            parser.print_usage(sys.stderr)
        raise CommandError(f"expected a command: {', '.join(_COMMANDS)}", 2)
    _, rest = parser.parse_known_args(words)
    from ..support.checks import choice

    right = parser.meant(rest[0])
    if right is not None:
        parser.error(f"{rest[0]}: expected {right}, found {rest[0]}")
    try:
        choice("command", rest[0], tuple(_COMMANDS))
    except ValueError as e:
        raise CommandError(str(e), 2) from None
    raise CommandError(f"expected the command {rest[0]!r} first", 2)


def _top() -> Parser:
    from .._core import __version__

    lines = "\n".join(f"  {name:<9}{text}" for name, text in _COMMANDS.items())
    parser = Parser(
        prog=_PROG,
        usage=f"{_PROG} [-h] [--version] {{{','.join(_COMMANDS)}}} ...",
        description="Small dense neural networks on a CPU.",
        epilog=f"commands:\n{lines}\n\n{_PROG} COMMAND --help says more about each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{_PROG} {__version__}")
    return parser
