"""Pictures of digits: whatever they come as, they are read as the 28 x 28 pixels they show."""

import io
import subprocess
import sys
import warnings

import numpy as np
import pytest

import compare
import featherweight as fw
from featherweight import images
from featherweight.cli import main

Image = pytest.importorskip("PIL.Image")

COUNT = 100
# the least measured over these ways of drawing the first 200 test digits was 0.97
BOUND = 0.93


@pytest.fixture(scope="module")
def network():
    train, _ = fw.data.digits()
    net = fw.Network([784, 16, 16, 10], input_scale=1 / 255, rng=0)
    net.fit(train.images, train.labels, epochs=20, optimizer=fw.Adam(2e-3), progress=False)
    return net


@pytest.fixture(scope="module")
def digits():
    return fw.data.digits().test.images[:COUNT]


def large(digit, times=7, how="NEAREST"):
    side = 28 * times
    picture = Image.fromarray(digit.reshape(28, 28)).resize((side, side), Image.Resampling[how])
    return np.asarray(picture)


def off_centre(digit, i):
    paper = np.full((300, 400), 245, np.uint8)
    top, left = (37 * i) % 160, (59 * i) % 260
    paper[top : top + 140, left : left + 140] = 245 - large(digit, 5, "BICUBIC") * 0.9
    return Image.fromarray(paper)


def transparent(digit, ink):
    rgba = np.full((196, 196, 4), ink, np.uint8)
    rgba[..., 3] = large(digit)
    return Image.fromarray(rgba)


def turned(digit, i, path):
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned clockwise by a quarter to be seen upright
    picture = Image.fromarray(255 - large(digit)).transpose(Image.Transpose.ROTATE_90)
    picture.save(path.with_suffix(".jpg"), exif=exif, quality=90)
    return path.with_suffix(".jpg")


def saved(make, end=".png", **options):
    def draw(digit, i, path):
        path = path.with_suffix(end)
        make(digit, i).save(path, **options)
        return path

    return draw


DRAWN = {
    "upscaled": saved(lambda d, i: Image.fromarray(large(d))),
    "smooth": saved(lambda d, i: Image.fromarray(large(d, 7, "BICUBIC"))),
    "inverted": saved(lambda d, i: Image.fromarray(255 - large(d))),
    "off centre": saved(off_centre),
    "transparent, dark": saved(lambda d, i: transparent(d, 20)),
    "transparent, light": saved(lambda d, i: transparent(d, 255)),
    "rgb": saved(lambda d, i: Image.fromarray(255 - large(d)).convert("RGB"), ".bmp"),
    "16 bit": saved(lambda d, i: Image.fromarray(large(d).astype(np.uint16) * 257)),
    "jpeg": saved(lambda d, i: Image.fromarray(255 - large(d)), ".jpg", quality=75),
    "small jpeg": saved(lambda d, i: Image.fromarray(255 - d.reshape(28, 28)), ".jpeg", quality=75),
    "palette": saved(
        lambda d, i: Image.fromarray(255 - large(d)).convert("RGB").quantize(16), ".png"
    ),
    "gif": saved(lambda d, i: Image.fromarray(large(d)), ".gif"),
    "tiff": saved(lambda d, i: Image.fromarray(large(d)), ".tiff"),
    "exif": turned,
}


def agreement(network, digits, read):
    found = np.array([read(digit, i) for i, digit in enumerate(digits)])
    return float((network.predict(found) == network.predict(digits)).mean())


@pytest.mark.parametrize("way", DRAWN)
def test_however_drawn_read_alike(way, network, digits, tmp_path):
    def read(digit, i):
        return images.read_digit(DRAWN[way](digit, i, tmp_path / "digit"))

    assert agreement(network, digits, read) >= BOUND


def test_transposed_picture_falls_below_the_bound(network, digits):
    assert agreement(network, digits, lambda d, i: images.prepare(large(d).T)) < BOUND - 0.3


def test_polarity_ignored_falls_below_the_bound(network, digits):
    def read(digit, i):
        return 255 - images.prepare(large(digit))

    assert agreement(network, digits, read) < BOUND - 0.3


def test_mnist_is_taken_as_it_is(digits, tmp_path):
    for i, digit in enumerate(digits[:10]):
        assert np.array_equal(images.prepare(digit), digit)
        assert np.array_equal(images.prepare(digit.reshape(28, 28)), digit)
        Image.fromarray(digit.reshape(28, 28)).save(tmp_path / f"{i}.png")
        assert np.array_equal(images.read_digit(tmp_path / f"{i}.png"), digit)
    given = digits[0].copy()
    images.prepare(given)[:] = 7
    assert np.array_equal(given, digits[0])


