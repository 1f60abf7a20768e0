"""Memory-mapped files: of any numbers, in any order, larger than memory; inputs and targets."""

import subprocess
import sys

import numpy as np
import pytest

import compare
import featherweight as fw
from test_fit_options import problem

KINDS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
KINDS += [np.float16, np.float32, np.float64, np.bool_]
OTHER = ">" if sys.byteorder == "little" else "<"
KINDS += [OTHER + k for k in ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: np.dtype(k).str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_mapped_files_of_any_numbers(order, kind, tmp_path, isa, dtype):
    net, x, labels = problem(dtype, isa=isa, input_scale=0.25)
    twin, _, _ = problem(dtype, isa=isa, input_scale=0.25)
    values = (np.abs(x * 5)).astype(kind)
    mapped = np.memmap(tmp_path / "x", kind, "w+", shape=values.shape, order=order)
    mapped[:] = values
    net.fit(mapped[::2], labels[::2], epochs=2, input_dropout=0.2, rng=1)
    twin.fit(values[::2].astype(dtype), labels[::2], epochs=2, input_dropout=0.2, rng=1)
    compare.assert_same_bits(net.parameters, twin.parameters)
    assert net.evaluate(mapped, labels) == twin.evaluate(values.astype(dtype), labels)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: np.dtype(k).str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_mapped_targets_of_any_numbers(order, kind, tmp_path, isa, dtype):
    """Of more than one panel, smoothed and not, and what is refused of them."""
    rng = np.random.Generator(np.random.Philox(5))
    values = (rng.random((90, 19)) < 0.3).astype(kind)
    mapped = np.memmap(tmp_path / "y", kind, "w+", shape=values.shape, order=order)
    mapped[:] = values
    net, twin = (
        fw.Network([19, 8, 19], output="sigmoid", rng=1, dtype=dtype, isa=isa) for _ in range(2)
    )
    options = {"epochs": 2, "label_smoothing": 0.1, "validation_split": 0.2, "rng": 3}
    history = net.fit(mapped, mapped, **options)
    other = twin.fit(values.astype(dtype), values.astype(dtype), **options)
    compare.assert_same_bits(net.parameters, twin.parameters)
    assert history.val_loss == other.val_loss
    assert history.accuracy == other.accuracy == []
    assert net.evaluate(mapped, mapped) == twin.evaluate(mapped, values.astype(dtype))
    if np.dtype(kind).kind != "b":
        mapped[77, 3] = 2
        with pytest.raises(ValueError, match="y: expected, for binary_cross_entropy, values from"):
            net.fit(mapped, mapped)


WAYS = {
    "columns reversed": lambda a: a[:, ::-1],
    "rows reversed": lambda a: a[::-1],
    "every third column": lambda a: a[:, ::3],
    "converted": lambda a: a.astype(np.float64 if a.itemsize == 4 else np.float32),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int16, np.uint8])
@pytest.mark.parametrize("order", ["C", "F"])
def test_mapped_files_however_they_are_sliced(order, kind, way, tmp_path, dtype):
    """Columns next to each other, some apart, a whole file apart, and in descending order."""
    mapped = np.memmap(tmp_path / "x", kind, "w+", shape=(300, 70), order=order)
    mapped[:] = np.random.default_rng(4).integers(0, 200, mapped.shape)
    rows = WAYS[way](mapped)
    assert isinstance(rows, np.memmap) or isinstance(rows.base, np.memmap)
    net, twin = (
        fw.Network([rows.shape[1], 8, 3], rng=2, dtype=dtype, input_scale=0.01) for _ in range(2)
    )
    labels = np.arange(300) % 3
    net.fit(rows, labels, epochs=2, batch_size=24)
    twin.fit(np.array(rows, dtype, order="C"), labels, epochs=2, batch_size=24)
    compare.assert_same_bits(net.parameters, twin.parameters)


def test_what_is_wrong_far_down_is_found(tmp_path):
    """In blocks of rows after the first, by the row's own number."""
    y = np.memmap(tmp_path / "y", np.float64, "w+", shape=(5000, 100))
    net = fw.Network([3, 100], output="identity", rng=0)
    x = np.zeros((5000, 3))
    for wrong in (np.nan, 1e300):  # which float32 has as infinity
        y[4321, 7] = wrong
        with pytest.raises(ValueError, match=r"(?s)y: expected finite values.* in row 4321$"):
            net.fit(x, y)


def test_halves_are_exact(tmp_path):
    """All 65,536 of them, infinities and NaN too, by way of a network that returns its input."""
    every = np.arange(65536, dtype=np.uint16).view(np.float16).reshape(-1, 1)
    mapped = np.memmap(tmp_path / "x", np.float16, "w+", shape=every.shape)
    mapped[:] = every
    net = fw.Network([1, 1], output="identity")
    finite = np.isfinite(every[:, 0])
    with np.errstate(invalid="ignore"):
        wide = every.astype(np.float32)
    net.weights[0] = np.ones((1, 1), np.float32)
    found, _ = net.evaluate(mapped[finite], wide[finite])
    assert found == 0.0
    found, _ = net.evaluate(mapped[finite], wide[finite] + 1)
    assert found > 0


LIMITED = """
import resource, sys
import numpy as np
import featherweight as fw
rows = int(sys.argv[2])
x = np.memmap(sys.argv[1], sys.argv[3], "r", shape=(rows, 784))
labels = np.arange(rows) % 10
targets, output = (x, "identity") if sys.argv[4] == "autoencoder" else (labels, "softmax")
outputs = 784 if sys.argv[4] == "autoencoder" else 10
net = fw.Network([784, 16, outputs], output=output, input_scale=1 / 255, rng=0, threads=1)
net.fit(x[:64], targets[:64])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
limit = int(status["VmData"].split()[0]) * 1024 + (48 << 20)  # of what is not a mapped file
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.ones(49 << 20, np.uint8)
    sys.exit("the limit does not hold")
except MemoryError:
    pass
net.fit(x, targets, batch_size=256, validation_data=(x, targets))
print(x.nbytes)
"""


@pytest.mark.not_sanitized(reason="its own memory counts against the limit")
@pytest.mark.parametrize(
    ("kind", "task"),
    [("uint8", "classes"), ("int16", "classes"), (">f4", "classes"), (">i2", "autoencoder")],
)
def test_a_file_larger_than_the_memory_limit(kind, task, tmp_path):
    rows = (320 << 20) // (784 * np.dtype(kind).itemsize)
    with open(tmp_path / "x", "wb") as f:
        f.truncate(rows * 784 * np.dtype(kind).itemsize)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "x"), str(rows), kind, task],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 6 * (48 << 20)
