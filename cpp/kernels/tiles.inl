// The sums of many rows: x (rows, n) times panels of packed weights, for forward and dX.
//
// Up to kTileRows rows go through one block of 64 inputs after another, so that a block of
// the weights (4 KB a panel) and of the rows stays in the first-level cache while all tiles of rows
// use it. A tile's accumulators live in registers for one block and are then folded into `sums`.
//
// Tried without gain: unrolling the loop over inputs by 4; tiles of 24 rows by 1 panel; copying the rows of a
// wide layer into panels first, with the next rows prefetched meanwhile; prefetching a panel-major row's next
// block or a strided row's next line (on AMD's cores and on Intel's); groups of 32 or 48 rows; huge pages for the
// parameters; every second line alone of the rows ahead. 16 accumulators do on AMD's cores, while with two panels or
// more Intel's (Golden Cove) reach their peak with 24 alone. One panel needs a load for each multiply-add, two to a
// cycle: 97 % of the peak in cache by rows a fixed step apart and 87 % by pointers, if a loop loads little else.
//
// Every loop over accumulators carries FW_UNROLL: without it GCC keeps the array on the stack and
// says nothing.
#define FW_UNROLL _Pragma("GCC unroll 32")
#define FW_NOINLINE __attribute__((noinline))
#define FW_ALWAYS __attribute__((always_inline))  // for lambdas
#define FW_INLINE inline FW_ALWAYS

constexpr std::ptrdiff_t kTileRows = 64;

// Whether the next batch's rows, where they are strewn over memory and a tile of x W has 16 of them, may be asked for
// half in the forward pass and half in dW: the first 8 of each 16 and the others. While only the one half of a step
// asked, that half was bound by memory and the other wasn't: an epoch of 60,000 rows of 784 took a tenth longer.
template <class T>
constexpr bool kSharesFetching = Vec<T>::tile_rows_one == kPanel && Vec<T>::gradient_inputs_one * sizeof(T) == 64;

template <class T>
inline const T* row_of(const Rows<T>& x, std::ptrdiff_t r) {
  return x.pointers ? x.pointers[r] : x.base + r * x.row_stride;
}
inline std::ptrdiff_t least(std::ptrdiff_t a, std::ptrdiff_t b) { return a < b ? a : b; }
inline std::ptrdiff_t panels_of(std::ptrdiff_t n) { return (n + kPanel - 1) / kPanel; }
// blocks of a sum, and how many of them form its first half
inline std::ptrdiff_t blocks_of(std::ptrdiff_t n) { return (n + kBlock - 1) / kBlock; }
inline std::ptrdiff_t first_half(std::ptrdiff_t blocks) { return (blocks + 1) / 2; }

// Hides where a pointer or index comes from. The compiler would otherwise make a variable of each
// address in an unrolled loop, and keep those that don't fit the registers, accumulators too, on the
// stack.
template <class X>
inline void opaque(X& x) { asm volatile("" : "+r"(x)); }

// Asks for one block's inputs of rows [r, last).
template <class T>
FW_INLINE void prefetch(const Rows<T>& x, std::ptrdiff_t r, std::ptrdiff_t last, std::ptrdiff_t k) {
  for (; r < last; ++r) {
    const T* p = row_of(x, r) + k;
    opaque(p);
    FW_UNROLL for (int i = 0; i < kBlock; i += 64 / int(sizeof(T))) __builtin_prefetch(p + i, 0, 2);
  }
}

// Folds N vectors of a finished block into a half's sums.
template <class T, int N>
FW_INLINE void fold(const V<T>* acc, bool begin, T* to) {
  constexpr int L = Vec<T>::lanes;
  if (begin) {
    FW_UNROLL for (int i = 0; i < N; ++i) store<T>(to + i * L, acc[i]);
  } else {
    FW_UNROLL for (int i = 0; i < N; ++i) store<T>(to + i * L, load<T>(to + i * L) + acc[i]);
  }
}

