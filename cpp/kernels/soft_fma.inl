// A fused multiply-add, rounded once, in software. The C library's own is not correct everywhere: newlib's fmaf and
// others round twice. These round to nearest and keep or flush subnormal numbers as the thread's floating-point
// environment says. To be included inside a namespace.
#pragma once

// a b is exact in double, and so is the error of adding c to it (Knuth's two-sum). The rounding of the sum matters only
// if it is half-way between two floats or subnormal: then it is first rounded to odd (Boldo and
// Melquiond, "Emulation of a FMA and correctly rounded sums", IEEE Trans. Computers 57, 2008).
inline float soft_fma(float a, float b, float c) {
  const double product = double(a) * double(b), sum = product + double(c);
  std::uint64_t word = __builtin_bit_cast(std::uint64_t, sum);
  constexpr std::uint64_t least = std::uint64_t(1023 - 126) << 53;  // 2^-126, the sign shifted out
  const bool half_way = (word & 0x1FFFFFFF) == 0x10000000;
  if (__builtin_expect(half_way || (word << 1) - 1 < least - 1, 0)) {
    const double added = sum - product, error = (product - (sum - added)) + (double(c) - added);
    if (error != 0 && (word & 1) == 0) word += (error > 0) == (sum > 0) ? 1 : ~std::uint64_t(0);
  }
  return float(__builtin_bit_cast(double, word));
}

// The same for double if a number is very large or very small, with 128-bit integers: the exact product and the
// addend are aligned, and the bits shifted out are kept as one sticky bit.
[[gnu::noinline]] inline double extreme_soft_fma(double a, double b, double c) {
  using U64 = std::uint64_t;
  __extension__ typedef unsigned __int128 U128;
  const U64 wa = __builtin_bit_cast(U64, a), wb = __builtin_bit_cast(U64, b), wc = __builtin_bit_cast(U64, c);
  constexpr U64 sign_bit = U64(1) << 63, fraction = (U64(1) << 52) - 1;
  constexpr int special = 0x7FF;
  int ea = int(wa >> 52) & special, eb = int(wb >> 52) & special, ec = int(wc >> 52) & special;
  if (ea == special || eb == special || a == 0 || b == 0) return a * b + c;  // also if subnormal numbers count as 0
  if (ec == special) return c + a;                                           // c, or NaN: a b is finite
  // value = mantissa 2^(exponent - 1075), the mantissa's bit 52 set
  const auto unpack = [](U64 word, int* exponent) {
    if (*exponent) return (word & fraction) | U64(1) << 52;
    const int shift = __builtin_clzll(word & fraction) - 11;
    *exponent = 1 - shift;
    return (word & fraction) << shift;
  };
  const U64 ma = unpack(wa, &ea), mb = unpack(wb, &eb);
  U128 product = U128(ma) * mb << 20;  // in [2^124, 2^126); its exponent counts units of 2^-1075
  int exponent = ea + eb - 1075 - 20;
  U64 sign = (wa ^ wb) & sign_bit;
  if (c != 0) {
    const U64 mc = unpack(wc, &ec);
    U128 addend = U128(mc) << 73;  // in [2^125, 2^126)
    const int distance = (ec - 73) - exponent;
    const auto shifted = [](U128 x, int by) {
      if (by > 126) return U128(1);
      return (x >> by) | U128((x & ((U128(1) << by) - 1)) != 0);
    };
    if (distance > 0) {
      product = shifted(product, distance);
      exponent += distance;
    } else {
      addend = shifted(addend, -distance);
    }
    if ((wc & sign_bit) == sign) {
      product += addend;
    } else if (product >= addend) {
      product -= addend;
      if (product == 0) return 0.0;
    } else {
      product = addend - product;
      sign ^= sign_bit;
    }
  }
  // to 64 bits, the last of which is the sticky bit
  const U64 high = U64(product >> 64);
  const int zeros = high ? __builtin_clzll(high) : 64 + __builtin_clzll(U64(product));
  product <<= zeros;
  exponent -= zeros;
  U64 mantissa = U64(product >> 64) | U64(U64(product) != 0);
  exponent += 64 + 11;  // of the mantissa's upper 53 bits: biased, for bit 52
  const auto rounded = [](U64 m, int drop) {  // to nearest, ties to even
    const U64 half = U64(1) << (drop - 1), rest = m & (2 * half - 1);
    const U64 kept = drop < 64 ? m >> drop : 0;
    return kept + (rest > half || (rest == half && (kept & 1)));
  };
  U64 kept = rounded(mantissa, 11);
  if (kept >> 53) {
    kept >>= 1;
    ++exponent;
  }
  if (exponent >= special) return __builtin_bit_cast(double, sign | U64(special) << 52);
  if (exponent > 0) return __builtin_bit_cast(double, sign | U64(exponent) << 52 | (kept & fraction));
  // Subnormal after rounding: 0 if results are flushed, else rounded again from the exact value to fewer bits.
  static const volatile double smallest = 4.9406564584124654e-324;
  if (smallest == 0) return __builtin_bit_cast(double, sign);
  // bits lost beyond the 11, counted from the exponent before the first rounding
  const int drop = 12 - (exponent - int(rounded(mantissa, 11) >> 53));
  if (drop > 64) return __builtin_bit_cast(double, sign);
  return __builtin_bit_cast(double, sign | (drop == 64 ? U64(mantissa > sign_bit) : rounded(mantissa, drop)));
}

// For double: the product's error by Dekker's splitting, the sum's by two-sum, and the sum of both errors rounded to odd.
// If product + c cancels, it is exact, and only one rounding remains, of numbers that differ much in size.
[[gnu::noinline]] inline double soft_fma(double a, double b, double c) {
  const auto exponent = [](double x) { return int(__builtin_bit_cast(std::uint64_t, x) >> 52) & 0x7FF; };
  const double product = a * b;
  // nothing overflows and no error is subnormal for a and b in [2^-450, 2^450] and c in [2^-900, 2^900]
  const bool ordinary = unsigned(exponent(a) - 573) < 900 && unsigned(exponent(b) - 573) < 900;
  if (!ordinary || unsigned(exponent(c) - 123) >= 1800) {
    if (c == 0) return product == 0 && a != 0 && b != 0 ? product : product + c;  // a product that underflowed to 0 keeps its sign
    return extreme_soft_fma(a, b, c);
  }
  constexpr double split = 134217729;  // 2^27 + 1
  const double wide_a = a * split, wide_b = b * split;
  const double high_a = wide_a - (wide_a - a), high_b = wide_b - (wide_b - b);
  const double low_a = a - high_a, low_b = b - high_b;
  const double product_error = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b;
  const double sum = product + c, added = sum - product;
  const double sum_error = (product - (sum - added)) + (c - added);
  double error = sum_error + product_error;
  const double part = error - sum_error;
  const double rest = (sum_error - (error - part)) + (product_error - part);
  if (rest != 0) {
    auto word = __builtin_bit_cast(std::uint64_t, error);
    if ((word & 1) == 0) word += (rest > 0) == (error > 0) ? 1 : ~std::uint64_t(0);
    error = __builtin_bit_cast(double, word);
  }
  return sum + error;
}
