"""
3. Learning by gradient descent
===============================

How good are the 13,002 parameters? We show the network a digit and compare its ten outputs with
the targets: 1 for the right digit and 0 for the others. The mean of the squared differences is
the *cost* of this example. The mean over all examples is the cost of the network. It is one
number that depends on 13,002 parameters. Its gradient gives the direction in which the cost rises
fastest. **Gradient descent** takes a small step in the opposite direction, computes the gradient
again, and so on.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()
net = fw.Network([784, 16, 16, 10], "sigmoid", "sigmoid", input_scale=1 / 255, rng=0)

# %%
# The library returns the gradient as arrays with the shapes of the weights. We can check it: change
# one parameter a little and measure the change of the cost.

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
print(f"slope by finite difference {slope:.3e}, by the gradient {gradient.weights[1][3, 7]:.3e}")
assert np.isclose(slope, gradient.weights[1][3, 7], rtol=1e-4)

# %%
# Computing the cost of all 10,000 images for every small step would take long. It is nearly as
# good to use a few images at a time, in random order. These are a *mini-batch*. Training then
# takes many rough steps instead of a few exact ones. One pass through all images is an *epoch*.

history = net.fit(
    train.images,
    train.labels,
    epochs=30,
    batch_size=10,
    loss="mse",
    optimizer=fw.SGD(15.0),  # large, since the mean over ten outputs makes gradients small
    validation_data=(test.images, test.labels),
    rng=1,
)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
fw.plot.learning_curves(history, ax=left)
fw.plot.learning_curves(history, "accuracy", ax=right)

# %%
print(f"{history.val_accuracy[-1]:.1%} of {len(test.labels)} new images classified correctly")
print(
    f"an epoch of 10,000 images took {1e3 * min(history.seconds):.1f} ms when this page was built"
)
assert history.val_accuracy[-1] > 0.92

# %%
# The network learned from 10,000 images. With all 60,000 images of MNIST and with newer methods
# (other costs, other optimizers, dropping neurons at random, distorting the images), networks of
# this kind classify more than 99 % of the test images correctly. The scripts in ``examples/``
# show how.
