"""Values by other libraries' names, arguments without an order, data in the wrong place."""

import collections.abc
import decimal
import pathlib

import numpy as np
import pytest

import compare
import featherweight as fw
from featherweight import _core
from featherweight.support import synonyms
from featherweight.training.metrics import _NAMED

X, LABELS = np.random.default_rng(0).normal(size=(12, 4)), np.arange(12) % 3


def network(**options):
    return fw.Network([4, 5, 3], **({"rng": 0} | options))


HALF = r"featherweight\.losses\.Quantile\(0\.5\) is half of it"
# by argument: what is given, and the name that is meant
MEANT = {
    "activation": {
        "swish": "silu",
        "SiLU": "silu",
        "logistic": "sigmoid",
        "LeakyReLU": "leaky_relu",
        "linear": "identity",
    },
    "output": {"linear": "identity", "log_softmax": "softmax"},
    "loss": {
        "sparse_categorical_crossentropy": "cross_entropy",
        "CrossEntropyLoss": "cross_entropy",
        "BCELoss": "binary_cross_entropy",
        "BCEWithLogitsLoss": "binary_cross_entropy",
        "squared_error": "mse",
        "MSELoss": "mse",
        "SmoothL1Loss": "huber",
        "pinball": "quantile",
    },
    "metrics": {"acc": "accuracy", "neg_mean_squared_error": "mse", "r2_score": "r2"},
}
OPTIMIZERS = {
    "adam": "Adam",
    "AdamW": "AdamW",
    "rmsprop": "RMSprop",
    "lbfgs": "LBFGS",
    fw.SGD: "SGD",
    type("Adam", (), {})(): "Adam",
}
WORDS = [
    *(
        (name, word, f"did you mean '{ours}'")
        for name in MEANT
        for word, ours in MEANT[name].items()
    ),
    *(
        ("optimizer", word, rf"did you mean featherweight\.{ours}\(\)\?")
        for word, ours in OPTIMIZERS.items()
    ),
    *(("loss", word, HALF) for word in ("mae", "L1Loss", "mean_absolute_error")),
    ("activation", ["linear"], r"\[0\]: found 'linear', did you mean 'identity'"),
]


@pytest.mark.parametrize(("name", "word", "match"), WORDS)
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


@pytest.mark.parametrize(
    ("name", "given", "match"),
    [
        ("activation", [np.tanh], r"found <ufunc 'tanh'>; did you mean 'tanh'\?$"),
        ("activation", [type("SiLU", (), {})()], r"; did you mean 'silu'\?$"),
        ("output", type("Softmax", (), {}), r"; did you mean 'softmax'\?$"),
        ("loss", type("CrossEntropyLoss", (), {})(), r"; did you mean 'cross_entropy'\?$"),
        ("loss", type("L1Loss", (), {})(), HALF + "$"),
        ("loss", fw.losses.Quantile, r"; did you mean 'quantile'\?$"),
        ("loss", 3, "found 3$"),
    ],
)
def test_functions_and_objects_where_a_name_is_expected(name, given, match):
    with pytest.raises(TypeError, match=f"{name}.*: expected a name.*{match}"):
        network(**{name: given}) if name != "loss" else network().fit(X, LABELS, loss=given)


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
class Keys(collections.abc.KeysView):
    """Of a mapping without an order."""

    def __init__(self, values):
        super().__init__(dict.fromkeys(values))


@pytest.mark.parametrize("kind", [set, frozenset, dict.fromkeys, Keys])
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


VIEWS = [
    lambda values: dict.fromkeys(values).keys(),
    lambda values: collections.OrderedDict.fromkeys(values).keys(),
    lambda values: dict(enumerate(values)).values(),
]


@pytest.mark.parametrize("view", VIEWS)
def test_a_dicts_keys_and_values_are_in_order(view):
    assert fw.Network(view([5, 4, 3])).sizes == (5, 4, 3)
    assert fw.Adam(betas=view([0.5, 0.75])).betas == (0.5, 0.75)
    assert len(fw.fit_many(view([network(), network(rng=1)]), X, LABELS)) == 2
    with pytest.raises(TypeError, match=r"^sizes\[0\]: expected a whole number, found \(5, None\)"):
        fw.Network({5: None, 4: None}.items())


@pytest.mark.parametrize("kind", [set, dict.fromkeys])
def test_the_pair_refuses_what_has_no_order(kind):
    sklearn = pytest.importorskip("featherweight.sklearn", reason="needs scikit-learn")
    for options in (
        {"hidden_layer_sizes": kind([5, 3])},
        {"hidden_layer_sizes": (5, 3), "activation": kind(["relu", "tanh"])},
    ):
        with pytest.raises((TypeError, ValueError), match="expected a sequence"):
            sklearn.MLPClassifier(max_iter=2, **options).fit(X, LABELS)


# ---- classes
KEYS = [np.float64, np.float32, np.float16, np.int8, np.uint64, float, decimal.Decimal]


@pytest.mark.parametrize("kind", KEYS)
def test_class_weights_by_whatever_equals_a_label(kind):
    net, twin = network(), network()
    net.fit(X, LABELS, class_weight={kind(int(k)): v for k, v in {0: 2.0, 2: 0.5}.items()})
    twin.fit(X, LABELS, class_weight={0: 2.0, 2: 0.5})
    compare.assert_same_bits(net.parameters, twin.parameters)
    two, other = (fw.Network([4, 2], rng=0) for _ in range(2))
    two.fit(X, LABELS > 0, class_weight={False: 2.0, np.bool_(True): 0.5})
    other.fit(X, LABELS > 0, class_weight={0: 2.0, 1: 0.5})
    compare.assert_same_bits(two.parameters, other.parameters)


