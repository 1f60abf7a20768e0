"""Dense networks in float64 NumPy, by hand: what featherweight is compared with.

Imports nothing of featherweight. Plain formulas, written for reading. One row is one sample.
"""

import math
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from types import SimpleNamespace

import numpy as np

SQRT2 = math.sqrt(2.0)
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def flushed(a, dtype):
    """a with 0, of the same sign, in place of numbers below the dtype's smallest normal one."""
    a = np.asarray(a)
    return np.where(np.abs(a) < np.finfo(dtype).smallest_normal, np.copysign(0, a), a)


# ---- activations: value and derivative. NaN stays NaN; at -inf silu and gelu are their limit, 0
def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def _phi(z):
    return 0.5 * _erfc(-z / SQRT2)


ACTIVATIONS = {
    "identity": (lambda z: z * 1.0, lambda z: z * 0.0 + 1.0),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: np.where(z > 0, 1.0, 0.0 * z)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "leaky_relu": (
        lambda z: np.where(z > 0, z, 0.01 * z),
        lambda z: np.where(z > 0, 1.0, 0.0 * z + 0.01),
    ),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
    ),
    "gelu": (
        lambda z: np.where(np.isneginf(z), 0.0, z * _phi(z)),
        lambda z: _phi(z) + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi),
    ),
    "silu": (
        # below 0 by two halves of exp(z), since sigmoid(z) is subnormal before z * sigmoid(z) is
        lambda z: np.where(
            z < 0,
            np.maximum(z, -1e4) * np.exp(z / 2) / (1 + np.exp(-np.abs(z))) * np.exp(z / 2),
            z * sigmoid(z),
        ),
        lambda z: sigmoid(z) * (1 + z * sigmoid(-z)),
    ),
    "softplus": (lambda z: np.logaddexp(0.0, z), sigmoid),
    "exp": (np.exp, np.exp),
}


