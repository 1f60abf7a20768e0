"""What the commands say of options that there aren't, of wrong values, and of bad runs."""

import ast
import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import featherweight as fw
from featherweight.cli import _COMMANDS, main
from featherweight.cli.train import _OPTIONS, _PROGRESS, _advice
from featherweight.support.checks import counted
from featherweight.training.history import History

QUICK = ["train", "--no-save", "--epochs", "1"]
POSITIONAL = {"predict": ["model", "image"], "show": ["model"]}


def said(capsys, words):
    """The one sentence of a wrong usage."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line.partition("error: ")[2]


def long_options(command):
    parser = import_module(f"featherweight.cli.{command}").parser()
    return [o for o in parser._option_string_actions if o.startswith("--") and len(o) > 5]


@pytest.mark.parametrize(
    ("command", "option"), [(c, o) for c in _COMMANDS for o in long_options(c)]
)
def test_every_option_misspelt_is_answered_with_itself(command, option, capsys):
    for wrong in (option[:-1], option + "s", option[:3] + option[4] + option[3] + option[5:]):
        if wrong in long_options(command):
            continue
        for words in ([wrong, "3"], [f"{wrong}=3"]):
            sentence = said(capsys, [command, *POSITIONAL.get(command, []), *words])
            assert sentence.startswith(f"{wrong}: expected {option}, found {wrong}"), sentence


def test_words_of_other_libraries_are_options_here(capsys):
    for wrong, right in {
        "--hidden": "sizes",
        "--criterion": "loss",
        "--random-state": "seed",
    }.items():
        found = said(capsys, [*QUICK, wrong, "3"])
        assert found.startswith((f"{wrong}: expected --{right}", "unrecognized arguments: "))
    assert said(capsys, ["--vresion"]) == "--vresion: expected --version, found --vresion"
    assert said(capsys, [*QUICK, "--xyzzy", "3"]) == "unrecognized arguments: --xyzzy 3"


WRONG = {
    "--sizes": ["-5", "16,-5", "0", "99999999,99999999", "x"],
    "--activation": ["relx", "relu,tanhh", "relu,relu,relu"],
    "--output": ["softmaxx"],
    "--loss": ["bce", "binary_cross_entropy"],
    "--optimizer": ["adamw"],
    "--momentum": ["1", "-1"],
    "--learning-rate": ["-1", "nan"],
    "--epochs": ["-1"],
    "--batch-size": ["0"],
    "--seed": ["-1"],
    "--threads": ["0", "1025"],
    "--isa": ["vax"],
    "--progress": ["line"],
}


@pytest.mark.parametrize(("option", "value"), [(o, v) for o, all_ in WRONG.items() for v in all_])
def test_a_wrong_value_is_said_by_the_options_name(option, value, capsys):
    more = ["--optimizer", "sgd"] * (option == "--momentum")
    sentence = said(capsys, ["train", "--no-save", *more, f"{option}={value}"])
    assert re.match(rf"(argument )?{option}\b", sentence), sentence


def test_all_that_the_command_passes_on_is_tried():
    assert set(_OPTIONS.values()) | {"--progress"} == set(WRONG)
    assert set(_PROGRESS) == {"auto", "bar", "lines", "none"}


# ---- a run that has learnt nothing
def test_a_run_no_better_than_guessing_is_said(capsys):
    sentence = "o better than a guess: try a smaller --learning-rate"
    assert main([*QUICK, "--lr", "1e9"]) == 0
    out, err = capsys.readouterr()
    assert f"(200 read right)\nN{sentence}\n" in out
    assert err == ""
    assert main([*QUICK, "--lr", "1e9", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("10.00 %\n", f"featherweight train: warning: n{sentence}\n")
    assert main([*QUICK, "--lr", "1e-12"]) == 0
    assert "N" + sentence.replace("smaller", "larger") in capsys.readouterr().out
    for words in (["--lr", "0.002"], ["--epochs", "0"]):
        assert main([*QUICK, *words]) == 0
        assert "guess" not in capsys.readouterr().out


def test_what_is_no_better_than_a_guess():
    history = History()
    history.epoch.append(1)

    def guessed(matrix, rows=history):
        return _advice(np.array(matrix), rows, fw.Adam(1.0)) != ""

    assert guessed([[0, 50], [0, 50]])
    assert guessed([[52, 48], [47, 53]])
    assert guessed([[900, 0], [100, 0]])  # one class always
    assert not guessed([[890, 10], [40, 60]])
    assert not guessed([[50, 0], [5, 45]])
    assert not guessed([[9, 0], [0, 0]])  # one class alone
    assert not guessed([[0, 50], [0, 50]], History())


# ---- one is one
def test_one_is_not_many(capsys, tmp_path):
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    path = str(tmp_path / "set.npz")
    x = np.ones((1, 4), np.uint8)
    np.savez(path, x_train=x, y_train=[0], x_test=x, y_test=[0])
    assert main([*QUICK, "--data", path]) == 0
    out = capsys.readouterr().out
    assert "training on 1 image (" in out
    assert "1 epoch in" in out
    assert "Accuracy on 1 test image: " in out
    net = fw.Network([4, 2], rng=0)
    assert repr(net.weights) == "<weights of 1 layer: (2, 4)>"
    with pytest.raises(ValueError, match="expected 1 name, one for each hidden layer"):
        fw.Network([4, 3, 2], ["relu", "relu"])
    with pytest.raises(ValueError, match="expected 1 rate, one for each hidden layer"):
        fw.Network([4, 3, 2]).fit(x, [0], dropout=[0.1, 0.2])


NOUNS = "arrays bytes columns digits epochs images inputs iterations labels layers names networks "
NOUNS += "neurons numbers outputs rates rows schedules states steps"


def plain_plurals(source):
    """Counts, in f-strings, before a plural that is written out."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                count = ast.unparse(value.value)
                noun = re.match(r" (\w+)", text.value)
                if count.startswith("len(") and noun and noun[1] in NOUNS.split():
                    found.append(f"{count} {noun[1]}")
    return found


def test_no_length_stands_before_a_plural():
    assert plain_plurals('f"{len(a)} rows"') == ["len(a) rows"]  # the check can see
    for path in sorted(Path(fw.__file__).parent.rglob("*.py")):
        assert not plain_plurals(path.read_text(encoding="utf-8")), path


# ---- Ctrl-C in draw
def test_ctrl_c_ends_the_terminals_line():
    pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    here, there = pytest.importorskip("pty").openpty()
    # a pytest that runs in the background would hand down an ignored SIGINT
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from featherweight.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, "draw", "--no-browser"]
    with subprocess.Popen(words, stdin=there, stdout=there, stderr=there) as child:
        os.close(there)
        written = b""
        while b"\n" not in written:
            written += os.read(here, 1000)
        port = int(re.search(rb":(\d+)/", written)[1])
        wait_for(port)
        child.send_signal(signal.SIGINT)
        while True:
            try:
                part = os.read(here, 1000)
            except OSError:
                break
            if not part:
                break
            written += part
        assert child.wait(60) == 0
    os.close(here)
    assert written.count(b"\n") == 2
    assert written.endswith(b"\n")


def wait_for(port):
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()
