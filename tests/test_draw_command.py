"""The command ``featherweight draw``: where it listens, what it opens, how it ends."""

import re
import signal
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection

import numpy as np
import pytest

import featherweight as fw
from featherweight.cli import main

uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")


@pytest.fixture
def opened(monkeypatch):
    """What the browser is asked to open."""
    found = []
    monkeypatch.setattr("webbrowser.open", found.append)
    return found


def timers():
    return [t for t in threading.enumerate() if isinstance(t, threading.Timer)]


def test_what_it_refuses(tmp_path, capsys):
    fw.Network([4, 2]).save(tmp_path / "small.safetensors")
    assert main(["draw", "--no-browser", str(tmp_path / "small.safetensors")]) == 1
    assert "expected a network of 784 inputs" in capsys.readouterr().err
    assert main(["draw", "--port", "70000"]) == 2


def test_it_listens_to_this_machine_alone_and_opens_the_page(monkeypatch, opened, capsys):
    listening = []

    def serve(self, sockets):
        listening.extend(s.getsockname() for s in sockets)
        for timer in timers():
            timer.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    assert main(["draw"]) == 0
    [(host, port)] = listening
    assert host == "127.0.0.1"
    assert opened == [f"http://127.0.0.1:{port}/"]
    assert capsys.readouterr().out == f"{opened[0]} (Ctrl-C ends)\n"
    opened.clear()
    assert main(["draw", "--no-browser"]) == 0
    assert not opened


def test_the_lessons_own_network_is_served(monkeypatch, tmp_path, capsys):
    """With sigmoid outputs; `predict` and `show` take it as well."""
    path = str(tmp_path / "lesson.safetensors")
    fw.Network([784, 8, 10], "sigmoid", output="sigmoid", rng=0).save(path)

    def serve(self, sockets):
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    assert main(["draw", "--no-browser", path]) == 0
    np.save(tmp_path / "digit.npy", fw.data.digits().test.images[0])
    assert main(["predict", path, str(tmp_path / "digit.npy")]) == 0
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    picture = str(tmp_path / "digit.npy")
    assert main(["show", path, picture, "--out", str(tmp_path), "--dpi", "20"]) == 0
    assert capsys.readouterr().err == ""


def test_it_opens_nothing_after_ctrl_c(monkeypatch, opened):
    def serve(self, sockets):
        assert len(timers()) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    assert main(["draw"]) == 0
    for timer in timers():
        timer.join()
    assert not opened


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_it_while_an_upload_hangs(times):
    command = [sys.executable, "-m", "featherweight", "draw", "--no-browser"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        port = int(re.search(r":(\d+)/", process.stdout.readline()).group(1))
        with socket.create_connection(("127.0.0.1", port)) as upload:
            head = b"POST /read/relu HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
            upload.sendall(head + b"Expect: 100-continue\r\n\r\nabc")
            assert upload.recv(100).startswith(b"HTTP/1.1 100")  # it waits for the rest
            try:
                for _ in range(times):
                    process.send_signal(signal.SIGINT)
                # it would wait for ever; the limit is for slow machines
                assert process.communicate(timeout=60) == ("", "")
            finally:
                process.kill()
        assert process.returncode == 0


HALVES = {
    "nothing": [b""],
    "half a line": [b"GET / HT"],
    "half of the headers": [b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"],
    "half of the body": [
        b"POST /read/relu HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 78400\r\n\r\n" + bytes(99)
    ],
    "endless chunks": [
        b"POST /read/relu HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"2\r\nab\r\n",
    ],
    "half of the second": [
        b"GET /networks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: ",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def impatient():
    """The port of a server that gives a request half a second."""
    from featherweight.draw import answers, server

    config = uvicorn.Config(
        server.application(answers.shipped()), http=server.timed_protocol(0.5),
        lifespan="off", log_level="warning", timeout_keep_alive=60, timeout_graceful_shutdown=1,
    )  # fmt: skip
    serving = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        serving.should_exit = True
        thread.join()


@pytest.mark.parametrize("half", HALVES)
def test_half_a_request_is_not_waited_for_without_end(half, impatient):
    with socket.create_connection(("127.0.0.1", impatient), timeout=30) as connection:
        for part in HALVES[half]:
            connection.sendall(part)
            if part.startswith(b"GET /networks"):  # one that is answered
                assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
        while connection.recv(1 << 16):
            pass  # until it is closed: else it would time out


def test_whole_requests_are_answered_one_after_another(impatient):
    """A connection that is used stays open for longer than one request may take."""
    connection = HTTPConnection("127.0.0.1", impatient, timeout=30)
    connection.connect()
    used = connection.sock
    for _ in range(3):
        connection.request("GET", "/networks")
        assert connection.getresponse().read().startswith(b"{")
        threading.Event().wait(0.3)
    assert connection.sock is used
    connection.close()
