"""A checkpoint's record: read and checked as a whole, and only then given to a run.

`Checkpoint` writes it. A file may be damaged, or made by somebody else: until all of it is known
to be right, neither the network nor the optimizer, the generator or the history is changed, and
only attributes that this library knows are ever set from names in the file.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from reprlib import repr as shortened
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exchange import safetensors as files
from ..exchange.safetensors import Content
from ..model.parameters import padding
from ..optimizers.ranges import SETTINGS
from ..support.checks import counted
from ..support.not_finite import finite
from . import checkpoint
from .callbacks import EarlyStopping
from .run import Run

Tensors = dict[str, NDArray[Any]]

MOST = (1 << 53) - 1  # of what is counted: NumPy and the core compute with such numbers
_NAMES = {"version", "key", "first_epoch", "steps", "epochs", "stopped", "multilabel", "settings",
          "kept", "rates", "history"}  # fmt: skip
# what the state of somebody else's object may bring about where it is not what that object wrote
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError)


@dataclass(frozen=True)
class Record:
    """What a checkpoint says, all of it checked against the run that goes on from it."""

    name: str  # of the file
    parameters: NDArray[Any]
    tensors: Tensors  # of the optimizer
    key: int
    first_epoch: int
    steps: int
    epochs: int
    stopped: bool
    multilabel: bool
    rates: dict[str, Any]  # the optimizer's settings
    history: dict[str, list[Any]]
    kept: list[tuple[str, Any, Any]]  # what the sentences call it, the object and its state


class _DefectError(ValueError):
    """What was expected and what was found, without the name of the file."""


def _defect(expected: str, found: Any) -> _DefectError:
    return _DefectError(f"resume: expected {expected}, found {shortened(found)}")


def key_in(saved: Content) -> int:
    """Return the generator's key in a checkpoint."""
    try:
        return _key(_training(saved))
    except _DefectError as e:
        raise ValueError(f"{e} in {saved.name}") from None


def restore(run: Run, saved: Content, rng: Any) -> None:
    """Put a run into the state that a checkpoint holds, or leave it as it is."""
    training = _training(saved)
    try:
        record = _parsed(run, saved, training, rng)
    except _DefectError as e:
        raise ValueError(f"{e} in {saved.name}") from None
    except RecursionError:
        raise ValueError(
            f"resume: expected a checkpoint's record, found one nested too deeply in {saved.name}"
        ) from None
    _apply(run, record, rng)


# What is read


def _training(saved: Content) -> dict[str, Any]:
    training = saved.header.get("training")
    version = training.get("version") if isinstance(training, dict) else None
    if not isinstance(training, dict) or type(version) is not int or version != checkpoint.VERSION:
        raise ValueError(
            f"resume: expected a file of this version's Checkpoint, found another in {saved.name}"
        )
    return training


def _key(training: dict[str, Any]) -> int:
    found = training.get("key")
    if not isinstance(found, str) or not (found.isascii() and found.isdigit() and len(found) < 21):
        raise _defect("the generator's key, a number of 64 bits", found)
    if int(found) >= 1 << 64:
        raise _defect("the generator's key, a number of 64 bits", found)
    return int(found)


