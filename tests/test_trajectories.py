"""Every optimizer with every schedule and every regulariser, against the oracle."""

import numpy as np
import pytest

import compare
import featherweight as fw
import oracle
import rates
from trajectories import (
    BATCH,
    OPTIMIZERS,
    REGULARISERS,
    ROWS,
    SCHEDULES,
    STEPS,
    batches,
    counts,
    fit,
    masks,
    problem,
)

BOUND = 1e-11


def by_oracle(net, x, labels, optimizer, schedule, by, options):
    twin, options = compare.twin(net), dict(options)
    kind, settings = OPTIMIZERS[optimizer]
    if "weight_decay" in options:
        settings = {**settings, "weight_decay": options.pop("weight_decay")}
    theirs, smoothing = getattr(oracle, kind)(**settings), options.pop("label_smoothing", 0.0)
    t = (1 - smoothing) * oracle.one_hot(labels, 3) + smoothing / 3
    limits = {k: v for k, v in options.items() if "drop" not in k}
    losses = np.zeros(len(range(0, ROWS, BATCH)) * 4)
    for epoch, step, at in batches():
        theirs.lr = settings["lr"] * SCHEDULES[schedule][1](epoch if by == "epoch" else step)
        g = twin.gradients(x[at], t[at], masks=masks(options, epoch, at))
        grads, added = oracle.limited(twin.weights, g.weights, g.biases, **limits)
        losses[step] = (g.loss + added) * len(at) / ROWS
        theirs.step(twin.weights + twin.biases, grads)
    return twin, losses.reshape(-1, STEPS).sum(axis=1)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_as_the_oracle(optimizer, schedule):
    seen = set()
    for name, options in REGULARISERS.items():
        for by in counts(schedule):
            net, x, labels = problem()
            twin, wanted = by_oracle(net, x, labels, optimizer, schedule, by, options)
            losses = fit(net, x, labels, optimizer, schedule, by, options)
            compare.assert_close(np.array(losses), wanted, BOUND, f"{name} by {by}")
            found = (*net.weights, *net.biases)
            for w, expected in zip(found, twin.weights + twin.biases, strict=True):
                bound = BOUND * (1 + np.abs(expected))
                compare.assert_close(w, expected, bound, f"{name} by {by}")
                with pytest.raises(AssertionError):
                    compare.assert_close(w + 1e-9, expected, bound)
            seen.add(net.parameters.tobytes())
    # each regulariser, and what the schedule counts by, made a difference
    assert len(seen) == len(REGULARISERS) * len(counts(schedule))


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_momentum_that_cycles(kind):
    """Of Adam beta1: its first moment is corrected by the product of the betas that were."""
    net, x, labels = problem()
    twin, t = compare.twin(net), oracle.one_hot(labels, 3)
    settings = {"momentum": 0.9} if kind == "SGD" else {}
    theirs, product = getattr(oracle, kind)(0.0, **settings), 1.0
    for _, step, at in batches():
        momentum = rates.one_cycle(step, 0.95, 0.85, 0.95)
        theirs.lr = 0.02 * rates.one_cycle(step)
        if kind == "SGD":
            theirs.momentum = momentum
        else:
            product *= momentum
            theirs.betas = (momentum, 0.999)
            theirs.lr *= (1 - momentum ** (step + 1)) / (1 - product)
        g = twin.gradients(x[at], t[at])
        theirs.step(twin.weights + twin.biases, g.weights + g.biases)
    optimizer = getattr(fw, kind)(0.02, **settings, schedule=fw.schedules.OneCycleLR(0.032, 20))
    net.fit(x, labels, epochs=4, batch_size=BATCH, shuffle=False, optimizer=optimizer)
    for w, expected in zip(net.weights, twin.weights, strict=True):
        compare.assert_close(w, expected, BOUND * (1 + np.abs(expected)))
        with pytest.raises(AssertionError):
            compare.assert_close(w + 1e-9, expected, BOUND * (1 + np.abs(expected)))
