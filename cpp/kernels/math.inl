// exp, log and related functions on vectors: fixed polynomials of explicit fused multiply-adds, so that every
// instruction set computes the same bits. NaN gives NaN; subnormal results are 0. Each function states its
// largest error in ulp; tests/test_math.py measures those of the activations.

// Sources. exp: Cephes (Moshier) expf's polynomial for float, Taylor's for double; reduction by two
// constants (Cody and Waite, 1980). log: FreeBSD's e_log.c and e_logf.c. tanh: Cephes. erfc: Shepherd
// and Laframboise (1981), coefficients from tools/fit_erfcx.py.
template <class T> struct Math;
template <> struct Math<float> {
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float log2_e = 1.44269504088896341f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float log_ln2_high = 6.9313812256e-01f, log_ln2_low = 9.0580006145e-06f;
  static constexpr float exp_most = 89.0f, exp_least = -170.0f, expm1_least = -30.0f;
  // (exp(r) - 1 - r) / r^2, lowest power first, |r| <= ln(2) / 2
  static constexpr float exp[] = {5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f,
                                  8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f};
  static constexpr float log[] = {0.66666662693f, 0.40000972152f, 0.28498786688f, 0.24279078841f};
  static constexpr float erfcx_k = 2.0f;
  static constexpr float erfcx[] = {
      1.2769783816f,
      -0.092763759814f,
      -0.16603039129f,
      0.16404939535f,
      -0.054220186051f,
      -0.0080186356922f,
      0.008724294538f,
      0.001216665496f,
      -0.0014635116702f,
      -0.00035717789246f,
      0.00022110545249f,
      6.3100185459e-5f,
      -2.0108931189e-5f};
};
template <> struct Math<double> {
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 6755399441055744.0;
  static constexpr double log2_e = 1.44269504088896340736;
  static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  static constexpr double log_ln2_high = ln2_high, log_ln2_low = ln2_low;
  static constexpr double exp_most = 710.0, exp_least = -1400.0, expm1_least = -60.0;
  static constexpr double exp[] = {
      0.5,
      0.16666666666666666,
      0.041666666666666664,
      0.008333333333333333,
      0.001388888888888889,
      0.0001984126984126984,
      2.48015873015873e-05,
      2.7557319223985893e-06,
      2.755731922398589e-07,
      2.505210838544172e-08,
      2.08767569878681e-09,
      1.6059043836821613e-10};
  static constexpr double log[] = {6.666666666666735130e-01, 3.999999999940941908e-01,
                                   2.857142874366239149e-01, 2.222219843214978396e-01,
                                   1.818357216161805012e-01, 1.531383769920937332e-01,
                                   1.479819860511658591e-01};
  static constexpr double erfcx_k = 4.0;
  static constexpr double erfcx[] = {
      1.232995118625552509,
      -0.13962111684056228351,
      0.015379652102619974311,
      0.068097054254668382427,
      -0.1010390660363181163,
      0.09373283499911263949,
      -0.066330365811860582491,
      0.037167515526338003605,
      -0.016197734062934770629,
      0.0050319700691022557993,
      -0.00075777324359425761126,
      -0.00019925715247265178322,
      0.00015062142608651944709,
      -0.000024397731143023292355,
      -0.000011221135665965907097,
      5.7065782992407405433e-6,
      2.9173425573089733153e-7,
      -8.2106479332973363407e-7,
      7.7719432410869128234e-8,
      1.0631817593818148229e-7,
      -2.0725802488181961758e-8,
      -1.2338731403798443689e-8,
      3.2323973445082032639e-9,
      9.2976252637096597e-10,
      -2.7641202337345780196e-10};
};

template <class T, int N>
inline V<T> horner(const T (&c)[N], V<T> x) {
  V<T> p = splat<T>(c[N - 1]);
#pragma GCC unroll 32
  for (int i = N - 2; i >= 0; --i) p = fma(p, x, splat<T>(c[i]));
  return p;
}