def _parsed(run: Run, saved: Content, training: dict[str, Any], rng: Any) -> Record:
    """Return what a file says, or say what is wrong with it; changes nothing but `run.settings`."""
    name, tensors, header = saved
    if set(training) != _NAMES:
        missing, more = sorted(_NAMES - set(training)), sorted(set(training) - _NAMES)
        raise _defect("a record of " + ", ".join(sorted(_NAMES)), f"no {missing}, but {more}")
    _check_network(run, header)
    key = _key(training)
    first_epoch, steps, epochs = (
        _count(n, training[n]) for n in ("first_epoch", "steps", "epochs")
    )
    stopped, several = (_flag(n, training[n]) for n in ("stopped", "multilabel"))
    if several and not (run.plan.classifier or run.plan.multilabel):
        raise _defect("multilabel to be false without a softmax or sigmoid output", True)
    if run.samples is not None and several != run.plan.multilabel:
        raise _defect(f"multilabel to be {run.plan.multilabel}, as of the targets", several)
    rates = _unpack(training["rates"], tensors, "rates")
    if not isinstance(rates, dict):
        raise _defect("the optimizer's settings by name as rates", rates)
    now = checkpoint.rates(run.plan.optimizer)
    found = _settings(training["settings"])
    _check_settings(run, found, now, rates)
    _check_begun(found["optimizer"][1], now)
    if rng is not None and key != run.plan.key:
        raise ValueError("resume: expected the rng as before, or None, found another")
    rates = _rates(now, rates)
    history = _history(run, training["history"], several)
    _check_counts(run, first_epoch, steps, epochs, len(history["epoch"]))
    parameters = files.packed(run.network, saved)
    if not finite(parameters):
        raise _defect("finite weights", "NaN or infinity")
    kept = _kept(run, training["kept"], tensors, history)
    return Record(
        name, parameters, _optimizer_tensors(run, rates, tensors), key, first_epoch, steps,
        epochs, stopped, several, rates, history, kept,
    )  # fmt: skip


def _check_network(run: Run, header: dict[str, Any]) -> None:
    _, ours = files.describe(run.network)
    key = checkpoint.differing(header, ours)
    if key is not None:
        raise ValueError(
            f"resume: expected a network with {key}={ours[key]!r}, found {header.get(key)!r}"
        )


