"""Train the two small networks that `featherweight draw` ships: python tools/make_networks.py

784-16-16-10 on the whole of MNIST (see `featherweight.data.mnist`), once with relu and once with
sigmoids. In every epoch each image is moved by up to a pixel either way, as what is drawn by hand
lies less exactly. The same files come out wherever NumPy draws the same numbers for the moves.
"""

from pathlib import Path

import numpy as np

import featherweight as fw

FOLDER = Path(__file__).parents[1] / "python" / "featherweight" / "draw"
EPOCHS = 60
RATES = {"relu": 3e-3, "sigmoid": 5e-3}


def moved(images, rng):
    """Return the images, each moved by -1, 0 or 1 pixels down and to the right."""
    found = images.reshape(-1, 28, 28).copy()
    down, right = rng.integers(-1, 2, (2, len(found)))
    for axis, by in ((1, down), (2, right)):
        for s in (-1, 1):
            found[by == s] = np.roll(found[by == s], s, axis=axis)
    return found.reshape(-1, 784)


def main():
    train, test = fw.data.mnist()
    for name, rate in RATES.items():
        net = fw.Network([784, 16, 16, 10], name, "softmax", input_scale=1 / 255, rng=0)
        adam = fw.Adam(rate, schedule=fw.schedules.CosineAnnealingLR(EPOCHS))
        rng = np.random.Generator(np.random.PCG64(0))
        for _ in range(EPOCHS):
            net.partial_fit(moved(train.images, rng), train.labels, batch_size=64, optimizer=adam)
        net.save(FOLDER / f"{name}.safetensors")
        print(f"{name}: {net.score(*test):.2%} of the 10,000 test images")


if __name__ == "__main__":
    main()
