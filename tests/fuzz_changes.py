"""Train while the data change: python tests/fuzz_changes.py --tries 100000 [--seed 0] [--jobs 2].

Each try is a small run of random sizes, options and kind, during which a callback or another thread
writes into what was handed over: inputs, labels, values, weights, row numbers, validation data, a
reused batch. It may end in a sentence that names what was found, never in a crash, in weights that
aren't finite or in others than those of the last good epoch. Tries run in processes of their own,
so that a crash is counted like any other fault. `--only N` runs the try of one number here.
"""

import os
import re
import sys
import threading
import time
import warnings

import numpy as np

import featherweight as fw
import tries

NAMES = "x|y|labels|values|weights|sample_weight|rows|loss|outputs"
SENTENCE = re.compile(
    rf"^(networks\[\d+\]: )?(validation_data: )?((validation )?({NAMES}): |(?<=_data: ))expected\b"
)
WHOLE = (-1, -(2**63), 2**63 - 1, 10**9, -(10**9), 2**32, 127, 64, 20)
REAL = (np.nan, np.inf, -np.inf, -1.0, 1e30, -1e30, 1e-40, 2.0)
WAYS = ("fit", "fit", "fit", "fit", "many", "batches", "partial_fit", "gradients", "score")
EVENTS = ("on_batch_begin", "on_batch_end", "on_epoch_begin", "on_epoch_end")
OUTPUTS = {
    "softmax": ("cross_entropy",),
    "sigmoid": ("binary_cross_entropy", "mse"),
    "identity": ("mse", "huber", "quantile"),
    "exp": ("poisson",),
}


class FaultError(Exception):
    """What may not happen."""


def expect(ok, what):
    if not ok:
        raise FaultError(what)


class Case:
    """A network, data and options: the same ones whenever they are made of the same numbers."""

    def __init__(self, seed, number, folder):
        self.rng = rng = np.random.default_rng([seed, number])
        self.folder, self.number = folder, number
        wide = rng.random() < 0.05  # enough work for several threads
        most = 130 if wide else 20
        self.way = str(rng.choice(WAYS))
        self.dtype = rng.choice([np.float32, np.float64])
        self.output = str(rng.choice(list(OUTPUTS)))
        hidden = [int(rng.integers(1, 2 * most)) for _ in range(rng.integers(0, 3))]
        first, last = int(rng.integers(1, most)), int(rng.integers(2, 20))
        self.sizes = [400 if wide else first, *hidden, last]
        self.activation = str(rng.choice(["relu", "tanh", "sigmoid", "gelu"]))
        self.threads = int(rng.integers(1, 4))
        self.n = int(rng.integers(1, 300 if wide else 40))
        self.epochs = int(rng.integers(1, 6))
        self.options = self.drawn_options()
        self.data = {}
        self.x, self.y = self.drawn_data("", self.n)
        self.weight = None
        if rng.random() < 0.4:
            self.weight = self.data["weights"] = rng.random(self.n).astype(self.dtype) + 0.1
        if self.way in ("fit", "many", "partial_fit") and rng.random() < 0.3:
            self.rows = rng.integers(0, self.n, int(rng.integers(1, 2 * self.n)))
            self.data["rows"] = self.rows
            self.options["rows"] = self.rows
        if self.way in ("fit", "many") and rng.random() < 0.3:
            m = int(rng.integers(1, 30))
            pair = self.drawn_data("validation ", m)
            if rng.random() < 0.4:
                w = self.data["validation weights"] = rng.random(m).astype(self.dtype) + 0.1
                pair = (*pair, w)
            self.options["validation_data"] = pair

    def drawn_options(self):
        rng, options = self.rng, {}
        options["loss"] = str(rng.choice(OUTPUTS[self.output]))
        if self.way == "gradients":
            return options
        if self.way != "batches":
            options["batch_size"] = int(rng.integers(1, self.n + 3))
            options["shuffle"] = bool(rng.random() < 0.7)
        if rng.random() < 0.2:
            options["dropout" if len(self.sizes) > 2 else "input_dropout"] = 0.3
        if rng.random() < 0.2 and options["loss"].endswith("entropy"):
            options["label_smoothing"] = 0.1
        if rng.random() < 0.2:
            options["l2"] = 0.01
        if rng.random() < 0.2:
            options["clip_norm"] = 1.0
        if rng.random() < 0.1 and self.way != "batches":
            classes = ("f1", "accuracy", "top_5_accuracy", "mse")
            options["metrics"] = str(rng.choice(classes if self.output == "softmax" else ("mae",)))
        return options

    def drawn_data(self, what, n):
        """Inputs and targets, as arrays that are read where they are, or in files."""
        rng = self.rng
        kind = rng.choice(["own", "uint8", "strided", "file"], p=[0.5, 0.2, 0.15, 0.15])
        x = rng.normal(size=(n, self.sizes[0]))
        if kind == "uint8":
            x = rng.integers(0, 4, x.shape, np.uint8)
        elif kind == "strided":
            x = np.repeat(x.astype(self.dtype), 2, axis=0)[::2]
        elif kind == "file":
            x = self.in_file(what + "x", x.astype(rng.choice([np.float32, np.float64, np.int16])))
        else:
            x = x.astype(self.dtype)
        classes = self.output == "softmax" and rng.random() < 0.8
        one_hot = rng.integers(0, self.sizes[-1], n)
        y = one_hot if classes else np.eye(self.sizes[-1], dtype=self.dtype)[one_hot]
        if rng.random() < 0.2:
            other = np.float64 if not classes and rng.random() < 0.5 else y.dtype
            y = self.in_file(what + "y", y.astype(other))
        self.data[what + "x"] = x
        self.data[what + ("labels" if classes else "values")] = y
        return x, y

    def in_file(self, name, a):
        path = os.path.join(self.folder, f"{name}{self.number % 8}.bin")
        file = np.memmap(path, a.dtype, "w+", shape=a.shape)
        file[:] = a
        return file

    def network(self):
        scale = 1 / 3 if self.x.dtype == np.uint8 else 1.0  # fit warns of unscaled bytes
        return fw.Network(
            self.sizes, self.activation, self.output, dtype=self.dtype, rng=1, threads=self.threads,
            input_scale=scale,
        )  # fmt: skip

    def optimizer(self):
        if self.way == "fit" and self.number % 11 == 0:
            return fw.LBFGS()
        kinds = (
            lambda: fw.SGD(0.1),
            lambda: fw.SGD(0.05, momentum=0.9, nesterov=True),
            lambda: fw.Adam(0.01),
            lambda: fw.AdamW(0.01),
            lambda: fw.RMSprop(0.01),
        )
        return kinds[self.number % len(kinds)]()

    def given(self, callbacks=()):
        if self.way == "gradients":
            return dict(self.options)
        optimizer = self.optimizer()
        options = dict(self.options)
        if isinstance(optimizer, fw.LBFGS):  # which has no steps to clip, nor draws anything
            for name in ("dropout", "input_dropout", "clip_norm"):
                options.pop(name, None)
        return options | {
            "optimizer": optimizer,
            "callbacks": list(callbacks),
            "progress": False,
        }


