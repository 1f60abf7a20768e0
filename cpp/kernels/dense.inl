// The layers' products: forward and dX (tile_sums, row_sums) and dW (gradient_sums), each with its
// epilogue applied to a tile while it is in the first-level cache and stored once.
//
// Every loop over accumulators carries `GCC unroll`: without it GCC keeps the array on the stack
// and says nothing. A tile's sums go through a small buffer on the stack on their way to the epilogue:
// the sums are then compiled once per tile shape and the epilogue once per activation, instead of
// their product, for a handful of cycles a tile.
#define FW_UNROLL _Pragma("GCC unroll 32")
#define FW_NOINLINE __attribute__((noinline))

template <class T>
inline const T* row_of(const Rows<T>& x, std::ptrdiff_t r) {
  return x.pointers ? x.pointers[r] : x.base + r * x.row_stride;
}
inline std::ptrdiff_t least(std::ptrdiff_t a, std::ptrdiff_t b) { return a < b ? a : b; }
inline std::ptrdiff_t panels_of(std::ptrdiff_t n) { return (n + kPanel - 1) / kPanel; }
// blocks of a sum, and how many of them form its first half
inline std::ptrdiff_t blocks_of(std::ptrdiff_t n) { return (n + kBlock - 1) / kBlock; }
inline std::ptrdiff_t first_half(std::ptrdiff_t blocks) { return (blocks + 1) / 2; }

// Folds a finished block b into the two halves' sums (N vectors each).
template <class T, int N>
inline void fold(const V<T>* acc, std::ptrdiff_t b, std::ptrdiff_t half, T* sums, T* second) {
  constexpr int L = Vec<T>::lanes;
  T* to = b < half ? sums : second;
  if (b == 0 || b == half) {
    FW_UNROLL for (int i = 0; i < N; ++i) store<T>(to + i * L, acc[i]);
  } else {
    FW_UNROLL for (int i = 0; i < N; ++i) store<T>(to + i * L, load<T>(to + i * L) + acc[i]);
  }
}
template <class T, int N>
inline void join(std::ptrdiff_t blocks, T* sums, const T* second) {
  constexpr int L = Vec<T>::lanes;
  if (blocks < 2) return;
  FW_UNROLL for (int i = 0; i < N; ++i)
    store<T>(sums + i * L, load<T>(sums + i * L) + load<T>(second + i * L));
}

// sums[MR][NP * 16] = x[MR rows][n] times NP panels of weights
template <class T, int MR, int NP>
FW_NOINLINE void tile_sums(const Rows<T>& x, std::ptrdiff_t r, std::ptrdiff_t n, const T* weights,
                           T* sums) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  alignas(64) T second[MR * NP * kPanel];
  const T* row[MR];
  FW_UNROLL for (int i = 0; i < MR; ++i) row[i] = row_of(x, r + i);
  const std::ptrdiff_t blocks = blocks_of(n), half = first_half(blocks);
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    V<T> acc[MR * N];
    FW_UNROLL for (int i = 0; i < MR * N; ++i) acc[i] = V<T>{};
    const std::ptrdiff_t end = least(n, (b + 1) * kBlock);
    for (std::ptrdiff_t k = b * kBlock; k < end; k += kPanel) {
      const T* w = weights + k * kPanel;
      const std::ptrdiff_t chunk = (k / kPanel) * x.panel_stride, m = least(kPanel, end - k);
      const T* from[MR];
      FW_UNROLL for (int i = 0; i < MR; ++i) from[i] = row[i] + chunk;
      for (std::ptrdiff_t j = 0; j < m; ++j, w += kPanel) {
        V<T> wv[N];
        FW_UNROLL for (int v = 0; v < N; ++v)
          wv[v] = load<T>(w + (v / P) * n * kPanel + (v % P) * L);
        FW_UNROLL for (int i = 0; i < MR; ++i) {
          const V<T> xv = splat<T>(from[i][j]);
          FW_UNROLL for (int v = 0; v < N; ++v) acc[i * N + v] = fma(xv, wv[v], acc[i * N + v]);
        }
      }
    }
    fold<T, MR * N>(acc, b, half, sums, second);
  }
  join<T, MR * N>(blocks, sums, second);
}

