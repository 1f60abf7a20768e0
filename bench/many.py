"""A hundred networks side by side: one thread, two, and scikit-learn's over joblib.

python bench/many.py [--networks 100] [--epochs 3]
"""

import argparse
import time

import numpy as np

import featherweight as fw

SIZES = (784, 16, 16, 10)


def ours(x, labels, count, epochs, threads):
    """Seconds for so many networks by so many threads; and what they are."""
    nets = [fw.Network(SIZES, input_scale=1 / 255, rng=i) for i in range(count)]
    optimizers = [fw.SGD(0.05) for _ in nets]
    begin = time.perf_counter()
    fw.fit_many(
        nets, x, labels, optimizer=optimizers, epochs=epochs, batch_size=32, threads=threads,
        progress=False,
    )  # fmt: skip
    return time.perf_counter() - begin, nets


def theirs(x, labels, count, epochs, threads):
    """Seconds for scikit-learn's MLPClassifier of the same shape and settings."""
    import warnings

    from joblib import Parallel, delayed
    from sklearn.neural_network import MLPClassifier

    def one(seed):
        warnings.simplefilter("ignore")
        MLPClassifier(
            SIZES[1:-1], solver="sgd", learning_rate_init=0.05, momentum=0.0, alpha=0.0,
            nesterovs_momentum=False, batch_size=32, max_iter=epochs, tol=0.0,
            n_iter_no_change=epochs, random_state=seed,
        ).fit(x, labels)  # fmt: skip

    begin = time.perf_counter()
    Parallel(n_jobs=threads)(delayed(one)(i) for i in range(count))
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--epochs", type=int, default=3, help="of 10,000 images (default: 3)")
    options = parser.parse_args()
    x, labels = fw.data.digits().train
    count, epochs = options.networks, options.epochs
    best = {1: np.inf, 2: np.inf}
    for _ in range(3):
        for threads in best:
            seconds, nets = ours(x, labels, count, epochs, threads)
            best[threads] = min(best[threads], seconds)
    alone = fw.Network(SIZES, input_scale=1 / 255, rng=count - 1)
    alone.fit(x, labels, optimizer=fw.SGD(0.05), epochs=epochs)
    same = np.array_equal(alone.parameters, nets[-1].parameters)
    print(f"{count} networks of {'-'.join(map(str, SIZES))}, {epochs} epochs of {len(x):,} images")
    print(f"one thread {best[1]:.2f} s; two {best[2]:.2f} s: {best[1] / best[2]:.2f} times")
    print(f"the last network has the bits of being trained alone: {same}")
    try:
        scaled = (x / 255).astype(np.float32)
        few = max(2, count // 10)
        seconds = theirs(scaled, labels, few, epochs, 2) * count / few
        print(f"scikit-learn over joblib, two processes: {seconds / best[2]:.1f} times as long")
    except ImportError:
        print("scikit-learn is not installed")


if __name__ == "__main__":
    main()
