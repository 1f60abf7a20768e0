"""scikit-learn's bundled tables: this library and its `MLPClassifier` and `MLPRegressor`, at par.

python examples/tabular.py        # needs scikit-learn

Equal settings, those that scikit-learn has by default: one hidden layer of 100 rectified linear
units, Adam at 0.001, batches of 200 rows, an L2 penalty of 1e-4 over the rows of a batch, and here
the same number of epochs. Ten splits into training and test rows, each with a few seeds; scores are
accuracies, and R2 of the regressions.
"""

import time
import warnings

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

import featherweight as fw

TABLES = {
    # whether it is a classification, epochs
    "iris": (True, 200),
    "wine": (True, 200),
    "breast_cancer": (True, 200),
    "digits": (True, 100),
    "diabetes": (False, 400),
    "linnerud": (False, 200),
}
SPLITS, SEEDS = 10, 5


def split(name, seed):
    """Return training rows and targets, test rows and targets, in units of the training rows."""
    classes, _ = TABLES[name]
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x, xt, y, yt = train_test_split(x, y, random_state=seed, stratify=y if classes else None)
    scaler = StandardScaler().fit(x)
    x, xt = scaler.transform(x), scaler.transform(xt)
    if not classes:
        y, yt = (a.reshape(len(a), -1) for a in (y, yt))
        scaler = StandardScaler().fit(y)
        y, yt = scaler.transform(y), scaler.transform(yt)
    return x, y, xt, yt


def ours(name, x, y, xt, yt, seed):
    classes, epochs = TABLES[name]
    batch = min(200, len(x))
    net = fw.Network(
        [x.shape[1], 100, y.max() + 1 if classes else y.shape[1]],
        output="softmax" if classes else "identity",
        dtype=np.float64,
        rng=seed,
    )
    # initial weights and biases as there (Glorot and Bengio, AISTATS 2010)
    rng = np.random.default_rng(seed)
    for i in range(2):
        bound = np.sqrt(6 / sum(net.weights[i].shape))
        net.weights[i] = rng.uniform(-bound, bound, net.weights[i].shape)
        net.biases[i] = rng.uniform(-bound, bound, net.biases[i].shape)
    # scikit-learn's squared error is half of the sum over outputs; its penalty is over a batch
    weight = 1.0 if classes else y.shape[1] / 2
    loss = {} if classes else {"output_weights": [weight] * y.shape[1]}
    net.fit(x, y, epochs=epochs, batch_size=batch, l2=1e-4 / batch, **loss)
    return net.score(xt, yt)


def theirs(name, x, y, xt, yt, seed):
    classes, epochs = TABLES[name]
    kind = MLPClassifier if classes else MLPRegressor
    model = kind(max_iter=epochs, n_iter_no_change=epochs, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y if classes else y.squeeze())
    return model.score(xt, yt if classes else yt.squeeze())


def main(names=tuple(TABLES)):
    """Print the scores; return ours over theirs, in standard errors of the splits' differences."""
    print(f"{'':14}{'ours':>9}{'theirs':>9}{'difference':>20}{'time of theirs':>18}")
    ahead = []
    for name in names:
        scores, seconds = {ours: [], theirs: []}, {ours: 0.0, theirs: 0.0}
        for number in range(SPLITS):
            parts = split(name, number)
            for side in scores:
                begin = time.perf_counter()
                found = [side(name, *parts, SEEDS * number + k) for k in range(SEEDS)]
                seconds[side] += time.perf_counter() - begin
                scores[side].append(np.mean(found))
        a, b = np.array(scores[ours]), np.array(scores[theirs])
        difference, error = np.mean(a - b), np.std(a - b, ddof=1) / np.sqrt(SPLITS)
        print(
            f"{name:14}{np.mean(a):9.4f}{np.mean(b):9.4f}{difference:+11.4f} ±{error:.4f}"
            f"{seconds[theirs] / seconds[ours]:17.1f}x",
            flush=True,
        )
        ahead.append(difference / error)
    print(f"(means of {SPLITS} splits, of {SEEDS} seeds each; differences with standard errors)")
    return ahead


if __name__ == "__main__":
    main()
