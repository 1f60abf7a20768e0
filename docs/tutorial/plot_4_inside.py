"""
4. What the hidden layers look for
==================================

Row *j* of the first matrix has one weight for each pixel, so that it can be drawn as a picture:
what neuron *j* looks for. One hopes for edges, and in the next layer for loops and strokes. Let
us look.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()
net = fw.Network([784, 16, 16, 10], "sigmoid", "softmax", input_scale=1 / 255, rng=0)
net.fit(train.images, train.labels, epochs=20, optimizer=fw.Adam(3e-3), rng=0)
print(f"{net.score(test.images, test.labels):.1%} read rightly")

fw.plot.weights(net)

# %%
# No edges, no loops. Blots and specks, with some structure in the middle, where digits are, and
# none at the border, where every image is blank and no weight has had a reason to move. Is that a
# failure? It reads more than nine of ten digits it has never seen. Of all settings of 13,002
# knobs that do so, gradient descent found one that was near; nothing in the task asked for tidy
# parts.
#
# What structure there is can be put in a number: how alike the weights of neighbouring pixels are.


def smoothness(images):
    """The correlation of neighbouring pixels, 1 for smooth pictures, about 0 for noise."""
    middle = images[:, 6:22, 6:22]
    pairs = [middle[:, :, :-1].ravel(), middle[:, :, 1:].ravel()]
    return np.corrcoef(pairs)[0, 1]


pictures = net.weights[0].reshape(16, 28, 28)
untrained = fw.Network([784, 16, 16, 10], "sigmoid", "softmax", rng=0)
print(f"the digits          {smoothness(test.images.reshape(-1, 28, 28).astype(float)):.2f}")
print(f"what neurons seek   {smoothness(pictures):.2f}")
print(f"before training     {smoothness(untrained.weights[0].reshape(16, 28, 28)):.2f}")

# %%
# Neighbours have become alike, nearly as much as in the digits themselves, where a pixel is dark
# when the next one is. That much the digits left behind; of their parts nothing can be made out.
#
# The other layers can't be drawn as pictures, but asked: which input excites an output neuron most?
# Going uphill from a blank image, with a penalty on large pixels, gives the network's idea of each
# digit.

ideal = np.array([fw.looking.excite(net, -1, digit) for digit in range(10)])
print("read as", net.predict(ideal), "with", np.round(net(ideal).max(axis=1), 2))
fig, axes = plt.subplots(1, 10, figsize=(9, 1.2), layout="constrained")
for digit, ax in enumerate(axes):
    ax.imshow(ideal[digit].reshape(28, 28), cmap="gray_r")
    ax.set_title(digit, fontsize=8)
    ax.axis("off")

# %%
# The network is quite sure of each of these. None would be taken for a digit by anybody else: it
# can tell digits apart, and has no idea how to draw one.
assert (net.predict(ideal) == np.arange(10)).all()