def test_box_and_centre_of_mass():
    paper = np.zeros((500, 300), np.float64)
    paper[100:400, 50:100] = 1  # an L
    paper[350:400, 50:200] = 1
    found = images.prepare(paper).reshape(28, 28)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 == 10
    mass = found / found.sum()
    assert abs(mass.sum(axis=1) @ np.arange(28) - 14) <= 0.5
    assert abs(mass.sum(axis=0) @ np.arange(28) - 14) <= 0.5
    assert found.max() == 255


def test_a_known_background():
    """Ink along the whole border is paper to who must guess, and ink to who knows."""
    frame = np.zeros((140, 140), np.uint8)
    frame[:12] = frame[-12:] = frame[:, :12] = frame[:, -12:] = 255
    known = images.prepare(frame, background=0).reshape(28, 28)
    assert known[14, 14] == 0
    assert known[4, 4] == 255
    assert images.prepare(frame).reshape(28, 28)[14, 14] == 255
    assert np.array_equal(images.prepare(255 - frame, background=1.0), known.ravel())
    full = images.prepare(np.full((50, 40), 255, np.uint8), background=0).reshape(28, 28)
    assert (full[4:24, 6:22] == 255).all()
    assert full.sum() == 20 * 16 * 255
    for wrong in (-0.1, 1.5, float("nan"), "dark"):
        with pytest.raises(ValueError, match="background: expected a number from 0 to 1, found"):
            images.prepare(frame, background=wrong)


def digit_on(paper, share, digit, *, light=False):
    """A digit in the middle of paper of any brightness, as JPEG has it."""
    ink = np.zeros(paper.shape)
    ink[40:180, 65:205] = large(digit, 5, "BICUBIC") / 255
    drawn = paper + share * 255 * ink if light else paper * (1 - share * ink)
    file = io.BytesIO()
    grey = np.clip(np.rint(drawn), 0, 255).astype(np.uint8)
    Image.fromarray(grey).save(file, "JPEG", quality=85)
    return np.asarray(Image.open(file))


Y, X = np.mgrid[-0.5:0.5:220j, -0.5:0.5:270j]
PAPERS = {
    "even": (200 + 0 * X, 0.8),
    "from the left, 60": (190 + 60 * X, 0.8),
    "from the left, 80": (190 + 80 * X, 0.8),
    "from the left, 110": (190 + 110 * X, 0.8),
    "from a corner": (180 + 70 * X - 70 * Y, 0.8),
    "from the middle": (230 - 200 * (X**2 + Y**2), 0.8),
    "faint ink": (190 + 100 * X, 0.4),
    "a blackboard": (50 + 0 * X, 0.65),
    "a blackboard, 60": (60 + 60 * Y, 0.6),
}


@pytest.mark.parametrize("paper", PAPERS)
def test_uneven_light(paper, network, digits):
    """On paper it falls on ink as well; on a blackboard the chalk is much the same."""
    seen, share = PAPERS[paper]
    light = "blackboard" in paper

    def read(digit, i):
        return images.prepare(digit_on(seen, share, digit, light=light))

    assert agreement(network, digits[:20], read) >= BOUND


DOWN, ACROSS = np.mgrid[0:1:600j, 0:1:800j]


def shadow(strength, soft=0):
    """The edge of a shadow, across the picture, over so many pixels."""
    line = ACROSS + DOWN
    return 200 - strength * np.clip((0.7 - line) * 350 / soft + 0.5 if soft else line < 0.7, 0, 1)


LIGHTS = {
    "from the left": lambda g: 120 + g * ACROSS,
    "from a corner": lambda g: 120 + g * (ACROSS + DOWN) / 2,
    "vignette": lambda g: 120 + g - 2 * g * ((ACROSS - 0.5) ** 2 + (DOWN - 0.5) ** 2),
    "spot": lambda g: 120 + g * np.exp(-6 * ((ACROSS - 0.8) ** 2 + (DOWN - 0.2) ** 2)),
    "spot in the middle": lambda g: (
        120 + g * np.exp(-12 * ((ACROSS - 0.5) ** 2 + (DOWN - 0.5) ** 2))
    ),
    "shadow": shadow,
    "shadow, blurred": lambda g: shadow(g, 8),
    "step": lambda g: 120 + g * (ACROSS > 0.2),
    "step on the right": lambda g: 120 + g * (ACROSS > 0.8),
}


