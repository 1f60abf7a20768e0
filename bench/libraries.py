"""The libraries compared, each in its best usual form: `forward` and `epoch` for a workload.

`forward(w, threads)` returns (f, x): ``f(x)`` is one call, array in, array out. `epoch(w, threads)`
returns (run, check): ``run()`` trains one shuffled epoch, ``check()`` returns the first layer's
weights after a few steps on the first batches in order, from the initial weights.
Not every library can do every workload: NotImplementedError.
"""

import os
import types
from importlib import metadata

import numpy as np

import workloads
from workloads import CHECKED_STEPS, Workload


def environment(name: str, threads: int) -> dict[str, str]:
    """Variables to start a library's process with."""
    e = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    for key in ("OMP", "OPENBLAS", "MKL"):
        e[f"{key}_NUM_THREADS"] = str(threads)
    e["FEATHERWEIGHT_NUM_THREADS"] = str(threads)
    if name == "NumPy (AVX-512)":
        e["OPENBLAS_CORETYPE"] = "SKYLAKEX"
    if threads == 1:
        e["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    e["TF_CPP_MIN_LOG_LEVEL"] = "3"
    e["ORT_LOGGING_LEVEL"] = "3"
    return e


class Featherweight:
    package = "featherweight"
    plain_epsilon = False

    def network(self, w, threads):
        import featherweight as fw

        scale = 1 / 255 if w.dtype == "uint8" else 1.0
        net = fw.Network(w.sizes, w.activation, w.output, threads=threads, rng=0, input_scale=scale)
        for i, (m, b) in enumerate(zip(*workloads.parameters(w), strict=True)):
            net.weights[i], net.biases[i] = m, b
        return net

    def forward(self, w, threads):
        return self.network(w, threads), workloads.inputs(w)

    def epoch(self, w, threads):
        import featherweight as fw

        x, y = workloads.inputs(w), workloads.labels(w)

        def optimizer():
            return fw.SGD(w.rate) if w.optimizer == "sgd" else fw.Adam(w.rate)

        def check():
            net, n = self.network(w, threads), CHECKED_STEPS * w.batch
            net.fit(
                x[:n],
                y[:n],
                batch_size=w.batch,
                optimizer=optimizer(),
                shuffle=False,
                progress=False,
            )
            return net.weights[0]

        net, kept = self.network(w, threads), optimizer()
        return lambda: net.fit(x, y, batch_size=w.batch, optimizer=kept, progress=False), check


class NumPy:
    package = "numpy"
    plain_epsilon = False

    def forward(self, w, threads):
        weights, biases = workloads.parameters(w)
        layers = [
            (np.ascontiguousarray(m.T), b, w.activation if i + 2 < len(w.sizes) else w.output)
            for i, (m, b) in enumerate(zip(weights, biases, strict=True))
        ]
        scale = np.float32(1 / 255)

        def act(name, z):
            if name == "sigmoid":
                np.negative(z, out=z)
                np.exp(z, out=z)
                z += 1
                return np.reciprocal(z, out=z)
            if name == "tanh":
                return np.tanh(z, out=z)
            return np.maximum(z, 0, out=z) if name == "relu" else z

        def f(a):
            if a.dtype == np.uint8:
                a = a * scale
            for m, b, name in layers:
                a = a @ m
                a += b
                a = act(name, a)
            return a

        return f, workloads.inputs(w)

    def epoch(self, w, threads):
        x, y = workloads.inputs(w), workloads.labels(w)
        rate = np.float32(w.rate)
        hot = np.eye(w.sizes[-1], dtype=np.float32)

        def train(x, y, order, state):
            weights, biases, moments, step = state
            batch = np.empty((w.batch, x.shape[1]), np.float32)
            for first in range(0, len(order), w.batch):
                rows = order[first : first + w.batch]
                a = [np.take(x, rows, axis=0, out=batch[: len(rows)], mode="clip")]
                for i, (m, b) in enumerate(zip(weights, biases, strict=True)):
                    z = a[-1] @ m
                    z += b
                    if i + 1 == len(weights):
                        z -= z.max(axis=1, keepdims=True)
                        np.exp(z, out=z)
                        z /= z.sum(axis=1, keepdims=True)
                    elif w.activation == "sigmoid":
                        np.negative(z, out=z)
                        np.exp(z, out=z)
                        z += 1
                        np.reciprocal(z, out=z)
                    else:
                        np.maximum(z, 0, out=z)
                    a.append(z)
                d = (a[-1] - hot[y[rows]]) / np.float32(len(rows))
                step[0] += 1
                for i in reversed(range(len(weights))):
                    dw, db = a[i].T @ d, d.sum(axis=0)
                    if i:
                        d = d @ weights[i].T
                        d *= a[i] * (1 - a[i]) if w.activation == "sigmoid" else a[i] > 0
                    for p, g, (m, v) in (
                        (weights[i], dw, moments[i][0]),
                        (biases[i], db, moments[i][1]),
                    ):
                        if w.optimizer == "sgd":
                            g *= rate
                            p -= g
                            continue
                        m *= np.float32(0.9)
                        m += np.float32(0.1) * g
                        g *= g
                        g *= np.float32(0.001)
                        v *= np.float32(0.999)
                        v += g
                        np.sqrt(v, out=g)
                        g *= np.float32(1 / np.sqrt(1 - 0.999 ** step[0]))
                        g += np.float32(1e-8)
                        np.divide(m, g, out=g)
                        g *= np.float32(w.rate / (1 - 0.9 ** step[0]))
                        p -= g

        def begin():
            weights, biases = workloads.parameters(w)
            weights = [np.ascontiguousarray(m.T) for m in weights]
            moments = [
                [(np.zeros_like(p), np.zeros_like(p)) for p in pair]
                for pair in zip(weights, biases, strict=True)
            ]
            return weights, biases, moments, [0]

        def check():
            state = begin()
            train(x, y, np.arange(CHECKED_STEPS * w.batch), state)
            return state[0][0].T

        kept, rng = begin(), np.random.default_rng(0)
        return lambda: train(x, y, rng.permutation(len(x)), kept), check


class Torch:
    package = "torch"
    plain_epsilon = False
    compiled = False

    def model(self, w):
        import torch

        acts = {"relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh}
        parts = []
        for i, (m, b) in enumerate(zip(*workloads.parameters(w), strict=True)):
            layer = torch.nn.Linear(m.shape[1], m.shape[0])
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(m))
                layer.bias.copy_(torch.from_numpy(b))
            parts.append(layer)
            name = w.activation if i + 2 < len(w.sizes) else w.output
            if name in acts:
                parts.append(acts[name]())
        return torch.nn.Sequential(*parts)

    def forward(self, w, threads):
        import torch

        torch.set_num_threads(threads)
        model = self.model(w).eval()
        if self.compiled:
            import torch._inductor.config as config

            config.freezing = True
            model = torch.compile(model, dynamic=w.rows > 1)

        def f(a):
            with torch.inference_mode():
                t = torch.from_numpy(a)
                if t.dtype == torch.uint8:
                    t = t * (1 / 255)
                return model(t).numpy()

        return f, workloads.inputs(w)

    def epoch(self, w, threads):
        if self.compiled:
            raise NotImplementedError
        import torch

        torch.set_num_threads(threads)
        x, y = torch.from_numpy(workloads.inputs(w)), torch.from_numpy(workloads.labels(w))

        def begin():
            model = self.model(w)
            kind = torch.optim.SGD if w.optimizer == "sgd" else torch.optim.Adam
            return model, kind(model.parameters(), lr=w.rate, fused=True)

        def train(model, optimizer, order):
            for rows in order.split(w.batch):
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()

        def check():
            model, optimizer = begin()
            train(model, optimizer, torch.arange(CHECKED_STEPS * w.batch))
            return model[0].weight.detach().numpy()

        kept = begin()
        return lambda: train(*kept, torch.randperm(len(x))), check


class TorchCompiled(Torch):
    compiled = True


def _onnx_model(w: Workload):
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, last = [], [], "x"
    if w.dtype == "uint8":
        nodes = [
            helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["f", "scale"], ["s"]),
        ]
        constants, last = [numpy_helper.from_array(np.float32(1 / 255), "scale")], "s"
    operators = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}
    for i, (m, b) in enumerate(zip(*workloads.parameters(w), strict=True)):
        constants += [numpy_helper.from_array(m, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"z{i}"], transB=1))
        name, last = (w.activation if i + 2 < len(w.sizes) else w.output), f"z{i}"
        if name in operators:
            nodes.append(helper.make_node(operators[name], [last], [f"a{i}"]))
            last = f"a{i}"
    kind = TensorProto.UINT8 if w.dtype == "uint8" else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, [w.rows, w.sizes[0]])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [w.rows, w.sizes[-1]])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


