"""MNIST from a folder or from its mirrors, and the package's digits as a part of it."""

import functools
import gc
import gzip
import hashlib
import http.server
import importlib.util
import os
import re
import struct
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from featherweight import data

ROOT = Path(__file__).resolve().parents[1]
# SHA-256 of the four official files, not gzipped, in the order of NAMES and joined
MNIST_SHA256 = "b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a"
NAMES = list(data._FILES)
COUNTS = {"train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
          "test": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)}  # fmt: skip


@pytest.fixture(scope="session")
def full():
    """All of MNIST, where this machine has it."""
    folder = Path(os.environ.get("FEATHERWEIGHT_DATA") or ROOT.parent / "shared/data/mnist")
    try:
        return data.mnist(folder)
    except FileNotFoundError as error:
        pytest.skip(f"needs the MNIST files, in FEATHERWEIGHT_DATA for example: {error}")


# ---- mnist() from a folder


def idx(array, code=8):
    array = np.asarray(array)
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.tobytes()


def contents():
    """Small files that are right: name -> bytes."""
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 256, (n, 28, 28), np.uint8) for n in (5, 3))
    arrays = [train, np.array([9, 0, 3, 3, 1], np.uint8), test, np.array([7, 8, 9], np.uint8)]
    return {name: idx(array) for name, array in zip(NAMES, arrays, strict=True)}


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def zipped(files):
    return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}


def is_small_set(result):
    expected = contents()
    for split, images, labels in zip(result, NAMES[::2], NAMES[1::2], strict=True):
        assert split.images.shape == (len(split.labels), 784)
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert split.images.tobytes() == expected[images][16:]
        assert split.labels.tolist() == list(expected[labels][8:])
        assert split.images.flags.writeable
        assert split.labels.flags.writeable
    return True


def dotted(files):
    return {name.replace("-idx", ".idx"): content for name, content in files.items()}


@pytest.mark.parametrize("spell", [dict, zipped, dotted, lambda f: dotted(zipped(f))])
def test_mnist_reads_every_spelling(tmp_path, spell):
    assert is_small_set(data.mnist(put(tmp_path, spell(contents()))))


def test_mnist_reads_mixed_spellings_and_gz_in_content_only(tmp_path):
    files = contents()
    first, *rest = zipped(files).items()
    put(tmp_path, {first[0].removesuffix(".gz"): first[1], **dict(rest)})
    assert is_small_set(data.mnist(str(tmp_path)))


def test_mnist_reads_anew(tmp_path):
    put(tmp_path, contents())
    data.mnist(tmp_path).train.images[:] = 0
    assert is_small_set(data.mnist(tmp_path))


def test_the_check_of_the_small_set_sees_an_error(tmp_path):
    files = contents()
    files[NAMES[2]] = files[NAMES[2]][:-1] + bytes([files[NAMES[2]][-1] ^ 1])
    with pytest.raises(AssertionError):
        is_small_set(data.mnist(put(tmp_path, files)))


def test_mnist_in_full(full):
    for part, n in (("train", 60_000), ("test", 10_000)):
        split = getattr(full, part)
        assert split.images.shape == (n, 784)
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert tuple(np.bincount(split.labels)) == COUNTS[part]
    joined = b"".join(
        idx(a) for s in full for a in (s.images.reshape(-1, 28, 28), s.labels.astype("u1"))
    )
    assert hashlib.sha256(joined).hexdigest() == MNIST_SHA256


