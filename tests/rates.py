"""The schedules' formulas, by hand: those of PyTorch's documentation and scikit-learn's."""

import math

import featherweight as fw

S = fw.schedules


def cosine(a, b, part):
    return b + (a - b) * (1 + math.cos(math.pi * part)) / 2


def restarts(t):
    begin, length = 0, 4
    while t >= begin + length:
        begin, length = begin + length, length * 2
    return cosine(1.0, 0.02, (t - begin) / length)


def one_cycle(t, low=1.6 / 25, high=1.6, last=1.6 / 25 / 1e4, total=20):
    up = 0.3 * total - 1
    if t <= up:
        return cosine(low, high, t / up)
    return cosine(high, last, min(1.0, (t - up) / (total - 1 - up)))


# how each is made of a base rate and of what it counts by; its factor of that rate at t
CASES = {
    "constant": (lambda lr, by: S.ConstantLR(0.25, 3, by=by), lambda t: 0.25 if t < 3 else 1),
    "linear": (
        lambda lr, by: S.LinearLR(0.5, 1.0, 4, by=by),
        lambda t: 0.5 + 0.5 * min(t, 4) / 4,
    ),
    "step": (lambda lr, by: S.StepLR(3, 0.1, by=by), lambda t: 0.1 ** (t // 3)),
    "exponential": (lambda lr, by: S.ExponentialLR(0.9, by=by), lambda t: 0.9**t),
    "inverse": (lambda lr, by: S.InverseScalingLR(by=by), lambda t: 1 / math.sqrt(t + 1)),
    "inverse cube": (lambda lr, by: S.InverseScalingLR(3.0, by=by), lambda t: 1 / (t + 1) ** 3),
    "cosine": (
        lambda lr, by: S.CosineAnnealingLR(7, 0.02 * lr, by=by),
        lambda t: cosine(1.0, 0.02, t / 7),
    ),
    "restarts": (
        lambda lr, by: S.CosineAnnealingWarmRestarts(4, 2, 0.02 * lr, by=by),
        restarts,
    ),
    "one cycle": (
        lambda lr, by: S.OneCycleLR(1.6 * lr, 20, cycle_momentum=False, by=by),
        one_cycle,
    ),
    "lambda": (lambda lr, by: S.LambdaLR(lambda t: 1 / (1 + t), by=by), lambda t: 1 / (1 + t)),
    "warm-up": (
        lambda lr, by: S.SequentialLR(
            [S.LinearLR(0.1, 1.0, 5, by=by), S.CosineAnnealingLR(10, by=by)], [5]
        ),
        lambda t: 0.1 + 0.9 * t / 5 if t < 5 else cosine(1.0, 0.0, (t - 5) / 10),
    ),
}