// The chains of NB blocks, side by side to hide the fma's latency: blocks b .. b + NB - 1 of one row
// and one panel, all of them whole but perhaps the last.
template <class T, int NB>
inline void row_blocks(const T* row, std::ptrdiff_t panel_stride, std::ptrdiff_t n, const T* weights,
                       std::ptrdiff_t b, std::ptrdiff_t half, T* sums, T* second) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L;
  V<T> acc[NB * P];
  FW_UNROLL for (int i = 0; i < NB * P; ++i) acc[i] = V<T>{};
  const std::ptrdiff_t k0 = b * kBlock;
  const std::ptrdiff_t last = least(kBlock, n - (k0 + (NB - 1) * kBlock));  // of the last block
  const auto step = [&](auto nb, std::ptrdiff_t from, std::ptrdiff_t to) {
    for (std::ptrdiff_t j = from; j < to; ++j) {
      FW_UNROLL for (int i = 0; i < decltype(nb)::value; ++i) {
        const std::ptrdiff_t k = k0 + i * kBlock + j;
        const V<T> xv = splat<T>(row[(k / kPanel) * panel_stride + k % kPanel]);
        FW_UNROLL for (int v = 0; v < P; ++v)
          acc[i * P + v] = fma(xv, load<T>(weights + k * kPanel + v * L), acc[i * P + v]);
      }
    }
  };
  step(Int<NB>{}, 0, last);
  step(Int<NB - 1>{}, last, kBlock);
  FW_UNROLL for (int i = 0; i < NB; ++i) fold<T, P>(acc + i * P, b + i, half, sums, second);
}

// sums[16] = one row times one panel
template <class T>
FW_NOINLINE void row_sums(const Rows<T>& x, std::ptrdiff_t n, const T* weights, T* sums) {
  constexpr int chains = 8 * Vec<T>::lanes / kPanel;  // accumulators for 8 blocks fill 8 registers
  constexpr int NB = chains < 1 ? 1 : (chains > 4 ? 8 : 4);
  alignas(64) T second[kPanel];
  const T* row = row_of(x, 0);
  const std::ptrdiff_t blocks = blocks_of(n), half = first_half(blocks);
  std::ptrdiff_t b = 0;
  for (; b + NB <= blocks; b += NB)
    row_blocks<T, NB>(row, x.panel_stride, n, weights, b, half, sums, second);
  if constexpr (NB > 4)
    for (; b + 4 <= blocks; b += 4)
      row_blocks<T, 4>(row, x.panel_stride, n, weights, b, half, sums, second);
  if constexpr (NB > 2)
    for (; b + 2 <= blocks; b += 2)
      row_blocks<T, 2>(row, x.panel_stride, n, weights, b, half, sums, second);
  for (; b < blocks; ++b)
    row_blocks<T, 1>(row, x.panel_stride, n, weights, b, half, sums, second);
  join<T, kPanel / Vec<T>::lanes>(blocks, sums, second);
}

// Walks all tiles of (rows, outputs), hands each tile's sums to finish(r, rows, panel, panels, sums).
template <class T, int MR, int NP, class Finish>
inline void walk_rows(const Rows<T>& x, std::ptrdiff_t* r, std::ptrdiff_t rows, std::ptrdiff_t n,
                      const T* weights, std::ptrdiff_t panel, T* sums, const Finish& finish) {
  for (; *r + MR <= rows; *r += MR) {
    tile_sums<T, MR, NP>(x, *r, n, weights, sums);
    finish(*r, MR, panel, NP, sums);
  }
  if constexpr (MR > 1)
    walk_rows<T, (MR > 4 ? 4 : MR / 2), NP>(x, r, rows, n, weights, panel, sums, finish);
}