class OnnxRuntime:
    package = "onnxruntime"
    plain_epsilon = False

    def forward(self, w, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            _onnx_model(w), options, providers=["CPUExecutionProvider"]
        )
        run = session.run
        return (lambda a: run(None, {"x": a})[0]), np.atleast_2d(workloads.inputs(w))

    def epoch(self, w, threads):
        raise NotImplementedError


class OpenVino:
    package = "openvino"
    plain_epsilon = False

    def forward(self, w, threads):
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        model = core.compile_model(core.read_model(_onnx_model(w), b""), "CPU", settings)
        request = model.create_infer_request()
        return (
            lambda a: request.infer([a], share_inputs=True, share_outputs=True)[0],
            np.atleast_2d(workloads.inputs(w)),
        )

    def epoch(self, w, threads):
        raise NotImplementedError


class ScikitLearn:
    package = "scikit-learn"
    plain_epsilon = True
    names = types.MappingProxyType({"sigmoid": "logistic"})

    def forward(self, w, threads):
        from sklearn.neural_network import MLPRegressor

        m = MLPRegressor(
            hidden_layer_sizes=w.sizes[1:-1], activation=self.names.get(w.activation, w.activation)
        )
        m.partial_fit(np.zeros((2, w.sizes[0]), np.float32), np.zeros((2, w.sizes[-1]), np.float32))
        weights, m.intercepts_ = workloads.parameters(w)
        m.coefs_ = [np.ascontiguousarray(a.T) for a in weights]
        m.out_activation_ = self.names.get(w.output, w.output)
        if w.dtype == "uint8":
            return (lambda a: m.predict(a * np.float32(1 / 255))), workloads.inputs(w)
        return m.predict, np.atleast_2d(workloads.inputs(w))

    def epoch(self, w, threads):
        from sklearn.neural_network import MLPClassifier

        x, y = workloads.inputs(w), workloads.labels(w)

        def begin(shuffle):
            m = MLPClassifier(
                hidden_layer_sizes=w.sizes[1:-1],
                activation=self.names.get(w.activation, w.activation),
                solver=w.optimizer,
                alpha=0,
                batch_size=w.batch,
                learning_rate_init=w.rate,
                momentum=0,
                nesterovs_momentum=False,
                shuffle=shuffle,
                random_state=0,
            )
            m.partial_fit(x[: w.batch], y[: w.batch], classes=np.arange(w.sizes[-1]))
            weights, biases = workloads.parameters(w)
            for own, given in zip(m.coefs_, weights, strict=True):
                own[:] = given.T
            for own, given in zip(m.intercepts_, biases, strict=True):
                own[:] = given
            if w.optimizer == "adam":
                m._optimizer.t = 0
                for moment in (*m._optimizer.ms, *m._optimizer.vs):
                    moment[:] = 0
            return m

        def check():
            m, n = begin(False), CHECKED_STEPS * w.batch
            m.partial_fit(x[:n], y[:n])
            return m.coefs_[0].T

        kept = begin(True)
        return lambda: kept.partial_fit(x, y), check


