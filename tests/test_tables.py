"""Tables, objects and what else isn't an array of numbers: taken, or refused by name and place."""

import decimal
import fractions
import subprocess
import sys

import numpy as np
import pytest

import compare
import featherweight as fw

ROWS = 30
LABELS = np.arange(ROWS) % 2


def plain():
    """The numbers of the tables below: age, fare, port_C, port_Q, kin."""
    i = np.arange(ROWS)
    return np.stack([20.0 + i, i / 4, i % 2, i % 3 == 0, i % 5], axis=1).astype(np.float64)


NAMES = ["age", "fare", "port_C", "port_Q", "kin"]


def frame():
    pd = pytest.importorskip("pandas", reason="needs pandas")
    x = plain()
    made = pd.DataFrame({name: x[:, j] for j, name in enumerate(NAMES)})
    return made.astype({"port_C": bool, "port_Q": bool, "kin": np.int64})


class Column:
    """A column as pandas has one of an Arrow type: NumPy gets objects."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(list(self.values), object)


class ArrowFrame:
    """As much of pandas' DataFrame of Arrow types as is looked at."""

    def __init__(self, columns):
        self._columns = columns
        self.columns = list(columns)
        self.dtypes = ["double[pyarrow]"] * len(columns)
        self.shape = (ROWS, len(columns))
        self.ndim = 2
        self.iloc = self

    def __getitem__(self, at):
        return Column(self._columns[self.columns[at[1]]])

    def __len__(self):
        return ROWS

    def __array__(self, dtype=None, copy=None):
        found = np.empty(self.shape, object)
        for j, values in enumerate(self._columns.values()):
            found[:, j] = values
        return found


def arrow():
    return ArrowFrame({name: plain()[:, j].tolist() for j, name in enumerate(NAMES)})


def polars():
    pl = pytest.importorskip("polars", reason="needs Polars")
    return pl.DataFrame({name: plain()[:, j] for j, name in enumerate(NAMES)})


def pyarrow():
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    return pa.table({name: plain()[:, j] for j, name in enumerate(NAMES)})


TABLES = {
    "of several types": frame,
    "of nullable types": lambda: frame().astype(
        {"age": "Float64", "fare": "Float32", "port_C": "boolean", "kin": "Int64"}
    ),
    "of objects": lambda: frame().astype(object),
    "of one type": lambda: frame().astype(np.float32),
    "of Arrow's types": arrow,
    "Polars": polars,
    "pyarrow": pyarrow,
    "array of objects": lambda: plain().astype(object),
    "list of rows": lambda: frame().to_numpy().tolist(),
    "with its rows in another order": lambda: frame().set_index(np.arange(ROWS)[::-1]),
    "with one name twice": lambda: frame().set_axis([*NAMES[:4], "age"], axis=1),
}


def network():
    return fw.Network([5, 4, 2], rng=0, input_scale=0.1)


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_taken_everywhere(table):
    found, x = TABLES[table](), plain()
    uses = [
        lambda net, x: net(x),
        lambda net, x: net.predict(x),
        lambda net, x: net.score(x, LABELS),
        lambda net, x: net.evaluate(x, LABELS),
        lambda net, x: net.activations(x)[-1],
        lambda net, x: net.gradients(x, LABELS)[1].weights[0],
        lambda net, x: net.backward(x, np.ones((ROWS, 2))).input,
        lambda net, x: net.fit(x, LABELS, epochs=2, validation_data=(x, LABELS), rng=1).val_loss,
        lambda net, x: net.partial_fit(x, LABELS).loss,
        lambda net, x: net.parameters,
    ]
    net, twin = network(), network()
    for use in uses:
        compare.assert_same_bits(np.asarray(use(net, found)), np.asarray(use(twin, x)))


def columns(values):
    """A column of whole numbers in the ways that it may come."""
    pd = pytest.importorskip("pandas", reason="needs pandas")
    yield values.astype(object)
    yield pd.Series(values)
    yield pd.Series(values, dtype="Int64")
    yield pd.Series(values, dtype="Float64")
    yield pd.Series(values, dtype=object)
    yield [np.int8(v) for v in values]
    yield [fractions.Fraction(int(v)) for v in values]
    yield [decimal.Decimal(int(v)) for v in values]
    yield [float(v) if i % 2 else int(v) for i, v in enumerate(values)]


