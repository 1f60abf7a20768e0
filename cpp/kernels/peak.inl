// What this core can do at best, measured by loops that do nothing else: for benchmarks to state their
// share of it.

// steps rounds of kLimitChains independent fused multiply-adds; the result only keeps them alive.
constexpr int kLimitChains = 12;  // latency 4 to 5 cycles times 2 a cycle, and room in 16 registers

template <class T>
T fma_limit(std::ptrdiff_t steps) {
  constexpr int L = Vec<T>::lanes;
  V<T> acc[kLimitChains];
  FW_UNROLL for (int i = 0; i < kLimitChains; ++i) acc[i] = splat<T>(T(i));
  const V<T> x = splat<T>(T(0.999)), y = splat<T>(T(0.001));
  for (std::ptrdiff_t k = 0; k < steps; ++k)
    FW_UNROLL for (int i = 0; i < kLimitChains; ++i) acc[i] = fma(acc[i], x, y);
  alignas(64) T lanes[L];
  FW_UNROLL for (int i = 1; i < kLimitChains; ++i) acc[0] = acc[0] + acc[i];
  store<T>(lanes, acc[0]);
  return lanes[0];
}

// the sum of n elements (a multiple of 128), read once in order: the bandwidth of wherever they lie
template <class T>
T read_limit(const T* p, std::ptrdiff_t n) {
  constexpr int L = Vec<T>::lanes;
  V<T> acc[8] = {};
  for (std::ptrdiff_t k = 0; k + 8 * L <= n; k += 8 * L)
    FW_UNROLL for (int i = 0; i < 8; ++i) acc[i] = acc[i] + load<T>(p + k + i * L);
  alignas(64) T lanes[L];
  FW_UNROLL for (int i = 1; i < 8; ++i) acc[0] = acc[0] + acc[i];
  store<T>(lanes, acc[0]);
  return lanes[0];
}
