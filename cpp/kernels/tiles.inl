// Sums of many rows: x (rows, n) times panels of packed weights, for the forward pass and dX.
//
// Up to kTileRows rows go through one block of 64 inputs after another, so that a block of the weights
// (4 KB per panel) and of the rows stays in the L1 cache while all tiles of rows use it. A tile's
// accumulators are registers for one block and are then added to `sums`.
//
// Tried without gain: unrolling the loop over inputs by 4; tiles of 24 rows by 1 panel; copying the rows
// of a wide layer into panels first while prefetching the next rows; prefetching the next block of a
// panel-major row or the next line of a strided row (AMD and Intel); groups of 32 or 48 rows; huge pages
// for the parameters; prefetching every second line only. AMD cores reach their peak with 16 accumulators;
// with two panels or more, Intel cores (Golden Cove) need 24. One panel needs a load per multiply-add, two
// per cycle: 97 % of the peak in cache for strided rows and 87 % by pointers, if a loop loads little else.
//
// Every loop over accumulators has FW_UNROLL: without it GCC silently keeps the array on the stack. The scalar path
// does without: its 16 accumulators of a panel, each with a software multiply-add, would double the module's size.
#if FW_VECTOR_BYTES
#define FW_UNROLL _Pragma("GCC unroll 32")
#else
#define FW_UNROLL
#endif
#define FW_NOINLINE __attribute__((noinline))
#define FW_ALWAYS __attribute__((always_inline))  // for lambdas
#define FW_INLINE inline FW_ALWAYS

constexpr std::ptrdiff_t kTileRows = 64;

// Split the prefetch of the next minibatch's rows between the forward pass (the first 8 of each 16) and dW
// (the others). Only for scattered rows and 16-row tiles. With all of it in one of the two, that one was
// bound by memory: an epoch of 60,000 rows of 784 took 10 % longer.
template <class T>
constexpr bool kCanSplitPrefetch = Vec<T>::tile_rows_one == kPanel && Vec<T>::gradient_inputs_one * sizeof(T) == 64;

template <class T>
inline const T* row_of(const Rows<T>& x, std::ptrdiff_t r) {
  return x.pointers ? x.pointers[r] : x.base + r * x.row_stride;
}
inline std::ptrdiff_t minimum(std::ptrdiff_t a, std::ptrdiff_t b) { return a < b ? a : b; }

// Hides from the compiler where a pointer or index comes from. It would otherwise make a variable of each
// address in an unrolled loop and spill those that don't fit the registers, accumulators included.
template <class X>
inline void opaque(X& x) { asm volatile("" : "+r"(x)); }

// Prefetches one block of inputs of rows [r, last).
template <class T>
FW_INLINE void prefetch(const Rows<T>& x, std::ptrdiff_t r, std::ptrdiff_t last, std::ptrdiff_t k) {
  for (; r < last; ++r) {
    const T* p = row_of(x, r) + k;
    opaque(p);
    FW_UNROLL for (int i = 0; i < kBlock; i += 64 / int(sizeof(T))) __builtin_prefetch(p + i, 0, 2);
  }
}

// Adds N vectors of a finished block to a half's sums, or initialises the half with them.
template <class T, int N>
FW_INLINE void fold(const V<T>* acc, bool begin, T* to) {
  constexpr int L = Vec<T>::lanes;
  if (begin) {
    FW_UNROLL for (int i = 0; i < N; ++i) store<T>(to + i * L, acc[i]);
  } else {
    FW_UNROLL for (int i = 0; i < N; ++i) store<T>(to + i * L, load<T>(to + i * L) + acc[i]);
  }
}

// Blocks [block, end_block) of a sum for some rows.
template <class T>
struct TileArgs {
  Rows<T> x;
  std::ptrdiff_t rows;
  std::ptrdiff_t prefetch_distance = 0;  // a tile at row r prefetches rows from r + prefetch_distance on,
  std::ptrdiff_t prefetch_end = 0;       // up to this one
  const T* weights = nullptr;  // of the first panel
  std::ptrdiff_t panel_size;   // elements from one panel's weights to the next panel's
  std::ptrdiff_t inputs;       // length of the whole sum
  std::ptrdiff_t block = 0, end_block = 0;
  T *sums, *second;            // the halves, [rows][NP][16]
  const T* next_block = nullptr;    // weights of the following block, to be prefetched, or null
  std::ptrdiff_t prefetch_size = 0; // how many elements of them each tile prefetches
  bool split_prefetch = false;
};

// Prefetches this tile's part of the next block of weights: all tiles together prefetch the whole block.
template <class T, int NP>
FW_INLINE void prefetch_weights(const TileArgs<T>& a, std::ptrdiff_t r, int rows) {
  constexpr std::ptrdiff_t size = kBlock * kPanel;
  const std::ptrdiff_t from = size * r / a.rows, to = size * (r + rows) / a.rows;
  for (std::ptrdiff_t i = from; i < to; i += 64 / std::ptrdiff_t(sizeof(T)))
    FW_UNROLL for (int q = 0; q < NP; ++q)
      __builtin_prefetch(a.next_block + q * a.panel_size + i, 0, 3);
}

