"""NumPy's SeedSequence for a plain number, without importing `numpy.random`.

That import takes longer than all of this package's, and a key is all that is wanted of it. The
algorithm is O'Neill's ("Developing a seed_seq alternative", 2015) in the form that NumPy's
compatibility policy (NEP 19) keeps; the tests compare the two.
"""

_MASK = 0xFFFFFFFF
_POOL = 4


def seed_key(entropy: int) -> int:
    """Return ``SeedSequence(entropy).generate_state(1, uint64)[0]``; entropy is at least 0."""
    words = [entropy >> shift & _MASK for shift in range(0, max(1, entropy.bit_length()), 32)]
    factor = 0x43B0D7E5

    def scramble(value: int) -> int:
        nonlocal factor
        value ^= factor
        factor = factor * 0x931E8875 & _MASK
        value = value * factor & _MASK
        return value ^ value >> 16

    def mix(x: int, y: int) -> int:
        z = (0xCA01F9DD * x - 0x4973F715 * y) & _MASK
        return z ^ z >> 16

    pool = [scramble(words[i] if i < len(words) else 0) for i in range(_POOL)]
    for source in range(_POOL):
        for target in range(_POOL):
            if source != target:
                pool[target] = mix(pool[target], scramble(pool[source]))
    for word in words[_POOL:]:
        for target in range(_POOL):
            pool[target] = mix(pool[target], scramble(word))
    key, factor = 0, 0x8B51F9DD
    for i in range(2):
        value = pool[i] ^ factor
        factor = factor * 0x58F38DED & _MASK
        value = value * factor & _MASK
        key |= (value ^ value >> 16) << 32 * i
    return key
