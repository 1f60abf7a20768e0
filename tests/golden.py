"""Hashes of what the numerical contract fixes: python tests/golden.py --write

The inputs come from a linear congruential generator, in 256ths, so that they are exact in every
dtype and depend on no library's distributions. Everything is hashed as little-endian bytes.
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np

import featherweight as fw

PATH = Path(__file__).with_name("golden.json")
MIXED = ("identity", "sigmoid", "relu", "tanh", "leaky_relu", "elu", "gelu", "silu", "softplus")

# name: sizes, hidden activations, output, rows
NETS = {
    "784-16-16-10 sigmoid": ((784, 16, 16, 10), "sigmoid", "softmax", 70),
    "784-128-10 relu": ((784, 128, 10), "relu", "softmax", 70),
    "37-65-33-5 tanh": ((37, 65, 33, 5), "tanh", "sigmoid", 130),
    "4-64-64-2 silu": ((4, 64, 64, 2), "silu", "identity", 200),
    "20 mixed 3": ((20, 17, 9, 33, 16, 15, 31, 12, 8, 18, 3), MIXED, "softmax", 65),
}
OPTIMIZERS = {
    "sgd": lambda: fw.SGD(0.1),
    "nesterov": lambda: fw.SGD(0.02, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda: fw.Adam(0.01, weight_decay=0.001),
}
DTYPES = {"float32": np.float32, "float64": np.float64}


def lcg(n, seed):
    """n integers in 0 .. 255: the high bits of Knuth's MMIX generator."""
    state, result = seed, []
    for _ in range(n):
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        result.append(state >> 56)
    return np.array(result, np.uint8)


def inputs(name):
    """uint8 rows and integer labels, or targets in 256ths for a regression."""
    sizes, _, output, rows = NETS[name]
    seed = list(NETS).index(name) + 1
    x = lcg(rows * sizes[0], seed).reshape(rows, sizes[0])
    if output == "identity":
        return x, lcg(rows * sizes[-1], seed + 100).reshape(rows, -1) / np.float64(256)
    return x, lcg(rows, seed + 100).astype(np.int64) % sizes[-1]


def build(name, dtype, **options):
    """The golden network; its initial weights are part of the contract, its biases are set."""
    sizes, hidden, output, _ = NETS[name]
    net = fw.Network(
        sizes, hidden, output, dtype=DTYPES[dtype], input_scale=1 / 255, rng=2024, **options
    )
    initial = digest(net.parameters)
    for i, n in enumerate(sizes[1:]):
        net.biases[i] = (lcg(n, 500 + i) / np.float64(256) - 0.5).astype(DTYPES[dtype])
    return net, initial


def digest(*arrays):
    """SHA-256 of the arrays' bytes; -0.0 counts, NaN must not occur."""
    h = hashlib.sha256()
    for a in arrays:
        a = np.asarray(a)
        assert not np.any(np.isnan(a))
        h.update(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes())
    return h.hexdigest()


def hashes(name, dtype, **options):
    """What the contract fixes, by name, on a network with the options (isa, threads)."""
    x, y = inputs(name)
    net, initial = build(name, dtype, **options)
    found = {"initial weights": initial, "forward": digest(*net.activations(x), net(x))}
    loss, grads = net.gradients(x, y)
    found["gradients"] = digest(np.float64(loss), *grads.weights, *grads.biases, grads.input)
    with tempfile.TemporaryDirectory() as folder:
        net.save(Path(folder) / "net.safetensors")
        data = (Path(folder) / "net.safetensors").read_bytes()
    found["file"] = hashlib.sha256(data).hexdigest()
    for kind, make in OPTIMIZERS.items():
        net, _ = build(name, dtype, **options)
        size = -(-len(x) // 5)  # two epochs of five steps
        history = net.fit(x, y, epochs=2, batch_size=size, optimizer=make(), rng=7, progress=False)
        found[f"ten steps of {kind}"] = digest(net.parameters, np.array(history.loss))
    return found


def differing(found, expected):
    """The names of hashes that are not as expected, or not there."""
    names = sorted(found.keys() | expected.keys())
    return [k for k in names if found.get(k) != expected.get(k) or not found.get(k)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {PATH.name}")
    table = {f"{n}, {d}": hashes(n, d, isa=fw.isas()[0]) for n in NETS for d in DTYPES}
    if parser.parse_args().write:
        PATH.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        return
    expected = json.loads(PATH.read_text(encoding="utf-8"))
    for key, found in table.items():
        wrong = differing(found, expected.get(key, {}))
        print(f"{key}: {'differs in ' + ', '.join(wrong) if wrong else 'as written'}")


if __name__ == "__main__":
    main()
