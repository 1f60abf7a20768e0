// Sums of a single row. Weights are used as fast as memory delivers them, so there must be enough chains
// side by side to hide the latency of a multiply-add. A chain is one block of one panel; NB blocks of NP
// panels run side by side.
//
// Streamed: weights that don't fit the L2 cache arrive fastest if prefetched in memory order, which is not
// the order of the chains. Each round prefetches the next; both must fit the L1 cache.
//
// Tried without gain: 13 or 16 chains; for Streamed 7 chains (two rounds don't fit), 2 or 3 chains,
// prefetching two rounds ahead or into the L2 cache; a check in the loop for the end of the memory.
//
// The row must be contiguous (row-major, or panel-major with one row).

// Adds blocks [b, b + NB) of panels [0, NP) to the halves' sums; only the last block may be short.
template <class T, int NB, int NP, bool Streamed>
FW_INLINE void row_chains(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t b,
                          std::ptrdiff_t half, V<T>* sums, V<T>* second, const T*& next) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P, line = 64 / int(sizeof(T));
  V<T> acc[NB * N];
  FW_UNROLL for (int i = 0; i < NB * N; ++i) acc[i] = V<T>{};
  const T* x = row + b * kBlock;
  const T* w = weights + b * kBlock * kPanel;
  const std::ptrdiff_t last = minimum(kBlock, n - (b + NB - 1) * kBlock);  // of the last block
  const auto step = [&](auto blocks, std::ptrdiff_t from, std::ptrdiff_t to) {
    for (std::ptrdiff_t j = from; j < to; ++j, ++x, w += kPanel) {
      if constexpr (Streamed) {
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

// nb blocks from block b on, 1 <= nb <= Most
template <class T, int Most, int NP, bool Streamed>
FW_INLINE void row_round(std::ptrdiff_t nb, const T* row, std::ptrdiff_t n, const T* weights,
                         std::ptrdiff_t b, std::ptrdiff_t half, V<T>* sums, V<T>* second, const T*& next) {
  if constexpr (Most > 1)
    if (nb < Most) return row_round<T, Most - 1, NP, Streamed>(nb, row, n, weights, b, half, sums, second, next);
  row_chains<T, Most, NP, Streamed>(row, n, weights, b, half, sums, second, next);
}

// how many chains run side by side
template <class T, bool Streamed>
constexpr int chains_at_once = Streamed && Vec<T>::row_chains > kStreamedChains ? kStreamedChains : Vec<T>::row_chains;

// Writes to[NP][16] in the fewest rounds: rounds of equal length or, if Streamed, all full but the last.
template <class T, int NP, bool Streamed>
FW_NOINLINE void row_sums(const T* row, std::ptrdiff_t n, const T* weights, T* to) {
  constexpr int most = chains_at_once<T, Streamed> / NP, N = NP * (kPanel / Vec<T>::lanes);
  V<T> sums[N], second[N];
  FW_UNROLL for (int v = 0; v < N; ++v) sums[v] = second[v] = V<T>{};
  const std::ptrdiff_t blocks = blocks_of(n), half = first_half(blocks);
  // the address one full round ahead; a group's first round is prefetched by the previous group
  const T* next = NP == 1 ? weights + minimum(n, most * kBlock) * kPanel : weights + NP * n * kPanel;
  std::ptrdiff_t rounds = ceil_div(blocks, most);
  for (std::ptrdiff_t b = 0; rounds > 0; --rounds) {
    const std::ptrdiff_t nb = Streamed ? minimum(most, blocks - b) : ceil_div(blocks - b, rounds);
    row_round<T, most, NP, Streamed>(nb, row, n, weights, b, half, sums, second, next);
    b += nb;
  }
  FW_UNROLL for (int v = 0; v < N; ++v)
    store<T>(to + v * Vec<T>::lanes, blocks > 1 ? sums[v] + second[v] : sums[v]);
}

// Groups of NP panels, then smaller ones; finish as in walk_blocks.
template <class T, int NP, bool Streamed, class Finish>
inline void walk_panels(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t panel,
                        std::ptrdiff_t panels, const Finish& finish) {
  alignas(64) T sums[NP * kPanel];
  const std::ptrdiff_t blocks = blocks_of(n);
  if (blocks * NP <= chains_at_once<T, Streamed> || NP == 1)
    for (; panel + NP <= panels; panel += NP) {
      row_sums<T, NP, Streamed>(row, n, weights + panel * n * kPanel, sums);
      finish(0, 1, panel, NP, sums, nullptr);
    }
  if constexpr (NP > 1) walk_panels<T, NP / 2, Streamed>(row, n, weights, panel, panels, finish);
}

template <class T, class Finish>
inline void walk_row(const T* row, std::ptrdiff_t n, const T* weights, std::ptrdiff_t outputs, bool streamed,
                     const Finish& finish) {
  if (streamed)
    walk_panels<T, chains_at_once<T, true>, true>(row, n, weights, 0, panels_of(outputs), finish);
  else
    walk_panels<T, chains_at_once<T, false>, false>(row, n, weights, 0, panels_of(outputs), finish);
}
