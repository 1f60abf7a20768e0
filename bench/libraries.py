"""The libraries compared, each in its best usual form: `forward` and `epoch` for a workload.

`forward(w, threads)` returns (f, x): ``f(x)`` is one call, array in, array out. `epoch(w, threads)`
returns (run, check): ``run()`` trains one shuffled epoch, ``check()`` returns the first layer's
weights after a few steps on the first batches in order, from the initial weights.
Not every library can do every workload: NotImplementedError.
"""

import os
from importlib import metadata

import numpy as np

import workloads
from frameworks import Jax, ScikitLearn, Torch, TorchCompiled
from workloads import CHECKED_STEPS, Workload


def environment(name: str, threads: int) -> dict[str, str]:
    """Variables to start a library's process with."""
    e = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    for key in ("OMP", "OPENBLAS", "MKL", "BLIS"):
        e[f"{key}_NUM_THREADS"] = str(threads)
    e["VECLIB_MAXIMUM_THREADS"] = str(threads)
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

    def __init__(self, **options):
        self.options = options  # of Network, beside the workload's

    def inputs(self, w):
        return workloads.inputs(w)

    def network(self, w, threads):
        import featherweight as fw

        scale = 1 / 255 if w.dtype == "uint8" else 1.0
        options = {"threads": threads, "rng": 0, "input_scale": scale, **self.options}
        net = fw.Network(w.sizes, w.activation, w.output, **options)
        for i, (m, b) in enumerate(zip(*workloads.parameters(w), strict=True)):
            net.weights[i], net.biases[i] = m, b
        return net

    def forward(self, w, threads):
        return self.network(w, threads), self.inputs(w)

    def epoch(self, w, threads):
        import featherweight as fw

        x, y = self.inputs(w), workloads.labels(w)

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
