"""Whether long runs, and answers about very small numbers, get slower: python bench/longrun.py.

Weights that nothing but a penalty moves, and gradients of confident answers, become ever smaller
and at last subnormal, which CPUs compute with a hundred times as slowly. Epochs of all libraries
take turns, one thread each, in processor time. The penalty is the same for all, scikit-learn's
`alpha` being divided by the batch's rows. Peers that are not installed are left out.

python bench/longrun.py [--epochs 200] [--only NAME ...] [--json FILE] [--docs]
"""

import argparse
import itertools
import json
import platform
import time
import warnings
from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple

import numpy as np
import threadpoolctl

import featherweight as fw
import report

BATCH = 32
PARTS = 5
PACKAGES = {"NumPy": "numpy", "PyTorch": "torch", "scikit-learn": "scikit-learn"}


class Case(NamedTuple):
    """A run: a network with one hidden layer, on so many digits."""

    title: str
    hidden: int = 64
    rows: int = 2000
    optimizer: str = "adam"
    rate: float = 1e-2
    l2: float = 1e-4
    activation: str = "relu"
    dtype: str = "float32"
    raw: bool = False

    def data(self):
        """Images and labels."""
        images, labels = fw.data.digits().train
        x = images[: self.rows].astype(self.dtype)
        return (x if self.raw else x / x.dtype.type(255)), labels[: self.rows].astype(np.int64)


CASES = {
    "adam": Case("784-64-10, Adam(1e-2), l2=1e-4"),
    "double": Case("the same, float64", dtype="float64"),
    "sigmoid": Case("the same, sigmoid", activation="sigmoid"),
    "raw": Case("the same, relu, Adam(1e-3), pixels from 0 to 255", rate=1e-3, raw=True),
    "wide": Case("784-128-10, 4,000 rows, Adam(1e-2)", hidden=128, rows=4000, l2=0.0),
    "momentum": Case(
        "784-64-10, SGD(0.1, momentum=0.9), l2=1e-2", optimizer="sgd", rate=0.1, l2=1e-2
    ),
}


# ---- a library: made of a case, run() trains an epoch, accuracy() is that on the same rows
class Ours:
    def __init__(self, case):
        self.x, self.y = case.data()
        self.net = fw.Network(
            [784, case.hidden, 10], case.activation, dtype=case.dtype, rng=0, threads=1
        )
        momentum = fw.SGD(case.rate, momentum=0.9)
        optimizer = momentum if case.optimizer == "sgd" else fw.Adam(case.rate)
        self.options = {"optimizer": optimizer, "l2": case.l2, "progress": False}

    def run(self):
        self.net.fit(self.x, self.y, batch_size=BATCH, **self.options)

    def accuracy(self):
        return self.net.score(self.x, self.y)


class Torch:
    def __init__(self, case):
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.torch = torch
        self.x, self.y = map(torch.from_numpy, case.data())
        hidden = torch.nn.ReLU() if case.activation == "relu" else torch.nn.Sigmoid()
        layers = torch.nn.Linear(784, case.hidden), hidden, torch.nn.Linear(case.hidden, 10)
        self.model = torch.nn.Sequential(*layers).to(self.x.dtype)
        settings = {"lr": case.rate, "weight_decay": case.l2, "fused": True}
        if case.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.model.parameters(), momentum=0.9, **settings)
        else:
            self.optimizer = torch.optim.Adam(self.model.parameters(), **settings)

    def run(self):
        loss = self.torch.nn.functional.cross_entropy
        for rows in self.torch.randperm(len(self.x)).split(BATCH):
            self.optimizer.zero_grad(set_to_none=True)
            loss(self.model(self.x[rows]), self.y[rows]).backward()
            self.optimizer.step()

    def accuracy(self):
        with self.torch.inference_mode():
            return (self.model(self.x).argmax(1) == self.y).double().mean().item()


class Sklearn:
    def __init__(self, case):
        from sklearn.neural_network import MLPClassifier

        self.x, self.y = case.data()
        self.net = MLPClassifier(
            (case.hidden,), "logistic" if case.activation == "sigmoid" else case.activation,
            solver=case.optimizer, learning_rate_init=case.rate, momentum=0.9,
            nesterovs_momentum=False, alpha=case.l2 * BATCH, batch_size=BATCH, random_state=0,
        )  # fmt: skip

    def run(self):
        self.net.partial_fit(self.x, self.y, classes=np.arange(10))

    def accuracy(self):
        return self.net.score(self.x, self.y)


LIBRARIES = {"featherweight": Ours, "PyTorch": Torch, "scikit-learn": Sklearn}


def there(names):
    """Those of the libraries that are installed."""
    modules = {"PyTorch": "torch", "scikit-learn": "sklearn"}
    return [n for n in names if util.find_spec(modules.get(n, n.lower()))]


def took(run):
    begin = time.process_time()
    run()
    return time.process_time() - begin


def train(case, epochs):
    """Seconds of every epoch, by library, and the accuracy at the end."""
    libraries = {n: LIBRARIES[n](case) for n in there(LIBRARIES)}
    seconds = {n: [] for n in libraries}
    for _ in range(epochs):
        for name, library in libraries.items():
            seconds[name].append(took(library.run))
    return {
        n: {
            "fifths": [float(np.median(part)) for part in np.array_split(seconds[n], PARTS)],
            "accuracy": float(library.accuracy()),
        }
        for n, library in libraries.items()
    }