// Some blocks of a sum for some rows.
template <class T>
struct TileArgs {
  Rows<T> x;
  std::ptrdiff_t rows;
  std::ptrdiff_t distance;     // a tile at r prefetches rows r + distance on,
  std::ptrdiff_t fetch;        // but none from here on
  const T* weights;            // of the first panel
  std::ptrdiff_t panel_size;   // elements to those of the next
  std::ptrdiff_t inputs;
  std::ptrdiff_t block, blocks;  // from here to there, of those of the whole sum
  T *sums, *second;            // the halves, [rows][NP][16]
  const T* next;               // the weights of the block after, or null
  std::ptrdiff_t share;        // of those, how many elements each tile asks for
  bool halved;
};

// Asks for this tile's share of the next block of weights, so that all of it is near when its turn comes.
template <class T, int NP>
FW_INLINE void prefetch_weights(const TileArgs<T>& a, std::ptrdiff_t r, int rows) {
  constexpr std::ptrdiff_t size = kBlock * kPanel;
  const std::ptrdiff_t from = size * r / a.rows, to = size * (r + rows) / a.rows;
  for (std::ptrdiff_t i = from; i < to; i += 64 / std::ptrdiff_t(sizeof(T)))
    FW_UNROLL for (int q = 0; q < NP; ++q)
      __builtin_prefetch(a.next + q * a.panel_size + i, 0, 3);
}

// A tile's share of the next block, if it is asked for by pieces of kPanel lines, one with each input.
template <class T, int NP>
inline std::ptrdiff_t next_share(std::ptrdiff_t rows, int tile_rows) {
  constexpr std::ptrdiff_t piece = kPanel * 64 / std::ptrdiff_t(sizeof(T)), pieces = NP * kBlock * kPanel / piece;
  const std::ptrdiff_t tiles = (rows + tile_rows - 1) / tile_rows;
  return (pieces + tiles - 1) / tiles * piece;
}

// How the rows lie: a fixed step apart, anywhere, or panel-major.
enum { kStrided, kPointers, kPanels };

// The chains of one tile of MR rows by NP panels, rows in any row-major place: 8 pointers, each
// serving also the rows 8 further on (MR > 8), which are then a fixed step away.
// With Fetch, each input asks for one line of a row to be prefetched, a line of inputs for the same line of all rows,
// by an address that is kept in a register.
template <class T, int MR, int NP, int Layout, bool Fetch>
FW_INLINE void chains(const TileArgs<T>& a, std::ptrdiff_t r, std::ptrdiff_t first,
                      std::ptrdiff_t last, V<T>* acc) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P, M8 = MR < 8 ? MR : 8, G = MR / M8;
  const T* row[M8];
  std::ptrdiff_t at[G];
  FW_UNROLL for (int i = 0; i < M8; ++i)
    row[i] = Layout == kPointers ? a.x.pointers[r + i] : a.x.base + (r + i) * a.x.row_stride;
  FW_UNROLL for (int g = 0; g < G; ++g) {
    at[g] = first + g * 8 * a.x.row_stride;
    opaque(at[g]);
  }
  const T* w = a.weights + first * kPanel;
  const auto step = [&]() FW_ALWAYS {
    V<T> wv[N];
    FW_UNROLL for (int v = 0; v < N; ++v) wv[v] = load<T>(w + (v / P) * a.panel_size + (v % P) * L);
    FW_UNROLL for (int g = 0; g < G; ++g) {
      FW_UNROLL for (int i = 0; i < M8; ++i) {
        const V<T> xv = splat<T>(row[i][at[g]]);
        FW_UNROLL for (int v = 0; v < N; ++v)
          acc[(g * M8 + i) * N + v] = fma(xv, wv[v], acc[(g * M8 + i) * N + v]);
      }
      ++at[g];
    }
    w += kPanel;
  };
  if constexpr (Fetch) {
    constexpr std::ptrdiff_t line = 64 / std::ptrdiff_t(sizeof(T));
    const std::ptrdiff_t stride = a.x.row_stride;
    for (std::ptrdiff_t k = first; k < last; k += line) {
      const T* ahead = a.x.base + (r + a.distance) * stride + k;
      for (std::ptrdiff_t n = least(line, last - k); n > 0; --n, ahead += stride) {
        __builtin_prefetch(ahead, 0, 3);
        step();
      }
    }
  } else {
    for (std::ptrdiff_t k = first; k < last; ++k) step();
  }
}

