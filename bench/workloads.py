"""What is timed: the networks and data, the same for every library, and the answers expected."""

from dataclasses import dataclass

import numpy as np

ROWS = 60_000


@dataclass(frozen=True)
class Workload:
    """One row of the comparison.

    `kind` is "forward" (one call on `rows` rows, array in and array out) or "epoch" (one pass of
    training over `rows` shuffled rows in mini-batches, cross-entropy of a softmax).
    """

    key: str
    title: str
    kind: str
    sizes: tuple[int, ...]
    activation: str
    output: str
    rows: int
    dtype: str = "float32"
    optimizer: str = ""
    batch: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))  # JSON has lists

    @property
    def flops(self) -> float:
        """Multiplications and additions of the plain network, padding not counted."""
        per_row = [2.0 * i * o for i, o in zip(self.sizes, self.sizes[1:], strict=False)]
        if self.kind == "epoch":  # forward, dW and, but for the first layer, dX
            per_row = [f * (2 if layer == 0 else 3) for layer, f in enumerate(per_row)]
        return self.rows * sum(per_row)

    @property
    def weight_bytes(self) -> float:
        return 4.0 * sum((i + 1) * o for i, o in zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def rate(self) -> float:
        return 0.1 if self.optimizer == "sgd" else 1e-3


_TINY, _WIDE = (784, 16, 16, 10), (784, 512, 512, 10)
WORKLOADS = {
    w.key: w
    for w in (
        Workload(
            "row-tiny", "one row, 784-16-16-10 sigmoid", "forward", _TINY, "sigmoid", "sigmoid", 1
        ),
        Workload(
            "row-wide", "one row, 784-512-512-10 relu", "forward", _WIDE, "relu", "identity", 1
        ),
        Workload(
            "row-small", "one row, 4-64-64-2 tanh", "forward", (4, 64, 64, 2), "tanh", "identity", 1
        ),
        Workload(
            "batch-tiny",
            "10,000 rows, 784-16-16-10",
            "forward",
            _TINY,
            "sigmoid",
            "sigmoid",
            10_000,
        ),
        Workload(
            "batch-tiny-u8",
            "the same from uint8",
            "forward",
            _TINY,
            "sigmoid",
            "sigmoid",
            10_000,
            "uint8",
        ),
        Workload(
            "batch-wide",
            "10,000 rows, 784-512-512-10",
            "forward",
            _WIDE,
            "relu",
            "identity",
            10_000,
        ),
        Workload(
            "batch-1024",
            "4,096 rows, 1024-1024-1024-1024",
            "forward",
            (1024,) * 4,
            "relu",
            "identity",
            4096,
        ),
        Workload(
            "epoch-tiny",
            "epoch, 784-16-16-10, SGD, batch 32",
            "epoch",
            _TINY,
            "sigmoid",
            "softmax",
            ROWS,
            optimizer="sgd",
            batch=32,
        ),
        Workload(
            "epoch-wide",
            "epoch, 784-512-512-10, Adam, batch 128",
            "epoch",
            _WIDE,
            "relu",
            "softmax",
            ROWS,
            optimizer="adam",
            batch=128,
        ),
    )
}


def parameters(w: Workload) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights (outputs, inputs) and biases, float32, as every library begins with them."""
    rng = np.random.default_rng(0)
    pairs = list(zip(w.sizes, w.sizes[1:], strict=False))
    weights = [rng.uniform(-1, 1, (o, i)) * np.sqrt(6 / (i + o)) for i, o in pairs]
    biases = [rng.uniform(-0.1, 0.1, o) for _, o in pairs]
    return [a.astype(np.float32) for a in weights], [a.astype(np.float32) for a in biases]


def inputs(w: Workload) -> np.ndarray:
    """(rows, inputs), or (inputs,) for a single row: float32 in [0, 1], or the bytes themselves."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (w.rows, w.sizes[0]), dtype=np.uint8)
    if w.dtype == "float32":
        x = x.astype(np.float32) / np.float32(255)
    return x[0] if w.rows == 1 else x


def labels(w: Workload) -> np.ndarray:
    return np.random.default_rng(2).integers(0, w.sizes[-1], w.rows)


def _act(name: str, z: np.ndarray) -> np.ndarray:
    if name == "sigmoid":
        return 1 / (1 + np.exp(-z))
    if name == "softmax":
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return {"relu": lambda: np.maximum(z, 0), "tanh": lambda: np.tanh(z), "identity": lambda: z}[
        name
    ]()


def _forward(w: Workload, weights, biases, x) -> list[np.ndarray]:
    a = [x]
    for i, (m, b) in enumerate(zip(weights, biases, strict=True)):
        a.append(_act(w.output if i + 1 == len(weights) else w.activation, a[-1] @ m.T + b))
    return a


CHECKED_ROWS, CHECKED_STEPS = 64, 6


def expected_outputs(w: Workload) -> np.ndarray:
    """The first rows' outputs in float64."""
    x = np.atleast_2d(inputs(w))[:CHECKED_ROWS].astype(np.float64)
    weights, biases = ([p.astype(np.float64) for p in part] for part in parameters(w))
    return _forward(w, weights, biases, x / 255 if w.dtype == "uint8" else x)[-1]


def expected_weights(w: Workload, plain_epsilon: bool = False) -> np.ndarray:
    """The first layer's weights in float64 after some steps on the first batches in order.

    `plain_epsilon`: Adam's epsilon beside the uncorrected root, as Kingma and Ba's section 2 ends.
    """
    x = inputs(w)[: CHECKED_STEPS * w.batch].astype(np.float64)
    y = np.eye(w.sizes[-1])[labels(w)]
    weights, biases = ([p.astype(np.float64) for p in part] for part in parameters(w))
    state = [(np.zeros_like(p), np.zeros_like(p)) for p in weights + biases]
    for step in range(CHECKED_STEPS):
        rows = slice(step * w.batch, (step + 1) * w.batch)
        a = _forward(w, weights, biases, x[rows])
        d = (a[-1] - y[rows]) / w.batch
        gradients = [[], []]
        for i in reversed(range(len(weights))):
            gradients[0].insert(0, d.T @ a[i])
            gradients[1].insert(0, d.sum(axis=0))
            if i:
                slope = a[i] * (1 - a[i]) if w.activation == "sigmoid" else a[i] > 0
                d = (d @ weights[i]) * slope
        for p, g, (m, v) in zip(weights + biases, gradients[0] + gradients[1], state, strict=True):
            if w.optimizer == "sgd":
                p -= w.rate * g
                continue
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            corrected = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
            epsilon = 1e-8
            if plain_epsilon:
                epsilon /= np.sqrt(1 - 0.999 ** (step + 1))
            p -= w.rate * corrected[0] / (np.sqrt(corrected[1]) + epsilon)
    return weights[0]


def same(found: np.ndarray, expected: np.ndarray, tolerance: float, outliers: float) -> bool:
    """Whether all, or all but a share, are within `tolerance` of the largest expected number."""
    found = np.asarray(found, np.float64)
    if found.shape != expected.shape:
        return False
    far = ~(np.abs(found - expected) <= tolerance * np.abs(expected).max())
    return bool(far.mean() <= outliers)


def check(found: np.ndarray, expected: np.ndarray, tolerance: float, outliers: float = 0.0) -> None:
    """Raise ValueError unless the answers agree and an error planted in them would be seen."""
    spoilt = np.array(found, np.float64, order="C")
    wrong = int(outliers * spoilt.size) + 1
    spoilt.reshape(-1)[-wrong:] += 3 * tolerance * np.abs(expected).max()
    if same(spoilt, expected, tolerance, outliers):
        raise ValueError("the comparison of answers would not notice an error")
    if not same(found, expected, tolerance, outliers):
        raise ValueError("its answer differs from the float64 reference")