# ---- answers
SIZES, ROWS = (256, 256, 256, 10), 2000
FACTORS = {"float32": (1e-20, 1e-40), "float64": (1e-310,)}


def forwards(dtype, factor, what):
    """By library, a function that runs a network once, inputs or weights times a factor."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, SIZES[0]))
    weights = [rng.normal(size=(o, i)) / i**0.5 for i, o in itertools.pairwise(SIZES)]
    x = (x * (factor if what == "inputs" else 1)).astype(dtype)
    weights = [(w * (factor if what == "weights" else 1)).astype(dtype) for w in weights]
    net = fw.Network(SIZES, "relu", "identity", dtype=dtype, rng=0, threads=1)
    for i, w in enumerate(weights):
        net.weights[i], net.biases[i] = w, np.zeros(len(w))
    across = [np.ascontiguousarray(w.T) for w in weights]

    def numpy():
        a = x
        for i, w in enumerate(across):
            a = a @ w
            a = np.maximum(a, 0, out=a) if i + 1 < len(across) else a
        return a

    calls = {"featherweight": lambda: net(x), "NumPy": numpy}
    if there(["PyTorch"]):
        import torch

        torch.set_num_threads(1)
        model = torch.nn.Sequential()
        for i, w in enumerate(weights):
            model.append(torch.nn.Linear(*w.shape[::-1], bias=False))
            model[-1].weight = torch.nn.Parameter(torch.from_numpy(w))
            if i + 1 < len(weights):
                model.append(torch.nn.ReLU())

        def pytorch():
            with torch.inference_mode():
                return model(torch.from_numpy(x)).numpy()

        calls["PyTorch"] = pytorch
    return calls


def answer(repeats):
    """Median seconds of a call, by dtype, library and what was scaled; all in turns."""
    found = {}
    for dtype, factors in FACTORS.items():
        kinds = {"ordinary": forwards(dtype, 1.0, "inputs")}
        for what in ("inputs", "weights"):
            kinds |= {f"{what} * {f:g}": forwards(dtype, f, what) for f in factors}
        plain = {n: f() for n, f in kinds["ordinary"].items()}
        for name, y in plain.items():
            np.testing.assert_allclose(y, plain["NumPy"], rtol=1e-3, atol=1e-4, err_msg=name)
        seconds = {n: {kind: [] for kind in kinds} for n in plain}
        for _ in range(repeats):
            for kind, calls in kinds.items():
                for name, call in calls.items():
                    seconds[name][kind].append(took(call))
        found[dtype] = {
            n: {kind: float(np.median(s)) for kind, s in by.items()} for n, by in seconds.items()
        }
    return found


# ---- what came of it
def table(rows):
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def markdown(found):
    """The section of docs/performance.md."""
    head = ["", "", "first fifth", "second", "third", "fourth", "fifth"]
    rows = [head]
    for case, libraries in found["runs"].items():
        for i, (name, one) in enumerate(libraries.items()):
            first, *rest = one["fifths"]
            title = "" if i else CASES[case].title
            rows.append([title, name, f"{first * 1e3:.1f} ms", *(f"{t / first:.2f}" for t in rest)])
    versions = ", ".join(f"{n} {v}" for n, v in found["versions"].items())
    text = (
        f"`python bench/longrun.py` on {found['cpu']}, Python {found['python']}, {found['date']}; "
        f"{versions}. One thread each, in turns, processor time: the median epoch of the first "
        f"fifth of {found['epochs']} epochs, and how many times as long the median of each later "
        f"fifth takes.\n\n{table(rows)}"
    )
    for dtype, libraries in found.get("answers", {}).items():
        kinds = list(next(iter(libraries.values())))
        rows = [["", *kinds]]
        for name, by in libraries.items():
            times = [f"{by[k] / by['ordinary']:.2f}" for k in kinds[1:]]
            rows.append([name, f"{by['ordinary'] * 1e3:.1f} ms", *times])
        sizes = "-".join(map(str, SIZES))
        text += f"\n\n{ROWS:,} rows by {sizes}, {dtype}, and times as long for\n\n{table(rows)}"
    return text + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=200, help="of each run (default: 200)")
    parser.add_argument("--repeats", type=int, default=7, help="of answers (default: 7; 0: none)")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--json", type=Path, help="write all that was found")
    parser.add_argument("--docs", action="store_true", help="fill in docs/performance.md")
    options = parser.parse_args()
    if options.epochs < PARTS:
        parser.error(f"--epochs: expected at least {PARTS}, found {options.epochs}")
    warnings.simplefilter("ignore")
    found = {
        "cpu": report.cpu_name(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": {n: metadata.version(PACKAGES[n]) for n in there(PACKAGES)},
        "epochs": options.epochs,
        "runs": {},
    }
    with threadpoolctl.threadpool_limits(1):
        for key in options.only:
            found["runs"][key] = train(CASES[key], options.epochs)
            for name, one in found["runs"][key].items():
                times = "  ".join(f"{t * 1e3:8.2f}" for t in one["fifths"])
                print(f"{key:9} {name:13} {times}  accuracy {one['accuracy']:.3f}", flush=True)
        if options.repeats:
            found["answers"] = answer(options.repeats)
    print(markdown(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.docs:
        path = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
        report.fill("long-runs", markdown(found), path)


if __name__ == "__main__":
    main()
