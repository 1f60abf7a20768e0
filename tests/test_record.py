"""A checkpoint's record: every defect is refused in a sentence, and changes nothing."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import compare
import featherweight as fw
import mutants
from keeping import Keeps

X = np.random.Generator(np.random.Philox(3)).normal(size=(60, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


class KeepsArrays(Keeps):
    """A callback whose state has an array in a dict in a list."""

    def __init__(self):
        super().__init__([{"a": np.arange(3.0)}, 1])


class Takes(KeepsArrays):
    """One that takes whatever it gets."""

    def load_state_dict(self, state):
        self.value = state


def options(kind="Adam", keeps=KeepsArrays):
    schedule = {
        "Adam": fw.schedules.ReduceLROnPlateau(patience=0),
        "SGD": fw.schedules.SequentialLR(
            [fw.schedules.LinearLR(), fw.schedules.CosineAnnealingWarmRestarts(1)], [2]
        ),
        "RMSprop": fw.schedules.StepLR(3),
    }.get(kind)
    more = {} if kind == "LBFGS" else {"schedule": schedule}
    if kind == "SGD":
        more |= {"momentum": 0.9}
    return {
        "optimizer": getattr(fw, kind)(**more),
        "callbacks": [fw.EarlyStopping(), keeps()],
        "validation_split": 0.2,
        "metrics": ["f1"],
    }


def written(path, kind="Adam", keeps=KeepsArrays):
    """A checkpoint after two epochs: its tensors and its header."""
    if kind == "LBFGS":
        pytest.importorskip("scipy", reason="SciPy is not installed")
    chosen = options(kind, keeps)
    chosen["callbacks"].append(fw.Checkpoint(path))
    fw.Network([5, 4, 2], rng=1).fit(X, Y, epochs=2, **chosen)
    content = path.read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return load_file(path), json.loads(head["__metadata__"]["featherweight"])


def state(net, optimizer):
    """Everything that resuming changes, as something that can be compared."""
    own = {
        k: v.tobytes() if isinstance(v, np.ndarray) else repr(v)
        for k, v in vars(optimizer).items()
        if k != "schedule"
    }
    seen = None if optimizer.schedule is None else repr(optimizer.schedule.state_dict())
    return (
        net.parameters.tobytes(),
        own,
        seen,
        net._generator.key,
        net._generator.epochs,
        net.history,
    )


def resumed(path, kind="Adam", keeps=KeepsArrays):
    """Go on from a file for one epoch; what it raised, if nothing was changed by it."""
    chosen, net = options(kind, keeps), fw.Network([5, 4, 2], rng=8)
    optimizer = chosen["optimizer"]
    before = state(net, optimizer)
    try:
        net.fit(X, Y, epochs=3, resume=path, **chosen)
    except (ValueError, OSError) as e:
        refused = e
    else:
        return None
    assert state(net, optimizer) == before, refused
    return refused


@pytest.mark.parametrize("kind", ["Adam", "SGD", "RMSprop", "LBFGS"])
def test_mutants(kind, tmp_path):
    path, bad = tmp_path / "run.fw", tmp_path / "bad.fw"
    tensors, header = written(path, kind, Takes)
    assert resumed(path, kind, Takes) is None
    rng, refused, n = np.random.Generator(np.random.Philox(len(kind))), 0, 150
    for _ in range(n):
        found, what = mutants.mutant(header, rng)
        save_file(tensors, bad, {"featherweight": json.dumps(found)})
        try:
            refused += resumed(bad, kind, Takes) is not None
        except Exception as e:
            raise AssertionError(what) from e
    assert refused > n * 0.6  # other numbers in the history, say, are as good


def edits():
    """The smallest defect of each kind, and what the sentence says of it."""
    for name in ("key", "settings", "rates", "kept", "steps", "epochs", "history", "first_epoch",
                 "stopped", "multilabel"):  # fmt: skip
        sentence = "generator's key" if name == "key" else f"a record of .* found .*{name}"
        yield name, lambda t, n=name: t.pop(n), f"expected .*{sentence}"
    for name in ("steps", "epochs", "first_epoch"):
        for value in ("a", -7, 1.5, 2**53, 2**63 - 1, 2**70, True):
            yield (
                name,
                lambda t, n=name, v=value: t.update({n: v}),
                f"{name} to be a whole",
            )
    for value in ("-1", str(2**64), "a", 3, "1.5", "²"):
        yield "key", lambda t, v=value: t.update(key=v), "expected the generator's key"
    for value in ([], [["epoch", [1]]], [["to_dict", 1]], "a", {"loss": [1]}):
        yield "history", lambda t, v=value: t.update(history=v), "expected .* history"
    for name, value in (("loss", [1.0]), ("loss", ["a", "b"]), ("epoch", [2, 3]), ("lr", []),
                        ("epoch", []), ("loss", 3), ("accuracy", [10**400, 1])):  # fmt: skip
        yield f"history {name}", lambda t, n=name, v=value: set_list(t, n, v), "history"
    yield "rates", lambda t: t["rates"]["dict"].update(_fit=1), "as the optimizer's settings"
    for name, value in (("lr", "a"), ("lr", -1), ("lr", True), ("lr", 10**400), ("betas", [1, 2]),
                        ("betas", 3), ("eps", None)):  # fmt: skip
        yield name, lambda t, n=name, v=value: t["rates"]["dict"].update({n: v}), "ranges"
    yield "kept", lambda t: t["kept"].pop(), "a list of 3 states"
    yield "kept", lambda t: t.update(kept=3), "a list of 3 states"
    yield "array", lambda t: t["kept"].__setitem__(2, {"array": "x"}), "the name of an array"
    yield "array", lambda t: t["kept"].__setitem__(2, {"array": "training.99"}), "an array that"
    yield "plateau", lambda t: t["kept"][0]["dict"].update(_best="a"), "a number as _best"
    yield "plateau", lambda t: t["kept"][0]["dict"].update(_reductions=-1), "a count as _red"
    yield "plateau", lambda t: t["kept"][0]["dict"].update(rates=1), "names of attributes"
    yield "stopping", lambda t: t["kept"][1]["dict"].update(best="a"), "a number as best"
    yield "stopping", lambda t: t["kept"][1]["dict"].update(best_epoch=0), "an epoch as best_epoch"
    yield "stopping", lambda t: t["kept"][1]["dict"].update(weights=[1.0]), "a flat array"
    yield "stopping", lambda t: t["kept"][1]["dict"].pop("best"), "best and best_epoch"
    yield "own", lambda t: t["kept"][2]["dict"].clear(), "a state that KeepsArrays .* KeyError"
    yield "settings", lambda t: t["settings"].update(optimizer=3), "what fit was given"
    yield "settings", lambda t: t["settings"].pop("loss"), "expected settings of"
    yield "multilabel", lambda t: t.update(multilabel=1), "multilabel to be true or false"
    yield "multilabel", lambda t: t.update(multilabel=True), "multilabel to be False, as of the"
    yield "first_epoch", lambda t: t.update(first_epoch=2**53 - 1), "first_epoch and the epochs"
    for value in (0, 1):
        yield "steps", lambda t, v=value: t.update(steps=v), "steps to be at least 2"
        yield "epochs", lambda t, v=value: t.update(epochs=v), "epochs to be at least 2"
    for name in ("loss", "lr", "seconds"):
        for value in (float("nan"), float("inf")):
            yield name, lambda t, n=name, v=value: set_list(t, n, [v, 1.0]), "finite numbers as"
    for name in ("accuracy", "val_loss", "val_accuracy", "f1", "val_f1"):
        yield name, lambda t, n=name: set_list(t, n, []), "2 numbers as the history's"
    yield "settings", lambda t: t["settings"]["optimizer"][1].pop(0), "settings of the optimizer"
    yield "settings", lambda t: t["settings"]["optimizer"][1][0].__setitem__(0, "a"), "settings of"
    yield "stopping", lambda t: t["kept"][1]["dict"].update(best_epoch=3), "best_epoch within"


def set_list(training, name, value):
    for item in training["history"]:
        if item[0] == name:
            item[1] = value


@pytest.mark.parametrize(
    ("change", "sentence"),
    [pytest.param(c, s, id=f"{n}-{i}") for i, (n, c, s) in enumerate(edits())],
)  # fmt: skip
def test_a_defect_is_named(change, sentence, tmp_path):
    path = tmp_path / "run.fw"
    tensors, header = written(path)
    change(header["training"])
    save_file(tensors, path, {"featherweight": json.dumps(header)})
    error = resumed(path)
    with pytest.raises(ValueError, match=rf"(?s)^resume: .*{sentence}") as found:
        raise error
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("optimizer.slots", lambda a: a[:1]),
        ("optimizer.slots", lambda a: a[:, :-1]),
        ("optimizer.slots", lambda a: a.astype(np.float64)),
        ("optimizer.slots", lambda a: np.where(a == a[0, 0], np.nan, a).astype(a.dtype)),
        ("optimizer.slots", lambda a: None),
        ("optimizer.memo", lambda a: a[:1]),
        ("optimizer.memo", lambda a: a * np.inf),
        ("optimizer.memo", lambda a: a.astype(np.int64)),
        ("weights.0", lambda a: a.T.copy()),
        ("weights.0", lambda a: a * np.float32(np.nan)),
        ("biases.1", lambda a: a.astype(np.float64)),
        ("biases.1", lambda a: None),
    ],
)
def test_arrays_of_another_kind_are_refused(name, change, tmp_path):
    path = tmp_path / "run.fw"
    tensors, header = written(path)
    a = change(tensors.pop(name))
    save_file(tensors if a is None else tensors | {name: a}, path,
              {"featherweight": json.dumps(header)})  # fmt: skip
    with pytest.raises(ValueError, match=r"expected .* found") as found:
        raise resumed(path)
    assert name in str(found.value) or "finite weights" in str(found.value)


def test_padding_in_a_file_is_made_0(tmp_path):
    """What the optimizer keeps beside no parameter would count in the norm of a gradient."""
    path, found = tmp_path / "run.fw", []
    for filled in (False, True):
        tensors, header = written(path)
        slots = tensors["optimizer.slots"]
        real = np.zeros(slots.shape[1], np.float32)
        net = fw.Network([5, 4, 2], rng=8)
        for i, (w, b) in enumerate(zip(net.weights, net.biases, strict=True)):
            net._core.set_weights(i, np.ones_like(w), real)
            net._core.set_bias(i, np.ones_like(b), real)
        assert not slots[:, real == 0].any()
        if filled:
            slots[:, real == 0] = 7
        save_file(tensors, path, {"featherweight": json.dumps(header)})
        chosen = options()
        net.fit(X, Y, epochs=5, resume=path, **chosen)
        assert not chosen["optimizer"]._slots[:, real == 0].any()
        found.append(net.parameters)
    compare.assert_same_bits(*found)


def test_a_schedule_counts_far_in_no_time():
    """Of epochs by the billion, as a record may claim: no loop over them."""
    far = np.array([0.0, 5.0, 2.0**52 + 3])
    restarts = fw.schedules.CosineAnnealingWarmRestarts(4)
    compare.assert_same_bits(restarts.rates(0.1, far), restarts.rates(0.1, far % 4))
    plateau = fw.schedules.ReduceLROnPlateau(factor=0.5, eps=0.01)
    plateau._reductions = 2**53 - 1
    assert plateau.rates(0.1, far).tolist() == [0.0125] * 3


def test_a_state_of_ours_is_checked_whoever_loads_it():
    stopping, plateau = fw.EarlyStopping(), fw.schedules.ReduceLROnPlateau()
    for owner, wrong in (
        (stopping, {"best": 1.0}),
        (stopping, {"best": 1.0, "best_epoch": "a"}),
        (plateau, {"_best": 1.0}),
        (plateau, {**plateau.state_dict(), "observe": 1}),
        (fw.schedules.StepLR(3), {"_x": 1}),
        (fw.schedules.LambdaLR(abs), {"lr_lambda": {}}),
        (fw.schedules.SequentialLR([fw.schedules.StepLR(3)], []), {"schedulers": []}),
    ):
        before = repr(vars(owner))
        with pytest.raises(ValueError, match=r"expected .* found"):
            owner.load_state_dict(wrong)
        assert repr(vars(owner)) == before


def test_a_name_given_twice_is_refused(tmp_path):
    """In the record, as in the file's own header."""
    path = tmp_path / "run.fw"
    tensors, header = written(path)
    text = json.dumps(header).replace('"training": {', '"training": {"key": "1", ', 1)
    save_file(tensors, path, {"featherweight": text})
    assert isinstance(resumed(path), ValueError)


def test_rates_that_a_batch_changes_and_what_a_subclass_keeps_go_on(tmp_path):
    class Batches:
        def __init__(self, optimizer):
            self.optimizer = optimizer

        def __iter__(self):
            for _ in range(4):
                self.optimizer.lr *= 0.9
                yield X, Y

    class Counts(fw.EarlyStopping):
        n = 0

        def state_dict(self):
            return {"n": self.n}

        def load_state_dict(self, state):
            self.n = state["n"]

    class Limited(fw.Adam):
        def __init__(self):
            super().__init__(0.01)
            self.limit = float("inf")

    found = []
    for parts in ([4], [2, 4]):
        net = fw.Network([5, 2], rng=0)
        path = tmp_path / f"{len(parts)}.fw"
        for i, epochs in enumerate(parts):
            optimizer = Limited()
            net = fw.Network([5, 2], rng=0)
            net.fit(
                Batches(optimizer), epochs=epochs, optimizer=optimizer,
                callbacks=[Counts(), fw.Checkpoint(path)], resume=path if i else None,
            )  # fmt: skip
        found.append(net.parameters)
    compare.assert_same_bits(*found)
