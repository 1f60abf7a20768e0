// A core's peak speed, measured by loops that do nothing else. Benchmarks report their share of it.

// `steps` rounds of kPeakChains independent fused multiply-adds. The result is returned only so that the compiler
// keeps them.
constexpr int kPeakChains = 12;  // latency of 4 to 5 cycles times 2 per cycle; fits 16 registers

template <class T>
T peak_fma(std::ptrdiff_t steps) {
  constexpr int L = Vec<T>::lanes;
  V<T> acc[kPeakChains];
  FW_UNROLL for (int i = 0; i < kPeakChains; ++i) acc[i] = splat<T>(T(i));
  const V<T> x = splat<T>(T(0.999)), y = splat<T>(T(0.001));
  for (std::ptrdiff_t k = 0; k < steps; ++k)
    FW_UNROLL for (int i = 0; i < kPeakChains; ++i) acc[i] = fma(acc[i], x, y);
  alignas(64) T lanes[L];
  FW_UNROLL for (int i = 1; i < kPeakChains; ++i) acc[0] = acc[0] + acc[i];
  store<T>(lanes, acc[0]);
  return lanes[0];
}

// the sum of n elements (a multiple of 128), read once in order: bandwidth of the cache or memory that holds them
template <class T>
T peak_read(const T* p, std::ptrdiff_t n) {
  constexpr int L = Vec<T>::lanes;
  V<T> acc[8] = {};
  for (std::ptrdiff_t k = 0; k + 8 * L <= n; k += 8 * L)
    FW_UNROLL for (int i = 0; i < 8; ++i) acc[i] = acc[i] + load<T>(p + k + i * L);
  alignas(64) T lanes[L];
  FW_UNROLL for (int i = 1; i < 8; ++i) acc[0] = acc[0] + acc[i];
  store<T>(lanes, acc[0]);
  return lanes[0];
}
