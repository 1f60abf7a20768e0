"""
7. All plots
============

This page shows every plot of ``fw.plot``, for one small network. Each function draws into the Axes
that you pass, or creates a figure, and returns the Axes.
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
# The weights of each neuron in the first layer, drawn at the positions of their pixels. The
# colour in the middle of the colour bar is 0.

fw.plot.weights(net)

# %%
# The network as neurons and lines.

fw.plot.diagram(net)

# %%
# The same diagram with the activations for an image.

fw.plot.diagram(net, image)

# %%
# The activations of all neurons of a layer for many images, here sorted by digit.

order = np.argsort(test.labels[:200], kind="stable")
fw.plot.activations(net, test.images[:200][order])

# %%
# The course of training, for the training images and the validation images. The second plot shows
# another metric, for several runs.

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
# How often each digit is mistaken for another.

fw.plot.confusion_matrix(net, *test)

# %%
# The misclassified images, the most confident first.

fw.plot.misread(net, *test, most=16)

# %%
# The input that excites a neuron most, by gradient ascent: from a blank image, from noise, and
# from a real image.

starts = {"blank": None, "noise": np.random.default_rng(0).uniform(0, 255, 784), "a digit": image}
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3), layout="constrained")
for ax, (name, start) in zip(axes, starts.items()):
    fw.plot.excite(net, -1, 3, start=start, ax=ax)
    ax.set_xlabel(f"from {name}")

# %%
# The pixels that matter for an answer: where more ink would increase its score, and where it
# would decrease it.

fw.plot.saliency(net, image)
assert net.predict(image) == label

# %%
# In a notebook, a network displays itself without matplotlib. ``net.diagram(image)`` also shows the
# activations for an image.
