"""The compiled call: what it takes for itself, what it leaves to the general way, whose bits are
the yardstick, and that no class or unfinished object can trip it."""

import copy
import functools
import gc
import inspect
import pickle
import pydoc
import sys
import weakref

import numpy as np
import pytest

import compare
import featherweight as fw

HAVE_VECTORCALL = 1 << 11  # of a class's __flags__, part of CPython's ABI


class Watched(fw.Network):
    """Counts how often the general way is taken."""

    general = 0

    def _forward(self, *args, **named):
        self.general += 1
        return super()._forward(*args, **named)


def build(sizes=(17, 9, 5), dtype=np.float32, cls=Watched, **options):
    return cls(sizes, "tanh", "identity", dtype=dtype, rng=3, **options)


def values(shape, dtype):
    rng = np.random.default_rng(7)
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, np.uint8)
    return rng.standard_normal(shape).astype(dtype)


def padded(rows, columns, dtype, by=3):
    return values((rows, columns + by), dtype)[:, :columns]


PLAIN = {
    "one row": lambda n, t: values(n, t),
    "a row of many": lambda n, t: values((4, n), t)[2],
    "one row in two dimensions": lambda n, t: values((1, n), t),
    "every other row, one": lambda n, t: values((2, n), t)[::2],
    "rows": lambda n, t: values((70, n), t),
    "padded rows": lambda n, t: padded(7, n, t),
    "rows backwards": lambda n, t: values((7, n), t)[::-1],
    "one row repeated": lambda n, t: np.broadcast_to(values(n, t), (7, n)),
    "read-only": lambda n, t: np.frombuffer(values(n, t).tobytes(), t),
}
OTHER = {
    "no rows": lambda n, t: values((0, n), t),
    "a list": lambda n, t: values(n, t).tolist(),
    "float16": lambda n, t: values(n, np.float16),
    "other byte order": lambda n, t: values(n, np.float64).astype(">f8"),
    "every other column": lambda n, t: values((3, 2 * n), t)[:, ::2],
    "columns backwards": lambda n, t: values(n, t)[::-1],
    "Fortran order": lambda n, t: np.asfortranarray(values((3, n), t)),
    "a subclass": lambda n, t: values((3, n), t).view(np.matrix),
    "unaligned": lambda n, t: np.frombuffer(b"-" + values(n, t).tobytes(), t, n, 1),
}


@pytest.mark.parametrize("kind", ["own", "uint8"])
@pytest.mark.parametrize("layout", PLAIN)
def test_plain_arrays_are_taken_at_once(layout, kind, dtype):
    for sizes in ((17, 9, 5), (1, 9, 5), (17, 9, 1)):
        net = build(sizes, dtype, input_scale=0.5)
        x = PLAIN[layout](sizes[0], np.uint8 if kind == "uint8" else dtype)
        y = net(x)
        out = np.full_like(y, np.nan)
        wide = np.full((*y.shape[:-1], sizes[-1] + 2), np.nan, dtype)
        assert net(x, out=out) is out
        net(x, out=wide[..., : sizes[-1]])
        assert net.general == 0, layout
        expected = net._forward(x)
        assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
        assert y.flags.owndata
        assert y.flags.c_contiguous
        compare.assert_same_bits(y, expected, layout)
        compare.assert_same_bits(out, expected, layout)
        compare.assert_same_bits(wide[..., : sizes[-1]], expected, layout)
        assert np.isnan(wide[..., sizes[-1] :]).all()


@pytest.mark.parametrize("layout", OTHER)
def test_all_else_goes_the_general_way(layout, dtype):
    net = build(dtype=dtype)
    x = OTHER[layout](17, dtype)
    if layout == "unaligned" and np.asarray(x).flags.aligned:
        pytest.skip("aligned here all the same")
    y = net(x)
    assert net.general == 1
    compare.assert_same_bits(y, net._forward(x), layout)


def outs(dtype):
    other = np.float64 if dtype == np.float32 else np.float32
    frozen = np.zeros((7, 5), dtype)
    frozen.flags.writeable = False
    return {
        "of other rows": np.zeros((6, 5), dtype),
        "of other columns": np.zeros((7, 6), dtype),
        "of one dimension": np.zeros(35, dtype),
        "of another dtype": np.zeros((7, 5), other),
        "of the other byte order": np.zeros((7, 5), np.dtype(dtype).newbyteorder()),
        "read-only": frozen,
        "every other column": np.zeros((7, 10), dtype)[:, ::2],
        "a list": [[0.0] * 5] * 7,
    }