// The same for more rows anywhere than there are registers for pointers: some inputs of eight rows, then of the
// next eight, each pointer being read anew. (By fours it took a tenth longer; 12 or 24 rows are no quicker than 16.)
// Rows to be prefetched are asked for a line now and then.
template <class T, int MR, bool Fetch>
FW_INLINE void chains_of_pointers(const TileArgs<T>& a, std::ptrdiff_t r, std::ptrdiff_t first,
                                  std::ptrdiff_t last, V<T>* acc) {
  static_assert(Vec<T>::lanes == kPanel, "one vector to a panel");
  constexpr int G = 8, K = 8;
  const T* const* rows = a.x.pointers + r;
  const T* const* ahead = rows + a.distance;
  const T* w = a.weights + first * kPanel;
  std::ptrdiff_t k = first;
  for (; k + K <= last; k += K, w += K * kPanel) {
    V<T> wv[K];
    FW_UNROLL for (int u = 0; u < K; ++u) wv[u] = load<T>(w + u * kPanel);
    FW_UNROLL for (int g = 0; g < MR; g += G) {
      const T* x[G];
      FW_UNROLL for (int i = 0; i < G; ++i) {
        x[i] = rows[g + i];
        opaque(x[i]);
      }
      FW_UNROLL for (int u = 0; u < K; ++u)
        FW_UNROLL for (int i = 0; i < G; ++i) acc[g + i] = fma(splat<T>(x[i][k + u]), wv[u], acc[g + i]);
    }
    if constexpr (Fetch) {  // half of the rows in each half of a line
      if (k & K && kSharesFetching<T> && a.halved) continue;
      const T* const* p = ahead + (k & K ? MR / 2 : 0);
      FW_UNROLL for (int i = 0; i < MR / 2; ++i) __builtin_prefetch(p[i] + k, 0, 2);
    }
  }
  for (; k < last; ++k, w += kPanel) {
    const V<T> wv = load<T>(w);
    FW_UNROLL for (int i = 0; i < MR; ++i) {
      const T* x = rows[i];
      opaque(x);
      acc[i] = fma(splat<T>(x[k]), wv, acc[i]);
    }
  }
}

// The same for rows that lie panel-major, one pointer for all. This tile's share of the next block of some panels'
// weights is asked for a line with each input, from the first on: all at once, it would stop the sums. (Rows a fixed
// step apart gain nothing by that.)
template <class T, int MR, int NP>
FW_INLINE void chains_of_panels(const TileArgs<T>& a, std::ptrdiff_t r, std::ptrdiff_t first,
                                std::ptrdiff_t last, V<T>* acc) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  constexpr std::ptrdiff_t line = 64 / std::ptrdiff_t(sizeof(T)), block = kBlock * kPanel;
  const T* w = a.weights + first * kPanel;
  // in elements of NP panels' blocks, by pieces of kPanel lines
  std::ptrdiff_t at = a.share * (r / MR), end = a.next ? least(at + a.share, NP * block) : 0;
  for (std::ptrdiff_t k = first; k < last; k += kPanel) {
    const T* x = a.x.base + (k / kPanel) * a.x.panel_stride + r * kPanel;
    const T* stop = x + least(kPanel, last - k);
    const auto step = [&]() FW_ALWAYS {
      V<T> wv[N];
      FW_UNROLL for (int v = 0; v < N; ++v)
        wv[v] = load<T>(w + (v / P) * a.panel_size + (v % P) * L);
      FW_UNROLL for (int i = 0; i < MR; ++i) {
        const V<T> xv = splat<T>(x[i * kPanel]);
        FW_UNROLL for (int v = 0; v < N; ++v) acc[i * N + v] = fma(xv, wv[v], acc[i * N + v]);
      }
    };
    if (NP > 1 && at < end) {
      const T* next = a.next + at / block * a.panel_size + at % block;
      at += kPanel * line;
      for (; x < stop; ++x, w += kPanel, next += line) {
        __builtin_prefetch(next, 0, 3);
        step();
      }
    } else {
      for (; x < stop; ++x, w += kPanel) step();
    }
  }
}

