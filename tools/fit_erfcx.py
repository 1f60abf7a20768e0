"""Print the coefficients with which cpp/kernels/math.inl computes erfc.

(1 + 2a) exp(a^2) erfc(a) for a >= 0, as a polynomial in u = (a - K) / (a + K): Shepherd and
Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf", Mathematics of
Computation 36 (1981). The function is smooth in u on [-1, 1], so that a Chebyshev interpolant is
within a few per cent of the best polynomial.

    python tools/fit_erfcx.py        # needs mpmath
"""

import mpmath as mp

mp.mp.dps = 60


def fit(k: int, degree: int) -> tuple[list[mp.mpf], mp.mpf]:
    """Return the coefficients, lowest power first, and the largest relative error seen."""

    def f(u: mp.mpf) -> mp.mpf:
        if u >= 1:
            return 2 / mp.sqrt(mp.pi)
        a = k * (1 + u) / (1 - u)
        # erfc underflows nowhere in mpmath, but for a large a the asymptotic series is as exact
        return (1 + 2 * a) * mp.exp(a * a) * mp.erfc(a)

    n = degree + 1
    nodes = [mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    values = [f(u) for u in nodes]
    chebyshev = [
        mp.mpf(2)
        / n
        * mp.fsum(v * mp.cos(j * mp.acos(u)) for u, v in zip(nodes, values, strict=True))
        for j in range(n)
    ]
    chebyshev[0] /= 2
    power = [mp.mpf(0)] * n
    before, now = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
    for j, c in enumerate(chebyshev):
        t = before if j == 0 else now
        for i, x in enumerate(t):
            power[i] += c * x
        if j >= 1:
            after = [mp.mpf(0), *(2 * x for x in now)]
            for i, x in enumerate(before):
                after[i] -= x
            before, now = now, after
    samples = [mp.mpf(i) / 1000 for i in range(-999, 1000, 7)]
    worst = max(abs(mp.polyval(power[::-1], u) / f(u) - 1) for u in samples)
    return power, worst


for name, k, degree, digits in (("float", 2, 12, 11), ("double", 4, 24, 20)):
    power, worst = fit(k, degree)
    print(f"// {name}: K = {k}, degree {degree}, relative error {mp.nstr(worst, 3)}")
    print(",\n".join(mp.nstr(c, digits) for c in power))