@pytest.mark.parametrize("strength", [0, 60, 110])
@pytest.mark.parametrize("light", LIGHTS)
def test_lamps_and_shadows(light, strength, network, digits):
    """Photographs of one of each digit, under light with edges."""
    labels, read = fw.data.digits().test.labels[:COUNT], network.predict(digits)
    chosen = [int(np.flatnonzero((labels == k) & (read == k))[0]) for k in range(10)]
    noise = np.random.Generator(np.random.Philox(7)).normal(size=(600, 800)) * 3
    found = []
    for i in chosen:
        ink = np.zeros((600, 800))
        picture = Image.fromarray(digits[i].reshape(28, 28))
        ink[150:450, 250:550] = np.asarray(picture.resize((300, 300), Image.Resampling.BICUBIC))
        seen = LIGHTS[light](strength) * (1 - 0.8 * ink / 255) + noise
        found.append(images.prepare(np.clip(seen, 0, 255).astype(np.uint8)))
    assert (network.predict(np.array(found)) == labels[chosen]).sum() >= 9


def test_ink_that_the_edges_cut_on_even_paper_is_compared_with_its_level(digits):
    for digit in digits[:40]:
        cut = 240 - 0.8 * large(digit, 5, "BICUBIC")[40:, :100]
        ring = np.concatenate([cut[0], cut[-1], cut[:, 0], cut[:, -1]])
        if np.median(ring) == 240:
            wanted = images.prepare(cut.astype(np.uint8), background=240 / 255)
            assert np.array_equal(images.prepare(cut.astype(np.uint8)), wanted)


def test_uneven_light_alone_is_a_blank_picture():
    paper = np.rint(190 + 100 * X).astype(np.uint8)
    with pytest.raises(ValueError, match="blank"):
        images.prepare(paper)


def side_by_side(digits, gap, *, down=False):
    """Several digits on one paper, cut out and laid beside each other with a gap of pixels."""
    inks = []
    for digit in digits:
        ink = large(digit, 5, "BICUBIC") > 90
        part = ink[np.ix_(ink.any(axis=1), ink.any(axis=0))]
        inks.append(np.pad(part, ((20, 140 - len(part)), (20, 140 - part.shape[1]))))
    axis = 0 if down else 1
    inks = [np.pad(np.moveaxis(i, axis, 0), ((0, gap), (0, 0))) for i in inks]
    return np.where(np.moveaxis(np.concatenate(inks), 0, axis), 40, 235).astype(np.uint8)