class Writer:
    """Writes what shouldn't be there, or what was there, into one of the arrays at a time."""

    def __init__(self, case, rng):
        self.rng, self.case = rng, case
        self.names = list(case.data)
        self.before = {name: np.array(a) for name, a in case.data.items()}
        self.spoilt = set()  # arrays of which nothing can be used any more

    def write(self, restores=True):
        rng = self.rng
        name = str(rng.choice(self.names))
        a = self.case.data[name]
        if restores and rng.random() < 0.3:
            a[...] = self.before[name]
            self.spoilt.discard(name)
            return
        if a.dtype.kind == "f":
            value = rng.choice(REAL)
        elif a.itemsize < 8:
            value = rng.integers(0, 255) if a.dtype.kind == "u" else rng.integers(-9999, 9999)
        else:
            value = WHOLE[rng.integers(len(WHOLE))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # 1e30 in float16 and the like
            if rng.random() < 0.5:
                a[...] = value
                if self.useless(name, value):
                    self.spoilt.add(name)
            else:
                a[rng.integers(len(a))] = value

    def useless(self, name, value):
        """Whether nothing can be made of an array full of the value, whatever else there is."""
        lbfgs = isinstance(self.case.optimizer(), fw.LBFGS)
        if lbfgs and "rows" in self.names:
            return False  # it takes a copy of those rows
        if name.endswith("labels"):
            return not 0 <= value < self.case.sizes[-1]
        return name.endswith("weights") and not (np.isfinite(value) and value >= 0)


class Records:
    """A callback that keeps the weights of every good epoch."""

    def __init__(self):
        self.kept = []

    def on_epoch_end(self, state):
        self.kept.append(state.network.parameters.copy())


class Changes(Records):
    """A callback that writes, at one moment or at each that chance chooses from one on."""

    def __init__(self, writer, event, at, again):
        super().__init__()
        self.writer, self.again, self.at, self.calls = writer, again, at, 0
        self.untouched = None  # epochs that had ended before the first change
        self.due = None  # the epoch that can't end well any more
        setattr(self, event, self._event(event))

    def _event(self, event):
        def call(state):
            if event == "on_epoch_end":
                Records.on_epoch_end(self, state)
            self.calls += 1
            if self.calls == self.at or (self.calls > self.at and self.writer.rng.random() < 0.3):
                if self.calls > self.at and not self.again:
                    return
                if self.untouched is None:
                    self.untouched = len(state.history.epoch)
                self.writer.write(restores=False)
                if self.writer.spoilt and self.due is None:
                    self.due = state.epoch + (event != "on_epoch_begin")

        return call


def call(case, net, callbacks=()):
    """Do what is to be done while the data change."""
    given = case.given(callbacks)
    if case.way == "gradients":
        for _ in range(4 * case.epochs):
            net.gradients(case.x, case.y, sample_weight=case.weight, **given)
    elif case.way == "score":
        for _ in range(case.epochs):
            net.score(case.x, case.y)
            net(case.x)
    elif case.way == "partial_fit":
        for _ in range(case.epochs):
            net.partial_fit(case.x, case.y, sample_weight=case.weight, **given)
    elif case.way == "batches":
        batch = (case.x, case.y) if case.weight is None else (case.x, case.y, case.weight)
        net.fit(_Batches(batch, 3), epochs=case.epochs, rng=2, **given)
    elif case.way == "many":
        rows = given.pop("rows", None)
        nets = [net, case.network(), case.network()]
        each = [given["callbacks"], [], []]
        optimizers = [given.pop("optimizer"), case.optimizer(), case.optimizer()]
        fw.fit_many(
            nets, case.x, case.y, rows=None if rows is None else [rows] * 3, rng=[2] * 3,
            optimizer=optimizers, sample_weight=case.weight, epochs=case.epochs, threads=2,
            **(given | {"callbacks": each}),
        )  # fmt: skip
    else:
        net.fit(case.x, case.y, sample_weight=case.weight, epochs=case.epochs, rng=2, **given)


class _Batches:
    def __init__(self, batch, n):
        self.batch, self.n = batch, n

    def __iter__(self):
        for _ in range(self.n):
            yield self.batch


def one(seed, number, folder):
    """Make one try; return how it ended."""
    case = Case(seed, number, folder)
    rng = np.random.default_rng([seed, number, 1])
    writer, net = Writer(case, rng), case.network()
    first = net.parameters.copy()
    trains = case.way not in ("gradients", "score")
    stop, thread = threading.Event(), None
    if trains and rng.random() < 0.6:
        epochs = case.epochs
        event, at = str(rng.choice(EVENTS)), int(rng.integers(1, 2 * epochs + 1))
        changes = Changes(writer, event, at, rng.random() < 0.3)
        records = [changes]
    else:
        changes, records = None, [Records()] if trains and rng.random() < 0.5 else []
        case.epochs *= 4
        thread = threading.Thread(target=_scribble, args=(writer, stop))
        thread.start()
    error = None
    try:
        call(case, net, records)
    except (ValueError, FloatingPointError) as e:
        error = e
    finally:
        stop.set()
        if thread is not None:
            thread.join()
    expect(np.isfinite(net.parameters).all(), "weights that aren't finite")
    how = "ended"
    if error is not None:
        said = str(error)
        expect(SENTENCE.match(said), f"{type(error).__name__}: {said}")
        how = f"{type(error).__name__} of {re.sub('^networks.*?: ', '', said).partition(':')[0]}"
    if trains:
        _check_weights(case, net, first, records, changes, error, (seed, number, folder))
    if changes is not None and error is None and changes.due is not None:
        # rows that are never read, of a validation or of none, can't be found
        reached = len(net.history.epoch) if case.way != "partial_fit" else 0
        expect(reached < changes.due, f"trained on although useless: {sorted(writer.spoilt)}")
    return f"{case.way}, {'callback' if changes else 'thread'}: {how}"


def _check_weights(case, net, first, records, changes, error, again):
    if error is None or net.history is None or case.way == "partial_fit":
        return
    if not (case.way == "fit" or str(error).startswith("networks[0]")):
        return
    good = len(net.history.epoch)
    kept = records[0].kept if records else []
    # what is found when an epoch's steps are done leaves the weights as they are then
    late = {"metrics", "validation_data"} & set(case.options)
    late = late and (isinstance(error, ValueError) or "validation" in str(error))
    if late:
        return
    if records and hasattr(records[0], "on_epoch_end"):
        expect(len(kept) >= good, "an epoch in the history that no callback was called for")
        last = kept[good - 1] if good else first
        expect(np.array_equal(net.parameters, last), "other weights than of the last good epoch")
    if changes is not None and changes.untouched is not None:
        expect(good >= changes.untouched, "fewer good epochs than came before the change")
        if good == changes.untouched:
            fresh = Case(*again)
            other, fresh.epochs = fresh.network(), good
            call(fresh, other)
            same = np.array_equal(net.parameters, other.parameters)
            expect(same, "other weights than undisturbed")


def _scribble(writer, stop):
    while not stop.is_set():
        writer.write()
        time.sleep(float(writer.rng.choice([0, 0, 1e-5, 1e-4, 1e-3])))


if __name__ == "__main__":
    sys.exit(tries.main(__doc__, one))
