"""Values by other libraries' names, and arguments without an order."""

import numpy as np
import pytest

import featherweight as fw
from featherweight import _core, synonyms
from featherweight.metrics import _NAMED

X, LABELS = np.random.default_rng(0).normal(size=(12, 4)), np.arange(12) % 3


def network(**options):
    return fw.Network([4, 5, 3], **({"rng": 0} | options))


HALF = r"featherweight\.losses\.Quantile\(0\.5\) is half of it"
WORDS = [
    ("activation", "swish", "did you mean 'silu'"),
    ("activation", "SiLU", "did you mean 'silu'"),
    ("activation", "logistic", "did you mean 'sigmoid'"),
    ("activation", "LeakyReLU", "did you mean .*'leaky_relu'"),
    ("activation", "linear", "did you mean 'identity'"),
    ("activation", ["linear"], r"\[0\]: found 'linear', did you mean 'identity'"),
    ("output", "linear", "did you mean 'identity'"),
    ("output", "log_softmax", "did you mean 'softmax'"),
    ("loss", "sparse_categorical_crossentropy", "did you mean 'cross_entropy'"),
    ("loss", "CrossEntropyLoss", "did you mean 'cross_entropy'"),
    ("loss", "BCELoss", "did you mean 'binary_cross_entropy'"),
    ("loss", "BCEWithLogitsLoss", "did you mean 'binary_cross_entropy'"),
    ("loss", "squared_error", "did you mean 'mse'"),
    ("loss", "MSELoss", "did you mean 'mse'"),
    ("loss", "mae", HALF),
    ("loss", "L1Loss", HALF),
    ("loss", "mean_absolute_error", HALF),
    ("loss", "SmoothL1Loss", "did you mean 'huber'"),
    ("loss", "pinball", "did you mean 'quantile'"),
    ("metrics", "acc", "did you mean 'accuracy'"),
    ("metrics", "neg_mean_squared_error", "did you mean 'mse'"),
    ("metrics", "r2_score", "did you mean 'r2'"),
    ("optimizer", "adam", r"did you mean featherweight\.Adam\(\)\?"),
    ("optimizer", "AdamW", r"did you mean featherweight\.AdamW\(\)\?"),
    ("optimizer", "rmsprop", r"did you mean featherweight\.RMSprop\(\)\?"),
    ("optimizer", "lbfgs", r"did you mean featherweight\.LBFGS\(\)\?"),
    ("optimizer", fw.SGD, r"did you mean featherweight\.SGD\(\)\?"),
    ("optimizer", type("Adam", (), {})(), r"did you mean featherweight\.Adam\(\)\?"),
]


@pytest.mark.parametrize(("name", "word", "match"), WORDS, ids=str)
def test_the_nearest_of_our_names(name, word, match):
    error = TypeError if name == "optimizer" else ValueError
    builds = name in ("activation", "output")
    net = None if builds else network()
    call = (
        (lambda: network(**{name: word}))
        if builds
        else (lambda: net.fit(X, LABELS, **{name: word}))
    )
    with pytest.raises(error, match=rf"^{name}.*{match}") as info:
        call()
    assert "\n" not in str(info.value)


def test_fit_many_knows_optimizers_too():
    with pytest.raises(TypeError, match=r"optimizer: .* did you mean featherweight\.Adam\(\)\?"):
        fw.fit_many([network()], X, LABELS, optimizer="adam")
    with pytest.raises(TypeError, match=r"optimizer: .* did you mean featherweight\.SGD\(\)\?"):
        fw.fit_many([network()], X, LABELS, optimizer=fw.SGD)


def test_the_table_names_what_there_is():
    ours = {
        "activation": _core.activations(),
        "output": ("softmax", *_core.activations()),
        "loss": _core.losses(),
        "metrics": tuple(_NAMED),
        "optimizer": ("SGD", "Adam", "AdamW", "RMSprop", "LBFGS"),
    }
    for name, words in synonyms._VALUES.items():
        for word, meant in words.items():
            allowed = ours.get(name, (meant,))
            assert meant in (*allowed, synonyms._HALF)
            assert word not in allowed
            said = synonyms.hint(name, word, allowed)
            assert said == (meant if meant == synonyms._HALF else f"did you mean {meant!r}? ")


# ---- order
@pytest.mark.parametrize("kind", [set, frozenset, dict.fromkeys, lambda a: dict.fromkeys(a).keys()])
def test_what_has_no_order_is_refused(kind):
    nets = [network(), network(rng=1)]
    calls = [
        ("sizes", lambda: fw.Network(kind([5, 4, 3]))),
        ("activation", lambda: fw.Network([4, 3, 2, 1], kind(["relu", "tanh"]), "identity")),
        ("betas", lambda: fw.Adam(betas=kind([0.9, 0.99]))),
        ("networks", lambda: fw.fit_many(kind(nets), X, LABELS)),
        ("dropout", lambda: network().fit(X, LABELS, dropout=kind([0.1]))),
        ("output_weights", lambda: network(output="sigmoid").fit(
            X, LABELS, output_weights=kind([1.0, 2.0, 3.0]))),
        ("x", lambda: network()(kind([1.0, 2.0, 3.0, 4.0]))),
        ("y", lambda: network().fit(X, kind(LABELS.tolist()))),
        ("bounds", lambda: fw.looking.excite(network(), 0, 0, bounds=kind([0.0, 1.0]))),
        ("rng", lambda: network(rng=kind([1, 2]))),
        ("milestones", lambda: fw.schedules.SequentialLR(
            [fw.schedules.ConstantLR(), fw.schedules.ConstantLR()], kind([3]))),
    ]  # fmt: skip
    for name, call in calls:
        with pytest.raises((TypeError, ValueError), match=f"^{name}: expected"):
            call()


@pytest.mark.parametrize("kind", [set, dict.fromkeys])
def test_the_pair_refuses_what_has_no_order(kind):
    sklearn = pytest.importorskip("featherweight.sklearn", reason="needs scikit-learn")
    for options in (
        {"hidden_layer_sizes": kind([5, 3])},
        {"hidden_layer_sizes": (5, 3), "activation": kind(["relu", "tanh"])},
    ):
        with pytest.raises((TypeError, ValueError), match="expected a sequence"):
            sklearn.MLPClassifier(max_iter=2, **options).fit(X, LABELS)
