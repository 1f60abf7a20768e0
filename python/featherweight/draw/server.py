"""The page's server, on the loopback address alone.

Starlette by uvicorn: small, well kept, and with the refusal of foreign Host headers built in.
"""

import secrets
from pathlib import Path
from typing import Any

from ..network import Network
from ..support import optional
from . import answers

_HERE = Path(__file__).parent
_LARGEST = answers.CANVAS**2  # bytes of a body
_DIGITS = 9  # of a number in an address
HOSTS = ["127.0.0.1", "localhost"]


def need(name: str) -> Any:
    """Import a module of the extra, or say how to get it."""
    return optional.need(name, "draw", "draw")


def page(nonce: str) -> str:
    """Return the page, whose style and script alone may run."""
    text = (_HERE / "page.html").read_text(encoding="utf-8")
    for name in ("page.css", "pad.js", "network.js", "page.js"):
        text = text.replace(f"/* {name} */", (_HERE / name).read_text(encoding="utf-8"))
    return text.replace("NONCE", nonce)


class OwnRequests:
    """ASGI middleware that refuses what pages of other origins ask for, which no Host header tells.

    They may link to the page itself, and no more: a browser says of a request whose page made it,
    by Origin or Sec-Fetch-Site, and leaves both out where no page did. What isn't a browser may ask
    for anything.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.headers = need("starlette.datastructures").Headers
        self.refusal = need("starlette.responses").JSONResponse

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or pass the request on."""
        app = self.app
        if scope["type"] == "http" and (error := self.foreign(scope)):
            app = self.refusal({"error": error}, 403)
        await app(scope, receive, send)

    def foreign(self, scope: Any) -> str | None:
        """Return what is wrong with where the request comes from, if anything is."""
        headers = self.headers(scope=scope)
        own = f"http://{headers.get('host')}"
        if (origin := headers.get("origin", own)) != own:
            return f"origin: expected this page's own, found {origin}"
        if scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate":
            return None
        if (site := headers.get("sec-fetch-site", "none")) not in ("same-origin", "none"):
            return f"request: expected one of this page, found one that is {site}"
        return None


def timed_protocol(seconds: float) -> Any:
    """Return uvicorn's HTTP protocol as a class that closes connections whose request is late.

    uvicorn by itself waits without end for the rest of a request.

    Parameters
    ----------
    seconds : float
        From a connection's or a request's beginning until all of the request must have come.
    """
    h11 = need("h11")
    arriving = (h11.IDLE, h11.SEND_BODY)

    # the extra is imported when it is used, so mypy does not know the base
    class TimedProtocol(need("uvicorn.protocols.http.h11_impl").H11Protocol):  # type: ignore[misc]
        _timer: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _watch(self) -> None:
            if self.conn.their_state not in arriving:
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(seconds, self.transport.close)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return TimedProtocol


def application(networks: dict[str, Network]) -> Any:
    """Return the ASGI application that shows these networks.

    Parameters
    ----------
    networks : dict of Network
        By the name that the page shows.
    """
    applications, routing = need("starlette.applications"), need("starlette.routing")
    middleware, responses = need("starlette.middleware"), need("starlette.responses")
    trusted, concurrency = need("starlette.middleware.trustedhost"), need("starlette.concurrency")
    requests = need("starlette.requests")
    JSON = responses.JSONResponse
    readers = {name: answers.Reader(network) for name, network in networks.items()}

    def refuse(text: str, status: int) -> Any:
        return JSON({"error": text}, status)

    def reader_of(request: Any) -> answers.Reader:
        name = request.path_params["name"]
        if name not in readers:
            raise KeyError(f"expected one of {', '.join(readers)}, found {name}")
        return readers[name]

    def whole(request: Any, name: str) -> int:
        text = request.path_params[name]
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
            found = text if len(text) <= 2 * _DIGITS else f"{len(text)} characters"
            raise ValueError(
                f"{name}: expected a whole number of at most {_DIGITS} digits, found {found}"
            )
        return int(text)

    async def front(request: Any) -> Any:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
            "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        return responses.HTMLResponse(page(nonce), headers={"Content-Security-Policy": policy})

    async def listed(request: Any) -> Any:
        return JSON({name: reader.describe() for name, reader in readers.items()})

    async def read(request: Any) -> Any:
        too_large = refuse(f"body: expected at most {_LARGEST} bytes", 413)
        length = request.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 20 or int(length) > _LARGEST):
            return too_large
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > _LARGEST:
                    return too_large
        except requests.ClientDisconnect:
            return responses.Response(status_code=400)  # which nobody gets
        return JSON(reader_of(request).read(bytes(body)))

    async def seeks(request: Any) -> Any:
        reader = reader_of(request)
        layer, neuron = whole(request, "layer"), whole(request, "neuron")
        sizes = reader.network.sizes
        if layer >= len(sizes) - 1 or neuron >= sizes[layer + 1]:
            raise KeyError(f"expected a neuron of the network, found {neuron} of layer {layer}")
        # in a thread: it takes long for wide networks, and what is drawn meanwhile is to be read
        return JSON(await concurrency.run_in_threadpool(reader.seeks, layer, neuron))

    async def digit(request: Any) -> Any:
        number = whole(request, "number")
        # in a thread, too: the first one loads the images
        return JSON(await concurrency.run_in_threadpool(answers.digit, number))

    async def wrong(request: Any, error: Exception) -> Any:
        status = 404 if isinstance(error, KeyError) else 400
        return refuse(str(error.args[0]), status)

    route = routing.Route
    return applications.Starlette(
        routes=[
            route("/", front),
            route("/networks", listed),
            route("/read/{name}", read, methods=["POST"]),
            route("/seeks/{name}/{layer}/{neuron}", seeks),
            route("/digit/{number}", digit),
        ],
        middleware=[
            middleware.Middleware(trusted.TrustedHostMiddleware, allowed_hosts=HOSTS),
            middleware.Middleware(OwnRequests),
        ],
        exception_handlers={ValueError: wrong, KeyError: wrong},
    )
