"""What the page is told, and what its server refuses."""

import asyncio
import copy
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import compare
import featherweight as fw
from featherweight.draw import answers

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def networks():
    return answers.shipped()


@pytest.fixture(scope="module")
def readers(networks):
    return {name: answers.Reader(net) for name, net in networks.items()}


@pytest.fixture(scope="module")
def client(networks):
    server = pytest.importorskip("featherweight.draw.server")
    testing = pytest.importorskip("starlette.testclient", reason="Starlette is not installed")
    return testing.TestClient(server.application(networks), base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize("name", ["relu", "sigmoid"])
def test_the_shipped_networks_read(name, networks):
    net = networks[name]
    assert net.sizes == (784, 16, 16, 10)
    assert net.activation == (name, name)
    test = fw.data.digits().test
    assert net.score(*test) > 0.95
    twin = compare.twin(net)
    compare.assert_close(net(test.images[:50]), twin(test.images[:50]), 1e-4)
    with pytest.raises(AssertionError):
        compare.assert_close(net(test.images[1:51]), twin(test.images[:50]), 1e-4)


def test_their_accuracies_are_those_that_are_stated(networks):
    folder = os.environ.get("FEATHERWEIGHT_DATA") or str(ROOT.parent / "shared" / "data" / "mnist")
    try:
        _, test = fw.data.mnist(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        pytest.skip(f"needs the full MNIST set: {error}")
    stated = re.findall(r"\| (relu|sigmoid) \| ([\d.]+) % \|", (ROOT / "docs/draw.md").read_text())
    assert dict(stated) == {n: f"{100 * net.score(*test):.2f}" for n, net in networks.items()}


def test_an_answer_is_the_librarys(readers):
    reader, image = readers["relu"], fw.data.digits().test.images[4]
    net = reader.network
    found = reader.read(image.tobytes())
    layers = net.activations(image)[1:]
    assert found["pixels"] == image.tolist()
    for a, b in zip(found["layers"], layers, strict=True):
        compare.assert_same_bits(np.array(a, np.float32), b)
    assert found["digit"] == net.predict(image)
    assert found["confidence"] == float(layers[-1].max())
    assert found["scales"] == [layers[0].max(), layers[1].max(), 1.0]


@pytest.mark.parametrize("sizes", [(784, 16, 16, 10), (784, 300, 170, 10)])
def test_the_lines_are_the_largest(sizes):
    """Weight times activation, among the neurons that are shown, by all of them sorted."""
    net = fw.Network(sizes, "tanh", rng=3, input_scale=1 / 255)
    reader = answers.Reader(net)
    image = fw.data.digits().test.images[4]
    a = net.activations(image)
    found = reader.read(image.tobytes())["lines"]
    shown = [np.arange(784), *reader.neurons]
    assert len(found) == len(sizes) - 1
    for i, lines in enumerate(found):
        flow = net.weights[i][np.ix_(shown[i + 1], shown[i])] * a[i][shown[i]]
        share = flow / np.abs(flow).max()
        assert len(lines) == min(60, (np.abs(share) >= 0.05).sum())
        of, to, shares = (np.array(column) for column in zip(*lines, strict=True))
        np.testing.assert_allclose(shares, share[to.astype(int), of.astype(int)], atol=0.00051)
        np.testing.assert_allclose(
            np.abs(shares), np.sort(np.abs(share).ravel())[::-1][: len(lines)], atol=0.00051
        )
        assert len(set(zip(of, to, strict=True))) == len(lines)


def test_which_lines_are_drawn_is_stated():
    text = " ".join((ROOT / "docs/draw.md").read_text().split())
    assert (
        f"the {answers._GLOWING} largest products of a weight and its activation, "
        f"except those below {100 * answers._DIMMEST:g} % of the largest."
    ) in text


def test_of_wide_layers_the_weightiest_neurons_are_shown():
    net = fw.Network([784, 300, 160, 10], ["gelu", "tanh"], rng=0)
    weights = net.weights[1].copy()
    heavy = np.arange(7, 300, 2)[:140]
    weights[:, heavy] *= 10
    net.weights[1] = weights
    reader = answers.Reader(net)
    described = reader.describe()
    assert [len(n) for n in described["neurons"]] == [160, 160, 10]
    assert set(heavy) <= set(described["neurons"][0])
    assert described["neurons"][1] == list(range(160))
    image = fw.data.digits().test.images[0]
    layers = net.activations(image * np.float32(1 / 255))[1:]
    found = reader.read(image.tobytes())
    for shown, which, layer in zip(found["layers"], reader.neurons, layers, strict=True):
        np.testing.assert_allclose(shown, layer[which], rtol=1e-5)
    # by the largest of the whole layer, which need not be shown; by 1 where none can be larger
    np.testing.assert_allclose(found["scales"], [np.abs(layers[0]).max(), 1, 1], rtol=1e-5)


def test_a_drawing_is_centred_and_scaled(readers):
    def read(canvas):
        return np.array(readers["relu"].read(canvas.tobytes())["pixels"]).reshape(28, 28)

    canvas = np.zeros((140, 140), np.uint8)
    canvas[10:60, 5:12] = 255  # a stroke in a corner
    pixels = read(canvas)
    rows, columns = np.nonzero(pixels)
    assert rows.max() - rows.min() == 19  # 20 pixels high, as MNIST's are
    assert abs(columns.mean() - 14) < 1
    assert (read(np.roll(canvas, (50, 60), axis=(0, 1))) == pixels).all()
    assert readers["relu"].read(bytes(140 * 140)) == {"pixels": [0] * 784}


def test_the_paper_is_black_however_much_is_drawn(readers):
    def pixels(canvas):
        found = readers["relu"].read(canvas.astype(np.uint8).tobytes())
        return np.array(found["pixels"]).reshape(28, 28), "digit" in found

    frame = np.full((140, 140), 255)
    frame[12:-12, 12:-12] = 0
    seen, read = pixels(frame)
    assert seen[14, 14] == 0
    assert seen[4, 14] == 255
    assert read
    seen, read = pixels(np.full((140, 140), 255))
    assert seen[14, 14] == 255
    assert seen[0, 0] == 0
    assert read
    rim = np.zeros((140, 140))
    rim[0] = 20  # a stroke that was drawn beside the pad
    assert not pixels(rim)[1]


def test_what_a_neuron_looks_for(readers):
    reader = readers["relu"]
    net = reader.network
    found = reader.seeks(0, 3)
    assert found["kind"] == "weights"
    w = net.weights[0][3]
    top = np.sort(np.abs(w))[-8]  # by the largest of all most would be nearly grey
    compare.assert_close(np.array(found["values"]), np.clip(w / top, -1, 1), 1e-4)
    assert abs(found["values"][np.abs(w).argmax()]) == 1
    found = reader.seeks(2, 7)
    assert found["kind"] == "excites"
    excited = fw.looking.excite(net, 2, 7)
    compare.assert_close(np.array(found["values"]), excited / excited.max(), 1e-4)
    assert net.predict(np.array(found["values"]) * 255) == 7


def test_a_dead_neuron_looks_for_nothing_that_is_found(networks):
    """And says so quietly: a warning is an error here."""
    net = copy.copy(networks["relu"])
    net.biases[0] = np.full(16, -1000.0)
    found = answers.Reader(net).seeks(2, 9)
    assert found == {"kind": "nothing", "values": [0.0] * 784}
    w = net.weights[0].copy()
    w[3] = 1.0
    b = np.full(16, -1000.0)
    b[3] = -0.25 * 784  # is woken by noise, whose mean is 0.5, and not by a blank image
    net.weights[0], net.biases[0] = w, b
    found = answers.Reader(net).seeks(1, int(net.weights[1][:, 3].argmax()))
    assert found["kind"] == "excites"
    assert max(found["values"]) == 1


def test_numbers_too_large_are_refused(networks):
    net = copy.copy(networks["relu"])
    net.weights[0] = np.full((16, 784), 3e38)
    reader = answers.Reader(net)
    image = np.full(784, 255, np.uint8).tobytes()
    with pytest.raises(ValueError, match="activations: expected finite numbers, found"):
        reader.read(image)
    assert set(reader.seeks(0, 0)["values"]) == {1.0}


def test_all_outputs_are_shown():
    net = fw.Network([784, 8, 200], rng=0, input_scale=1 / 255)
    reader = answers.Reader(net)
    found = reader.read(fw.data.digits().test.images[0].tobytes())
    assert reader.neurons[-1].tolist() == list(range(200))
    assert np.argmax(found["layers"][-1]) == found["digit"]


def test_scaled_for_a_network_of_other_inputs(networks):
    """One that was trained on inputs from 0 to 1 gets these."""
    net = networks["relu"]
    other = fw.Network(net.sizes, "relu", rng=0)
    for i in range(3):
        other.weights[i], other.biases[i] = net.weights[i], net.biases[i]
    image = fw.data.digits().test.images[0].tobytes()
    a, b = (answers.Reader(n).read(image) for n in (net, other))
    assert a["digit"] == b["digit"]
    assert a["confidence"] == pytest.approx(b["confidence"], abs=1e-5)


REFUSED = [
    ([4, 2], "softmax", "4 inputs and softmax with 2"),
    ([784, 1], "sigmoid", "784 inputs and sigmoid with 1"),
    *(([784, 10], output, f"784 inputs and {output} with 10") for output in ("tanh", "identity")),
]


@pytest.mark.parametrize(("sizes", "output", "found"), REFUSED)
def test_other_networks_are_refused(sizes, output, found):
    words = f"^x: expected a network of 784 inputs with 2 outputs or more, .*, found {found}$"
    with pytest.raises(ValueError, match=words):
        answers.check(fw.Network(sizes, output=output), "x")


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("sizes", [[784, 8, 10], [784, 10], [784, 16, 26], [784, 2]])
def test_outputs_from_0_to_1_are_shown(sizes, output):
    """Softmax and sigmoid alike: each output as it is, on a scale that ends at 1."""
    net = fw.Network(sizes, "sigmoid", output=output, rng=0, input_scale=1 / 255)
    reader = answers.Reader(answers.check(net, "x"))
    image = fw.data.digits().test.images[7]
    found, y = reader.read(image.tobytes()), net(image)
    assert found["layers"][-1] == y.tolist()
    assert found["scales"][-1] == 1.0
    assert (found["digit"], found["confidence"]) == (y.argmax(), y.max())
    assert reader.describe()["activation"][-1] == output
    assert len(reader.seeks(len(sizes) - 2, 1)["values"]) == 784


# ---- the server
def test_the_page_is_one_and_its_own(client):
    response = client.get("/")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert response.text.count(f'nonce="{nonce}"') == 2
    assert "NONCE" not in response.text
    assert "//" not in response.text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")
    assert client.get("/").headers["content-security-policy"] != policy


def test_answers_by_http(client, readers):
    image = fw.data.digits().test.images[0].tobytes()
    found = client.post("/read/relu", content=image).json()
    assert found == readers["relu"].read(image)
    assert client.post("/read/sigmoid", content=image).json()["layers"] != found["layers"]
    assert client.get("/networks").json()["relu"]["parameters"] == 13002
    assert client.get("/networks").json()["relu"]["neurons"][2] == list(range(10))
    assert client.get("/digit/5").json()["label"] == int(fw.data.digits().test.labels[5])
    assert client.get("/seeks/relu/0/3").json() == readers["relu"].seeks(0, 3)


def test_reading_goes_on_while_a_neuron_is_looked_into(client, monkeypatch):
    httpx = pytest.importorskip("httpx", reason="httpx is not installed")
    begun, answered = threading.Event(), threading.Event()

    def slow(self, layer, neuron):
        begun.set()
        return {"answered": answered.wait(10)}

    async def both():
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            looking = asyncio.create_task(http.get("/seeks/relu/2/0"))
            await asyncio.to_thread(begun.wait, 10)
            reading = await http.post("/read/relu", content=bytes(784))
            answered.set()
            return reading.status_code, (await looking).json()

    monkeypatch.setattr(answers.Reader, "seeks", slow)
    assert asyncio.run(both()) == (200, {"answered": True})


def test_the_first_test_image_is_loaded_in_a_thread(client, monkeypatch):
    where = []
    monkeypatch.setattr(answers, "digit", lambda number: where.append(asyncio_runs()) or {})

    def asyncio_runs():
        try:
            return bool(asyncio.get_running_loop())
        except RuntimeError:
            return False

    assert client.get("/digit/3").status_code == 200
    assert where == [False]


@pytest.mark.parametrize(
    ("headers", "messages", "status"),
    [
        # told by its length alone: nothing is received
        ({b"content-length": b"99999999999"}, [], 413),
        ({b"content-length": b"9" * 5000}, [], 413),
        ({b"content-length": b"784"}, [{"type": "http.disconnect"}], 400),
    ],
)
def test_bodies_that_never_come(client, headers, messages, status):
    scope = {
        "type": "http", "method": "POST", "path": "/read/relu", "raw_path": b"/read/relu",
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1"), *headers.items()], "client": None, "server": None,
    }  # fmt: skip
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == status


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil"])
def test_foreign_hosts_are_refused(client, host):
    assert client.get("/", headers={"host": host}).status_code == 400
    assert client.get("/", headers={"host": "localhost:1"}).status_code == 200


ROUTES = ["/", "/networks", "/digit/3", "/seeks/relu/1/0", "/read/relu"]
FOREIGN = [
    ({"origin": "http://evil.example"}, "origin: expected this page's own, found http://evil.e"),
    ({"origin": "http://127.0.0.1:9000"}, "origin: expected this page's own, found http://127.0"),
    ({"origin": "null", "sec-fetch-mode": "navigate"}, "origin: expected this page's own, found"),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, "request: expected one of"),
    ({"sec-fetch-site": "same-site"}, "request: expected one of this page, found one that is same"),
]


def ask(client, path, headers):
    if path.startswith("/read"):
        return client.post(path, headers=headers, content=bytes(784))
    return client.get(path, headers=headers)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(("headers", "sentence"), FOREIGN)
def test_other_pages_are_refused(client, path, headers, sentence):
    response = ask(client, path, headers)
    assert response.status_code == 403
    assert response.json()["error"].startswith(sentence)


@pytest.mark.parametrize("path", ROUTES)
def test_the_page_itself_is_answered(client, path):
    own = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    for headers in (own, {"sec-fetch-site": "none"}, {}):
        assert ask(client, path, headers).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert ask(client, path, link).status_code == (200 if path == "/" else 403)


WHOLE = "expected a whole number of at most 9 digits, found"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "sentence"),
    [
        ("/read/relu", b"x" * 19601, {}, 413, "body: expected at most 19600 bytes"),
        ("/read/relu", b"x" * 100, {}, 400, "drawing: expected 19600 or 784 bytes, found 100"),
        ("/read/none", bytes(784), {}, 404, "expected one of relu, sigmoid, found none"),
        ("/seeks/relu/3/0", None, {}, 404, "expected a neuron of the network"),
        ("/seeks/relu/0/16", None, {}, 404, "expected a neuron of the network"),
        ("/seeks/relu/" + "9" * 5000 + "/0", None, {}, 400, f"layer: {WHOLE} 5000 characters"),
        ("/digit/" + "9" * 5000, None, {}, 400, f"number: {WHOLE} 5000 characters"),
        ("/digit/-1", None, {}, 400, f"number: {WHOLE} -1"),
    ],
)
def test_refusals(client, path, body, headers, status, sentence):
    get = client.get if body is None else client.post
    options = {} if body is None else {"content": body}
    response = get(path, headers=headers, **options)
    assert response.status_code == status
    assert response.json()["error"].startswith(sentence)
