"""
3. Learning is going downhill
=============================

How good are the 13,002 numbers? Show the network a digit; compare its ten outputs with what they
should have been, 1 for the right digit and 0 for the others; the mean of the squared differences is
the *cost* of this example, and the mean over all examples that of the network. It is one number
that depends on 13,002, and the gradient tells which way to turn each of them so that the cost falls
fastest. **Gradient descent** takes a small step that way, and looks again.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()
net = fw.Network([784, 16, 16, 10], "sigmoid", "sigmoid", input_scale=1 / 255, rng=0)

# %%
# The gradient can be had as arrays in the shapes of the weights. That it is what it claims to be is
# easily checked: turn one knob a little and see by how much the cost changes.

x, labels = train.images[:500], train.labels[:500]
exact = fw.Network(net.sizes, "sigmoid", "sigmoid", input_scale=1 / 255, dtype=np.float64, rng=0)
cost, gradient = exact.gradients(x, labels, loss="mse")
w = exact.weights[1].copy()
nudged = []
for step in (1e-5, -1e-5):
    w[3, 7] += step
    exact.weights[1] = w
    nudged.append(exact.gradients(x, labels, loss="mse")[0])
    w[3, 7] -= step
slope = (nudged[0] - nudged[1]) / 2e-5
print(f"cost {cost:.4f}")
print(f"slope by nudging {slope:.3e}, by the gradient {gradient.weights[1][3, 7]:.3e}")
assert np.isclose(slope, gradient.weights[1][3, 7], rtol=1e-4)

# %%
# The cost of all 10,000 images for every small step would take long. It is nearly as good to take
# a few at a time, in random order, a *mini-batch*: many staggering steps in place of few careful
# ones. Once through all images is an *epoch*.

history = net.fit(
    train.images,
    train.labels,
    epochs=30,
    batch_size=10,
    loss="mse",
    optimizer=fw.SGD(15.0),  # the mean over ten outputs makes small gradients
    validation_data=(test.images, test.labels),
    rng=1,
)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
fw.plot.learning_curves(history, ax=left)
fw.plot.learning_curves(history, "accuracy", ax=right)

# %%
print(f"{history.val_accuracy[-1]:.1%} of {len(test.labels)} images that it had never seen")
print(
    f"an epoch of 10,000 images took {1e3 * min(history.seconds):.1f} ms when this page was built"
)
assert history.val_accuracy[-1] > 0.92

# %%
# The network learned from 10,000 images. With all 60,000 of MNIST, and with some of what was found
# out since (other costs, other steps, dropping neurons at random, distorting the images), networks
# of this kind read more than 99 of 100 rightly: the scripts in ``examples/`` show how.
