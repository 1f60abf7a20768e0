"""The digits that come with the package."""

import contextlib
import hashlib
import lzma
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from featherweight import data

DIGITS_SHA256 = "bd2b046bcc2071190ee9479aa422a0a7ac93919fcba444baf46a5d4fc3dddd46"


@pytest.fixture
def undecoded():
    """The state before the first call of digits()."""
    data._decode.cache_clear()
    yield
    data._decode.cache_clear()


def content_hash(train, test):
    parts = [train.images, test.images, train.labels.astype("u1"), test.labels.astype("u1")]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def test_digits_are_those_that_were_chosen():
    train, test = data.digits()
    assert content_hash(train, test) == DIGITS_SHA256


def test_the_hash_sees_one_pixel_two_rows_and_one_label():
    train, test = data.digits()
    pixel = train.images.copy()
    pixel[7, 300] ^= 1
    rows = test.images.copy()
    rows[[3, 4]] = rows[[4, 3]]
    label = test.labels.copy()
    label[-1] = (label[-1] + 1) % 10
    assert content_hash(train._replace(images=pixel), test) != DIGITS_SHA256
    assert content_hash(train, test._replace(images=rows)) != DIGITS_SHA256
    assert content_hash(train, test._replace(labels=label)) != DIGITS_SHA256


@pytest.mark.parametrize(("part", "count"), [("train", 10_000), ("test", 2_000)])
def test_digits_shapes_and_types(part, count):
    split = getattr(data.digits(), part)
    assert isinstance(split, data.Split)
    images, labels = split
    assert images.shape == (count, 784)
    assert images.dtype == np.uint8
    assert images.flags.c_contiguous
    assert labels.shape == (count,)
    assert labels.dtype == np.int64
    assert (images.min(), images.max()) == (0, 255)


def test_digits_come_as_named_pairs():
    result = data.digits()
    assert isinstance(result, data.Dataset)
    (x, y), (xt, yt) = result
    assert x is result.train.images
    assert y is result.train.labels
    assert xt is result.test.images
    assert yt is result.test.labels


def are_mixed_tens(labels):
    """Whether each block of ten holds each digit, at each of its places about as often."""
    blocks = labels.reshape(-1, 10)
    shares = [np.bincount(column, minlength=10) / len(blocks) for column in blocks.T]
    balanced = (np.sort(blocks, axis=1) == np.arange(10)).all()
    return bool(balanced and np.min(shares) > 0.03 and np.max(shares) < 0.18)


@pytest.mark.parametrize("part", ["train", "test"])
def test_every_ten_rows_hold_every_digit_in_mixed_order(part):
    labels = getattr(data.digits(), part).labels
    assert are_mixed_tens(labels)
    assert not are_mixed_tens(np.tile(np.arange(10), 200))
    assert not are_mixed_tens(np.roll(labels, 1))


def test_no_image_occurs_twice():
    train, test = data.digits()
    both = np.concatenate([train.images, test.images])
    assert len({row.tobytes() for row in both}) == 12_000
    both[10_500] = both[17]
    assert len({row.tobytes() for row in both}) == 11_999


def test_images_look_like_their_labels():
    """The mean images of the classes tell four in five test digits apart; shuffled ones do not."""
    train, test = data.digits()

    def accuracy(labels):
        means = np.stack([train.images[labels == k].mean(axis=0) for k in range(10)])
        distance = (means**2).sum(axis=1) - 2.0 * test.images @ means.T
        return (distance.argmin(axis=1) == test.labels).mean()

    assert accuracy(train.labels) > 0.78
    assert accuracy(np.roll(train.labels, 1)) < 0.5


def test_nobody_can_write_into_the_shared_digits():
    for split in data.digits():
        for array in split:
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.setflags(write=True)
            base = array
            while isinstance(base, np.ndarray):
                assert not base.flags.writeable
                base = base.base
            assert isinstance(base, bytes)
    assert data.digits() is data.digits()


def decode_from_threads(monkeypatch, meet):
    """Call digits() from eight threads at once: its results, and how often it decoded."""
    start = threading.Barrier(8)
    real, decoded, results = lzma.decompress, [], []

    def decompress(packed):
        decoded.append(threading.get_ident())
        with contextlib.suppress(threading.BrokenBarrierError):
            meet.wait()
        return real(packed)

    def act():
        start.wait()
        results.append(data.digits())

    monkeypatch.setattr(lzma, "decompress", decompress)
    threads = [threading.Thread(target=act) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, len(decoded)


def test_threads_share_one_decoding(monkeypatch, undecoded):
    # nobody comes to meet the first thread while it decodes, so it waits until its time is up
    results, decoded = decode_from_threads(monkeypatch, threading.Barrier(2, timeout=0.2))
    assert decoded == 1
    assert len(results) == 8
    assert all(result is results[0] for result in results)


def test_the_thread_check_sees_a_missing_lock(monkeypatch, undecoded):
    monkeypatch.setattr(data, "_lock", contextlib.nullcontext())
    _, decoded = decode_from_threads(monkeypatch, threading.Barrier(8, timeout=60))
    assert decoded == 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not xz", "is damaged: "),
        (lzma.compress(b"short"), "is damaged: expected 9420000 bytes, found 5"),
    ],
)
def test_damaged_package_data_is_told(tmp_path, monkeypatch, undecoded, content, message):
    file = tmp_path / "digits.xz"
    file.write_bytes(content)
    monkeypatch.setattr(data, "_DIGITS", file)
    with pytest.raises(ValueError, match=re.escape(f"{file} {message}")):
        data.digits()
    monkeypatch.undo()
    assert len(data.digits().train.labels) == 10_000  # the failure was not remembered


def test_the_data_is_small_and_its_licence_lies_beside_it():
    digits = Path(data._DIGITS)
    assert digits.stat().st_size < 1_800_000
    licence = digits.with_name("LICENSE").read_text()
    for words in ("CC BY-SA 3.0", "Yann LeCun and Corinna Cortes", "NIST", "What was changed"):
        assert words in licence


def test_importing_the_module_imports_no_extra():
    code = "import featherweight.data, sys; sys.exit('pooch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
