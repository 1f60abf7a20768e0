// The sums of one row: memory brings the weights no faster than they can be used, so what counts is to
// keep enough chains going to hide the fma's latency. A chain is one block of one panel; NB blocks of
// NP panels run side by side.
//
// Weights from beyond the second-level cache (Far) come quickest if asked for in their order in memory, which
// is not that of the chains: each round asks for the next, which must fit the first-level cache beside it.
//
// Tried without gain: 13 or 16 chains; for Far 7 chains (the two rounds don't fit), 2 or 3 chains, asking
// two rounds ahead, or into the second-level cache; a check in the loop for the end of the memory.
//
// The row must be without gaps (row-major, or panel-major of one row).

// Blocks [b, b + NB) of panels [0, NP), all whole but perhaps the last, added to the halves' sums.
template <class T, int NB, int NP, bool Far>
FW_INLINE void row_chains(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t b,
                          std::ptrdiff_t half, V<T>* sums, V<T>* second, const T*& next) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P, line = 64 / int(sizeof(T));
  V<T> acc[NB * N];
  FW_UNROLL for (int i = 0; i < NB * N; ++i) acc[i] = V<T>{};
  const T* x = row + b * kBlock;
  const T* w = weights + b * kBlock * kPanel;
  const std::ptrdiff_t last = least(kBlock, n - (b + NB - 1) * kBlock);  // of the last block
  const auto step = [&](auto blocks, std::ptrdiff_t from, std::ptrdiff_t to) {
    for (std::ptrdiff_t j = from; j < to; ++j, ++x, w += kPanel) {
      if constexpr (Far) {
        FW_UNROLL for (int i = 0; i < NB * NP * kPanel; i += line) __builtin_prefetch(next + i, 0, 3);
        next += NB * NP * kPanel;
      }
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
template <class T, int Most, int NP, bool Far>
FW_INLINE void row_round(std::ptrdiff_t nb, const T* row, std::ptrdiff_t n, const T* weights,
                         std::ptrdiff_t b, std::ptrdiff_t half, V<T>* sums, V<T>* second, const T*& next) {
  if constexpr (Most > 1)
    if (nb < Most) return row_round<T, Most - 1, NP, Far>(nb, row, n, weights, b, half, sums, second, next);
  row_chains<T, Most, NP, Far>(row, n, weights, b, half, sums, second, next);
}

// chains at once, all told
template <class T, bool Far>
constexpr int chains_at_once = Far && Vec<T>::row_chains > kFarChains ? kFarChains : Vec<T>::row_chains;

// to[NP][16], in the fewest rounds: of equal length or, for Far, each but the last as long as the others expect
template <class T, int NP, bool Far>
FW_NOINLINE void row_sums(const T* row, std::ptrdiff_t n, const T* weights, T* to) {
  constexpr int most = chains_at_once<T, Far> / NP, N = NP * (kPanel / Vec<T>::lanes);
  V<T> sums[N], second[N];
  FW_UNROLL for (int v = 0; v < N; ++v) sums[v] = second[v] = V<T>{};
  const std::ptrdiff_t blocks = blocks_of(n), half = first_half(blocks);
  // what comes a full round later; a group's first round is asked for by the group before
  const T* next = NP == 1 ? weights + least(n, most * kBlock) * kPanel : weights + NP * n * kPanel;
  std::ptrdiff_t rounds = (blocks + most - 1) / most;
  for (std::ptrdiff_t b = 0; rounds > 0; --rounds) {
    const std::ptrdiff_t nb = Far ? least(most, blocks - b) : (blocks - b + rounds - 1) / rounds;
    row_round<T, most, NP, Far>(nb, row, n, weights, b, half, sums, second, next);
    b += nb;
  }
  FW_UNROLL for (int v = 0; v < N; ++v)
    store<T>(to + v * Vec<T>::lanes, blocks > 1 ? sums[v] + second[v] : sums[v]);
}

// Groups of NP panels, then smaller ones; finish as in walk_blocks.
template <class T, int NP, bool Far, class Finish>
inline void walk_panels(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t panel,
                        std::ptrdiff_t panels, const Finish& finish) {
  alignas(64) T sums[NP * kPanel];
  const std::ptrdiff_t blocks = blocks_of(n);
  if (blocks * NP <= chains_at_once<T, Far> || NP == 1)
    for (; panel + NP <= panels; panel += NP) {
      row_sums<T, NP, Far>(row, n, weights + panel * n * kPanel, sums);
      finish(0, 1, panel, NP, sums, nullptr);
    }
  if constexpr (NP > 1) walk_panels<T, NP / 2, Far>(row, n, weights, panel, panels, finish);
}

template <class T, class Finish>
inline void walk_row(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t outputs, bool far,
                     const Finish& finish) {
  if (far)
    walk_panels<T, chains_at_once<T, true>, true>(row, n, weights, 0, panels_of(outputs), finish);
  else
    walk_panels<T, chains_at_once<T, false>, false>(row, n, weights, 0, panels_of(outputs), finish);
}
