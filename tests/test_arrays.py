"""Files of NumPy's that are damaged, or something else: a sentence, and no advice on pickles."""

import io
import re
import zipfile

import numpy as np
import pytest

from featherweight.cli import main
from featherweight.cli._npz import read_npz
from featherweight.images import read_digits

X, Y = np.arange(12.0).reshape(3, 4), np.array([0, 1, 0])
ARRAYS = {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y}


def npy(a):
    file = io.BytesIO()
    np.save(file, a)
    return file.getvalue()


def npz(compressed=False, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def patched(content, old, new):
    assert old in content
    return content.replace(old, new)


def listed(content, at, byte):
    """The archive with a byte of each member's entry in its list at the end changed."""
    changed = bytearray(content)
    for entry in re.finditer(rb"PK\x01\x02", content):
        changed[entry.start() + at] = byte
    assert changed != content
    return bytes(changed)


GOOD = {f"{name}.npy": npy(a) for name, a in ARRAYS.items()}
OBJECTS = np.array([{}, {}, {}])
FOREIGN = {
    "csv": (b"age,port\n40,C\n30,Q\n", "found text"),
    "long csv": ("ä,ö\n".encode() * 999, "found text"),
    "empty": (b"", "found an empty file"),
    "binary": (bytes(range(256)), "found something else"),
    "npy": (npy(X), "found an .npy file"),
    "pickle": (OBJECTS.dumps(), "found something else"),
    "objects": (npz(**(ARRAYS | {"x_test": OBJECTS})), "found Python objects"),
    "member of another kind": (zipped(GOOD | {"x_test.npy": b"text"}), "something else"),
    "no members": (zipped({}), "found no x_train"),
    "unknown header": (
        zipped(GOOD | {"x_test.npy": patched(npy(X), b"{'descr'", b"{'descr\"")}), "damage"),
    "text at once": (b"PK\x03\x04 rubbish", "damage"),
    "half": (npz(**ARRAYS)[:400], "damage"),
    "unknown compression": (listed(npz(**ARRAYS), 10, 99), "damage"),
    "encrypted": (listed(npz(**ARRAYS), 8, 1), "damage"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_one_sentence(name, tmp_path, capsys):
    content, found = FOREIGN[name]
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    assert main(["train", "--no-save", "--data", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("featherweight train: error: --data: expected")
    assert found in line
    assert "pickle" not in line


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_npz_files(seed, tmp_path):
    path, rng = tmp_path / "set.npz", np.random.Generator(np.random.Philox(seed))
    whole, refused = npz(compressed=bool(seed), **ARRAYS), 0
    for _ in range(400):
        content = bytearray(whole)
        for at in rng.integers(len(whole), size=rng.integers(1, 4)):
            content[at] = rng.integers(256)
        path.write_bytes(content[: None if rng.random() < 0.8 else int(rng.integers(len(whole)))])
        try:
            read_npz(str(path))
        except (ValueError, MemoryError) as e:
            assert "pickle" not in str(e)  # noqa: PT017 - many are refused, not all
            refused += 1
    assert refused > 100


def test_damaged_npy_files(tmp_path):
    path, rng = tmp_path / "digit.npy", np.random.Generator(np.random.Philox(2))
    whole, refused = npy(np.arange(784, dtype=np.uint8)), 0
    for _ in range(400):
        content = bytearray(whole)
        for at in rng.integers(128, size=rng.integers(1, 4)):
            content[at] = rng.integers(256)
        path.write_bytes(content)
        try:
            read_digits(path)
        except (ValueError, MemoryError) as e:
            assert "pickle" not in str(e)  # noqa: PT017 - many are refused, not all
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("name", ["csv", "empty", "binary", "pickle"])
def test_pictures_that_are_no_arrays(name, tmp_path):
    content, found = FOREIGN[name]
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a.npy: expected an .npy file .*, {found}"):
        read_digits(tmp_path / "a.npy")