template <class T, class Finish>
inline void walk_tiles(const Rows<T>& x, std::ptrdiff_t rows, std::ptrdiff_t n, const T* weights,
                       std::ptrdiff_t outputs, const Finish& finish) {
  constexpr int MR = Vec<T>::tile_rows, NP = Vec<T>::tile_panels;
  alignas(64) T sums[MR * NP * kPanel];
  const std::ptrdiff_t panels = panels_of(outputs);
  std::ptrdiff_t p = 0;
  if (rows == 1) {
    for (; p < panels; ++p) {
      row_sums<T>(x, n, weights + p * n * kPanel, sums);
      finish(0, 1, p, 1, sums);
    }
    return;
  }
  if constexpr (NP > 1) {
    for (; p + NP <= panels; p += NP) {
      std::ptrdiff_t r = 0;
      walk_rows<T, MR, NP>(x, &r, rows, n, weights + p * n * kPanel, p, sums, finish);
    }
  }
  for (; p < panels; ++p) {
    std::ptrdiff_t r = 0;
    walk_rows<T, MR, 1>(x, &r, rows, n, weights + p * n * kPanel, p, sums, finish);
  }
}

// Stores one panel's 16 values of row r: all lanes, or those of real outputs alone.
template <class T>
inline void store_panel(const RowsOut<T>& y, std::ptrdiff_t r, std::ptrdiff_t p,
                        std::ptrdiff_t outputs, const T* values) {
  T* to = y.base + r * y.row_stride + p * y.panel_stride;
  const std::ptrdiff_t valid = outputs - p * kPanel;
  if (y.padded || valid >= kPanel) {
    FW_UNROLL for (int j = 0; j < kPanel; j += Vec<T>::lanes) store<T>(to + j, load<T>(values + j));
  } else {
    for (std::ptrdiff_t j = 0; j < valid; ++j) to[j] = values[j];
  }
}

template <class T, template <class> class A>
void dense(const DenseArgs<T>& a) {
  constexpr int L = Vec<T>::lanes;
  walk_tiles<T>(a.x, a.rows, a.inputs, a.weights, a.outputs,
                [&](std::ptrdiff_t r, int mr, std::ptrdiff_t p, int np, T* sums) {
    alignas(64) T y[kPanel];
    for (int i = 0; i < mr; ++i) {
      for (int q = 0; q < np; ++q, sums += kPanel) {
        FW_UNROLL for (int j = 0; j < kPanel; j += L) {
          const V<T> z = load<T>(sums + j) + load<T>(a.bias + (p + q) * kPanel + j);
          store<T>(sums + j, z);
          store<T>(y + j, A<T>::value(z));
        }
        store_panel<T>(a.y, r + i, p + q, a.outputs, y);
        if (a.z.base) store_panel<T>(a.z, r + i, p + q, a.outputs, sums);
      }
    }
  });
}

template <class T, template <class> class A>
void dense_backward(const BackwardArgs<T>& a) {
  constexpr int L = Vec<T>::lanes;
  walk_tiles<T>(a.dz, a.rows, a.outputs, a.transposed, a.inputs,
                [&](std::ptrdiff_t r, int mr, std::ptrdiff_t p, int np, T* sums) {
    for (int i = 0; i < mr; ++i) {
      for (int q = 0; q < np; ++q, sums += kPanel) {
        const T* below = row_of(a.below, r + i) + (p + q) * a.below.panel_stride;
        FW_UNROLL for (int j = 0; j < kPanel; j += L)
          store<T>(sums + j, load<T>(sums + j) * A<T>::derivative(load<T>(below + j)));
        store_panel<T>(a.dx, r + i, p + q, a.inputs, sums);
      }
    }
  });
}

template <class T, template <class> class A>
void derivative(const Rows<T>& below, std::ptrdiff_t rows, std::ptrdiff_t outputs,
                const RowsOut<T>& d) {
  for (std::ptrdiff_t p = 0; p < panels_of(outputs); ++p) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      T* to = d.base + r * d.row_stride + p * d.panel_stride;
      const T* from = row_of(below, r) + p * below.panel_stride;
      for (int j = 0; j < kPanel; j += Vec<T>::lanes)
        store<T>(to + j, load<T>(to + j) * A<T>::derivative(load<T>(from + j)));
    }
  }
}
