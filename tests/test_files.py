"""Saving and loading: whole, refused in a sentence, or not at all."""

import json
import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import featherweight as fw
import mutants


def network(dtype=np.float32):
    return fw.Network([20, 17, 3], ["tanh"], dtype=dtype, input_scale=1 / 255, rng=5)


def test_round_trip(tmp_path, dtype):
    net = network(dtype)
    net.biases[0] = np.arange(17)
    net.save(tmp_path / "net.safetensors")
    again = fw.load(tmp_path / "net.safetensors", threads=2, isa="scalar")
    assert (again.sizes, again.activation, again.output) == (net.sizes, ("tanh",), "softmax")
    assert (again.dtype, again.input_scale) == (net.dtype, net.input_scale)
    assert (again.threads, again.isa) == (2, "scalar")
    assert np.array_equal(again.parameters, net.parameters)
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_any_reader_of_the_format_finds_the_plain_arrays(tmp_path):
    net = network()
    net.save(tmp_path / "net")
    tensors = load_file(tmp_path / "net")
    assert set(tensors) == {"weights.0", "weights.1", "biases.0", "biases.1"}
    assert np.array_equal(tensors["weights.1"], net.weights[1])


def test_the_same_bytes_each_time(tmp_path):
    seen = set()
    for i in range(5):
        network().save(tmp_path / f"{i}")
        seen.add((tmp_path / f"{i}").read_bytes())
    assert len(seen) == 1


def test_every_truncation_and_flip_in_the_header_is_refused_or_harmless(tmp_path):
    path = tmp_path / "net"
    net = network()
    net.save(path)
    whole = path.read_bytes()
    bad = tmp_path / "bad"
    header = 8 + int.from_bytes(whole[:8], "little")
    for end in [*range(0, header, 7), header, len(whole) - 1, len(whole) - 40]:
        bad.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"bad: expected") as info:
            fw.load(bad)
        assert "\n" not in str(info.value)
    refused = 0
    for at in range(header):
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            fw.load(bad)
        except ValueError as e:
            refused += 1
            assert "\n" not in str(e), at  # noqa: PT017 - most bytes are refused, not all
    assert refused > header // 2


def test_foreign_files(tmp_path):
    path = tmp_path / "net"
    with pytest.raises(FileNotFoundError):
        fw.load(path)
    with pytest.raises(OSError, match=r"[Dd]irectory"):
        fw.load(tmp_path)
    for content in (b"", b"hello", bytes(1000), b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected a whole safetensors file"):
            fw.load(path)
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="expected a network saved by featherweight"):
        fw.load(path)


