"""
7. Every picture
================

All that ``fw.plot`` can draw, of one small network. Each function draws into Axes that it is given,
or makes a figure of its own, and returns the Axes.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()
net = fw.Network([784, 16, 16, 10], "relu", "softmax", input_scale=1 / 255, rng=0)
history = net.fit(
    *train, epochs=10, optimizer=fw.Adam(3e-3), validation_data=test, metrics="f1", rng=0
)
image, label = test.images[0], test.labels[0]

# %%
# What the neurons of the first layer look for: each one's weights, drawn where its pixels are. The
# shade in the middle of the bar is 0.

fw.plot.weights(net)

# %%
# The network as neurons and lines, as it is made,

fw.plot.diagram(net)

# %%
# and lit by an image.

fw.plot.diagram(net, image)

# %%
# What all neurons of a layer say to many images, here sorted by the digit that each shows.

order = np.argsort(test.labels[:200], kind="stable")
fw.plot.activations(net, test.images[:200][order])

# %%
# How training went, for the images learned from and those never seen; and another measure, of
# several runs on one plot.

fw.plot.learning_curves(history)

# %%

runs = {}
for rate in (0.01, 0.1):
    other = fw.Network(net.sizes, "relu", "softmax", input_scale=1 / 255, rng=0)
    runs[f"SGD({rate})"] = other.fit(
        *train, epochs=10, optimizer=fw.SGD(rate), validation_data=test, rng=0
    )
fw.plot.learning_curves({"Adam(0.003)": history, **runs}, "accuracy")

# %%
# Which digits are taken for which.

fw.plot.confusion_matrix(net, *test)

# %%
# The images that were misread, the surest first.

fw.plot.misread(net, *test, most=16)

# %%
# The input that most excites a neuron, found by going uphill: from a blank image, from noise, and
# from a real one.

starts = {"blank": None, "noise": np.random.default_rng(0).uniform(0, 255, 784), "a digit": image}
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3), layout="constrained")
for ax, (name, start) in zip(axes, starts.items()):
    fw.plot.excite(net, -1, 3, start=start, ax=ax)
    ax.set_xlabel(f"from {name}")

# %%
# Which pixels an answer rests on: where more ink would speak for it, and where against.

fw.plot.saliency(net, image)
assert net.predict(image) == label

# %%
# In a notebook, a network shows itself without matplotlib; ``net.diagram(image)`` is the same, lit.
