// The sums of one row: memory brings the weights no faster than they can be used, so what counts is to
// keep enough chains going to hide the fma's latency. A chain is one block of one panel; NB blocks of
// NP panels run side by side.
//
// Tried without gain: 13 or 16 chains; prefetching the next panel's weights, in their order in memory or in
// that of the chains.
//
// The row must be without gaps (row-major, or panel-major of one row).

// Blocks [b, b + NB) of panels [0, NP), all whole but perhaps the last, added to the halves' sums.
template <class T, int NB, int NP>
FW_INLINE void row_chains(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t b,
                          std::ptrdiff_t half, V<T>* sums, V<T>* second) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  V<T> acc[NB * N];
  FW_UNROLL for (int i = 0; i < NB * N; ++i) acc[i] = V<T>{};
  const T* x = row + b * kBlock;
  const T* w = weights + b * kBlock * kPanel;
  const std::ptrdiff_t last = least(kBlock, n - (b + NB - 1) * kBlock);  // of the last block
  const auto step = [&](auto blocks, std::ptrdiff_t from, std::ptrdiff_t to) {
    for (std::ptrdiff_t j = from; j < to; ++j, ++x, w += kPanel) {
      FW_UNROLL for (int i = 0; i < decltype(blocks)::value; ++i) {
        const V<T> xv = splat<T>(x[i * kBlock]);
        FW_UNROLL for (int v = 0; v < N; ++v)
          acc[i * N + v] = fma(xv, load<T>(w + (v / P) * n * kPanel + i * kBlock * kPanel + v % P * L),
                               acc[i * N + v]);
      }
    }
  };
  step(Int<NB>{}, 0, last);
  if constexpr (NB > 1) step(Int<NB - 1>{}, last, kBlock);
  FW_UNROLL for (int i = 0; i < NB; ++i) {
    V<T>* to = b + i < half ? sums : second;
    const bool begin = b + i == 0 || b + i == half;
    FW_UNROLL for (int v = 0; v < N; ++v) to[v] = begin ? acc[i * N + v] : to[v] + acc[i * N + v];
  }
}

// nb blocks from b on, nb at most Most
template <class T, int Most, int NP>
FW_INLINE void row_round(std::ptrdiff_t nb, const T* row, std::ptrdiff_t n, const T* weights,
                         std::ptrdiff_t b, std::ptrdiff_t half, V<T>* sums, V<T>* second) {
  if constexpr (Most > 1)
    if (nb < Most) return row_round<T, Most - 1, NP>(nb, row, n, weights, b, half, sums, second);
  row_chains<T, Most, NP>(row, n, weights, b, half, sums, second);
}

// to[NP][16], in the fewest rounds of equal length
template <class T, int NP>
FW_NOINLINE void row_sums(const T* row, std::ptrdiff_t n, const T* weights, T* to) {
  constexpr int most = Vec<T>::row_chains / NP, N = NP * (kPanel / Vec<T>::lanes);
  V<T> sums[N], second[N];
  FW_UNROLL for (int v = 0; v < N; ++v) sums[v] = second[v] = V<T>{};
  const std::ptrdiff_t blocks = blocks_of(n), half = first_half(blocks);
  std::ptrdiff_t rounds = (blocks + most - 1) / most;
  for (std::ptrdiff_t b = 0; rounds > 0; --rounds) {
    const std::ptrdiff_t nb = rounds > 1 ? (blocks - b + rounds - 1) / rounds : blocks - b;
    row_round<T, most, NP>(nb, row, n, weights, b, half, sums, second);
    b += nb;
  }
  FW_UNROLL for (int v = 0; v < N; ++v)
    store<T>(to + v * Vec<T>::lanes, blocks > 1 ? sums[v] + second[v] : sums[v]);
}

// Groups of NP panels, then smaller ones; finish as in walk_blocks.
template <class T, int NP, class Finish>
inline void walk_panels(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t panel,
                        std::ptrdiff_t panels, const Finish& finish) {
  alignas(64) T sums[NP * kPanel];
  const std::ptrdiff_t blocks = blocks_of(n);
  if (blocks * NP <= Vec<T>::row_chains || NP == 1)
    for (; panel + NP <= panels; panel += NP) {
      row_sums<T, NP>(row, n, weights + panel * n * kPanel, sums);
      finish(0, 1, panel, NP, sums, nullptr);
    }
  if constexpr (NP > 1) walk_panels<T, NP / 2>(row, n, weights, panel, panels, finish);
}

template <class T, class Finish>
inline void walk_row(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t outputs,
                     const Finish& finish) {
  walk_panels<T, Vec<T>::row_chains>(row, n, weights, 0, panels_of(outputs), finish);
}