def refusal(call):
    with pytest.raises((TypeError, ValueError)) as info:
        call()
    return type(info.value), str(info.value)


@pytest.mark.parametrize("which", outs(np.float32))
def test_a_wrong_out_is_refused_as_the_general_way_does(which, dtype):
    net, x = build(dtype=dtype), values((7, 17), dtype)
    out = outs(dtype)[which]
    expected = refusal(lambda: net._forward(x, out=out))
    assert expected[1].startswith("out: expected")
    assert refusal(lambda: net(x, out=out)) == expected
    assert not np.any(out)


def test_wrong_inputs_are_refused_as_the_general_way_does(dtype):
    net = build(dtype=dtype)
    for x in (
        values(16, dtype),
        values((3, 18), dtype),
        values((17, 3), dtype),
        values((1, 1, 17), dtype),
        values((), dtype),
        "seventeen",
        None,
        values(17, dtype) + 1j,
    ):
        assert refusal(lambda x=x: net(x)) == refusal(lambda x=x: net._forward(x))


def test_an_out_that_overlaps_x_goes_the_general_way(dtype):
    net = build((6, 6), dtype)
    block = values(200, dtype)
    for shift in (-36, -35, -1, 0, 1, 35, 36):
        block[:] = values(200, dtype)
        x, out = block[80:116].reshape(6, 6), block[80 + shift : 116 + shift].reshape(6, 6)
        for view in (slice(None), slice(None, None, -1)):
            block[:] = values(200, dtype)
            expected = net._forward(x[view].copy())
            net.general = 0
            net(x[view], out=out)
            compare.assert_same_bits(out, expected, f"{shift}")
            assert net.general == (abs(shift) < 36), shift


def test_ways_to_write_a_call():
    net = build()
    x, out = values(17, np.float32), np.empty(5, np.float32)
    expected = build()._forward(x)
    made = "".join(["o", "ut"])  # equal to the interned name, but not the same object
    assert made is not "out"  # noqa: F632
    for y in (
        net(x, out=None),
        net(*[x], **{made: out}),
        net.__call__(x),
        net.__call__(x, out=out),
        net.__call__(x, **{made: None}),
        fw.Network.__call__(net, x),
        next(map(net, [x])),
        functools.partial(net, out=out)(x),
    ):
        compare.assert_same_bits(y, expected)
    assert net.general == 0
    compare.assert_same_bits(net(x=x), expected)
    compare.assert_same_bits(net(x, copy=False), expected)
    compare.assert_same_bits(net.__call__(x=x, out=out), expected)
    assert net.general == 3
    plain = build(cls=fw.Network)
    for wrong in (
        lambda: plain(),
        lambda: plain(x, out),
        lambda: plain(x, of=3),
        lambda: plain(x, x=x),
        lambda: plain(x, out=out, copy=None, of=3),
        lambda: plain.__call__(x, of=3),
    ):
        assert "Network.__call__" in refusal(wrong)[1]


def test_documentation_and_signature():
    assert str(inspect.signature(fw.Network.__call__)) == "(self, /, x, *, out=None, copy=None)"
    for call in (build(), build().__call__):
        assert str(inspect.signature(call)) == "(x, *, out=None, copy=None)"
    assert list(inspect.signature(fw.Network).parameters)[:2] == ["sizes", "activation"]
    assert "While another thread trains the network." in pydoc.render_doc(fw.Network.__call__)


# ---- classes
class Doubled(fw.Network):
    def __call__(self, x, *, out=None, copy=None):
        return 2 * super().__call__(x, out=out, copy=copy)


class Shifted:
    def __call__(self, x, **named):
        return super().__call__(x, **named) + 1


class Mixed(Shifted, fw.Network):
    pass


class Slotted(fw.Network):
    __slots__ = ("note",)


def test_classes_that_derive():
    x, out = values(17, np.float32), np.empty(5, np.float32)
    expected = build()._forward(x)
    for cls, wanted in (
        (Slotted, expected),
        (type("Bare", (fw.Network,), {}), expected),
        (type("Beside", (Slotted, Watched), {}), expected),
        (Doubled, 2 * expected),
        (type("Below", (Doubled,), {}), 2 * expected),
        (Mixed, expected + 1),
        (type("Both", (Mixed, Doubled), {}), 2 * expected + 1),
    ):
        net = build(cls=cls)
        for y in (net(x), net(x, out=out), net.__call__(x), cls.__call__(net, x)):
            compare.assert_same_bits(y, wanted, cls.__name__)
        direct = bool(cls.__flags__ & HAVE_VECTORCALL)
        assert direct == (wanted is expected), cls.__name__
    assert fw.Network.__flags__ & HAVE_VECTORCALL
    note = build(cls=Slotted)
    note.note = 3


