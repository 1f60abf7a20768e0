"""scikit-learn's bundled tables: `featherweight.sklearn` and scikit-learn's own pair, at par.

python examples/tabular.py        # needs scikit-learn

Equal settings, those that scikit-learn has by default (one hidden layer of 100 rectified linear
units, Adam), the same number of epochs, and the same seeds, for which the two take the same steps.
Ten splits into training and test rows, with a few seeds each; scores are accuracies, and R2 of the
regressions.
"""

import time
import warnings

import numpy as np
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from featherweight.sklearn import MLPClassifier, MLPRegressor

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
        y, yt = scaler.transform(y).squeeze(), scaler.transform(yt).squeeze()
    return x, y, xt, yt


def score(kind, name, x, y, xt, yt, seed):
    """Return the test score of a model with scikit-learn's default settings."""
    model = kind(max_iter=TABLES[name][1], n_iter_no_change=TABLES[name][1], random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return model.score(xt, yt)


def main(names=tuple(TABLES)):
    """Print the scores of each table; return by how much ours are above theirs."""
    print(f"{'':14}{'ours':>9}{'theirs':>9}{'difference':>13}{'time of theirs':>18}")
    ahead = []
    for name in names:
        classes, _ = TABLES[name]
        pair = (MLPClassifier, neural_network.MLPClassifier)
        if not classes:
            pair = (MLPRegressor, neural_network.MLPRegressor)
        scores, seconds = ([], []), [0.0, 0.0]
        for number in range(SPLITS):
            parts = split(name, number)
            for side, kind in enumerate(pair):
                begin = time.perf_counter()
                found = [score(kind, name, *parts, SEEDS * number + k) for k in range(SEEDS)]
                seconds[side] += time.perf_counter() - begin
                scores[side].append(np.mean(found))
        ours, theirs = np.mean(scores, axis=1)
        print(
            f"{name:14}{ours:9.4f}{theirs:9.4f}{ours - theirs:+13.6f}"
            f"{seconds[1] / seconds[0]:17.1f}x",
            flush=True,
        )
        ahead.append(ours - theirs)
    print(f"(means of {SPLITS} splits, of {SEEDS} seeds each)")
    return ahead


if __name__ == "__main__":
    main()