def test_columns_of_labels_values_weights_and_rows():
    x, weights, rows = plain(), np.arange(ROWS) % 3 + 1, np.arange(ROWS)[4:]

    def fit(**options):
        net = network()
        history = net.fit(x, rng=1, **({"y": LABELS} | options))
        return np.concatenate([net.parameters, history.loss])

    for given in columns(LABELS):
        compare.assert_same_bits(fit(y=given), fit())
    wanted = fit(sample_weight=weights)
    for given in columns(weights):
        compare.assert_same_bits(fit(sample_weight=given), wanted)
    wanted = fit(rows=rows)
    for i, given in enumerate(columns(rows)):
        if i not in (3, 6, 7, 8):  # of floats and what becomes these
            compare.assert_same_bits(fit(rows=given), wanted)
    net, twin = (fw.Network([5, 3, 1], output="identity", rng=0) for _ in range(2))
    for given in columns(weights):
        net.fit(x, given, rng=1)
        twin.fit(x, weights.astype(float), rng=1)
        compare.assert_same_bits(net.parameters, twin.parameters)


def missing_values():
    pd = pytest.importorskip("pandas", reason="needs pandas")
    return [None, float("nan"), pd.NA, pd.NaT]


def test_what_is_no_number_is_named_by_its_row_and_column():
    pd = pytest.importorskip("pandas", reason="needs pandas")
    net, before = network(), network().parameters.copy()
    text = frame().astype(object)
    text.iloc[7, 1] = "cheap"
    dates = frame().assign(fare=pd.Timestamp("2020-01-01"))
    cases = [
        (
            text,
            TypeError,
            r"x: expected real numbers, found the text 'cheap' in row 7, column 'fare'",
        ),
        (text.astype({"fare": "category"}), TypeError, "'cheap' in row 7, column 'fare'"),
        (text.to_numpy(), TypeError, "the text 'cheap' in row 7, column 1"),
        (dates, TypeError, r"of dtype datetime64\[\w+\] in column 'fare'"),
        (frame().astype({"age": complex}), TypeError, "dtype complex128"),
    ]
    for value in missing_values():
        objects = frame().astype(object)
        objects.iloc[9, 4] = value
        cases.append((objects, ValueError, r"x: .* missing value \(.*\) in row 9, column 'kin'"))
        cases.append((objects.to_numpy(), ValueError, r"x: .* in row 9, column 4"))
    holes = arrow()
    holes._columns["kin"][9] = pd.NA
    cases.append((holes, ValueError, r"missing value \(<NA>\) in row 9, column 'kin'"))
    for given, error, match in cases:
        for call in (
            net,
            net.predict,
            lambda x: net.fit(x, LABELS),
            lambda x: net.score(x, LABELS),
        ):
            with pytest.raises(error, match=match) as info:
                call(given)
            assert "\n" not in str(info.value)
        with pytest.raises(error, match="validation x: expected"):
            net.fit(plain(), LABELS, validation_data=(given, LABELS))
    compare.assert_same_bits(net.parameters, before)


@pytest.mark.parametrize("kind", ["float64", "Float64", "Int64", "boolean", "object"])
def test_a_missing_value_of_each_type_of_column(kind):
    """NaN in a table of floats goes through a call as in an array; all else refuses it by name."""
    pd = pytest.importorskip("pandas", reason="needs pandas")
    values = [True, None, False] if kind == "boolean" else [1.0, None, 2.0]
    made = pd.DataFrame({"a": np.arange(3), "b": pd.Series(values, dtype=kind)})
    net = fw.Network([2, 2], rng=0)
    for call in (net.predict, lambda x: net.fit(x, [0, 1, 0]), lambda x: net.score(x, [0, 1, 0])):
        with pytest.raises(ValueError, match=r"x: expected .*found .* in row 1, column 'b'"):
            call(made)
    with pytest.raises(ValueError, match=r"y: expected .* in row 1"):
        net.fit(np.eye(3, 2), made["b"])
    with pytest.raises(ValueError, match=r"sample_weight: expected .* in row 1"):
        net.fit(np.eye(3, 2), [0, 1, 0], sample_weight=made["b"])


