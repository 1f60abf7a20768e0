"""What tests/test_checkpoint.py kills: python tests/resumed.py CASE CHECKPOINT RESULT."""

import sys

import numpy as np

import featherweight as fw

EPOCHS = 1000
LBFGS = 12  # its number, after those of the others
RATES = fw.schedules


def case(number):
    """One of the combinations of optimizer, schedule and options."""
    if number == LBFGS:
        # noise to be learned by heart, which takes it long
        return {"optimizer": fw.LBFGS(5, 0.0, 0.0), "l2": 1e-6}
    optimizers = [
        lambda s: fw.SGD(0.02, schedule=s),
        lambda s: fw.SGD(0.02, momentum=0.9, nesterov=True, schedule=s),
        lambda s: fw.Adam(0.002, schedule=s),
        lambda s: fw.AdamW(0.002, schedule=s),
        lambda s: fw.RMSprop(0.001, momentum=0.5, centered=True, schedule=s),
    ]
    schedules = [
        None,
        RATES.ReduceLROnPlateau(factor=0.9, patience=1),
        RATES.ExponentialLR(0.9995, by="step"),
        RATES.SequentialLR([RATES.LinearLR(total_iters=9), RATES.CosineAnnealingLR(EPOCHS)], [9]),
        RATES.ConstantLR(0.5, total_iters=99),
        RATES.InverseScalingLR(0.25),
        RATES.OneCycleLR(0.01, total_steps=EPOCHS * 18),
        RATES.StepLR(70, gamma=0.9),
        RATES.CosineAnnealingWarmRestarts(13, T_mult=2),
        RATES.LinearLR(1.0, 0.1, total_iters=EPOCHS),
        RATES.CosineAnnealingLR(57, by="step"),
        lambda epoch: 1 / (1 + 0.01 * epoch),
    ]
    options = [
        {},
        {"dropout": 0.3, "input_dropout": 0.1, "l2": 1e-4},
        {"clip_norm": 0.5, "label_smoothing": 0.1, "shuffle": False, "dropout": 0.2},
    ]
    chosen = dict(options[number % len(options)])
    chosen["optimizer"] = optimizers[number % len(optimizers)](schedules[number % len(schedules)])
    return chosen


def main():
    number, checkpoint, result = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    rng = np.random.Generator(np.random.Philox(number))
    x = rng.normal(size=(700, 30)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    dtype = np.float64 if number == LBFGS else np.float32
    net = fw.Network([30, 48, 16, 2], "tanh", dtype=dtype, rng=number, threads=1 + number % 2)
    callbacks = [fw.EarlyStopping(patience=EPOCHS)]
    resume = None
    if checkpoint != "none":
        callbacks.append(fw.Checkpoint(checkpoint, every=1 + number % 3))
        resume = checkpoint
    history = net.fit(
        x, labels, epochs=EPOCHS, validation_split=0.2, callbacks=callbacks, resume=resume,
        **case(number),
    )  # fmt: skip
    with open(result, "wb") as f:
        np.savez(
            f,
            parameters=net.parameters,
            loss=history.loss,
            val_loss=history.val_loss,
            lr=history.lr,
        )


if __name__ == "__main__":
    main()