// x = n ln 2 + r with |r| <= ln(2) / 2: returns exp(r) - 1, and n + magic
template <class T>
inline V<T> exp_reduced(V<T> x, V<T>* shifted) {
  using M = Math<T>;
  const V<T> magic = splat<T>(M::magic);
  *shifted = fma(x, splat<T>(M::log2_e), magic);
  const V<T> k = *shifted - magic;
  V<T> r = fma(k, splat<T>(-M::ln2_high), x);
  r = fma(k, splat<T>(-M::ln2_low), r);
  const V<T> r2 = r * r;
  constexpr int n = sizeof(M::exp) / sizeof(T) / 2;
  V<T> p = fma(splat<T>(M::exp[2 * n - 1]), r, splat<T>(M::exp[2 * n - 2]));
#pragma GCC unroll 8
  for (int i = n - 2; i >= 0; --i)
    p = fma(p, r2, fma(splat<T>(M::exp[2 * i + 1]), r, splat<T>(M::exp[2 * i])));
  return fma(p, r2, r);
}

template <class T>
inline I<T> whole(V<T> shifted) { return bits(shifted) - bits(splat<T>(Math<T>::magic)); }

template <class T>
inline V<T> power_of_two(I<T> n) {
  return from_bits((n + Math<T>::bias) << Math<T>::mantissa);
}

// exp(x) as a product of two factors, neither of which is subnormal or overflows. A caller that multiplies
// further takes the second factor last, so that only the final result is flushed to 0. exp_least is so low that
// 1e4 times the product is 0 there. exp_factors takes any x, exp_factors_below only x that is not large (x <= 0).
template <class T>
inline V<T> at_least(V<T> x, T least) { return x < splat<T>(least) ? splat<T>(least) : x; }
template <class T>
inline V<T> exp_factors_below(V<T> x, V<T>* second) {
  V<T> shifted;
  const V<T> y = splat<T>(1) + exp_reduced<T>(at_least<T>(x, Math<T>::exp_least), &shifted);
  const I<T> n = whole<T>(shifted), half = n >> 1;
  *second = power_of_two<T>(n - half);
  return y * power_of_two<T>(half);
}
template <class T>
inline V<T> exp_factors(V<T> x, V<T>* second) {
  const V<T> most = splat<T>(Math<T>::exp_most);
  return exp_factors_below<T>(x > most ? most : x, second);
}

// exp(x) for x <= 0: 1 ulp
template <class T>
inline V<T> exp_negative(V<T> x) {
#ifdef FW_TIMES_POWER
  V<T> shifted;
  const V<T> y = splat<T>(1) + exp_reduced<T>(at_least<T>(x, Math<T>::exp_least), &shifted);
  return times_power<T>(y, shifted - splat<T>(Math<T>::magic));
#else
  V<T> second;
  const V<T> first = exp_factors_below<T>(x, &second);
  return first * second;
#endif
}

// exp: 1 ulp
template <class T>
inline V<T> exp(V<T> x) {
  const V<T> most = splat<T>(Math<T>::exp_most);
  return exp_negative<T>(x > most ? most : x);
}

// exp(x) - 1 for x <= 0: 2 ulp
template <class T>
inline V<T> expm1_negative(V<T> x) {
  using M = Math<T>;
  x = x < splat<T>(M::expm1_least) ? splat<T>(M::expm1_least) : x;
  V<T> shifted;
  const V<T> y = exp_reduced<T>(x, &shifted);
  const V<T> s = power_of_two<T>(whole<T>(shifted));
  return fma(s, y, s - splat<T>(1));
}