def test_columns_of_labels_that_are_none():
    net = network()
    for y, error, match in [
        (np.array(["a", 1] * 15, object), TypeError, "y: .* the text 'a' in row 0$"),
        (np.array([0, None] * 15, object), ValueError, r"y: .* missing value \(None\) in row 1"),
        (["a", "b"] * 15, TypeError, "y: .* the text 'a' in row 0"),
        (np.where(np.arange(30) == 4, 0.5, 1), ValueError, "y: .* found 0.5 in row 4"),
        ([[0, 1]] * 29 + [[0]], ValueError, "y: expected numbers, found rows of unequal length"),
        ([0] * 29 + [10**400], TypeError, "y: expected real numbers, found"),
        (np.array([0] * 29 + [{}], object), TypeError, r"found \{\} in row 29"),
        (np.array([0] * 29 + [1j], object), TypeError, r"found 1j in row 29"),
        (np.array([0] * 29 + [np.datetime64("2020")], object), TypeError, "in row 29"),
    ]:
        with pytest.raises(error, match=match) as info:
            net.fit(plain(), y)
        assert "\n" not in str(info.value)


def test_masked_arrays():
    """Without a masked value they are taken; numbers below a mask aren't read."""
    net, x = network(), np.ma.MaskedArray(plain())
    compare.assert_same_bits(net(x), net(plain()))
    x[3, 2] = np.ma.masked
    with pytest.raises(ValueError, match=r"x: .* found a masked value in row 3, column 2"):
        net(x)
    with pytest.raises(ValueError, match=r"y: .* found a masked value in row 5"):
        net.fit(plain(), np.ma.MaskedArray(LABELS, np.arange(ROWS) == 5))
    compare.assert_same_bits(net(np.ma.MaskedArray(plain().astype(object))), net(plain()))
    with pytest.raises(TypeError, match=r"x: expected real numbers, found an array of dtype"):
        net(np.rec.array(np.zeros(5, [("mask", "f4"), ("columns", "f4")])))


class Lazy:
    """A Dask collection, as far as it is looked at."""

    ndim, shape, dtype = 2, (ROWS, 5), np.dtype(float)

    def __dask_graph__(self):
        return {"a": 1}

    def map_blocks(self):
        """Of arrays alone."""

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("gathered")

    def __len__(self):
        return ROWS


class Labelled:
    """xarray's, which may have a graph and here has none."""

    def __dask_graph__(self):
        return None

    def __array__(self, dtype=None, copy=None):
        return plain()


def test_dask_collections_are_refused_before_they_are_gathered():
    net, x, lazy = network(), plain(), Lazy()
    calls = [
        lambda: net(lazy),
        lambda: net.predict(lazy),
        lambda: net.fit(lazy, LABELS),
        lambda: net.fit(x, lazy),
        lambda: net.fit(x, LABELS, sample_weight=lazy),
        lambda: net.fit(x, LABELS, rows=lazy),
        lambda: net.fit(x, LABELS, validation_data=(lazy, LABELS)),
        lambda: net.fit([(lazy, LABELS)]),
        lambda: net.partial_fit(lazy, LABELS),
        lambda: net.score(lazy, LABELS),
        lambda: net.backward(x, lazy),
        lambda: net.weights.__setitem__(0, lazy),
        lambda: net(lazy, copy=False),
        lambda: fw.fit_many([net], lazy, LABELS),
        lambda: fw.fit_many([net], x, lazy),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"found a Dask Lazy; X\.map_blocks\(net, dtype="):
            call()
    compare.assert_same_bits(net(Labelled()), net(x))