@pytest.mark.parametrize("down", [False, True])
def test_several_digits_in_one_picture_are_said(down, digits, network, tmp_path, capsys):
    picture = side_by_side(digits[[0, 1, 2]], 20, down=down)
    with pytest.warns(UserWarning, match="^array: expected one digit, found several pieces of ink"):
        row = images.prepare(picture)
    Image.fromarray(picture).save(tmp_path / "many.png")
    np.save(tmp_path / "many.npy", picture)
    for name in ("many.png", "many.npy"):
        path = str(tmp_path / name)
        with pytest.warns(UserWarning, match=f"{name}: expected one digit, found several") as found:
            assert np.array_equal(images.read_digit(path), row)
        assert len(found) == 1
    network.save(tmp_path / "net.safetensors")
    assert main(["predict", str(tmp_path / "net.safetensors"), path]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{path}: ")
    assert err.startswith(f"featherweight predict: warning: {path}: expected one digit")


def test_of_one_digit_nothing_is_said(digits):
    """Nor of a five with its bar apart, nor of specks beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for digit in digits:
            images.prepare(255 - large(digit))
        five = 255 - large(digits[8])
        five[60:66] = 255
        images.prepare(five)
        five[2:5, 2:5] = 0
        images.prepare(five)


@pytest.mark.parametrize("shape", [(1, 60), (60, 1), (3, 3), (28, 28), (1000, 37)])
def test_any_size(shape):
    paper = np.full(shape, 200, np.uint8)
    top, left = shape[0] // 2, shape[1] // 2
    paper[top : top + 1 + top // 20, left : left + 1 + left // 20] = 10
    found = images.prepare(paper)
    assert found.shape == (784,)
    assert found.dtype == np.uint8
    assert found.max() == 255


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_floats_in_either_range(top, digits):
    wanted = images.prepare(large(digits[3]))
    found = images.prepare(large(digits[3]).astype(np.float64) * (top / 255))
    assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        (np.zeros((28, 28), np.uint8), ValueError, "blank"),
        (np.full((50, 40, 3), 255, np.uint8), ValueError, "blank"),
        (np.zeros((50, 40, 4), np.uint8), ValueError, "blank"),
        (np.full((28, 28), np.nan), ValueError, "finite"),
        (np.full((28, 28), -1.0), ValueError, "0 to 1"),
        (np.zeros((0, 28)), ValueError, r"\(0, 28\)"),
        (np.zeros(783), ValueError, r"\(783,\)"),
        (np.zeros((2, 28, 28, 1)), ValueError, "shape"),
        (np.array(["a"]), TypeError, "real numbers"),
        (np.broadcast_to(np.uint8(0), (9000, 9000)), ValueError, "at most 64,000,000 pixels"),
    ],
)
def test_wrong_arrays(array, error, words):
    with pytest.raises(error, match=words):
        images.prepare(array)


def test_npy_stacks(digits, tmp_path):
    path = tmp_path / "digits.npy"
    np.save(path, digits[:5])
    assert np.array_equal(images.read_digits(path), digits[:5])
    with pytest.raises(ValueError, match="stack of 5"):
        images.read_digit(path)
    np.save(path, digits[:5].reshape(5, 28, 28))
    assert np.array_equal(images.read_digits(path), digits[:5])
    np.save(path, digits[2])
    assert np.array_equal(images.read_digit(path), digits[2])
    np.save(path, large(digits[2]))
    assert images.read_digit(path).max() == 255
    np.save(path, np.zeros((0, 784), np.uint8))
    with pytest.raises(ValueError, match="found none"):
        images.read_digits(path)
    np.save(path, np.stack([digits[0], 0 * digits[0]]))
    with pytest.raises(ValueError, match=r"digits.npy\[1\]: .*blank"):
        images.read_digits(path)


def test_npy_objects_and_rubbish_are_refused(tmp_path):
    path = tmp_path / "digits.npy"
    np.save(path, np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="plain numbers"):
        images.read_digits(path)
    path.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="plain numbers"):
        images.read_digits(path)
    with open(path, "wb") as f:  # claims far more than the file holds
        header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 50, 784)}
        np.lib.format.write_array_header_1_0(f, header)
    with pytest.raises(ValueError, match="plain numbers"):
        images.read_digits(path)


def test_wrong_files(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        images.read_digit(tmp_path / "none.png")
    text = tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(ValueError, match="expected a picture"):
        images.read_digit(text)
    whole = tmp_path / "whole.png"
    noise = np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8)
    Image.fromarray(noise).save(whole)
    whole.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(ValueError, match="damage"):
        images.read_digit(whole)


@pytest.mark.parametrize("side", [8_100, 14_000])
def test_decompression_bomb(side, tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(path)  # Pillow itself would refuse only the larger
    with pytest.raises(ValueError, match=r"bomb\.png: expected a picture of (at most|reasonable)"):
        images.read_digit(path)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_large_picture_takes_little_more_than_itself(kind, tmp_path):
    """And is read as the smaller one is of which each pixel has become four."""
    small, large = tmp_path / f"small.{kind}", tmp_path / f"large.{kind}"
    ink = np.zeros((2600, 2600), bool)
    ink[500:2100, 1200:1500] = ink[500:800, 700:1500] = True
    if kind == "png":
        rgba = np.where(ink[..., None], np.uint8([30, 60, 200, 255]), np.uint8([9, 9, 9, 0]))
        picture = Image.fromarray(rgba)
    else:
        picture = Image.fromarray(np.where(ink, 20, 250).astype(np.uint8)).convert("RGB")
    options = {"compress_level": 1} if kind == "png" else {"quality": 100}
    picture.save(small, **options)
    picture.resize((5200, 5200), Image.Resampling.NEAREST).save(large, **options)
    code = (
        "import resource, sys, PIL.Image, numpy as np\n"
        "from featherweight.images import read_digit\n"
        "small = read_digit(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "large = read_digit(sys.argv[2])\n"
        "most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(most - before, np.abs(small - large.astype(int)).max())\n"
    )
    pytest.importorskip("resource", reason="no getrusage on this platform")
    run = subprocess.run(
        [sys.executable, "-c", code, small, large], capture_output=True, text=True, check=True
    )
    kilobytes, difference = run.stdout.split()
    if sys.platform == "linux":  # elsewhere in bytes
        assert int(kilobytes) << 10 < 8 * 5200**2  # a pixel alone is four bytes
    assert int(difference) <= (0 if kind == "png" else 4)


def test_grey_some_rows_at_a_time():
    """As of the whole picture at once, to the bit."""
    rng = np.random.Generator(np.random.Philox(1))
    a = rng.integers(0, 256, (700, 999, 4)).astype(np.uint8)
    scaled = a.astype(np.float32) / np.float32(255)
    grey = scaled[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    compare.assert_same_bits(images._grey(a[..., :3]), grey)
    grey = grey * scaled[..., 3] + (1 - scaled[..., 3])  # over white: it is dark on the whole
    compare.assert_same_bits(images._grey(a), grey)


def test_without_pillow(tmp_path, digits):
    Image.fromarray(digits[0].reshape(28, 28)).save(tmp_path / "digit.png")
    np.save(tmp_path / "digit.npy", digits[0])
    code = f"""
import sys
sys.modules["PIL"] = None
from featherweight.images import read_digit
read_digit({str(tmp_path / "digit.npy")!r})
try:
    read_digit({str(tmp_path / "digit.png")!r})
except ImportError as e:
    print(e)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'featherweight[images]'" in ran.stdout
