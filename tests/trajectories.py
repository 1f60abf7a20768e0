"""What tests of trajectories share: all optimizers, schedules and regularisers, and a problem."""

import numpy as np

import featherweight as fw
import rates

# name in fw, in the oracle and in PyTorch; settings
OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.3}),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    "adam": ("Adam", {"lr": 0.02}),
    "adamw": ("AdamW", {"lr": 0.02, "betas": (0.8, 0.99), "eps": 1e-6}),
    "rmsprop": ("RMSprop", {"lr": 0.003, "alpha": 0.9}),
    "rmsprop centered": (
        "RMSprop",
        {"lr": 0.003, "momentum": 0.7, "centered": True, "eps": 0.1},
    ),
}

SCHEDULES = {
    "none": (lambda lr, by: None, lambda t: 1.0),
    **rates.CASES,
    # of the losses here none falls to a tenth: from the third epoch on it is reduced
    "plateau": (
        lambda lr, by: fw.schedules.ReduceLROnPlateau(factor=0.5, patience=0, threshold=0.9),
        lambda t: 0.5 ** max(0, t - 1),
    ),
}

# options of fit; weight_decay is the optimizer's
REGULARISERS = {
    "none": {},
    "weight decay": {"weight_decay": 0.05},
    "l2": {"l2": 0.03},
    "clip value": {"clip_value": 0.02},
    "clip norm": {"clip_norm": 0.1},
    "dropout": {"dropout": (0.5, 0.25)},
    "input dropout": {"input_dropout": 0.2},
    "label smoothing": {"label_smoothing": 0.2},
    "all": {
        "weight_decay": 0.01, "l2": 0.01, "clip_value": 0.1, "clip_norm": 0.3,
        "dropout": (0.25, 0.5), "input_dropout": 0.1, "label_smoothing": 0.1,
    },
}  # fmt: skip

SIZES, ROWS, BATCH, EPOCHS, SEED = (7, 18, 17, 3), 40, 16, 4, 6
STEPS = -(-ROWS // BATCH)


def problem():
    rng = np.random.Generator(np.random.Philox(12))
    net = fw.Network(SIZES, "tanh", dtype=np.float64, rng=1)
    return net, rng.uniform(-1, 1, (ROWS, SIZES[0])), rng.integers(0, 3, ROWS)


def fit(net, x, labels, optimizer, schedule, by, options):
    """Train; return the mean losses of the epochs."""
    kind, settings = OPTIMIZERS[optimizer]
    options = dict(options)
    if "weight_decay" in options:
        settings = {**settings, "weight_decay": options.pop("weight_decay")}
    made = SCHEDULES[schedule][0](settings["lr"], by)
    history = net.fit(
        x, labels, epochs=EPOCHS, batch_size=BATCH, shuffle=False, rng=SEED,
        optimizer=getattr(fw, kind)(**settings, schedule=made), **options,
    )  # fmt: skip
    return history.loss


def batches():
    """Each step's epoch, number and rows."""
    for epoch in range(EPOCHS):
        for i in range(STEPS):
            yield epoch, epoch * STEPS + i, np.arange(i * BATCH, min((i + 1) * BATCH, ROWS))


def counts(schedule):
    """What a schedule can count by."""
    return ("epoch",) if schedule in ("none", "plateau") else ("step", "epoch")


def masks(options, epoch, rows):
    """Each layer's inputs' mask, by the oracle; None without dropout."""
    import oracle
    from featherweight.support import checks

    drop = (options.get("input_dropout", 0.0), *options.get("dropout", (0.0, 0.0)))
    if not any(drop):
        return None
    key = checks.key(SEED)
    return [
        oracle.mask(key, i, epoch, rows, SIZES[i], r) if r else np.ones((len(rows), SIZES[i]))
        for i, r in enumerate(drop)
    ]