def test_digits_are_rows_of_mnist_as_the_tool_states(full):
    spec = importlib.util.spec_from_file_location("make_digits", ROOT / "tools/make_digits.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for part in ("train", "test"):
        official, ours = getattr(full, part), getattr(data.digits(), part)
        index = tool.choose(official.labels, part)
        assert len(set(index)) == len(ours.labels)
        assert np.array_equal(official.images[index], ours.images)
        assert np.array_equal(official.labels[index], ours.labels)
        assert not np.array_equal(official.images[np.roll(index, 1)], ours.images)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (NAMES[0], idx(np.zeros((5, 27, 28), "u1")), "found uint8 of shape (5, 27, 28)"),
        (NAMES[0], idx(np.zeros((5, 784), "u1")), "found uint8 of shape (5, 784)"),
        (NAMES[0], idx(np.zeros((5, 28, 28), ">i2"), 0x0B), "found int16 of shape (5, 28, 28)"),
        (NAMES[1], idx(np.zeros((5, 1), "u1")), "found uint8 of shape (5, 1)"),
        (NAMES[1], idx(np.zeros(5, ">i4"), 0x0C), "found int32 of shape (5,)"),
        (NAMES[1], idx(np.zeros(4, "u1")), "holds 5 images, but "),
        (NAMES[2], idx(np.zeros((4, 28, 28), "u1")), "holds 4 images, but "),
        (NAMES[3], idx(np.array([0, 10, 255], "u1")), "labels from 0 to 9, found 10"),
        (NAMES[3], b"<html>not found</html>", "is no IDX file"),
    ],
)
def test_files_that_are_not_mnist_are_refused(tmp_path, name, content, message):
    put(tmp_path, {**contents(), name: content})
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        data.mnist(tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", [3, b"bytes", ["list"]])
def test_paths_of_other_types_are_refused(path):
    message = f"mnist() expected path to be a str or path-like, found {type(path).__name__}"
    with pytest.raises(TypeError, match=re.escape(message)):
        data.mnist(path)


def test_a_given_folder_without_the_files_is_told_and_nothing_downloaded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", SimpleNamespace())  # any use would be an error
    with pytest.raises(FileNotFoundError, match=re.escape(f"in {tmp_path}: expected the four")):
        data.mnist(tmp_path)
    files = contents()
    del files[NAMES[1]]
    with pytest.raises(FileNotFoundError, match=f"found no {NAMES[1]} \\(plain or .gz\\)"):
        data.mnist(put(tmp_path, files))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        data.mnist(tmp_path / "nowhere")
    (tmp_path / NAMES[1]).mkdir()  # a folder of that name is no file
    with pytest.raises(FileNotFoundError, match=f"found no {NAMES[1]}"):
        data.mnist(tmp_path)


# ---- mnist() by default: environment, cache, mirrors


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, and no variable that points elsewhere."""
    for name in ("FEATHERWEIGHT_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_environment_names_the_folder(tmp_path, monkeypatch, home):
    monkeypatch.setenv("FEATHERWEIGHT_DATA", str(put(tmp_path / "given", contents())))
    assert is_small_set(data.mnist())
    put(home / "given", contents())
    monkeypatch.setenv("FEATHERWEIGHT_DATA", "~/given")
    assert is_small_set(data.mnist())


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", None, ".cache"),
        ("linux", "XDG_CACHE_HOME", "elsewhere"),
        ("darwin", None, "Library/Caches"),
        ("win32", None, "AppData/Local"),
        ("win32", "LOCALAPPDATA", "elsewhere"),
    ],
)
def test_the_users_cache_is_the_default(monkeypatch, home, platform, variable, folder):
    if variable:
        monkeypatch.setenv(variable, str(home / folder))
    monkeypatch.setenv("FEATHERWEIGHT_DATA", "")  # as good as unset
    put(home / folder / "featherweight/mnist", contents())
    monkeypatch.setattr(data, "sys", SimpleNamespace(platform=platform))
    assert is_small_set(data.mnist())


def test_without_pooch_the_message_says_what_to_put_where(home, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.setenv("FEATHERWEIGHT_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        data.mnist()
    message = str(caught.value)
    assert all(f"{name}.gz" in message for name in NAMES)
    assert f"into {tmp_path}" in message
    assert "pip install 'featherweight[data]'" in message
    assert "\n" not in message


class FakePooch:
    """retrieve() of pooch, from a dictionary address -> bytes or error."""

    def __init__(self, web):
        self.web, self.asked = web, []

    def retrieve(self, url, known_hash, fname, path, progressbar):
        self.asked.append(url)
        found = self.web.get(url, ConnectionError("unreachable"))
        if isinstance(found, Exception):
            raise found
        if known_hash != f"sha256:{hashlib.sha256(found).hexdigest()}":
            raise ValueError("SHA256 hash of downloaded file does not match the known hash")
        return str(put(Path(path), {fname: found}) / fname)


@pytest.fixture
def mirrors(home, monkeypatch):
    """Two mirrors with the small files, and the hashes of those."""
    files = zipped(contents())
    hashes = {name: hashlib.sha256(files[f"{name}.gz"]).hexdigest() for name in NAMES}
    monkeypatch.setattr(data, "_FILES", hashes)
    monkeypatch.setattr(data, "_MIRRORS", ("https://one/", "https://two/"))
    pooch = FakePooch({m + name: files[name] for m in data._MIRRORS for name in files})
    monkeypatch.setitem(sys.modules, "pooch", pooch)
    monkeypatch.setattr(data, "sys", SimpleNamespace(platform="linux", stderr=sys.stderr))
    return pooch


def cached(home):
    return sorted(path.name for path in (home / ".cache/featherweight/mnist").glob("*"))


def test_missing_files_are_downloaded_once(home, mirrors):
    assert is_small_set(data.mnist())
    assert mirrors.asked == [f"https://one/{name}.gz" for name in NAMES]
    assert cached(home) == sorted(f"{name}.gz" for name in NAMES)
    assert is_small_set(data.mnist())
    assert len(mirrors.asked) == 4


def test_only_what_is_missing_is_downloaded(home, mirrors):
    put(home / ".cache/featherweight/mnist", dict(list(contents().items())[:3]))
    assert is_small_set(data.mnist())
    assert mirrors.asked == [f"https://one/{NAMES[3]}.gz"]


def test_downloads_go_to_the_folder_that_the_environment_names(tmp_path, monkeypatch, mirrors):
    monkeypatch.setenv("FEATHERWEIGHT_DATA", str(tmp_path / "given"))
    assert is_small_set(data.mnist())
    assert len(list((tmp_path / "given").iterdir())) == 4


@pytest.mark.parametrize("failure", [ConnectionError("down"), TimeoutError(), b"tampered with"])
def test_the_second_mirror_is_tried_where_the_first_fails(mirrors, failure):
    mirrors.web[f"https://one/{NAMES[1]}.gz"] = failure
    assert is_small_set(data.mnist())
    assert [url for url in mirrors.asked if NAMES[1] in url] == [
        f"https://one/{NAMES[1]}.gz",
        f"https://two/{NAMES[1]}.gz",
    ]


def test_when_all_mirrors_fail_the_message_says_why_and_what_to_do(home, mirrors):
    mirrors.web[f"https://one/{NAMES[0]}.gz"] = b"tampered with"
    del mirrors.web[f"https://two/{NAMES[0]}.gz"]
    with pytest.raises(FileNotFoundError) as caught:
        data.mnist()
    message = str(caught.value)
    assert f"could not download {NAMES[0]}.gz" in message
    assert "https://one/: wrong SHA-256, https://two/: ConnectionError" in message
    assert f"into {home / '.cache/featherweight/mnist'}" in message
    assert "\n" not in message
    assert cached(home) == []


def test_the_official_hashes_and_mirrors():
    """Spelled as published, so that an edit of the table is noticed."""
    joined = hashlib.sha256("".join(data._FILES.values()).encode()).hexdigest()
    assert joined == "1380708c276834e082dc47a936e95f5bca5ac9f0fdbab891b17ac77badd8b079"
    assert len(data._MIRRORS) >= 2
    assert all(m.startswith("https://") and m.endswith("/") for m in data._MIRRORS)


ignore_open_sockets = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture
def served(home, tmp_path, monkeypatch):
    """The real pooch, and two mirrors on this machine: folders to put files into."""
    pytest.importorskip("pooch", reason="needs pooch, of the extra `data`")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    web = put(tmp_path / "web", {})
    files = zipped(contents())
    hashes = {name: hashlib.sha256(files[f"{name}.gz"]).hexdigest() for name in NAMES}
    monkeypatch.setattr(data, "_FILES", hashes)
    monkeypatch.setenv("NO_PROXY", "*")
    handler = functools.partial(Handler, directory=str(web))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(data, "_MIRRORS", (f"{address}/one/", f"{address}/two/"))
        monkeypatch.setenv("FEATHERWEIGHT_DATA", str(tmp_path / "cache"))
        yield SimpleNamespace(
            one=web / "one", two=web / "two", cache=tmp_path / "cache", files=files
        )
        server.shutdown()
        thread.join()
        gc.collect()  # pooch leaves the connection of a 404 open, to be found by the collector


@ignore_open_sockets
def test_real_pooch_takes_the_second_mirror_where_the_first_lacks_a_file(served):
    put(served.one, {f"{NAMES[0]}.gz": served.files[f"{NAMES[0]}.gz"]})
    put(served.two, served.files)
    assert is_small_set(data.mnist())
    assert sorted(path.name for path in served.cache.iterdir()) == sorted(served.files)


@ignore_open_sockets
def test_real_pooch_refuses_a_wrong_hash_and_leaves_nothing_behind(served):
    tampered = {**served.files, f"{NAMES[0]}.gz": gzip.compress(b"tampered with")}
    put(served.one, tampered)
    put(served.two, tampered)
    with pytest.raises(FileNotFoundError, match=r"one/: wrong SHA-256, .*two/: wrong SHA-256\)"):
        data.mnist()
    assert list(served.cache.iterdir()) == []
    put(served.two, served.files)
    assert is_small_set(data.mnist())
