"""PyTorch's trajectories, names and defaults, where it is installed."""

import inspect
import warnings

import numpy as np
import pytest

import compare
import featherweight as fw
from trajectories import (
    OPTIMIZERS,
    REGULARISERS,
    SCHEDULES,
    STEPS,
    batches,
    counts,
    fit,
    masks,
    problem,
)

torch = pytest.importorskip("torch", reason="PyTorch isn't installed")
BOUND = 1e-11


def copied(net):
    """The network's layers as PyTorch's."""
    layers = []
    for w, b in zip(net.weights, net.biases, strict=True):
        layer = torch.nn.Linear(w.shape[1], w.shape[0], dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(np.array(w)))
            layer.bias.copy_(torch.tensor(np.array(b)))
        layers.append(layer)
    return layers


def their_schedule(optimizer, name, lr, by):
    """PyTorch's class of the same name, with the same settings."""
    ours, theirs = SCHEDULES[name][0](lr, by), torch.optim.lr_scheduler

    def twin(schedule):
        kind = type(schedule).__name__
        if kind == "InverseScalingLR":
            return theirs.LambdaLR(optimizer, lambda t: (t + 1.0) ** -schedule.power)
        wanted = inspect.signature(getattr(theirs, kind)).parameters
        settings = {k: v for k, v in schedule.__dict__.items() if k in wanted}
        return getattr(theirs, kind)(optimizer, **settings)

    if name == "warm-up":
        parts = [twin(s) for s in ours.schedulers]
        return theirs.SequentialLR(optimizer, parts, list(ours.milestones))
    return None if ours is None else twin(ours)


def forward(layers, x, drop):
    a = x
    for i, layer in enumerate(layers):
        a = layer(a if drop is None else a * torch.tensor(drop[i]))
        a = torch.tanh(a) if i + 1 < len(layers) else a
    return a


def by_pytorch(net, x, labels, optimizer, schedule, by, options):
    layers = copied(net)
    kind, settings = OPTIMIZERS[optimizer]
    if "weight_decay" in options:
        settings = {**settings, "weight_decay": options["weight_decay"]}
    parameters = [p for layer in layers for p in (layer.weight, layer.bias)]
    theirs = getattr(torch.optim, kind)(parameters, **settings)
    rate = their_schedule(theirs, schedule, settings["lr"], by)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=options.get("label_smoothing", 0.0))
    total = 0.0
    for epoch, step, at in batches():
        drop = masks(options, epoch, at)
        loss = criterion(forward(layers, torch.tensor(x[at]), drop), torch.tensor(labels[at]))
        if "l2" in options:
            loss = loss + options["l2"] / 2 * sum((layer.weight**2).sum() for layer in layers)
        theirs.zero_grad()
        loss.backward()
        if "clip_value" in options:
            torch.nn.utils.clip_grad_value_(parameters, options["clip_value"])
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_(parameters, options["clip_norm"])
        theirs.step()
        total += loss.item() * len(at)
        if rate is not None and by == "step":
            rate.step()
        if step % STEPS == STEPS - 1:
            if rate is not None and by == "epoch":
                rate.step(*([total] if schedule == "plateau" else []))
            total = 0.0
    return layers


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_as_pytorch(optimizer, schedule):
    for name, options in REGULARISERS.items():
        for by in counts(schedule):
            net, x, labels = problem()
            with warnings.catch_warnings():
                # PyTorch's SequentialLR calls what PyTorch deprecates
                warnings.simplefilter("ignore", UserWarning)
                layers = by_pytorch(net, x, labels, optimizer, schedule, by, options)
            fit(net, x, labels, optimizer, schedule, by, options)
            for i, layer in enumerate(layers):
                for ours, theirs in ((net.weights[i], layer.weight), (net.biases[i], layer.bias)):
                    wanted = theirs.detach().numpy()
                    compare.assert_close(ours, wanted, BOUND, f"{name} by {by}")
                    with pytest.raises(AssertionError):
                        compare.assert_close(ours + 1e-9, wanted, BOUND)


OURS_ALONE = {"schedule", "by", "monitor"}  # settings of ours that PyTorch has no like of


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "LBFGS"])
def test_an_optimizers_defaults(kind):
    assert_defaults(getattr(fw, kind), getattr(torch.optim, kind))


@pytest.mark.parametrize(
    "kind", [n for n in fw.schedules.__all__ if n not in ("Schedule", "InverseScalingLR")]
)
def test_a_schedules_defaults(kind):
    assert_defaults(getattr(fw.schedules, kind), getattr(torch.optim.lr_scheduler, kind))


def assert_defaults(ours, theirs):
    theirs = inspect.signature(theirs).parameters
    for name, parameter in inspect.signature(ours).parameters.items():
        if name not in OURS_ALONE:
            assert name in theirs, name
            wanted, found = theirs[name].default, parameter.default
            # what must be given has no default, or None beside another way to give it
            assert found == wanted or (found is inspect.Parameter.empty and wanted is None), name


@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle(strategy, three_phase):
    """Its phases, and the momentum that runs the other way."""
    settings = {"max_lr": 0.5, "total_steps": 20, "anneal_strategy": strategy}
    settings["three_phase"] = three_phase
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, **settings)
    wanted = []
    for _ in range(20):
        wanted.append([theirs.param_groups[0][name] for name in ("lr", "momentum")])
        theirs.step()
        if len(wanted) < 20:
            schedule.step()
    ours = fw.schedules.OneCycleLR(**settings)
    found = ours.hyper({"lr": 0.5, "momentum": 0.9}, np.arange(20.0))
    for name, column in zip(("lr", "momentum"), np.array(wanted).T, strict=True):
        compare.assert_close(found[name], column, 1e-12, name)
        with pytest.raises(AssertionError):
            compare.assert_close(np.roll(found[name], 1), column, 1e-12)
