"""Arguments that a function doesn't take: answered with what may be given, in a sentence."""

import inspect
import re

import numpy as np
import pytest

import featherweight as fw
import featherweight.images
from featherweight.support import names

X, Y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)


def net():
    return fw.Network([4, 3, 2], rng=0)


KEYWORDS = [
    (
        lambda: net().fit(X, Y, lr=0.01),
        "lr: expected optimizer=fw.Adam.*found lr=0.01 in Network.f",
    ),
    (lambda: net().fit(X, Y, epoch=3), "epoch: expected epochs=.*found epoch=3 in Network.fit"),
    (
        lambda: net().partial_fit(X, Y, verbose=0),
        "verbose: expected progress=.* in Network.partial_fit",
    ),
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
    (lambda: fw.Checkpoint(foo=1), r"foo: expected no such .*\(path, every may be given\)"),
    (lambda: fw.Adam(amsgrad=True), "amsgrad: expected nothing: this variant of Adam"),
    (lambda: fw.Adam(lr_decay=0.1), "lr_decay: expected schedule=..., found"),
    (lambda: fw.EarlyStopping(baseline=1), "baseline: expected nothing: the first epoch's value"),
    (lambda: fw.EarlyStopping(start_from_epoch=1), "start_from_epoch: expected patience=...,"),
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


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_scikit_learns_pair_names_arguments_of_its_own(kind):
    """Those of the network, which it hasn't, would be of no use."""
    pair = pytest.importorskip("featherweight.sklearn", reason="scikit-learn is not installed")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    made = getattr(pair, kind)
    taken = set(inspect.signature(made).parameters)
    given = {"random_state": 1, "max_iter": 3, "solver": "adam"}
    network = {n for f in (fw.Network, fw.Network.fit) for n in inspect.signature(f).parameters}
    words = {*names.ARGUMENTS, *names.ESTIMATORS, *network, "foo"} - taken - {"self"}
    for word in words:
        with pytest.raises(TypeError, match=f"^{word}: expected .* in {kind}$") as info:
            made(**given, **{word: 1})
        assert "Network" not in str(info.value)
        assert "optimizer=fw" not in str(info.value)
        named = re.match(rf"{word}: expected (\w+)=", str(info.value))
        assert named is None or named[1] in taken - given.keys()
    for word, right in {
        "hidden": "hidden_layer_sizes",
        "l2": "alpha",
        "seed": "random_state",
    }.items():
        with pytest.raises(TypeError, match=f"^{word}: expected {right}=..., found"):
            made(**{word: 1})


MODES = "expected nothing: there are no modes"
ROWS = "expected no batch size: any number of rows"
READ_AS = [  # by a newcomer who has given what must be given
    (lambda: net().save("a", overwrite=True), "overwrite: expected nothing: an older file is repl"),
    (lambda: net().save("a", foo=1), "foo: expected no more arguments, found"),
    (lambda: net().save("a", lr=1), r"lr: expected Network.fit\(optimizer=fw.Adam\(lr=...\)\)"),
    (lambda: net().activations(X, foo=1), "foo: expected no more arguments, found"),
    (lambda: net().activations(X, batch_size=1), f"batch_size: {ROWS}"),
    (lambda: net().set_parameters(x=X), "x: expected values=..., found x, an array of shape"),
    (lambda: net()(X, training=False), f"training: {MODES}"),
    (lambda: net().score(X, Y, sample_weight=Y), "sample_weight: expected Network.evaluate, which"),
    (lambda: net().evaluate(X, Y, metrics="f1"), r"metrics: expected Network.fit\(metrics=...\)"),
    (lambda: net().predict(X, foo=1), r"foo: expected no such argument \(threshold may be given\)"),
    (lambda: net().summary(depth=1), "depth: expected no arguments, found"),
    (lambda: net().summary(1), "Network.summary: expected no arguments, found 1$"),
    (lambda: net().diagram(X[0], 3, most=3), "Network.diagram: expected at most 1 .*x.; found 2$"),
    (lambda: fw.set_num_threads(n_jobs=3), "n_jobs: expected n=..., found"),
    (lambda: fw.set_num_threads(3, n_jobs=3), "n_jobs: expected no more arguments, found"),
    (lambda: fw.data.mnist(train=True), "train: expected nothing: both are returned, train and te"),
    (lambda: fw.data.digits(train=True), "train: expected nothing: both are returned, train and t"),
    (lambda: fw.Network([4, 2], device="cuda"), "device: expected nothing: a network runs on CPUs"),
    (lambda: fw.Network([4, 2], hidden=3), "hidden: expected the sizes of all layers in one list"),
    (lambda: net().fit(X, Y, validation_steps=3), "validation_steps: expected nothing: all valid"),
    (
        lambda: net().fit(X, Y, optimizer=fw.SGD(), lr=1),
        r"lr: expected fw.SGD\(lr=...\) as optimizer, found",
    ),
    (
        lambda: net().fit(X, Y, callbacks=[], patience=1),
        r"patience: expected fw.EarlyStopping\(...\) among callbacks, found",
    ),
    (
        lambda: net().partial_fit(X, Y, foo=1),
        r"foo: expected no such .*may be .* Network.partial_fit",
    ),
    (lambda: fw.Adam(params=[]), "params: expected no parameters: fit gives the optimizer its net"),
    (
        lambda: fw.Adam(net().parameters),
        "params: expected no parameters: .* an array of shape .144",
    ),
    (lambda: fw.Adam(net().parameters, lr=1), "params: expected no parameters: fit gives the opti"),
    (lambda: fw.SGD(net().weights, lr=1), "params: expected no parameters: fit gives the optimize"),
    (
        lambda: fw.LBFGS(net()),
        "params: expected no parameters: fit gives the optimizer its network",
    ),
    (lambda: fw.Adam(lr=net().parameters), r"lr: expected a real number, found an array of shape"),
    (lambda: fw.Adam("fast"), "lr: expected a real number, found 'fast'$"),
    (lambda: fw.Adam(0.1, lr=0.2), "lr: expected one, found 0.1 and lr=0.2 in Adam$"),
    (lambda: fw.schedules.StepLR(fw.Adam(), 3), "optimizer: expected a schedule without an optimi"),
    (lambda: fw.schedules.StepLR(fw.Adam(), step_size=3), "optimizer: expected a schedule without"),
    (lambda: fw.schedules.StepLR("3"), "step_size: expected a whole number, found '3'$"),
    (lambda: fw.losses.Quantile(alpha=0.5), "alpha: expected level=..., found"),
    (lambda: net().fit(X, Y).to_csv("a", index=False), "index: expected no more arguments, found"),
    (lambda: featherweight.images.read_digit("a", size=3), "size: expected no more arguments, fou"),
]


@pytest.mark.parametrize(("call", "sentence"), READ_AS)
def test_arguments_of_other_libraries_read_by_a_newcomer(call, sentence):
    with pytest.raises(TypeError, match="^" + sentence) as info:
        call()
    assert len(str(info.value)) < 400


WIDE = np.arange(5000.0).reshape(50, 100)
WRONG = [
    ("activation", lambda: fw.Network([4, 3, 2], WIDE)),
    ("input_scale", lambda: fw.Network([4, 2], input_scale=WIDE)),
    ("rng", lambda: fw.Network([4, 2], rng=WIDE)),
    ("sizes", lambda: fw.Network([WIDE, 2])),
    ("lr", lambda: fw.SGD(lr=WIDE)),
    ("betas", lambda: fw.Adam(betas=WIDE)),
    ("schedule", lambda: fw.Adam(schedule=WIDE)),
    ("optimizer", lambda: net().fit(X, Y, optimizer=WIDE)),
    ("loss", lambda: net().fit(X, Y, loss=WIDE)),
    ("metrics", lambda: net().fit(X, Y, metrics=WIDE)),
    ("callbacks", lambda: net().fit(X, Y, callbacks=WIDE)),
    ("class_weight", lambda: net().fit(X, Y, class_weight=WIDE)),
    ("epochs", lambda: net().fit(X, Y, epochs=WIDE)),
    ("l2", lambda: net().fit(X, Y, l2=WIDE)),
    ("gradients", lambda: fw.Adam().step(net(), WIDE.tolist())),
    ("networks", lambda: fw.fit_many([WIDE], X, Y)),
    ("bounds", lambda: fw.looking.excite(net(), 0, 0, bounds=WIDE)),
    ("lr_lambda", lambda: fw.schedules.LambdaLR(WIDE)),
    ("schedulers", lambda: fw.schedules.SequentialLR(WIDE, [1])),
    ("monitor", lambda: fw.EarlyStopping(WIDE)),
    ("function", lambda: fw.Metric(WIDE)),
    ("path", lambda: net().save(WIDE)),
]


@pytest.mark.parametrize(("name", "call"), WRONG)
def test_arrays_are_not_printed_in_errors(name, call):
    with pytest.raises((TypeError, ValueError), match=rf"^{name}(\[0\])?: expected") as info:
        call()
    assert len(str(info.value)) < 250
    assert "\n" not in str(info.value)


SGD, STEPS = fw.SGD(), fw.schedules.StepLR
GIVEN = [  # functions, and what is passed
    (fw.Network, ([4, 2],), {"rng": 0, "threads": 1, "output": "sigmoid"}),
    (net().fit, (X, Y), {"epochs": 1, "optimizer": SGD, "progress": False, "rng": 0, "l2": 0.0}),
    (net().fit, (X,), {"callbacks": [], "loss": None, "class_weight": None, "batch_size": 3}),
    (net().evaluate, (X, Y), {"sample_weight": None}),
    (net().predict, (X,), {"threshold": 0.5}),
    (net().__call__, (X,), {}),
    (net().gradients, (X,), {"y": Y, "rng": 0}),
    (net().save, ("a",), {}),
    (net().save, (), {}),
    (net().set_parameters, (), {}),
    (fw.load, ("a",), {"threads": 1}),
    (fw.set_num_threads, (1,), {}),
    (fw.data.mnist, ("a",), {}),
    (fw.data.digits, (), {}),
    (fw.Adam, (0.1,), {"betas": (0.9, 0.99), "schedule": None}),
    (fw.SGD, (), {"momentum": 0.5, "weight_decay": 0.0}),
    (fw.LBFGS, (3,), {"tolerance_change": 0.0}),
    (fw.EarlyStopping, ("loss", 3), {"min_delta": 0.0}),
    (fw.Checkpoint, ("a",), {"every": 2}),
    (STEPS, (3,), {"gamma": 0.1}),
    (fw.schedules.OneCycleLR, (0.1,), {"total_steps": 3}),
    (fw.losses.Huber, (1.0,), {}),
    (fw.Metric, (len,), {"name": "a"}),
    (fw.looking.excite, (net(), 0, 0), {"rate": 0.1, "steps": 3}),
    (fw.plot.weights, (net(),), {"ax": None}),
]


@pytest.mark.parametrize(("function", "args", "given"), GIVEN)
def test_none_is_named_that_was_passed(function, args, given):
    taken = list(inspect.signature(function).parameters)
    passed = {*inspect.signature(function).bind_partial(*args).arguments, *given}
    words = {*names.ARGUMENTS, *names.ATTRIBUTES, "foo", "xs", *(n + "s" for n in taken)}
    words = words.union(*names.SPECIAL.values(), (n[:-1] for n in taken)) - {*taken, ""}
    for word in words:
        with pytest.raises(TypeError) as info:
            function(*args, **given, **{word: 1})
        right = re.fullmatch(rf"{word}: expected (.+), found {word}=1 in \S+", str(info.value))[1]
        named = re.match(r"(\w+)=", right)
        if named:
            assert named[1] in set(taken) - passed
        listed = re.fullmatch(r"no such argument \((.+) may be given\)", right)
        if listed:
            assert listed[1].split(", ") == [n for n in taken if n not in passed]
        if right == "no more arguments":
            assert set(taken) == passed


def test_fit_many_names_none_that_was_passed():
    for given in ({"optimizer": SGD}, {"rng": [0], "callbacks": [[]]}, {"epochs": 3}):
        with pytest.raises(TypeError, match=r"^foo: expected no such argument") as info:
            fw.fit_many([net()], X, Y, **given, foo=1)
        assert not {"x", "y", "resume", *given} & set(re.findall(r"\w+", str(info.value)))


def test_warnings_are_of_the_callers_line(tmp_path):
    blank = net()
    blank.biases[0] = [-50] * 3
    blank.weights[0] = np.zeros((3, 4))
    apart = np.zeros((60, 200), np.uint8)
    apart[20:40, 20:30] = apart[20:40, 170:180] = 255
    np.save(tmp_path / "a.npy", apart)
    for call in (
        lambda: fw.looking.excite(blank, 1, 1),
        lambda: featherweight.images.prepare(apart),
        lambda: featherweight.images.read_digit(tmp_path / "a.npy"),
        lambda: featherweight.images.read_digits(tmp_path / "a.npy"),
    ):
        with pytest.warns(Warning, match="expected one digit|no gradient") as found:
            call()
        assert [w.filename for w in found] == [__file__]


def test_an_error_from_inside_is_left_as_it_is():
    def inner(y, p):
        raise TypeError("mine() got an unexpected keyword argument 'lr'")

    with pytest.raises(TypeError, match=r"^mine\(\) got"):
        net().fit(X, Y, metrics=inner)
