"""Attributes of other libraries and misspelt ones: answered with the right one, in a sentence."""

import copy
import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

import featherweight as fw
import featherweight.images
from featherweight.support import names

X, Y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)


def net():
    return fw.Network([4, 3, 2], rng=0)


READ = [
    (net, "predict_proba", r"expected net\(x\)"),
    (net, "state_dict", "expected parameters"),
    (net, "load", r"expected fw.load\(path\)"),
    (net, "pradict", "expected predict,"),
    (net, "eval", r"expected nothing: there are no modes, and net.evaluate\(x, y\) measures"),
    (net, "train", r"expected net.fit\(x, y\), which trains \(there are no modes\)"),
    (net, "rng", r"expected Network\(rng=...\)"),
    (net, "alpha", r"expected Network.fit\(l2=...\)"),
    (fw.Adam, "state_dict", r"expected fw.Checkpoint\(path\) in fit"),
    (lambda: net().weights, "copy", "expected a copy of each layer's"),
    (lambda: fw, "train", r"expected net.fit\(x, y\)"),
    (lambda: fw, "optim", "expected Adam, SGD"),
    (fw.Adam, "learning_rate", "expected lr,"),
    (fw.History, "history", "expected to_dict"),
    (lambda: fw, "MLP", "expected Network,"),
    (lambda: fw, "Sequential", "expected Network,"),
    (lambda: fw, "load_model", "expected load,"),
    (net, "bias", "expected biases,"),
    (net, "num_parameters", "expected parameter_count,"),
    (net, "layers", "expected sizes,"),
    (net, "input_shape", "expected sizes,"),
    (net, "input_dim", "expected sizes,"),
    (net, "get_params", "expected sizes, activation and output, which"),
    (net, "trainable_weights", "expected weights,"),
    (net, "n_iter_", r"expected len\(net.history.loss\),"),
    (net, "test_on_batch", "expected evaluate,"),
    (lambda: fw, "to_categorical", "expected nothing: class labels are taken as they are"),
    (lambda: fw, "callbacks", "expected EarlyStopping and Checkpoint .as Keras' ModelCheckpoint"),
    (lambda: fw.losses, "MSELoss", r'expected Network.fit\(loss="mse"\)'),
    (lambda: fw.losses, "hubr", "expected Huber,"),
    (lambda: fw.schedules, "StepLr", "expected StepLR,"),
    (lambda: fw.data, "load_digits", "expected digits,"),
    (lambda: fw.looking, "salience", "expected saliency,"),
    (lambda: fw.data.digits().train, "data", "expected images, found no 'data' in Split"),
    (lambda: fw.data.digits().test, "target", "expected labels,"),
    (lambda: fw.data.digits(), "data", "expected train.images or test.images"),
    (lambda: fw.Network, "load", r"expected fw.load\(path\), found no 'load' in Network"),
    (lambda: fw.Network, "load_model", r"expected fw.load\(path\), found no 'load_model' in"),
]


@pytest.mark.parametrize(("make", "name", "sentence"), READ)
def test_unknown_attributes_read(make, name, sentence):
    owner = make()
    assert not hasattr(owner, name)
    with pytest.raises(AttributeError, match=f"^{name}: {sentence}"):
        getattr(owner, name)


def test_what_no_name_is_near_gets_pythons_sentence():
    parts = [fw.losses, fw.schedules, fw.data, fw.looking, fw.data.digits().train]
    for owner in (net(), fw.Adam(), fw.History(), fw, *parts):
        with pytest.raises(AttributeError, match="has no attribute 'xyzzy'"):
            _ = owner.xyzzy


SET = [
    (net, "trainable", "expected steps of your own"),
    (net, "wieghts", "expected weights,"),
    (net, "xyzzy", "expected one that Network has"),
    (fw.Adam, "momentum", r"expected Network.fit\(optimizer=fw.SGD"),
    (fw.LBFGS, "historysize", "expected history_size"),
    (fw.EarlyStopping, "patince", "expected patience"),
    (lambda: fw.Checkpoint("a"), "evry", "expected every"),
    (lambda: fw.schedules.StepLR(3), "gama", "expected gamma"),
    (lambda: fw.losses.Huber(), "dleta", "expected delta"),
    (net, "rng", r"expected Network\(rng=...\), found rng = 0.5, which Network would not use"),
    (net, "seed", r"expected Network\(rng=...\)"),
    (net, "random_state", r"expected Network\(rng=...\)"),
    (net, "lr", r"expected Network.fit\(optimizer=fw.Adam\(lr=...\)\)"),
    (lambda: net().weights, "trainable", "expected steps of your own"),
    (lambda: net().biases, "network", "expected one that net.biases has"),
    (lambda: net().fit(X, Y), "foo", "expected one that History has"),
    (lambda: fw.fit_many([net()], X, Y)[0], "los", "expected loss"),
    (lambda: net().diagram(), "most", "expected one that Diagram has"),
    (lambda: fw.Metric(len), "foo", "expected one that Metric has"),
    (lambda: fw.losses.Huber(), "reduction", "expected nothing: it is the mean"),
    (lambda: fw.schedules.StepLR(3), "lr", "expected the rate in the optimizer"),
]