// How many elements of the next block of weights a tile prefetches: pieces of kPanel cache lines, one line per input.
template <class T, int NP>
inline std::ptrdiff_t weights_per_tile(std::ptrdiff_t rows, int tile_rows) {
  constexpr std::ptrdiff_t piece = kPanel * 64 / std::ptrdiff_t(sizeof(T)), pieces = NP * kBlock * kPanel / piece;
  return ceil_div(pieces, ceil_div(rows, tile_rows)) * piece;
}

// Layout of the rows: a fixed stride apart, by pointers, or panel-major.
enum { kStrided, kPointers, kPanels };

// The chains of one tile of MR rows by NP panels, for row-major rows: 8 pointers, each of which also
// addresses the row 8 further on if MR > 8 (the stride is then fixed).
// With Prefetch, each input prefetches one cache line of one row ahead; the inputs of one line cover all MR rows.
template <class T, int MR, int NP, int Layout, bool Prefetch>
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
  if constexpr (Prefetch) {
    constexpr std::ptrdiff_t line = 64 / std::ptrdiff_t(sizeof(T));
    const std::ptrdiff_t stride = a.x.row_stride;
    for (std::ptrdiff_t k = first; k < last; k += line) {
      const T* ahead = a.x.base + (r + a.prefetch_distance) * stride + k;
      for (std::ptrdiff_t n = minimum(line, last - k); n > 0; --n, ahead += stride) {
        __builtin_prefetch(ahead, 0, 3);
        step();
      }
    }
  } else {
    for (std::ptrdiff_t k = first; k < last; ++k) step();
  }
}