// log for x >= 1 (or NaN): 1 ulp
template <class T>
inline V<T> log(V<T> x) {
  using M = Math<T>;
  const V<T> one = splat<T>(1);
  const I<T> root = bits(splat<T>(T(0.70710678118654752440)));
  const I<T> i = bits(x) - root;
  const I<T> n = i >> M::mantissa;
  const V<T> m = from_bits(bits(x) - (n << M::mantissa));  // in [sqrt(1/2), sqrt(2))
  const V<T> magic = splat<T>(M::magic);
  const V<T> k = from_bits(n + bits(magic)) - magic;
  const V<T> f = m - one;
  const V<T> s = f / (splat<T>(2) + f);
  const V<T> z = s * s;
  const V<T> r = z * horner<T>(M::log, z);
  const V<T> h = splat<T>(T(0.5)) * f * f;
  const V<T> low = fma(s, h + r, k * splat<T>(M::log_ln2_low));
  const V<T> y = fma(k, splat<T>(M::log_ln2_high), f - (h - low));
  return x < splat<T>(T(__builtin_inf())) ? y : x;
}

// log(1 + u) for u in [0, 1]: 2 ulp; the second term corrects the rounding of 1 + u
template <class T>
inline V<T> log1p_unit(V<T> u) {
  const V<T> one = splat<T>(1);
  const V<T> s = one + u;
  return log<T>(s) + (u - (s - one)) / s;
}

template <class T>
inline V<T> abs(V<T> x) { return from_bits(bits(x) & ~bits(splat<T>(T(-0.0)))); }
template <class T>
inline V<T> minus_abs(V<T> x) { return from_bits(bits(x) | bits(splat<T>(T(-0.0)))); }

// 1 / (1 + exp(-x)): 3 ulp
template <class T>
inline V<T> logistic(V<T> x) {
  const V<T> e = exp_negative<T>(minus_abs<T>(x));
  return (x > splat<T>(0) ? splat<T>(1) : e) / (splat<T>(1) + e);
}

inline V<float> tanh_small(V<float> z) {
  constexpr float c[] = {-3.33332819422e-1f, 1.33314422036e-1f, -5.37397155531e-2f,
                         2.06390887954e-2f, -5.70498872745e-3f};
  return z * horner<float>(c, z);
}
inline V<double> tanh_small(V<double> z) {
  constexpr double p[] = {-1.61468768441708447952e3, -9.92877231001918586564e1,
                          -9.64399179425052238628e-1};
  constexpr double q[] = {4.84406305325125486048e3, 2.23548839060100448583e3,
                          1.12811678491632931402e2, 1.0};
  return z * (horner<double>(p, z) / horner<double>(q, z));
}

// tanh: 2 ulp
template <class T>
inline V<T> tanh_(V<T> x) {
  const V<T> a = abs<T>(x), one = splat<T>(1);
  const V<T> large = one - splat<T>(2) / (exp<T>(a + a) + one);
  const V<T> small = fma(x, tanh_small(x * x), x);
  return a < splat<T>(T(0.625)) ? small : (x < splat<T>(0) ? -large : large);
}

// exp(-x^2 / 2) in two factors like exp_factors, with the rounding error of x^2 taken into account: 2 ulp
template <class T>
inline V<T> gaussian_factors(V<T> x, V<T>* second) {
  const V<T> half = splat<T>(T(0.5)), h = x * x;
  // if h were infinite, the correction would be NaN
  const V<T> l = h < splat<T>(T(1e4)) ? fma(x, x, -h) : splat<T>(0);
  const V<T> e = exp_factors_below<T>(-half * h, second);
  return fma(e, -half * l, e);
}

// erfc(|x| / sqrt(2)) / 2 divided by exp(-x^2 / 2), for the tail of the normal distribution: 2 ulp
template <class T>
inline V<T> tail_ratio(V<T> x) {
  using M = Math<T>;
  V<T> a = abs<T>(x) * splat<T>(T(0.70710678118654752440));
  a = a > splat<T>(T(1e4)) ? splat<T>(T(1e4)) : a;
  const V<T> u = (a - splat<T>(M::erfcx_k)) / (a + splat<T>(M::erfcx_k));
  return splat<T>(T(0.5)) * horner<T>(M::erfcx, u) / fma(splat<T>(2), a, splat<T>(1));
}
