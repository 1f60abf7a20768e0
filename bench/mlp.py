"""featherweight.sklearn beside scikit-learn's own pair: same settings, same epochs, in turns.

And a grid search by one thread of joblib's and by two.

python bench/mlp.py [--repeats 5] [--dtype float64] [--threads 2] [--markdown]
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import joblib
import numpy as np
import sklearn
import threadpoolctl
from sklearn import model_selection, neural_network

import featherweight as fw
import featherweight.sklearn


class Shape(NamedTuple):
    """What is trained: a title, the hidden layers and the data."""

    title: str
    hidden: tuple[int, ...]
    x: np.ndarray
    y: np.ndarray


def shapes(dtype: str) -> list[Shape]:
    images, labels = fw.data.digits().train
    x = (images / 255).astype(dtype)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(100_000, 20)).astype(dtype)
    classes = (table[:, :5] @ rng.normal(size=(5, 3)) + rng.normal(size=(100_000, 3))).argmax(1)
    return [
        Shape("784-16-16-10, 10,000 images", (16, 16), x, labels),
        Shape("784-100-10, 10,000 images", (100,), x, labels),
        Shape("20-100-3, 100,000 rows", (100,), table, classes),
    ]


def made(module, shape: Shape, **settings):
    everything = dict(max_iter=3, tol=0.0, n_iter_no_change=np.inf, random_state=0) | settings
    return module.MLPClassifier(shape.hidden, **everything)


def in_turns(ours: Callable, theirs: Callable, repeats: int, calls: int = 1) -> tuple[float, float]:
    """Least seconds of each."""
    best = [np.inf, np.inf]
    for _ in range(repeats):
        for i, run in enumerate((ours, theirs)):
            begin = time.perf_counter()
            for _ in range(calls):
                run()
            best[i] = min(best[i], (time.perf_counter() - begin) / calls)
    return best[0], best[1]


def compare(shape: Shape, repeats: int):
    """Yield a name and the two times of everything that is compared on a shape."""
    pair = featherweight.sklearn, neural_network
    for solver, settings in (("adam", {}), ("sgd", {}), ("lbfgs", {"max_iter": 10})):
        nets = [made(m, shape, solver=solver, **settings) for m in pair]
        fits = [lambda net=net: net.fit(shape.x, shape.y) for net in nets]
        yield f"fit, {solver}", *in_turns(*fits, repeats)
        assert nets[0].n_iter_ == nets[1].n_iter_
        if solver == "adam":
            trained = nets
    # of one network, as epochs of float32 magnify roundings
    trained[0].coefs_, trained[0].intercepts_ = trained[1].coefs_, trained[1].intercepts_
    many = shape.x[np.arange(100_000) % len(shape.x)]
    for name, x, calls in (("one row", many[:1].copy(), 200), ("100,000 rows", many, 1)):
        found = [net.predict_proba(x) for net in trained]
        np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-5)
        runs = [lambda net=net, x=x: net.predict_proba(x) for net in trained]
        yield f"predict_proba, {name}", *in_turns(*runs, repeats, calls)


def grid_search(shape: Shape, repeats: int) -> tuple[float, float]:
    """Least seconds of a grid search over threads: one, and two."""

    def run(threads: int) -> None:
        search = model_selection.GridSearchCV(
            made(featherweight.sklearn, shape, threads=1), {"alpha": [1e-5, 1e-4, 1e-3, 1e-2]},
            cv=3, n_jobs=threads, refit=False,
        )  # fmt: skip
        with joblib.parallel_backend("threading"):
            search.fit(shape.x, shape.y)

    return in_turns(lambda: run(1), lambda: run(2), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--threads", type=int, default=fw.get_num_threads())
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    fw.set_num_threads(options.threads)
    print(
        f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}, {options.dtype}, "
        f"{options.threads} thread(s); least of {options.repeats}, in turns\n"
    )
    if options.markdown:
        print("| network | | featherweight | scikit-learn | ratio |\n|---|---|---|---|---|")
    with threadpoolctl.threadpool_limits(options.threads, user_api="blas"):
        for shape in shapes(options.dtype):
            for name, ours, theirs in compare(shape, options.repeats):
                cells = [shape.title, name, f"{ours * 1e3:.4g} ms", f"{theirs * 1e3:.4g} ms"]
                cells.append(f"{theirs / ours:.1f}")
                print(f"| {' | '.join(cells)} |" if options.markdown else "  ".join(cells))
        one, two = grid_search(shapes(options.dtype)[0], options.repeats)
    print(
        f"\nGrid search of 784-16-16-10 over threads, four settings, three folds: by two threads "
        f"{one / two:.2f} times as quick as by one."
    )


if __name__ == "__main__":
    main()