def test_a_call_assigned_later_is_the_one_that_is_made(monkeypatch):
    class Late(fw.Network):
        pass

    x = values(17, np.float32)
    net = build(cls=Late)
    expected = net(x)
    Late.__call__ = lambda self, *args, **named: (len(args), sorted(named), args[0] is x)
    for found in (net(x, out=3), net.__call__(x, out=3), functools.partial(net, out=3)(x)):
        assert found == (1, ["out"], True)
    assert net(x) == (1, [], True)
    assert build(cls=Late)(x) == (1, [], True)
    del Late.__call__
    compare.assert_same_bits(net(x), expected)
    monkeypatch.setattr(fw.Network, "__call__", lambda self, x: "patched", raising=True)
    assert build(cls=fw.Network)(x) == "patched"
    assert net(x) == "patched"
    monkeypatch.undo()
    compare.assert_same_bits(net(x), expected)
    compare.assert_same_bits(build(cls=fw.Network)(x), expected)


@pytest.mark.parametrize("cls", [fw.Network, Watched, Doubled, Mixed, Slotted])
def test_copies(cls):
    net, x = build(cls=cls), values(17, np.float32)
    expected = net(x)
    twins = [pickle.loads(pickle.dumps(net, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
    for twin in (*twins, copy.copy(net), copy.deepcopy(net)):
        assert type(twin) is cls
        net.parameters[:] = 0
        compare.assert_same_bits(twin(x), expected)
        net = twin


def test_nothing_is_kept_or_lost():
    net = build(cls=fw.Network)
    x, out, bad = values(17, np.float32), np.empty(5, np.float32), np.empty(4, np.float32)
    net._itself = net  # a cycle, for the collector
    core, seen = net._core, weakref.ref(net)

    def counts(net):
        return [sys.getrefcount(o) for o in (net, x, out, bad, core, type(net))]

    def use(net):
        for _ in range(50):
            net(x)
            net(x, out=out)
            net(x[:, None].T.astype(float), out=out[None])
            with pytest.raises(ValueError, match="out: "):
                net(x, out=bad)
            net._core = core

    use(net)
    before = counts(net)
    use(net)
    assert counts(net) == before
    made, same = net(x), np.empty(5)
    assert sys.getrefcount(made) == sys.getrefcount(same)
    held = sys.getrefcount(core)
    del net
    gc.collect()
    assert seen() is None
    assert sys.getrefcount(core) == held - 1


# ---- objects that are not whole
def test_unfinished_networks_answer_in_a_sentence():
    x = values(17, np.float32)
    for cls in (fw.Network, Watched, Doubled, Slotted, fw._core.ForwardCall):
        net = cls.__new__(cls)
        for use in (
            lambda n: n(x),
            lambda n: n(x, out=x),
            lambda n: n.__call__(x),
            lambda n: n._core,
        ):
            with pytest.raises(RuntimeError, match="expected an object whose __init__ has run"):
                use(net)
    net = fw.Network.__new__(fw.Network)
    with pytest.raises(ValueError, match="sizes"):
        net.__init__([3])
    with pytest.raises(RuntimeError, match="expected an object whose __init__ has run"):
        net(x)


def test_the_core_is_what_it_must_be():
    net, x = build(cls=fw.Network), values(17, np.float32)
    expected = net(x)
    for wrong in (None, 3, net, fw._core.CoreNetwork):
        with pytest.raises(TypeError, match="_core: expected a CoreNetwork"):
            net._core = wrong
    with pytest.raises(TypeError, match="_core: expected a CoreNetwork"):
        del net._core
    with pytest.raises(RuntimeError, match="_core: expected an object whose __init__ has run"):
        net._core = fw._core.CoreNetwork.__new__(fw._core.CoreNetwork)
    compare.assert_same_bits(net(x), expected)


def test_init_once_more():
    net, x = build(cls=fw.Network), values(17, np.float32)
    expected, text = net(x), repr(net)
    with pytest.raises(ValueError, match="threads: expected"):
        net.__init__([3, 4], dtype=np.float64, threads=0)  # refused last: nothing has changed
    assert repr(net) == text
    compare.assert_same_bits(net(x), expected)
    net.__init__([3, 4], dtype=np.float64, rng=0)
    assert net(np.ones(3)).shape == (4,)
    with pytest.raises(ValueError, match=r"x: expected shape \(3,\)"):
        net(x)