class Jax:
    package = "jax"
    plain_epsilon = False

    def forward(self, w, threads):
        import jax
        import jax.numpy as jnp

        weights, biases = workloads.parameters(w)
        layers = [(jnp.asarray(m.T), jnp.asarray(b)) for m, b in zip(weights, biases, strict=True)]
        acts = {
            "sigmoid": jax.nn.sigmoid,
            "relu": jax.nn.relu,
            "tanh": jnp.tanh,
            "identity": lambda z: z,
        }

        @jax.jit
        def f(layers, a):
            if a.dtype == jnp.uint8:
                a = a.astype(jnp.float32) * (1 / 255)
            for i, (m, b) in enumerate(layers):
                a = acts[w.activation if i + 1 < len(layers) else w.output](a @ m + b)
            return a

        return (lambda a: np.asarray(f(layers, a))), workloads.inputs(w)

    def epoch(self, w, threads):
        import jax
        import jax.numpy as jnp

        x, y = jnp.asarray(workloads.inputs(w)), jnp.asarray(workloads.labels(w))
        hidden = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}[w.activation]

        def loss(layers, a, t):
            for m, b in layers[:-1]:
                a = hidden(a @ m + b)
            z = a @ layers[-1][0] + layers[-1][1]
            return -jnp.take_along_axis(jax.nn.log_softmax(z), t[:, None], axis=1).mean()

        def step(state, rows):
            p, m, v, n = state
            g = jax.grad(loss)(p, x[rows], y[rows])
            if w.optimizer == "sgd":
                return (jax.tree.map(lambda p, g: p - w.rate * g, p, g), m, v, n), None
            n += 1
            m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, g)
            v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, g)
            a, c = w.rate / (1 - 0.9**n), 1 / jnp.sqrt(1 - 0.999**n)
            p = jax.tree.map(lambda p, m, v: p - a * m / (jnp.sqrt(v) * c + 1e-8), p, m, v)
            return (p, m, v, n), None

        @jax.jit
        def train(state, order):
            return jax.lax.scan(step, state, order)[0]

        def begin():
            weights, biases = workloads.parameters(w)
            p = [(jnp.asarray(m.T), jnp.asarray(b)) for m, b in zip(weights, biases, strict=True)]
            zero = jax.tree.map(jnp.zeros_like, p)
            return p, zero, zero, jnp.float32(0)

        def check():
            order = np.arange(CHECKED_STEPS * w.batch).reshape(-1, w.batch)
            return np.asarray(train(begin(), order)[0][0][0]).T

        kept, rng = [begin()], np.random.default_rng(0)
        whole = len(x) // w.batch * w.batch  # the last batch, if short, would be compiled apart

        def run():
            kept[0] = train(kept[0], rng.permutation(len(x))[:whole].reshape(-1, w.batch))
            jax.block_until_ready(kept[0])

        return run, check


LIBRARIES = {
    "featherweight": Featherweight,
    "NumPy": NumPy,
    "NumPy (AVX-512)": NumPy,
    "ONNX Runtime": OnnxRuntime,
    "OpenVINO": OpenVino,
    "PyTorch": Torch,
    "PyTorch compiled": TorchCompiled,
    "JAX": Jax,
    "scikit-learn": ScikitLearn,
}


def version(name: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return metadata.version(LIBRARIES[name].package)
    except metadata.PackageNotFoundError:
        return None
