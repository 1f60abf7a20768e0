"""``featherweight draw``: a page to draw digits on, served to this machine alone."""

import argparse
import logging
import socket
import sys
import threading
import webbrowser

from ..network import load
from . import CommandError, Parser, say, sentence

_NAME = "featherweight draw"
_PATIENCE = 1  # seconds that requests are given to end after Ctrl-C
_REQUEST = 10  # seconds in which a request must have come as a whole


def parser() -> Parser:
    """Return the parser of this command's options."""
    p = Parser(
        prog=_NAME,
        description="Serve a page to draw digits on and open it: it shows the network as it reads. "
        "Needs the extra draw. Ctrl-C ends it.",
        allow_abbrev=False,
    )
    p.add_argument("model", metavar="MODEL", nargs="?",
                   help="a network of 784 inputs (default: the two that are shipped)")  # fmt: skip
    p.add_argument("--port", type=int, default=0, help="(default: a free one)")
    p.add_argument("--no-browser", action="store_true", help="print the address alone")
    return p


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C; return the exit status."""
    if not 0 <= options.port <= 65535:
        raise CommandError(f"--port: expected 0 to 65535, found {options.port}", 2)
    from ..draw import answers, server

    try:
        uvicorn = server.need("uvicorn")
        networks = answers.shipped()
        if options.model is not None:
            name = "model"
            networks = {name: answers.check(load(options.model), options.model)} | networks
        app = server.application(networks)
        listening = socket.create_server(("127.0.0.1", options.port))
        # and of what it accepts: else an answer in two parts waits 40 ms for the first's receipt
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, ValueError, ImportError) as e:
        raise CommandError(sentence(e), 1) from None
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    say(f"{address} (Ctrl-C ends)")
    opening = threading.Timer(0.5, webbrowser.open, [address])
    if not options.no_browser:
        opening.start()
    config = uvicorn.Config(
        app,
        http=server.timed_protocol(_REQUEST),
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=_PATIENCE,
    )
    serving = uvicorn.Server(config)

    def worth_telling(record: logging.LogRecord) -> bool:
        return not serving.should_exit  # that Ctrl-C cut off a request is no news

    log = logging.getLogger("uvicorn.error")
    log.addFilter(worth_telling)
    try:
        serving.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        log.removeFilter(worth_telling)
        opening.cancel()
        listening.close()
        if sys.stdout is not None and sys.stdout.isatty():
            say("")  # the shell's next line, not after its ^C
    return 0