@pytest.mark.parametrize(("make", "name", "sentence"), SET)
def test_attributes_that_would_do_nothing(make, name, sentence):
    owner = make()
    with pytest.raises(AttributeError, match=f"^{name}: {sentence}"):
        setattr(owner, name, 0.5)
    assert not hasattr(owner, name)

    class Derived(type(owner)):
        pass

    derived = copy.copy(owner)
    if not isinstance(owner, fw.Network):
        derived.__class__ = Derived
        setattr(derived, name, 0.5)
        assert getattr(derived, name) == 0.5


def test_a_network_of_a_class_derived_may_have_attributes_of_its_own():
    class Mine(fw.Network):
        @property
        def broken(self):
            return self.nothing_of_the_kind

    mine = Mine([4, 2])
    mine.note = "hand-made"
    assert mine.note == "hand-made"
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = mine.broken


def test_public_objects_take_no_unknown_attributes():
    """Whatever class they are of, also when they were copied, pickled or never made here."""
    remembering = net()
    remembering.remembers_input = True
    _, gradients = net().gradients(X, Y)
    digits = fw.data.digits()
    found = [net(), remembering, net().weights, net().fit(X, Y), net().diagram(), gradients]
    found += [digits, digits.train, fw.Adam(), fw.LBFGS(), fw.EarlyStopping(), fw.Checkpoint("a")]
    found += [fw.losses.Huber(), fw.Metric(len), fw.schedules.StepLR(3), fw.schedules.ConstantLR()]
    callbacks = [found.append]
    net().fit(X, Y, callbacks=callbacks)
    for owner in (*found, *map(copy.copy, found)):
        for name in ("foo", "rng", "run", "x"):
            with pytest.raises(AttributeError, match=name):
                setattr(owner, name, 1)
            assert not hasattr(owner, name)
    code = "import pickle, sys; a = pickle.load(sys.stdin.buffer); a.lr = 0.5; a.foo = 1"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(fw.Adam()), capture_output=True
    )
    assert b"AttributeError: foo: expected one that Adam has" in done.stderr


def test_attributes_that_mean_something_are_taken():
    history, state = net().fit(X, Y), []
    history.loss = [1.0]
    assert history["loss"] == [1.0]
    net().fit(X, Y, callbacks=state.append)
    state[0].epochs = 3
    stopping = fw.EarlyStopping()
    stopping.patience, stopping.best = 3, 0.5
    assert (stopping.patience, stopping.best) == (3, 0.5)
    changed = fw.schedules.CosineAnnealingLR(5)
    changed.T_max = 7
    assert changed.T_max == 7


def test_copies_and_pickles_and_signatures_are_as_before():
    for owner in (net(), fw.Adam(), fw.EarlyStopping(), fw.schedules.StepLR(3), fw.LBFGS()):
        for made in (copy.deepcopy(owner), pickle.loads(pickle.dumps(owner))):
            assert type(made) is type(owner)
    assert "epochs" in inspect.signature(fw.Network.fit).parameters
    assert "options" not in inspect.signature(fw.Network.fit).parameters
    assert next(iter(inspect.signature(fw.SGD).parameters)) == "lr"
    assert pickle.loads(pickle.dumps(fw.Network.fit)) is fw.Network.fit


def test_the_table_is_of_plain_words():
    for table in (names.ARGUMENTS, names.ATTRIBUTES, *names.SPECIAL.values(), names.ESTIMATORS):
        assert all(word.isidentifier() for word in table)
        # of one function alone nothing at all may be meant
        assert table in names.SPECIAL.values() or all(table.values())


def test_a_learning_rate_that_lbfgs_has_not():
    optimizer = fw.LBFGS()
    for name in ("lr", "schedule"):
        with pytest.raises(AttributeError, match=f"^{name}: expected none for LBFGS, .* found 0.1"):
            setattr(optimizer, name, 0.1)
    assert optimizer.lr == 1.0


def public(module):
    return [
        found
        for name, found in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and found.__module__.startswith(module.__name__)
    ]


METHODS = ("fit", "partial_fit", "evaluate", "score", "predict", "activations", "gradients", "save")
MODULES = [fw.plot, fw.looking, fw.data, featherweight.images]
PUBLIC = [fw.isas, fw.load, fw.fit_many, *(f for m in MODULES for f in public(m))]
PUBLIC += [fw.Network, *(getattr(fw.Network, n) for n in METHODS)]


@pytest.mark.parametrize("function", PUBLIC, ids=lambda f: f.__qualname__)
def test_signatures_are_as_they_are_written(function):
    """`DTypeLike`, and not the union of types that it stands for; and each has a docstring."""
    text = str(inspect.signature(function))
    assert "_typing" not in text
    assert "_SupportsArray" not in text
    assert len(inspect.getdoc(function).split()) > 5


def test_isas_are_the_cores():
    assert fw.isas() == fw._core.isas()
    assert "Returns" in inspect.getdoc(fw.isas)