// One tile's blocks. With Fetch, all of as many rows to be prefetched are there.
template <class T, int MR, int NP, int Layout, bool Fetch>
FW_INLINE void tile(const TileArgs<T>& a, std::ptrdiff_t r, std::ptrdiff_t half) {
  constexpr int N = NP * (kPanel / Vec<T>::lanes);
  for (std::ptrdiff_t b = a.block; b < a.blocks; ++b) {
    const std::ptrdiff_t first = b * kBlock, last = least(a.inputs, first + kBlock);
    if constexpr (Layout < kPanels && !Fetch)
      prefetch(a.x, r + a.distance, least(r + a.distance + MR, a.fetch), first);
    if ((Layout != kPanels || NP == 1) && a.next) prefetch_weights<T, NP>(a, r, MR);
    V<T> acc[MR * N];
    FW_UNROLL for (int i = 0; i < MR * N; ++i) acc[i] = V<T>{};
    if constexpr (Layout == kPanels)
      chains_of_panels<T, MR, NP>(a, r, first, last, acc);
    else if constexpr (Layout == kPointers && MR > 8)
      chains_of_pointers<T, MR, Fetch>(a, r, first, last, acc);
    else
      chains<T, MR, NP, Layout, Fetch>(a, r, first, last, acc);
    fold<T, MR * N>(acc, b == 0 || b == half, (b < half ? a.sums : a.second) + r * NP * kPanel);
  }
}

// All tiles of MR rows from row r on; returns the first row that is left.
template <class T, int MR, int NP, int Layout>
FW_NOINLINE std::ptrdiff_t tiles(const TileArgs<T>& args, std::ptrdiff_t r) {
  // A store through a vector may alias anything but what is this function's own; what is in use for one
  // block alone is not worth the copy.
  const TileArgs<T> copy = args;
  const TileArgs<T>& a = NP == 1 ? copy : args;
  const std::ptrdiff_t half = first_half(blocks_of(a.inputs));
  for (; r + MR <= a.rows; r += MR) {
    if constexpr (MR * sizeof(T) == 64 && (Layout == kStrided || (Layout == kPointers && MR > 8)))
      if (r + a.distance + MR <= a.fetch) {
        tile<T, MR, NP, Layout, true>(a, r, half);
        continue;
      }
    tile<T, MR, NP, Layout, false>(a, r, half);
  }
  return r;
}

// The last rows, MR or fewer, in one tile of just so many: each further one would read the weights again.
template <class T, int MR, int NP, int Layout>
FW_INLINE void last_tile(const TileArgs<T>& a, std::ptrdiff_t r) {
  if (a.rows - r == MR) {
    tiles<T, MR, NP, Layout>(a, r);
  } else if constexpr (MR > 1) {
    last_tile<T, MR - 1, NP, Layout>(a, r);
  }
}

template <class T, int MR, int NP, int Layout>
FW_INLINE void all_tiles(const TileArgs<T>& a) {
  constexpr int M8 = MR < 8 ? MR : 8;
  std::ptrdiff_t r = 0;
  if constexpr (MR > 8) r = tiles<T, MR, NP, Layout>(a, r);
  r = tiles<T, M8, NP, Layout>(a, r);
  if constexpr (M8 > 1) last_tile<T, M8 - 1, NP, Layout>(a, r);
}

#include "uint8_rows.inl"

// The rows of a layer's input: T in any layout, or bytes to be scaled as they are loaded.
template <class T>
struct Inputs {
  Rows<T> x;
  Rows<std::uint8_t> bytes;
  T scale;
  std::ptrdiff_t rows, distance, ahead, inputs;
  bool halved = false;
  int half = 0;  // of the sums, 1 or 2 alone
};

