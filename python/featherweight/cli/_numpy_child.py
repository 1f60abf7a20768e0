"""NumPy in a process of its own, held to a number of threads, for ``bench``.

NumPy's library for products reads its number of threads once, when it is loaded; so each number
needs a process. The parent writes a line of JSON for each question and reads a line of JSON.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network import Network
from ._timing import available_cores, least_time

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

# pinned before NumPy is loaded, whose threads then are pinned with it; the parent's path to modules
_START = """
import json, os, sys
path, cores = json.loads(sys.argv[1])
try:
    if cores:
        os.sched_setaffinity(0, cores)
except (AttributeError, OSError):
    pass
sys.path[:] = path
from featherweight.cli._numpy_child import serve
serve()
"""


class NumpyProcess:
    """A process that runs networks' forward passes in NumPy with so many threads, on as many cores.

    Parameters
    ----------
    threads : int
        Threads and, where the system can pin processes, cores.
    """

    def __init__(self, threads: int) -> None:
        start = json.dumps([sys.path, available_cores()[-threads:]])
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | dict.fromkeys(VARIABLES, str(threads)),
        )

    def prepare(self, sizes: tuple[int, ...], activation: str, rows: int) -> NDArray[np.float32]:
        """Make a network and its input, and return NumPy's outputs."""
        answer = self._ask({"sizes": sizes, "activation": activation, "rows": rows})
        flat = np.frombuffer(base64.b64decode(answer["outputs"]), np.float32)
        return flat.reshape(answer["shape"])

    def least_time(self, seconds: float) -> float:
        """Return the least time of the prepared pass within about so many seconds."""
        return float(self._ask({"seconds": seconds})["least"])

    def close(self) -> None:
        """End the process."""
        try:
            self.process.communicate(timeout=10)  # which closes its stdin
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
        except OSError:  # a broken pipe
            line = b""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "that it ended"}
        if "error" in answer:
            raise RuntimeError(
                f"bench: expected an answer of the process with NumPy, found {answer['error']}"
            )
        return answer


def serve() -> None:
    """Answer each line of stdin with a line of stdout, until there are no more."""
    forward: Callable[[], NDArray[Any]] | None = None
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any]
        try:
            if "sizes" in question:
                net, x = network_and_input(**question)
                forward = numpy_forward(net, x)
                outputs = forward()
                text = base64.b64encode(outputs.tobytes()).decode()
                answer = {"shape": outputs.shape, "outputs": text}
            else:
                assert forward is not None
                answer = {"least": least_time(forward, question["seconds"])}
        except Exception as e:  # the parent reports it
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)


def network_and_input(
    sizes: tuple[int, ...], activation: str, rows: int, **options: Any
) -> tuple[Network, NDArray[np.float32]]:
    """Return the network, the same in every process, and rows of input; 0 stands for one vector."""
    net = Network(sizes, activation, rng=0, **options)
    x = np.random.default_rng(0).random((max(1, rows), sizes[0]), np.float32)
    return net, x if rows else x[0]


def numpy_forward(net: Network, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    """Return a network's forward pass written in NumPy."""
    layers = [(np.ascontiguousarray(w.T), b) for w, b in zip(net.weights, net.biases, strict=True)]

    def forward() -> NDArray[Any]:
        a = x
        for i, (w, b) in enumerate(layers):
            a = a @ w
            a += b
            if i + 1 == len(layers):
                a -= a.max(axis=-1, keepdims=True)
                np.exp(a, out=a)
                a /= a.sum(axis=-1, keepdims=True)
            elif net.activation[i] == "relu":
                np.maximum(a, 0, out=a)
            else:
                np.negative(a, out=a)
                np.exp(a, out=a)
                a += 1
                np.reciprocal(a, out=a)
        return a

    return forward