def edited(path, change):
    tensors = load_file(path)
    head = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    meta = json.loads(head["__metadata__"]["featherweight"])
    change(meta, tensors)
    save_file(tensors, path, {"featherweight": json.dumps(meta)})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m, t: m.update(format_version=2), "expected format version 1, found 2"),
        (lambda m, t: m.update(sizes=[20, 18, 3]), r"expected weights.0 of shape"),
        (lambda m, t: m.update(sizes=[20, -1, 3]), r"sizes\[1\]: expected at least 1"),
        (lambda m, t: m.update(sizes=7), "expected a network's description"),
        (lambda m, t: m.update(sizes=[2**40, 2**40]), "fit this machine's"),
        (lambda m, t: m.update(activation=["swoosh"]), "found 'swoosh'"),
        (lambda m, t: m.update(output=None), "expected a network's description"),
        (lambda m, t: m.update(dtype="float64"), "expected weights.0 of float64, found float32"),
        (lambda m, t: m.update(input_scale="nan"), "input_scale"),
        (lambda m, t: m.update(input_scale=3), "expected a network's description"),
        (lambda m, t: m.pop("sizes"), "expected a network's description"),
        (lambda m, t: t.pop("biases.1"), "expected the tensors"),
        (lambda m, t: t.update(extra=np.zeros(3)), "expected the tensors"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path, change, match):
    path = tmp_path / "net"
    network().save(path)
    edited(path, change)
    with pytest.raises(ValueError, match=match) as info:
        fw.load(path)
    assert "\n" not in str(info.value)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net"
    network().save(path)
    old = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="the disk is full"):
        fw.Network([3, 2]).save(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["net"]
    with pytest.raises(FileNotFoundError):
        network().save(tmp_path / "nowhere" / "net")
    with pytest.raises(IsADirectoryError, match="expected the path of a file, found a folder"):
        network().save(tmp_path)


def test_the_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    """Else a power cut could leave the new name with nothing behind it."""
    path, events = tmp_path / "net", []
    replace, fsync = os.replace, os.fsync

    def synced(handle):
        events.append(("fsync", os.fstat(handle).st_size))
        fsync(handle)

    def renamed(source, to):
        events.append(("replace", os.path.getsize(source)))
        replace(source, to)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    network().save(path)
    size = path.stat().st_size
    assert events == [("fsync", size), ("replace", size)]


def test_killed_at_any_moment_the_file_is_old_or_new(tmp_path):
    path = tmp_path / "net"
    program = (
        "import featherweight as fw, sys\n"
        "nets = [fw.Network([300, 200, 10], rng=i) for i in (0, 1)]\n"
        "nets[0].save(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for net in nets: net.save(sys.argv[1])\n"
    )
    allowed = {fw.Network([300, 200, 10], rng=i).parameters.tobytes() for i in (0, 1)}
    for i in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.003 * i)
            process.send_signal(signal.SIGKILL)
        assert fw.load(path).parameters.tobytes() in allowed


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as on Unix")
def test_permissions_and_links_are_kept(tmp_path):
    path = tmp_path / "net"
    mask = os.umask(0o027)
    try:
        network().save(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    link = tmp_path / "link"
    link.symlink_to(path)
    fw.Network([3, 2]).save(link)
    assert link.is_symlink()
    assert fw.load(path).sizes == (3, 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_ctrl_c_as_the_file_gets_its_name(tmp_path, monkeypatch):
    replace = os.replace

    def interrupted(source, to):
        replace(source, to)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        network().save(tmp_path / "net")
    assert os.listdir(tmp_path) == ["net"]


# ---- files that are damaged, or made by somebody else
def parts(path):
    """The header of a safetensors file as JSON, and what comes after it."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def put_together(path, head, rest):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + rest)


def refused(path):
    """Whether a file is refused, which is a sentence; else it is a network."""
    try:
        net = fw.load(path)
    except ValueError as e:
        assert "\n" not in str(e)  # noqa: PT017 - many are refused, not all
        return True
    assert net(np.zeros(20)).shape == (3,)
    return False


def test_mutants_of_the_description(tmp_path):
    path, rng, n = tmp_path / "net", np.random.Generator(np.random.Philox(1)), 400
    network().save(path)
    head, rest = parts(path)
    meta = json.loads(head["__metadata__"]["featherweight"])
    count = 0
    for _ in range(n):
        found, _ = mutants.mutant(meta, rng)
        head["__metadata__"]["featherweight"] = json.dumps(found)
        put_together(path, head, rest)
        count += refused(path)
    assert count > 0.7 * n  # not all: input_scale -7 is one


def test_mutants_of_the_header(tmp_path):
    path, rng, n = tmp_path / "net", np.random.Generator(np.random.Philox(2)), 400
    network().save(path)
    head, rest = parts(path)
    count = 0
    for _ in range(n):
        put_together(path, mutants.mutant(head, rng)[0], rest)
        count += refused(path)
    assert count > 0.7 * n


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "[" * 900 + "]" * 900, "9" * 5000, "1e999", "\x00"]
)
def test_descriptions_that_json_stumbles_over(text, tmp_path):
    path = tmp_path / "net"
    save_file({"a": np.zeros(3)}, path, {"featherweight": text})
    with pytest.raises(ValueError, match="expected a network saved by featherweight"):
        fw.load(path)


@pytest.mark.parametrize(
    "scale",
    [
        *("0x1p5000", "-0x1p99999", "1p", "inf", "nan", "0x0p0", "0x0.0p+0", "", 0.5, 3, None),
        *("0x1.0000000000000p+1023", "0x1p1023", "a", "1e400", "0x1.8p+0", " 0x1.8000000000000p+0"),
    ],
)
def test_scales_that_are_no_numbers(scale, tmp_path):
    path = tmp_path / "net"
    network().save(path)
    edited(path, lambda m, t: m.update(input_scale=scale))
    with pytest.raises(
        ValueError, match="expected a network's description, found input_scale"
    ) as e:
        fw.load(path)
    assert "Error(" not in str(e.value)


def test_a_scale_beyond_a_network_gets_no_warning():
    for scale in (1e300, 1e-300):
        with pytest.raises(ValueError, match=r"^input_scale: expected a finite number other"):
            fw.Network([3, 2], input_scale=scale)


def test_a_small_file_that_claims_a_large_network(tmp_path, monkeypatch):
    """Refused by its arrays, before memory is asked for."""
    path = tmp_path / "net"
    network().save(path)
    edited(path, lambda m, t: m.update(sizes=[2**15, 2**15, 3]))
    monkeypatch.setattr(fw.Network, "__init__", lambda *_, **__: pytest.fail("memory was taken"))
    with pytest.raises(ValueError, match=r"expected weights.0 of shape \(32768, 32768\)"):
        fw.load(path)


@pytest.mark.parametrize("where", ["tensor", "__metadata__", "description"])
def test_a_name_that_stands_twice_is_refused(where, tmp_path):
    """The format forbids it, of which the safetensors package keeps the last."""
    path = tmp_path / "net"
    network().save(path)
    head, rest = parts(path)
    if where == "description":
        meta = head["__metadata__"]["featherweight"]
        head["__metadata__"]["featherweight"] = meta.replace("{", '{"dtype": "float32", ', 1)
        text = json.dumps(head).encode()
    elif where == "tensor":
        text = json.dumps(head).encode()
        once = json.dumps(head["biases.0"]).encode()
        text = text.replace(b"{", b'{"biases.0": ' + once + b", ", 1)
    else:
        text = json.dumps(head).encode().replace(b"{", b'{"__metadata__": {}, ', 1)
    put_together(path, text, rest)
    with pytest.raises(ValueError, match=r"net: expected"):
        fw.load(path)