def _count(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MOST:
        raise _defect(f"{name} to be a whole number from 0 to {MOST}", value)
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _defect(f"{name} to be true or false", value)
    return value


def _unpack(value: Any, tensors: Tensors, what: str) -> Any:
    """Return a packed state with its arrays, which are named in it, in their places."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_unpack(v, tensors, what) for v in value]
    ((kind, content),) = value.items() if len(value) == 1 else [("", None)]
    if kind == "array" and isinstance(content, str) and content.startswith("training."):
        if content not in tensors:
            raise _defect(f"an array that the file has in {what}", content)
        return tensors[content]
    if kind == "dict" and isinstance(content, dict):
        return {k: _unpack(v, tensors, what) for k, v in content.items()}
    raise _defect(f"the name of an array, or a dict, in {what}", value)


def _settings(found: Any) -> dict[str, Any]:
    """Return what fit was given, by name, if the optimizer's part has its form."""
    match found:
        case {"optimizer": [str(), [*pairs]]} if all(
            isinstance(p, list) and [type(v) for v in p] == [str, str] for p in pairs
        ):
            return dict(found)
    raise _defect("what fit was given, by name, as settings", found)


def _check_settings(
    run: Run, found: dict[str, Any], now: dict[str, Any], rates: dict[str, Any]
) -> None:
    if run.settings is None:
        run.settings = checkpoint.settings(run)
    if checkpoint.went_on(run, now, found["optimizer"], rates):
        run.settings["optimizer"] = found["optimizer"]
    if set(found) != set(run.settings):
        raise _defect(f"settings of {', '.join(run.settings)}", sorted(found))
    key = checkpoint.differing(found, run.settings)
    if key is not None:
        hidden = key == checkpoint.WEIGHTS
        shown = "found others" if hidden else f"{found[key]!r}, found {run.settings[key]!r}"
        raise ValueError(f"resume: expected {key} as before, {shown}")


def _check_begun(pairs: list[list[str]], now: dict[str, Any]) -> None:
    """Refuse settings that training began with which the optimizer doesn't have."""
    if [name for name, _ in pairs] != sorted({*now, "schedule"}):
        raise _defect(f"settings of the optimizer: {', '.join(sorted(now))}, schedule", pairs)


def _check_counts(run: Run, first_epoch: int, steps: int, epochs: int, done: int) -> None:
    """Refuse what is counted that the epochs in the history can't have brought."""
    if first_epoch + max(done, run.plan.epochs) > MOST:
        raise _defect(f"first_epoch and the epochs to be at most {MOST}", first_epoch)
    if run.plan.optimizer.full_batch:
        return
    if epochs < done:
        raise _defect(f"epochs to be at least {done}, as in the history", epochs)
    if steps < epochs:
        raise _defect(f"steps to be at least {epochs}, one for each epoch", steps)


def _rates(ours: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return the optimizer's settings, each of them as the optimizer itself would take it."""
    if set(found) != set(ours):
        raise _defect(f"{', '.join(ours)} as the optimizer's settings", sorted(found))
    rates = {}
    for key, value in found.items():
        value = tuple(value) if isinstance(ours[key], tuple) and isinstance(value, list) else value
        check = SETTINGS.get(key)
        try:
            if check is None and type(value) is not type(ours[key]):
                raise TypeError(f"{key}: expected {type(ours[key]).__name__}, found {value!r}")
            rates[key] = value if check is None else check(value)
        except (TypeError, ValueError, OverflowError) as e:
            raise _defect("the optimizer's settings within their ranges", str(e)) from None
    return rates


def _optimizer_tensors(run: Run, rates: dict[str, Any], tensors: Tensors) -> Tensors:
    """Return the optimizer's own arrays: of their shapes, of numbers, and 0 in the padding."""
    network, found = run.network, {}
    unused = padding(network)
    for name, (shape, dtype, infinite) in run.plan.optimizer._expected(network, rates).items():
        a = tensors.get(name)
        if a is None or a.shape != shape or a.dtype != dtype:
            what = None if a is None else f"{a.shape} of {a.dtype}"
            raise _defect(f"{name} of shape {shape} of {dtype}", what)
        if np.isnan(a).any() or not (infinite or np.isfinite(a).all()):
            raise _defect(f"finite numbers in {name}", "NaN or infinity")
        a = found[name] = np.array(a)
        if shape[-1] == unused.size:
            a[..., unused] = 0
    return found


def _history(run: Run, found: Any, several: bool) -> dict[str, list[Any]]:
    """Return the history's lists by name: of known names, one number for each epoch."""
    lists: dict[str, list[Any]] = {}
    for item in found if isinstance(found, list) else [found]:
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str):
            raise _defect("lists by name as history", item)
        if item[0] in lists:
            raise _defect("each list of the history once", item[0])
        lists[item[0]] = item[1]
    own, metrics = set(run.history.names), [m.name for m in run.plan.metrics]
    allowed = own | {prefix + name for prefix in ("", "val_") for name in metrics}
    if not own <= set(lists) <= allowed:
        raise _defect(f"{', '.join(sorted(allowed))} as history", sorted(lists))
    epochs = len(lists["epoch"]) if isinstance(lists["epoch"], list) else 0
    if epochs == 0 or lists["epoch"] != list(range(1, epochs + 1)):
        raise _defect("epochs from 1, at least one, in the history", lists["epoch"])
    filled = run.filled()
    for name, values in lists.items():
        kinds = (int,) if name == "epoch" else (int, float)
        if not isinstance(values, list) or any(type(v) not in kinds for v in values):
            raise _defect(f"numbers as the history's {name}", values)
        if any(type(v) is int and abs(v) > MOST for v in values):
            raise _defect(f"numbers of at most {MOST} as the history's {name}", values)
        always = name in ("loss", "lr", "seconds", "images_per_second")
        if always and not all(math.isfinite(v) and (v >= 0 or name == "loss") for v in values):
            raise _defect(f"finite numbers as the history's {name}", values)
        # accuracies are taken back where batches turn out to have several labels
        always |= name in filled and not (several and name.endswith("accuracy"))
        if len(values) not in ((epochs,) if always else (0, epochs)):
            raise _defect(f"{counted(epochs, 'number')} as the history's {name}", f"{len(values)}")
    return lists


def _kept(
    run: Run, found: Any, tensors: Tensors, history: dict[str, list[Any]]
) -> list[tuple[str, Any, Any]]:
    """Return each object that has a state, with its state; ours have checked theirs."""
    keepers = checkpoint.keepers(run)
    if not isinstance(found, list) or len(found) != len(keepers):
        raise _defect(f"a list of {counted(len(keepers), 'state')} as kept", found)
    kept = []
    for (key, owner), packed in zip(keepers.items(), found, strict=True):
        state = _unpack(packed, tensors, f"the state of {key}")
        load = getattr(type(owner), "load_state_dict", None)
        if getattr(load, "__module__", "").partition(".")[0] == "featherweight":
            try:
                owner._check_state(state, run.network)
            except (TypeError, ValueError) as e:
                raise _DefectError(f"resume: {e} as the state of {key}") from None
        # a subclass may keep what it likes
        epoch = state["best_epoch"] if type(owner) is EarlyStopping else 0
        if epoch > len(history["epoch"]):
            raise _defect(f"best_epoch within the history as the state of {key}", epoch)
        kept.append((key, owner, state))
    return kept


# What is done with it


def _apply(run: Run, record: Record, rng: Any) -> None:
    """Put a run into a state that has been checked.

    Objects of the user's own may still refuse their states, callbacks as late as after
    ``on_train_begin``: where one does, everything is taken back.
    """
    plan, network, optimizer = run.plan, run.network, run.plan.optimizer
    take_back = _as_it_is(run)
    callbacks: list[Callable[[], None]] = []
    try:
        run.rates = dict(record.rates)
        optimizer._set(**record.rates)
        optimizer._restore(network, record.tensors, record.steps, record.epochs)
        for key, owner, state in record.kept:
            load = partial(_load, key, owner, state, record.name)
            if key.startswith("callbacks"):  # which forget in on_train_begin what they knew
                callbacks.append(load)
            else:
                load()
    except BaseException:
        take_back()
        raise
    if callbacks:
        run.kept = partial(_load_all, callbacks, take_back)
    plan.key, plan.first_epoch = record.key, record.first_epoch
    if rng is None:
        network._generator.key = plan.key
    vars(run.history).update(record.history)  # also the lists of metrics
    run.asked = record.stopped
    if record.multilabel:  # as batches before have shown, if not those to come
        plan.classifier, plan.multilabel = False, True
    network.parameters[:] = record.parameters


def _as_it_is(run: Run) -> Callable[[], None]:
    """Return a function that takes back what `_apply` does."""
    plan, network, optimizer = run.plan, run.network, run.plan.optimizer
    schedule = optimizer.schedule
    attributes = optimizer.__dict__.copy()
    observed = {} if schedule is None else schedule.state_dict()
    parameters = network.parameters.copy()
    before = network._generator.key, network._history, plan.key, plan.first_epoch

    def take_back() -> None:
        optimizer.__dict__ = attributes
        if schedule is not None:
            schedule.load_state_dict(observed)
        network.parameters[:] = parameters
        network._generator.key, network._history, plan.key, plan.first_epoch = before
        for name in run.history.names:
            run.history[name].clear()

    return take_back


def _load_all(loads: list[Callable[[], None]], take_back: Callable[[], None]) -> None:
    """Give callbacks their states back, all of them, or have nothing changed."""
    try:
        for load in loads:
            load()
    except BaseException:
        take_back()
        raise


def _load(key: str, owner: Any, state: Any, name: str) -> None:
    """Give an object its state back; what that isn't is a defect of the file."""
    try:
        owner.load_state_dict(state)
    except _DAMAGE as e:
        raise ValueError(
            f"resume: expected a state that {type(owner).__name__} ({key}) can load, "
            f"found {type(e).__name__}: {e} in {name}"
        ) from e