def softmax(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def act(name, z):
    z = np.asarray(z, np.float64)
    with np.errstate(all="ignore"):
        return softmax(z) if name == "softmax" else ACTIVATIONS[name][0](z)


def act_derivative(name, z):
    with np.errstate(all="ignore"):
        return ACTIVATIONS[name][1](z)


# ---- losses
def one_hot(labels, n):
    return np.eye(n)[np.asarray(labels)]


def default_loss(output):
    losses = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy", "exp": "poisson"}
    return losses.get(output, "mse")


def elements(loss, z, y, t, parameter):
    """The loss of each element, for the losses whose rows are means of such."""
    if loss == "binary_cross_entropy":
        return np.logaddexp(0.0, z) - z * t
    if loss == "poisson":
        return y - t * z
    d = np.abs(y - t)
    if loss == "huber":
        return np.where(d <= parameter, d * d / 2, parameter * (d - parameter / 2))
    if loss == "quantile":
        return np.where(t > y, parameter * d, (1 - parameter) * d)
    return d * d


def loss_rows(loss, z, y, t, parameter=None, output_weights=1.0):
    """The loss of each row, from the last layer's z, its activation y and the targets t."""
    with np.errstate(all="ignore"):
        if loss == "cross_entropy":
            lse = np.logaddexp.reduce(z, axis=1, keepdims=True)
            return np.sum(np.where(t == 0, 0.0, t * (lse - z)), axis=1)
        return np.mean(output_weights * elements(loss, z, y, t, parameter), axis=1)


def output_gradient(loss, output, z, y, t, share, parameter=None, output_weights=1.0):
    """dL/dz and dL/dy (None where the formula goes to dz at once); share is w_r / W, a column."""
    n = z.shape[1]
    if loss == "cross_entropy":
        return (y * np.sum(t, axis=1, keepdims=True) - t) * share, None
    share = share * output_weights
    if loss in ("binary_cross_entropy", "poisson"):
        return (y - t) / n * share, None
    d = y - t
    slopes = {
        "mse": lambda: 2 * d,
        "huber": lambda: np.clip(d, -parameter, parameter),
        "quantile": lambda: np.where(d > 0, 1 - parameter, np.where(d < 0, -parameter, 0.0)),
    }
    dy = slopes[loss]() / n * share
    if output == "softmax":
        return y * (dy - np.sum(dy * y, axis=1, keepdims=True)), dy
    return dy * act_derivative(output, z), dy


# ---- the network
@dataclass
class Net:
    weights: list
    biases: list
    activations: tuple  # one name per layer, the output's last
    input_scale: float = 1.0

    def __post_init__(self):
        self.weights = [np.array(w, np.float64) for w in self.weights]
        self.biases = [np.array(b, np.float64) for b in self.biases]
        self.output = self.activations[-1]

    def forward(self, x, masks=None):
        """Every layer's z, and [input as used, every layer's activation], before masks."""
        a, zs = [np.asarray(x, np.float64) * self.input_scale], []
        masks = masks or [1.0] * len(self.weights)
        with np.errstate(all="ignore"):
            for w, b, name, m in zip(
                self.weights, self.biases, self.activations, masks, strict=True
            ):
                zs.append((a[-1] * m) @ w.T + b)
                a.append(act(name, zs[-1]))
        return zs, a

    def __call__(self, x):
        return self.forward(x)[1][-1]

    def loss(self, x, t, loss=None, w=None, parameter=None, output_weights=1.0):
        zs, a = self.forward(x)
        loss = loss or default_loss(self.output)
        rows = loss_rows(loss, zs[-1], a[-1], t, parameter, output_weights)
        return float(np.average(rows, weights=w))

    def gradients(self, x, t, loss=None, w=None, parameter=None, output_weights=1.0, masks=None):
        """loss, weights, biases, input (dL/dx, x as given); by layer dz, and da (or None).

        masks: what each layer's inputs are multiplied by, (rows, inputs) each.
        """
        loss = loss or default_loss(self.output)
        zs, a = self.forward(x, masks)
        m = masks or [np.ones(1)] * len(self.weights)
        w = np.ones(len(a[0])) if w is None else np.asarray(w, np.float64)
        share = (w / np.sum(w))[:, None]
        options = (parameter, output_weights)
        dz, dy = output_gradient(loss, self.output, zs[-1], a[-1], t, share, *options)
        dzs, das, d_weights, d_biases = [dz], [dy], [], []
        for i in range(len(self.weights) - 1, -1, -1):
            d_weights.insert(0, dzs[0].T @ (a[i] * m[i]))
            d_biases.insert(0, dzs[0].sum(axis=0))
            da = (dzs[0] @ self.weights[i]) * m[i]
            if i:
                das.insert(0, da)
                dzs.insert(0, da * act_derivative(self.activations[i - 1], zs[i - 1]))
        rows = loss_rows(loss, zs[-1], a[-1], t, *options)
        value = float(np.average(rows, weights=w))
        found = {"loss": value, "input": da * self.input_scale, "dz": dzs, "da": das}
        return SimpleNamespace(weights=d_weights, biases=d_biases, **found)


def pack(weights, biases):
    """One flat array: per layer W as [panel][input][16 outputs], then the bias; padded with 0."""
    parts = []
    for w, b in zip(weights, biases, strict=True):
        panels = -(-len(b) // 16)
        wide = np.zeros((panels * 16, w.shape[1]), w.dtype)
        wide[: len(b)] = w
        parts.append(wide.reshape(panels, 16, -1).transpose(0, 2, 1).ravel())
        parts.append(np.pad(b, (0, panels * 16 - len(b))))
    return np.concatenate(parts)


# ---- optimizers, on lists of arrays, in place
@dataclass
class SGD:
    lr: float
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    buffers: list = field(default_factory=list)

    def step(self, params, grads):
        self.buffers = self.buffers or [np.zeros_like(p) for p in params]
        for p, g, buf in zip(params, grads, self.buffers, strict=True):
            g = g + self.weight_decay * p
            buf[:] = self.momentum * buf + g
            p -= self.lr * (g + self.momentum * buf if self.nesterov else buf)


@dataclass
class Adam:
    lr: float = 1e-3
    betas: tuple = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    t: int = 0
    moments: list = field(default_factory=list)

    def step(self, params, grads):
        self.moments = self.moments or [(np.zeros_like(p), np.zeros_like(p)) for p in params]
        self.t += 1
        b1, b2 = self.betas
        for p, g, (m, v) in zip(params, grads, self.moments, strict=True):
            g = g + self.weight_decay * p
            m += (1 - b1) * (g - m)
            v[:] = b2 * v + (1 - b2) * g * g
            scale = math.sqrt(1 - b2**self.t)
            p -= self.lr / (1 - b1**self.t) * m / (np.sqrt(v) / scale + self.eps)


@dataclass
class AdamW(Adam):
    weight_decay: float = 1e-2

    def step(self, params, grads):
        for p in params:
            p *= 1 - self.lr * self.weight_decay
        kept, self.weight_decay = self.weight_decay, 0.0
        super().step(params, grads)
        self.weight_decay = kept


@dataclass
class RMSprop:
    lr: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False
    state: list = field(default_factory=list)

    def step(self, params, grads):
        self.state = self.state or [[np.zeros_like(p) for _ in range(3)] for p in params]
        for p, g, (square, velocity, mean) in zip(params, grads, self.state, strict=True):
            g = g + self.weight_decay * p
            square[:] = self.alpha * square + (1 - self.alpha) * g * g
            mean[:] = self.alpha * mean + (1 - self.alpha) * g
            variance = square - mean * mean if self.centered else square
            velocity[:] = self.momentum * velocity + g / (np.sqrt(variance) + self.eps)
            p -= self.lr * velocity


def limited(weights, d_weights, d_biases, l2=0.0, clip_value=math.inf, clip_norm=math.inf):
    """The gradients with the penalty's, cut off and then scaled; and what the penalty adds."""
    d_weights = [d + l2 * w for d, w in zip(d_weights, weights, strict=True)]
    grads = [np.clip(g, -clip_value, clip_value) for g in d_weights + list(d_biases)]
    norm = math.sqrt(sum(float(np.sum(g * g)) for g in grads))
    grads = [g * min(1.0, clip_norm / (norm + 1e-6)) for g in grads]
    return grads, l2 / 2 * sum(float(np.sum(w * w)) for w in weights)


def train(net, optimizer, batches, loss=None):
    """Take a step per batch (x, t, w); return [(loss, accuracy, sum of w)], before each step."""
    seen = []
    for x, t, w in batches:
        w = np.ones(len(t)) if w is None else w
        g = net.gradients(x, t, loss, w)
        seen.append((g.loss, accuracy(net(x), t, w), float(np.sum(w))))
        optimizer.step(net.weights + net.biases, g.weights + g.biases)
    return seen


# ---- scores
def accuracy(y, t, w=None):
    if y.shape[1] == 1:
        return float(np.average((y[:, 0] > 0.5) == (t[:, 0] > 0.5), weights=w))
    return float(np.average(np.argmax(y, 1) == np.argmax(t, 1), weights=w))


def r2(y, t):
    residual = np.sum((t - y) ** 2, axis=0)
    return float(np.mean(1 - residual / np.sum((t - t.mean(axis=0)) ** 2, axis=0)))


# ---- the contract's sum rule, to the bit
def _two_sum(a, b):
    s = a + b
    v = s - a
    return s, (a - (s - v)) + (b - v)


def _odd_sum(a, b):
    """a + b in float64, rounded to odd: rounding that once more cannot go wrong."""
    s, e = _two_sum(a, b)
    even = (np.asarray(s).view(np.uint64) & 1) == 0
    return np.where((e != 0) & even, np.nextafter(s, np.where(e > 0, np.inf, -np.inf)), s)


def _two_product(a, b):
    def split(x):
        c = x * 134217729.0
        high = c - (c - x)
        return high, x - high

    p, (ah, al), (bh, bl) = a * b, split(a), split(b)
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


def fma(a, b, c):
    """a * b + c with one rounding; all of one dtype, finite, and far from its range's ends."""
    if np.asarray(c).dtype == np.float32:  # the product is exact in float64
        return _odd_sum(np.multiply(a, b, dtype=np.float64), np.float64(c)).astype(np.float32)
    # Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE ToC 57 (2008)
    product, low = _two_product(a, b)
    t, t_low = _two_sum(c, low)
    v, v_low = _two_sum(product, t)
    return v + _odd_sum(t_low, v_low)


def sum_rule(a, b):
    """Sum a[k] * b[k] over the first axis, by the contract: blocks of 64, two halves."""
    a, b = np.broadcast_arrays(a, b)
    sums = []
    for start in range(0, len(a), 64):
        acc = np.zeros(a.shape[1:], a.dtype)
        for k in range(start, min(start + 64, len(a))):
            acc = fma(a[k], b[k], acc)
        sums.append(acc)
    cut = -(-len(sums) // 2)
    return reduce(add, [reduce(add, half) for half in (sums[:cut], sums[cut:]) if half])


# ---- Philox4x32-10 (Salmon et al. 2011), and the masks of dropout
def philox(key, stream, counters):
    """The four words of each 64-bit counter of a stream, (4, n) uint64."""
    i, low = np.asarray(counters, np.uint64), np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c = [i & low, i >> half, np.full_like(i, stream & 0xFFFFFFFF), np.full_like(i, stream >> 32)]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [
            (p1 >> half) ^ c[1] ^ np.uint64(k0),
            p1 & low,
            (p0 >> half) ^ c[3] ^ np.uint64(k1),
            p0 & low,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.array(c)


def mask(key, layer, epoch, positions, width, rate):
    """What the inputs of a layer are multiplied by, (positions, width): 0 or 1 / (1 - rate).

    To each pair of panels of 16 belong 8 counters, whose words 0 and 1 are for the first panel's
    two halves, 2 and 3 for the second's.
    """
    pairs = -(-width // 32)
    n = np.asarray(positions)[:, None] * (8 * pairs) + np.arange(8 * pairs)
    words = philox(key, ((16 + layer) << 32) + epoch, n).reshape(4, len(n), pairs, 8)
    words = words.transpose(1, 2, 0, 3).reshape(len(n), -1)[:, :width]
    return np.where(words >= int(rate * 2**32), 1 / (1 - rate), 0.0)