// The same by pointers, for more rows than there are registers for pointers: some inputs of eight rows, then
// of the next eight; the pointers are loaded again each time. (Groups of four were 10 % slower; 12 or 24 rows
// are no faster than 16.) With Prefetch, half of the rows ahead get one cache line prefetched per K inputs.
template <class T, int MR, bool Prefetch>
FW_INLINE void chains_by_pointers(const TileArgs<T>& a, std::ptrdiff_t r, std::ptrdiff_t first,
                                  std::ptrdiff_t last, V<T>* acc) {
  static_assert(Vec<T>::lanes == kPanel, "one vector to a panel");
  constexpr int G = 8, K = 8;
  const T* const* rows = a.x.pointers + r;
  const T* const* ahead = rows + a.prefetch_distance;
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
    if constexpr (Prefetch) {  // half of the rows in each half of a line
      if (k & K && kCanSplitPrefetch<T> && a.split_prefetch) continue;
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

// The same for panel-major rows, which need one pointer. This tile's part of the next block of weights is
// prefetched one line per input: all at once would stall the sums. (Strided rows gain nothing from that.)
template <class T, int MR, int NP>
FW_INLINE void chains_by_panels(const TileArgs<T>& a, std::ptrdiff_t r, std::ptrdiff_t first,
                                std::ptrdiff_t last, V<T>* acc) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  constexpr std::ptrdiff_t line = 64 / std::ptrdiff_t(sizeof(T)), block = kBlock * kPanel;
  const T* w = a.weights + first * kPanel;
  // elements of NP panels' blocks, in pieces of kPanel lines
  std::ptrdiff_t at = a.prefetch_size * (r / MR), end = a.next_block ? minimum(at + a.prefetch_size, NP * block) : 0;
  for (std::ptrdiff_t k = first; k < last; k += kPanel) {
    const T* x = a.x.base + (k / kPanel) * a.x.panel_stride + r * kPanel;
    const T* stop = x + minimum(kPanel, last - k);
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
      const T* next = a.next_block + at / block * a.panel_size + at % block;
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

// All blocks of one tile. With Prefetch, there are MR rows to be prefetched.
template <class T, int MR, int NP, int Layout, bool Prefetch>
FW_INLINE void tile(const TileArgs<T>& a, std::ptrdiff_t r, std::ptrdiff_t half) {
  constexpr int N = NP * (kPanel / Vec<T>::lanes);
  for (std::ptrdiff_t b = a.block; b < a.end_block; ++b) {
    const std::ptrdiff_t first = b * kBlock, last = minimum(a.inputs, first + kBlock);
    if constexpr (Layout < kPanels && !Prefetch)
      prefetch(a.x, r + a.prefetch_distance, minimum(r + a.prefetch_distance + MR, a.prefetch_end), first);
    if ((Layout != kPanels || NP == 1) && a.next_block) prefetch_weights<T, NP>(a, r, MR);
    V<T> acc[MR * N];
    FW_UNROLL for (int i = 0; i < MR * N; ++i) acc[i] = V<T>{};
    if constexpr (Layout == kPanels)
      chains_by_panels<T, MR, NP>(a, r, first, last, acc);
    else if constexpr (Layout == kPointers && MR > 8)
      chains_by_pointers<T, MR, Prefetch>(a, r, first, last, acc);
    else
      chains<T, MR, NP, Layout, Prefetch>(a, r, first, last, acc);
    fold<T, MR * N>(acc, b == 0 || b == half, (b < half ? a.sums : a.second) + r * NP * kPanel);
  }
}

// All tiles of MR rows from row r on; returns the first row that remains.
template <class T, int MR, int NP, int Layout>
FW_NOINLINE std::ptrdiff_t tiles(const TileArgs<T>& args, std::ptrdiff_t r) {
  // A vector store may alias anything except local variables. With more than one panel a tile is used for one
  // block only, which isn't worth the copy.
  const TileArgs<T> copy = args;
  const TileArgs<T>& a = NP == 1 ? copy : args;
  const std::ptrdiff_t half = first_half(blocks_of(a.inputs));
  for (; r + MR <= a.rows; r += MR) {
    if constexpr (MR * sizeof(T) == 64 && (Layout == kStrided || (Layout == kPointers && MR > 8)))
      if (r + a.prefetch_distance + MR <= a.prefetch_end) {
        tile<T, MR, NP, Layout, true>(a, r, half);
        continue;
      }
    tile<T, MR, NP, Layout, false>(a, r, half);
  }
  return r;
}

// The last rows, at most MR, in one tile of exactly that size: a second tile would read the weights again.
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

// The rows of a layer's input: T in any layout, or bytes that are scaled as they are loaded.
template <class T>
struct Inputs {
  Rows<T> x;
  Rows<std::uint8_t> bytes;
  T scale;
  std::ptrdiff_t rows, prefetch_distance, rows_ahead, inputs;
  bool split_prefetch = false;
  int half = 0;  // 1 or 2: this half of the sums only
};

// NP panels of one group of m <= kTileRows rows from row r on: calls finish(r, m, panel, np, sums, second)
// with the two halves of the sums, [m][NP][16] each; `second` is null if there is only one block.
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
  TileArgs<T> a = {.x = in.x, .rows = m, .prefetch_distance = in.prefetch_distance,
                   .weights = weights + panel * n * kPanel, .panel_size = n * kPanel, .inputs = n,
                   .block = begin, .end_block = end, .sums = sums, .second = second,
                   .prefetch_size = weights_per_tile<T, NP>(m, M1), .split_prefetch = in.split_prefetch};
  if (a.x.pointers) a.x.pointers += r;
  else if (!bytes) a.x.base += r * a.x.row_stride;
  const bool panels = bytes || (!a.x.pointers && a.x.row_stride == kPanel &&
                                (a.x.panel_stride != kPanel || n <= kPanel));
  if (panel == 0 && !panels && in.prefetch_distance) a.prefetch_end = in.rows + in.rows_ahead - r;
  // Few rows: all blocks of a tile before the next tile, so that rows are read sequentially. Else one
  // block of weights for all tiles before the next block.
  const std::ptrdiff_t at_once = m <= M1 && !bytes ? end - begin : 1;
  for (; a.block < end; a.block = a.end_block) {
    a.end_block = a.block + at_once;
    if (at_once < end - begin)
      a.next_block = a.end_block < end ? a.weights + a.end_block * kBlock * kPanel : a.weights + NP * n * kPanel;
    if constexpr (NP == 1 && converts_in_step<T, M1>)
      if (bytes && m == M1 && !in.bytes.pointers && n % kPanel == 0) {
        tile_of_uint8<T, M1>(a, in.bytes, r, in.rows, in.scale);
        break;
      }
    if (bytes) {
      alignas(64) T converted[kBlock * kTileRows];
      Rows<std::uint8_t> from = in.bytes;
      if (from.pointers) from.pointers += r;
      else from.base += r * from.row_stride;
      const std::ptrdiff_t first = a.block * kBlock;
      convert_block<T>(from, m, first, minimum(n, first + kBlock), in.scale, converted);
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

// Calls walk(panel, count as a constant) for groups of at most `most` panels that cover [p, last). Four panels
// are two and two, since a tile of one panel would be slower.
template <int N>
struct Count { constexpr int operator()() const { return N; } };
template <int most, class Walk>
FW_INLINE void for_panel_groups(std::ptrdiff_t p, std::ptrdiff_t last, const Walk& walk) {
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
  // all groups of rows for some panels before the next panels, whose weights may not be in cache
  for_panel_groups<Vec<T>::tile_panels>(0, panels, [&](std::ptrdiff_t p, auto np) FW_ALWAYS {
    for (std::ptrdiff_t r = 0; r < in.rows; r += group)
      walk_blocks<T, np()>(in, r, minimum(group, in.rows - r), weights, p, finish);
  });
}