// NP panels of one group of m <= kTileRows rows, from r: hands finish(r, m, panel, np, sums, second)
// the halves' sums, [m][NP][16] each, `second` null if there is one block alone.
template <class T, int NP, class Finish>
inline void walk_blocks(const Inputs<T>& in, std::ptrdiff_t r, std::ptrdiff_t m, const T* weights,
                        std::ptrdiff_t panel, const Finish& finish) {
  constexpr int MR = Vec<T>::tile_rows, M1 = NP > 1 ? MR : Vec<T>::tile_rows_one;
  alignas(64) T sums[kTileRows * NP * kPanel];
  alignas(64) T second[kTileRows * NP * kPanel];
  const bool bytes = in.bytes.base || in.bytes.pointers;
  const std::ptrdiff_t n = in.inputs, blocks = blocks_of(n);
  const std::ptrdiff_t begin = in.half == 2 ? first_half(blocks) : 0;
  const std::ptrdiff_t end = in.half == 1 ? first_half(blocks) : blocks;
  TileArgs<T> a = {in.x, m, in.distance, 0, weights + panel * n * kPanel, n * kPanel, n, begin, end,
                   sums, second, nullptr, next_share<T, NP>(m, M1), in.halved};
  if (a.x.pointers) a.x.pointers += r;
  else if (!bytes) a.x.base += r * a.x.row_stride;
  const bool panels = bytes || (!a.x.pointers && a.x.row_stride == kPanel &&
                                (a.x.panel_stride != kPanel || n <= kPanel));
  if (panel == 0 && !panels && in.distance) a.fetch = in.rows + in.ahead - r;
  // few rows: all blocks of a tile before the next tile, the rows read straight on; else a
  // block of the weights for all tiles before the next
  const std::ptrdiff_t at_once = m <= M1 && !bytes ? end - begin : 1;
  for (; a.block < end; a.block = a.blocks) {
    a.blocks = a.block + at_once;
    if (at_once < end - begin)
      a.next = a.blocks < end ? a.weights + a.blocks * kBlock * kPanel : a.weights + NP * n * kPanel;
    if constexpr (NP == 1 && converts_in_step<T, M1>)
      if (bytes && m == M1 && !in.bytes.pointers && n % kPanel == 0) {
        tile_of_bytes<T, M1>(a, in.bytes, r, in.rows, in.scale);
        break;
      }
    if (bytes) {
      alignas(64) T converted[kBlock * kTileRows];
      Rows<std::uint8_t> from = in.bytes;
      if (from.pointers) from.pointers += r;
      else from.base += r * from.row_stride;
      const std::ptrdiff_t first = a.block * kBlock;
      convert_block<T>(from, m, first, least(n, first + kBlock), in.scale, converted);
      a.x = {converted - (first / kPanel) * kTileRows * kPanel, nullptr, kPanel, kTileRows * kPanel};
      all_tiles<T, M1, NP, kPanels>(a);
    } else if (panels) {
      all_tiles<T, M1, NP, kPanels>(a);
    } else if (a.x.pointers) {
      all_tiles<T, M1, NP, kPointers>(a);
    } else {
      all_tiles<T, M1, NP, kStrided>(a);
    }
  }
  finish(r, m, panel, NP, sums, blocks > 1 ? second : nullptr);
}

// Shares panels [p, last) out among tiles of `most` panels or fewer: walk(panel, how many, as a constant). Four are
// two and two rather than three and one, whose tile would be slower.
template <int N>
struct Count { constexpr int operator()() const { return N; } };
template <int most, class Walk>
FW_INLINE void share_panels(std::ptrdiff_t p, std::ptrdiff_t last, const Walk& walk) {
  static_assert(most <= 3);
  if constexpr (most == 3)
    for (; last - p == 3 || last - p > 4; p += 3) walk(p, Count<3>());
  if constexpr (most >= 2)
    for (; last - p >= 2; p += 2) walk(p, Count<2>());
  for (; p < last; ++p) walk(p, Count<1>());
}

template <class T, class Finish>
inline void walk_tiles(const Inputs<T>& in, const T* weights, std::ptrdiff_t outputs,
                       const Finish& finish) {
  const std::ptrdiff_t panels = panels_of(outputs);
  const std::ptrdiff_t group =
      panels == 1 && in.inputs > kBlock ? Vec<T>::tile_rows_one : kTileRows;
  // all groups of rows by some panels before the next panels, whose weights may come from far
  share_panels<Vec<T>::tile_panels>(0, panels, [&](std::ptrdiff_t p, auto np) FW_ALWAYS {
    for (std::ptrdiff_t r = 0; r < in.rows; r += group)
      walk_blocks<T, np()>(in, r, least(group, in.rows - r), weights, p, finish);
  });
}
