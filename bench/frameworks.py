"""The libraries that train as well: PyTorch, scikit-learn and JAX. See libraries.py."""

import types

import numpy as np

import workloads
from workloads import CHECKED_STEPS


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
