"""
5. Sigmoid against relu
=======================

The sigmoid is nearly flat for sums far from 0. The backward pass multiplies the gradient by this
slope, which is nearly 0, and learning is slow. The slope of relu is 1 for all positive sums. This
chapter compares the two, with the same seeds and the same images in the same order.
"""

import matplotlib.pyplot as plt
import numpy as np

import featherweight as fw

train, test = fw.data.digits()
runs = {}
for name, rate in (("sigmoid", 0.3), ("relu", 0.1)):
    histories = []
    for seed in range(5):
        net = fw.Network([784, 16, 16, 10], name, "softmax", input_scale=1 / 255, rng=seed)
        histories.append(
            net.fit(
                train.images, train.labels, epochs=15, optimizer=fw.SGD(rate), rng=seed,
                validation_data=(test.images, test.labels),
            )
        )  # fmt: skip
    runs[name] = np.array([h.val_accuracy for h in histories])

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
epochs = np.arange(1, 16)
bands = ({"facecolor": "none", "edgecolor": "0.4", "hatch": "////"}, {"color": "0.8"})
for (name, accuracy), style, band in zip(runs.items(), ("k--", "k-"), bands):
    ax.plot(epochs, np.median(accuracy, axis=0), style, label=name)
    least, most = accuracy.min(axis=0), accuracy.max(axis=0)
    ax.fill_between(epochs, least, most, label=f"{name}, all seeds", **band)
ax.set(xlabel="epoch", ylabel="accuracy", title="the median of five seeds, and all of them")
ax.legend()

# %%
for epoch in (1, 3, 15):
    found = ", ".join(f"{name} {np.median(a[:, epoch - 1]):.1%}" for name, a in runs.items())
    print(f"after {epoch:>2} epochs: {found}")
medians = {name: np.median(accuracy, axis=0) for name, accuracy in runs.items()}
assert medians["relu"][0] > medians["sigmoid"][0] + 0.15
assert abs(medians["relu"][-1] - medians["sigmoid"][-1]) < 0.015

# %%
# After the first epoch, relu is far ahead, even with a third of the learning rate. In the end, the
# sigmoid catches up: with two hidden layers, the gradient passes through few layers. The loss of
# gradient grows with each additional layer. The next figure shows the ratio of the first layer's
# gradient to the last layer's, before training, in networks of one to eight hidden layers.

depths = (1, 2, 3, 4, 6, 8)
left = {name: [] for name in runs}
for name, ratios in left.items():
    for depth in depths:
        found = []
        for seed in range(5):
            sizes = [784] + [16] * depth + [10]
            net = fw.Network(sizes, name, "softmax", input_scale=1 / 255, rng=seed)
            _, gradient = net.gradients(train.images[:1000], train.labels[:1000])
            first, last = (np.sqrt(np.mean(gradient.weights[i] ** 2)) for i in (0, -1))
            found.append(first / last)
        ratios.append(np.median(found))

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for (name, ratios), style in zip(left.items(), ("k^--", "ko-")):
    ax.semilogy(depths, ratios, style, label=name)
ax.set(xlabel="hidden layers", ylabel="first layer's gradient / last's")
ax.legend()

# %%
# The slope of the sigmoid is at most 1/4, so each layer removes most of the remaining gradient.
# The slope of relu is 1 or 0. With relu, the first layer of a deep network gets as much gradient
# as that of a shallow one.

for name, ratios in left.items():
    print(f"{name}: {ratios[0]:.2g} with one hidden layer, {ratios[-1]:.2g} with eight")
lost = np.array(left["sigmoid"][1:4]) / left["sigmoid"][:3]  # with one more layer
assert (lost < 1 / 3).all()
assert min(left["relu"]) > 0.5 * max(left["relu"])
