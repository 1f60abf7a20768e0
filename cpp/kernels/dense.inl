// A layer's matrix products with their epilogues: forward, z = sums + bias and y = act(z); backward,
// dx = sums * act'(below). tiles.inl and single_row.inl leave the sums of up to kTileRows rows and some
// panels in a buffer in the L1 cache; the epilogue stores the result once. So the sums are compiled once per
// tile shape and the epilogue once per activation, instead of once per combination.

// Stores one panel of `rows` rows: all lanes if y is padded, else those of real outputs only.
// value(i, lane) returns a vector of row i.
template <class T, class Value>
FW_INLINE void store_panel(const RowsOut<T>& y, std::ptrdiff_t r, std::ptrdiff_t rows,
                           std::ptrdiff_t p, std::ptrdiff_t outputs, const Value& value) {
  constexpr int L = Vec<T>::lanes;
  const std::ptrdiff_t step = y.row_stride, valid = outputs - p * kPanel;
  T* to = y.base + r * step + p * y.panel_stride;
  if (y.padded || valid >= kPanel) {
    for (std::ptrdiff_t i = 0; i < rows; ++i, to += step)
      FW_UNROLL for (int j = 0; j < kPanel; j += L) store<T>(to + j, value(i, j));
  } else {
    for (std::ptrdiff_t i = 0; i < rows; ++i, to += step)
      FW_UNROLL for (int j = 0; j < kPanel; j += L)
        if (j < valid) store_part(to + j, value(i, j), int(minimum(L, valid - j)));
  }
}

// The two halves of the sums of one panel, [rows][np][16], added.
template <class T>
struct Halves {
  const T *sums, *second;  // second is null if there is only one block
  std::ptrdiff_t step;
  V<T> operator()(std::ptrdiff_t i, int j) const {
    const V<T> s = load<T>(sums + i * step + j);
    return second ? s + load<T>(second + i * step + j) : s;
  }
};

template <class T, template <class> class A>
void dense(const DenseArgs<T>& a) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L;
  const auto finish = [&](std::ptrdiff_t r, std::ptrdiff_t rows, std::ptrdiff_t p, int np,
                           const T* sums, const T* second) {
    for (int q = 0; q < np; ++q) {
      const T* other = second ? second + q * kPanel : nullptr;
      const Halves<T> halves = {sums + q * kPanel, other, np * kPanel};
      V<T> bias[P];
      FW_UNROLL for (int v = 0; v < P; ++v) bias[v] = load<T>(a.bias + (p + q) * kPanel + v * L);
      const auto z = [&](std::ptrdiff_t i, int j) { return halves(i, j) + bias[j / L]; };
      if (a.z.base) store_panel<T>(a.z, r, rows, p + q, a.outputs, z);
      store_panel<T>(a.y, r, rows, p + q, a.outputs,
                     [&](std::ptrdiff_t i, int j) { return A<T>::value(z(i, j)); });
    }
  };
  if (a.rows == 1 && a.x.panel_stride == kPanel && !a.bytes.base && !a.bytes.pointers)
    walk_row<T>(row_of(a.x, 0), a.inputs, a.weights, a.outputs, a.weights_exceed_l2, finish);
  else
    walk_tiles<T>({.x = a.x, .bytes = a.bytes, .scale = a.scale, .rows = a.rows,
                   .prefetch_distance = a.prefetch_distance, .rows_ahead = a.rows_ahead, .inputs = a.inputs,
                   .split_prefetch = a.split_prefetch}, a.weights, a.outputs, finish);
}

template <class T>
void dense_half(const DenseArgs<T>& a, int half) {
  const auto finish = [&](std::ptrdiff_t r, std::ptrdiff_t rows, std::ptrdiff_t p, int np,
                           const T* first, const T* second) {
    for (int q = 0; q < np; ++q) {
      const T* sums = (half == 1 ? first : second) + q * kPanel;
      store_panel<T>(a.y, r, rows, p + q, a.outputs, [&](std::ptrdiff_t i, int j) {
        return load<T>(sums + i * np * kPanel + j);
      });
    }
  };
  walk_tiles<T>({.x = a.x, .bytes = {}, .scale = T(0), .rows = a.rows,
                 .prefetch_distance = a.prefetch_distance, .rows_ahead = a.rows_ahead, .inputs = a.inputs,
                 .split_prefetch = a.split_prefetch, .half = half}, a.weights, a.outputs, finish);
}