class Key(float):
    """Equal to no other key of a dict, though to a label."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({0.5: 1.0}, ValueError, "whole class labels from 0 to 2 as keys, found 0.5"),
        ({3.0: 1.0}, ValueError, "whole class labels from 0 to 2 as keys, found 3.0"),
        ({-1: 1.0}, ValueError, "whole class labels from 0 to 2 as keys, found -1"),
        ({np.nan: 1.0}, ValueError, "whole class labels from 0 to 2 as keys, found nan"),
        ({np.inf: 1.0}, ValueError, "whole class labels from 0 to 2 as keys, found inf"),
        ({"a": 1.0}, TypeError, "real numbers, found the text 'a'"),
        ({"1": 1.0}, TypeError, "real numbers, found the text '1'"),
        ({None: 1.0}, ValueError, r"a missing value \(None\)"),
        ({(0, 1): 1.0}, TypeError, r"as keys, found \(0, 1\)"),
        ({Key(1): 1.0, 1: 2.0}, ValueError, "each class once, found 1 twi"),
        ({1: "a"}, TypeError, "a real number"),
    ],
    ids=str,
)
def test_other_keys_are_refused(given, error, match):
    with pytest.raises(error, match=rf"^class_weight(\[1\])?: expected .*{match}"):
        network().fit(X, LABELS, class_weight=given)


# ---- data in the wrong place
class Items:
    """A data set by number: PyTorch's Dataset, Keras' Sequence."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        if i >= 3:
            raise IndexError
        return X[i], LABELS[i]


def test_what_can_only_be_asked_for_by_number_is_no_iterable():
    with pytest.raises(TypeError, match=r"x: .* such as a DataLoader, found a Items, which can't"):
        network().fit(Items())
    net = network()
    net.fit([(X, LABELS)], epochs=2)  # what a DataLoader gives


def test_a_split_and_a_data_set_in_the_wrong_place():
    digits = fw.data.digits()
    net = fw.Network([784, 10], rng=0, input_scale=1 / 255)
    with pytest.raises(TypeError, match=r"y: .* as x a Split of images and labels: .*`fit\(\*"):
        net.fit(digits.train)
    with pytest.raises(TypeError, match=r"y: .* as x a Dataset of train and test: .*`fit\(\*"):
        net.fit(digits)
    with pytest.raises(TypeError, match="found None, and as x a tuple of arrays"):
        network().fit((X, LABELS))
    with pytest.raises(TypeError, match=r"^validation_data: .* found a Dataset with a Split of"):
        net.fit(*digits.train, validation_data=digits)
    for given in (X, {"x": X, "y": LABELS}, (X,), 3):
        with pytest.raises(TypeError, match=r"^validation_data: expected \(x, y\) .*, found a "):
            network().fit(X, LABELS, validation_data=given)
    for given in (X, np.ma.masked_array(X)):
        with pytest.raises(TypeError, match=r"^y: expected targets, found None$"):
            network().fit(given)


WITHOUT_TARGETS = [
    (None, TypeError, "x: expected an array or an iterable of batches, found None"),
    (3, TypeError, "x: expected an array or an iterable of batches, found 3"),
    ({0: X}.values, TypeError, "x: expected an array or an iterable of batches, found <built-in"),
    ({"x": X}, TypeError, "x: expected an array or an iterable of batches, found a dict"),
    ({1, 2}, TypeError, "x: expected an array or an iterable of batches, found a set"),
    (b"x", TypeError, "x: expected an array or an iterable of batches, found a bytes"),
    ("x.npy", TypeError, "x: expected an array or an iterable of batches, found 'x.npy'; np.load"),
    (pathlib.PurePosixPath("x.npy"), TypeError, r"x: expected .*Path\('x.npy'\); np.load"),
    (np.array(["a"]), TypeError, "x: expected real numbers, found the text 'a' in row 0"),
    (np.ma.masked_equal(X, X[2, 1]), ValueError, "x: expected a number, found a masked value in"),
]


@pytest.mark.parametrize(("x", "error", "match"), WITHOUT_TARGETS, ids=lambda v: type(v).__name__)
def test_what_is_wrong_with_x_is_said_before_that_targets_are_missing(x, error, match):
    for call in (network().fit, lambda x: network().partial_fit(x, None)):
        with pytest.raises(error, match=f"^{match}"):
            call(x)
    with pytest.raises(error, match="^" + match.replace(" or an iterable of batches", "", 1)):
        fw.fit_many([network()], x, None)


def test_a_sparse_matrix_without_targets():
    sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    for kind in (sparse.csr_array, sparse.csc_matrix):
        match = f"^x: expected a dense array, found a sparse {kind.__name__}"
        with pytest.raises(TypeError, match=match):
            network().fit(kind(X))
        with pytest.raises(TypeError, match=match):
            fw.fit_many([network()], kind(X), None)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ((X[:, :3], LABELS), r"^validation x: expected shape \(4,\) or"),
        ((X, LABELS[1:]), r"^validation y: expected shape"),
        ((X, LABELS, -LABELS), r"^validation sample_weight: expected finite weights of at least 0"),
        ((X, LABELS, LABELS[1:]), r"^validation sample_weight: expected shape"),
    ],
)
def test_a_fault_of_the_validation_data_is_said_to_be_theirs(data, match):
    with pytest.raises(ValueError, match=match):
        network().fit(X, LABELS, validation_data=data)
