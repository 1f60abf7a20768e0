"""Names of other libraries and misspelt ones: answered with the right one, in a sentence."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import featherweight as fw
import featherweight.images
from featherweight.support import hints

X, Y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)


def net():
    return fw.Network([4, 3, 2], rng=0)


KEYWORDS = [
    (
        lambda: net().fit(X, Y, lr=0.01),
        "lr: expected optimizer=fw.Adam.*found lr=0.01 in Network.f",
    ),
    (lambda: net().fit(X, Y, epoch=3), "epoch: expected epochs=.*found epoch=3 in Network.fit"),
    (lambda: net().partial_fit(X, Y, verbose=0), "verbose: expected progress="),
    (lambda: net().gradients(X, Y, wieghts=1), "wieghts: expected .* in Network.gradients"),
    (lambda: net().evaluate(X, labels=Y), "labels: expected y=.* in Network.evaluate"),
    (lambda: net().predict(X, batch_size=3), "batch_size: expected no batch size.*Network.predict"),
    (lambda: net().score(X=X, y=Y), "X: expected x=.* in Network.score"),
    (lambda: net()(X, outs=X), "outs: expected out=.* in Network.__call__"),
    (lambda: fw.Network([4, 2], seed=0), "seed: expected rng=.*found seed=0 in Network$"),
    (lambda: fw.Network([4, 2], epochs=1), r"epochs: expected Network.fit\(epochs=...\)"),
    (lambda: fw.Adam(learning_rate=1.0), "learning_rate: expected lr=.* in Adam$"),
    (lambda: fw.LBFGS(tol=1.0), "tol: expected tolerance_change=.* in LBFGS"),
    (lambda: fw.EarlyStopping(restore_best_weights=True), "expected restore_best=.*EarlyStopping"),
    (lambda: fw.Checkpoint(filepath="a"), "filepath: expected path=.* in Checkpoint"),
    (lambda: fw.schedules.StepLR(3, gama=0.1), "gama: expected gamma=.* in StepLR"),
    (lambda: fw.losses.Huber(dleta=1.0), "dleta: expected delta=.* in Huber"),
    (lambda: fw.Metric(len, nmae="a"), "nmae: expected name=.* in Metric"),
    (lambda: fw.load("x", map_location="cpu"), "map_location: expected nothing.* in load"),
    (lambda: fw.fit_many([net()], X, Y, learning_rate=1), "expected optimizer=.* in fit_many"),
    (lambda: net().fit(X, Y, 3), r"Network.fit: expected at most 2 arguments.*\(x, y\).*found 3"),
    (lambda: net().fit(), r"Network.fit\(\) missing"),
    (lambda: net().predict(), r"Network.predict\(\) missing"),
]


@pytest.mark.parametrize(("call", "sentence"), KEYWORDS)
def test_unknown_keywords(call, sentence):
    with pytest.raises(TypeError, match=sentence) as info:
        call()
    assert "\n" not in str(info.value)
    assert not any(word in str(info.value) for word in ("Fitting", "Learning.", "_forward"))


MORE = [
    (lambda: fw.data.digits(cached=True), "cached: expected no arguments, .* in digits$"),
    (lambda: fw.data.mnist(root="a"), "root: expected path=.* in mnist$"),
    (
        lambda: fw.looking.saliency(net(), X[0], targets=1),
        "targets: expected target=.* in saliency",
    ),
    (lambda: fw.looking.excite(net(), 0, 0, step=1), "step: expected steps=.* in excite$"),
    (lambda: fw.set_num_threads(num=1), "num: expected n=.* in set_num_threads$"),
    (lambda: net().save(filename="a"), "filename: expected path=.* in Network.save$"),
    (lambda: net().activations(X=X), "X: expected x=.* in Network.activations$"),
    (lambda: net().summary(depth=1), "depth: expected .* in Network.summary$"),
    (lambda: net().diagram(mots=3), "mots: expected most=.* in Network.diagram$"),
    (lambda: net().set_parameters(value=X), "value: expected values=.*Network.set_parameters$"),
    (lambda: fw.plot.weights(net(), column=3), "column: expected columns=.* in weights$"),
    (lambda: fw.plot.activations(net(), X=X), "X: expected x=.* in activations$"),
    (lambda: fw.plot.misread(net(), X, y=Y), "y: expected labels=.* in misread$"),
    (lambda: fw.plot.excite(net(), 0, 0, starts=3), "starts: expected start=.* in excite$"),
    (lambda: fw.plot.saliency(net(), X[0], axis=0), "axis: expected ax=.* in saliency$"),
    (lambda: fw.plot.learning_curves({}, measures="a"), "measures: expected measure=.* in learn"),
    (lambda: fw.plot.confusion_matrix(net(), X, Y, name="a"), "name: expected names=.*confusion"),
    (lambda: fw.plot.diagram(net(), mots=3), "mots: expected most=.* in diagram$"),
]


@pytest.mark.parametrize(("call", "sentence"), MORE)
def test_unknown_keywords_of_functions_that_train_nothing(call, sentence):
    with pytest.raises(TypeError, match="^" + sentence):
        call()


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_unknown_keywords_of_scikit_learns_pair(kind):
    pair = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    for given, right in {"lr": "learning_rate_init", "epochs": "max_iter"}.items():
        with pytest.raises(TypeError, match=f"^{given}: expected {right}=.*, found .* in {kind}$"):
            getattr(pair, kind)(**{given: 1})
    assert "max_iter" in getattr(pair, kind)().get_params()


def test_an_error_from_inside_is_left_as_it_is():
    def inner(y, p):
        raise TypeError("mine() got an unexpected keyword argument 'lr'")

    with pytest.raises(TypeError, match=r"^mine\(\) got"):
        net().fit(X, Y, metrics=inner)


READ = [
    (net, "predict_proba", r"expected net\(x\)"),
    (net, "state_dict", "expected parameters"),
    (net, "load", r"expected fw.load\(path\)"),
    (net, "pradict", "expected predict,"),
    (fw.Adam, "learning_rate", "expected lr,"),
    (fw.History, "history", "expected to_dict"),
    (lambda: fw, "MLP", "expected Network,"),
    (lambda: fw, "Sequential", "expected Network,"),
    (lambda: fw, "load_model", "expected load,"),
]


@pytest.mark.parametrize(("make", "name", "sentence"), READ)
def test_unknown_attributes_read(make, name, sentence):
    owner = make()
    assert not hasattr(owner, name)
    with pytest.raises(AttributeError, match=f"^{name}: {sentence}"):
        getattr(owner, name)


def test_what_no_name_is_near_gets_pythons_sentence():
    for owner in (net(), fw.Adam(), fw.History(), fw):
        with pytest.raises(AttributeError, match="has no attribute 'xyzzy'"):
            _ = owner.xyzzy


SET = [
    (net, "trainable", "expected steps of your own"),
    (net, "wieghts", "expected weights,"),
    (net, "xyzzy", "expected one that Network has"),
    (fw.Adam, "momentum", "expected optimizer=fw.SGD"),
    (fw.LBFGS, "historysize", "expected history_size"),
    (fw.EarlyStopping, "patince", "expected patience"),
    (lambda: fw.Checkpoint("a"), "evry", "expected every"),
    (lambda: fw.schedules.StepLR(3), "gama", "expected gamma"),
    (lambda: fw.losses.Huber(), "dleta", "expected delta"),
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


def test_copies_and_pickles_and_signatures_are_as_before():
    for owner in (net(), fw.Adam(), fw.EarlyStopping(), fw.schedules.StepLR(3), fw.LBFGS()):
        for made in (copy.deepcopy(owner), pickle.loads(pickle.dumps(owner))):
            assert type(made) is type(owner)
    assert "epochs" in inspect.signature(fw.Network.fit).parameters
    assert "options" not in inspect.signature(fw.Network.fit).parameters
    assert next(iter(inspect.signature(fw.SGD).parameters)) == "lr"
    assert pickle.loads(pickle.dumps(fw.Network.fit)) is fw.Network.fit


def test_the_table_is_of_plain_words():
    assert all(word.isidentifier() and right for word, right in hints.WORDS.items())


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