template <class T, template <class> class A>
void combine(const CombineArgs<T>& a) {
  for (std::ptrdiff_t p = 0; p < panels_of(a.outputs); ++p) {
    const T *first = a.first.base + p * a.first.panel_stride,
            *second = a.second.base + p * a.second.panel_stride;
    const auto z = [&](std::ptrdiff_t i, int j) {
      return load<T>(first + i * kPanel + j) + load<T>(second + i * kPanel + j) +
             load<T>(a.bias + p * kPanel + j);
    };
    if (a.z.base) store_panel<T>(a.z, 0, a.rows, p, a.outputs, z);
    store_panel<T>(a.y, 0, a.rows, p, a.outputs,
                   [&](std::ptrdiff_t i, int j) { return A<T>::value(z(i, j)); });
  }
}

// Transposes a block of weights for the backward pass: 64 outputs of one panel of inputs, to[64][16]. Repeated
// for each use, which costs about as much time as keeping a second copy up to date, but no memory.
template <class T>
FW_INLINE void transpose_block(const BackwardArgs<T>& a, std::ptrdiff_t first, std::ptrdiff_t last,
                          std::ptrdiff_t panel, T* to) {
  constexpr int L = Vec<T>::lanes;
  for (std::ptrdiff_t o = first; o < last; o += kPanel, to += kPanel * kPanel) {
    const T* w = a.weights + (o * a.inputs + panel * kPanel * kPanel);
    const std::ptrdiff_t m = minimum(kPanel, a.inputs - panel * kPanel);
    for (int j = 0; j < kPanel; j += L)
      for (int t = 0; t < kPanel; t += L) {
        V<T> v[L];
        FW_UNROLL for (int i = 0; i < L; ++i)
          v[i] = t + i < m ? load<T>(w + (t + i) * kPanel + j) : V<T>{};
        transpose_square<T>(v);
        FW_UNROLL for (int i = 0; i < L; ++i) store<T>(to + (j + i) * kPanel + t, v[i]);
      }
  }
}

// NP panels of inputs for one group of rows; calls finish as walk_blocks does.
template <class T, int NP, class Finish>
inline void walk_transposed(const BackwardArgs<T>& b, std::ptrdiff_t r, std::ptrdiff_t m,
                      std::ptrdiff_t panel, const Finish& finish) {
  constexpr int M1 = NP > 1 ? Vec<T>::tile_rows : Vec<T>::tile_rows_one;
  alignas(64) T sums[kTileRows * NP * kPanel];
  alignas(64) T second[kTileRows * NP * kPanel];
  alignas(64) T transposed[NP * kBlock * kPanel];
  const std::ptrdiff_t blocks = blocks_of(b.outputs);
  TileArgs<T> a = {.x = b.dz, .rows = m, .panel_size = kBlock * kPanel, .inputs = b.outputs, .sums = sums, .second = second};
  a.x.base += r * kPanel;
  for (; a.block < blocks; a.block = a.end_block) {
    a.end_block = a.block + 1;
    const std::ptrdiff_t first = a.block * kBlock, last = minimum(b.outputs, first + kBlock);
    for (int q = 0; q < NP; ++q)
      transpose_block<T>(b, first, last, panel + q, transposed + q * kBlock * kPanel);
    a.weights = transposed - first * kPanel;
    all_tiles<T, M1, NP, kPanels>(a);
  }
  finish(r, m, panel, NP, sums, blocks > 1 ? second : nullptr);
}

template <class T, template <class> class A>
void dense_backward(const BackwardArgs<T>& a) {
  const auto finish = [&](std::ptrdiff_t r, std::ptrdiff_t rows, std::ptrdiff_t p, int np,
                          const T* sums, const T* second) {
    for (int q = 0; q < np; ++q) {
      const T* other = second ? second + q * kPanel : nullptr;
      const Halves<T> halves = {sums + q * kPanel, other, np * kPanel};
      const std::ptrdiff_t step = a.below.row_stride;
      const T* below = a.below.base + r * step + (p + q) * a.below.panel_stride;
      store_panel<T>(a.dx, r, rows, p + q, a.inputs, [&](std::ptrdiff_t i, int j) {
        return halves(i, j) * A<T>::derivative(load<T>(below + i * step + j));
      });
    }
  };
  const std::ptrdiff_t end = a.end ? a.end : panels_of(a.inputs);
  for_panel_groups<Vec<T>::tile_panels>(a.panel, end, [&](std::ptrdiff_t p, auto np) FW_ALWAYS {
    for (std::ptrdiff_t r = 0; r < a.rows; r += kTileRows)
      walk_transposed<T, np()>(a, r, minimum(kTileRows, a.rows - r), p, finish);
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