@pytest.mark.parametrize(
    ("method", "hint"),
    [
        ("map_blocks", r"X\.map_blocks\(net, dtype=\.\.\., chunks=\.\.\.\) calls"),
        ("map_partitions", r"X\.map_partitions\(net, meta=\.\.\.\) calls"),
        (
            "compute",
            r"X\.map_blocks\(net, .*\) of an Array, X\.map_partitions\(net, .*\) of a DataFrame "
            r"call .*; its compute\(\) returns",
        ),
    ],
)
def test_the_way_out_is_one_that_the_dask_collection_has(method, hint):
    kind = type("Frame", (), vars(Lazy) | {"map_blocks": property(), method: print})
    with pytest.raises(TypeError, match=f"found a Dask Frame; {hint}"):
        network()(kind())


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Array", r"X\.map_blocks\(net, dtype=\.\.\., chunks=\.\.\.\) calls"),
        ("DataFrame", r"X\.map_partitions\(net, meta=\.\.\.\) calls"),
        ("Series", r"X\.map_partitions\(net, meta=\.\.\.\) calls"),
        ("Delayed", r"its compute\(\) returns what lies in memory$"),
    ],
)
def test_the_way_out_is_known_by_the_name_of_the_dask_collection(name, hint):
    kind = type(name, (), {"__dask_graph__": Lazy.__dask_graph__, "__len__": Lazy.__len__})
    with pytest.raises(TypeError, match=f"found a Dask {name}; {hint}"):
        network()(kind())


class Fails:
    """What can't be made an array, for a reason of its own."""

    def __len__(self):
        return ROWS

    def __array__(self, dtype=None, copy=None):
        raise ValueError("the file\nis closed")


def test_a_failing_conversion_is_said_in_its_own_words():
    net, x = network(), plain()
    calls = {
        "x": lambda: net(Fails()),
        "y": lambda: net.fit(x, Fails()),
        "sample_weight": lambda: net.fit(x, LABELS, sample_weight=Fails()),
        "rows": lambda: net.fit(x, LABELS, rows=Fails()),
        "dy": lambda: net.backward(x, Fails()),
        r"weights\[0\]": lambda: net.weights.__setitem__(0, Fails()),
        "values": lambda: net.set_parameters([Fails()]),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"^{name}: .*: the file is closed$") as info:
            call()
        assert str(info.value.__cause__) == "the file\nis closed"
    with pytest.raises(ValueError, match=r"^x: expected numbers, found rows of unequal length$"):
        net([[1.0], [1.0, 2.0]])


def test_a_failing_conversion_is_said_by_scikit_learns_pair_too():
    sklearn = pytest.importorskip("featherweight.sklearn", reason="needs scikit-learn")
    with pytest.raises(ValueError, match=r"^y: .*: the file is closed$"):
        sklearn.MLPRegressor().fit(plain(), Fails())


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_the_pair_refuses_dask_collections():
    sklearn = pytest.importorskip("featherweight.sklearn", reason="needs scikit-learn")
    x, lazy = plain(), Lazy()
    m = sklearn.MLPClassifier((3,), solver="lbfgs", random_state=0).fit(x / 50, LABELS)
    for call in (
        lambda: m.fit(lazy, LABELS),
        lambda: m.fit(x, lazy),
        lambda: m.fit(x, LABELS, sample_weight=lazy),
        lambda: m.predict(lazy),
        lambda: m.transform(lazy),
        lambda: m.set_params(solver="adam").fit(x, LABELS, X_val=lazy, y_val=LABELS),
        lambda: m.set_params(solver="adam").fit(x, LABELS, X_val=x, y_val=lazy),
    ):
        with pytest.raises(TypeError, match=r"found a Dask Lazy; X\.map_blocks"):
            call()


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_array"])
def test_sparse_matrices_are_refused(kind):
    sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    net, x = network(), getattr(sparse, kind)(plain())
    for call in (net, net.predict, lambda x: net.fit(x, LABELS), lambda x: net.fit(plain(), x)):
        with pytest.raises(TypeError, match=rf"found a sparse {kind}, .*\.toarray\(\) makes"):
            call(x)
    compare.assert_same_bits(net(x.toarray()), net(plain()))


def test_plain_arrays_import_none_of_it():
    code = """
import numpy as np, sys, featherweight as fw
net = fw.Network([3, 2])
net(np.ones((4, 3))); net.predict([[1, 2, 3]]); net.fit(np.eye(3), [0, 1, 1])
print(*[m for m in ("pandas", "pyarrow", "polars", "dask", "scipy") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
