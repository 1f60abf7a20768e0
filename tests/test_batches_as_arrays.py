"""Objects that make batches, such as a Sequence of Keras, are no arrays: NumPy would read on."""

import array
import collections

import numpy as np
import pytest

import featherweight as fw
from featherweight import images, looking

X, Y = np.ones((3, 2), np.float32), np.array([0, 1, 1])


class Numbered:
    """Items by number without an end."""

    left = 20  # reading on is an error, as a test that never ends says nothing

    def __len__(self):
        return 3

    def __getitem__(self, i):
        self.left -= 1
        assert self.left > 0
        return X, Y


class Ending(Numbered):
    """The same with an end."""

    def __getitem__(self, i):
        if i >= 3:
            raise IndexError(i)
        return X, Y


class Iterated(Ending):
    def __iter__(self):
        return (self[i] for i in range(3))


def net():
    return fw.Network([2, 2], rng=0)


USES = {
    "x": [
        lambda b: net()(b),
        lambda b: net()(b, copy=False),
        lambda b: net().predict(b),
        lambda b: net().score(b, Y),
        lambda b: net().evaluate(b, Y),
        lambda b: net().activations(b),
        lambda b: net().gradients(b, Y),
        lambda b: net().backward(b, X),
        lambda b: net().fit(b, Y),
        lambda b: net().partial_fit(b, Y),
        lambda b: fw.fit_many([net()], b, Y),
        lambda b: looking.saliency(net(), b),
    ],
    "y": [
        lambda b: net().fit(X, b),
        lambda b: net().partial_fit(X, b),
        lambda b: net().evaluate(X, b),
        lambda b: net().evaluate(X[0], b),
        lambda b: net().score(X, b),
        lambda b: net().gradients(X, b),
    ],
    "dy": [lambda b: net().backward(X, b)],
    "sample_weight": [
        lambda b: net().fit(X, Y, sample_weight=b),
        lambda b: net().evaluate(X, Y, sample_weight=b),
    ],
    "output_weights": [lambda b: net().fit(X, X, loss="mse", output_weights=b)],
    "rows": [lambda b: net().fit(X, Y, rows=b)],
    "validation x": [lambda b: net().fit(X, Y, validation_data=(b, Y))],
    "validation y": [lambda b: net().fit(X, Y, validation_data=(X, b))],
    "values": [lambda b: net().set_parameters(b)],
    "array": [images.prepare],
}


@pytest.mark.parametrize("kind", [Numbered, Ending, Iterated])
@pytest.mark.parametrize("name", USES)
def test_objects_that_make_batches(name, kind):
    way = "fit(batches)" if kind is Iterated else "fit([b[i] for i in range(len(b))])"
    article = "a" if kind is Numbered else "an"
    for use in USES[name]:
        with pytest.raises(TypeError) as info:
            use(kind())
        assert str(info.value).endswith(
            f"expected an array, found {article} {kind.__name__}, which makes batches: "
            f"Network.{way} takes it without y"
        )
        assert str(info.value).removeprefix("networks[0]: ").startswith(name)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("batches", [Numbered, Ending, Iterated])
def test_objects_that_make_batches_for_scikit_learn(kind, batches):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    made = getattr(pytest.importorskip("featherweight.sklearn"), kind)
    fitted = made(solver="lbfgs").fit(X, Y)
    for use in (
        lambda b: made().fit(b, Y),
        lambda b: made().fit(X, b),
        lambda b: made().fit(X, Y, sample_weight=b),
        lambda b: made().fit(X, Y, X_val=b, y_val=Y),
        lambda b: made().fit(X, Y, X_val=X, y_val=b),
        lambda b: made().partial_fit(b, Y),
        lambda b: made().partial_fit(X, b),
        fitted.predict,
        fitted.transform,
        fitted.input_gradient,
        lambda b: fitted.score(b, Y),
        lambda b: fitted.score(X, b),
        lambda b: fitted.score(X, Y, sample_weight=b),
    ):
        with pytest.raises(TypeError, match=f"found an? {batches.__name__}, which makes batches"):
            use(batches())


def test_batches_are_taken_without_y():
    batches, given = Iterated(), Ending()
    one, other = net(), net()
    one.fit(batches, epochs=2)
    other.fit([given[i] for i in range(len(given))], epochs=2)
    assert np.array_equal(one.parameters, other.parameters)


class Converted:
    def __array__(self, dtype=None, copy=None):
        return np.ones((3, 2), np.float32)

    def __len__(self):
        return 3

    def __getitem__(self, i):
        raise AssertionError


class Described:
    def __init__(self):
        self.__array_interface__ = X.__array_interface__

    def __len__(self):
        return 3

    def __getitem__(self, i):
        raise AssertionError


@pytest.mark.parametrize(
    "given",
    [
        Converted(),
        Described(),
        collections.UserList([[1, 1]] * 3),
        collections.deque([[1, 1]] * 3),
        [array.array("f", [1, 1])] * 3,
        [range(1, 2)] * 3,
        memoryview(X),
        (collections.deque([1, 1]),) * 3,
    ],
    ids=lambda g: type(g).__name__,
)
def test_arrays_of_other_kinds_are_taken(given):
    network = net() if np.shape(given) == (3, 2) else fw.Network([1, 2], rng=0)
    assert np.array_equal(network(given), network(np.asarray(given, np.float32)))


def test_a_batch_object_in_a_list_ends():
    class Endless:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return np.zeros((4, 6), np.float32), np.zeros(4, int)

    net = fw.Network([6, 3], rng=0)
    for use in (net, net.predict, lambda x: net.fit(x, [0]), lambda y: net.fit(np.ones((1, 6)), y)):
        with pytest.raises(TypeError, match="which makes batches"):
            use([Endless()])


def test_objects_whose_items_end_are_arrays():
    import multiprocessing

    class Rows:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            if i >= 3:
                raise IndexError
            return [float(i)] * 6

    net, x = fw.Network([6, 3], rng=0), np.arange(3.0)[:, np.newaxis] * np.ones(6)
    assert np.array_equal(net(Rows()), net(x))
    labels = multiprocessing.Array("q", [0, 1, 2])
    assert net.evaluate(x, labels) == net.evaluate(x, [0, 1, 2])
