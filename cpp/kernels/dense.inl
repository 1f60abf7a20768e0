// The layers' products with their epilogues: forward, z = sums + bias and y = act(z), and backward,
// dx = sums * act'(below). Sums of up to kTileRows rows and some panels come in a buffer (tiles.inl,
// row.inl) that lies in the first-level cache, and are stored once: the sums are compiled once per tile
// shape and the epilogue once per activation, instead of their product.

// Stores one panel of `rows` rows, all lanes or those of real outputs alone; value(i, lane) makes a
// vector of row i.
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
        if (j < valid) store_part(to + j, value(i, j), int(least(L, valid - j)));
  }
}

// The halves' sums of one panel of some rows, [rows][np][16], put together.
template <class T>
struct Halves {
  const T *sums, *second;  // second is null if there is one block alone
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
    walk_row<T>(row_of(a.x, 0), a.inputs, a.weights, a.outputs, finish);
  else
    walk_tiles<T>({a.x, a.bytes, a.scale, a.rows, a.distance, a.ahead, a.inputs}, a.weights,
                  a.outputs, finish);
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
  if (a.rows == 1 && a.dz.panel_stride == kPanel)
    walk_row<T>(row_of(a.dz, 0), a.outputs, a.transposed, a.inputs, finish);
  else
    walk_tiles<T>({a.dz, {}, T(0), a.rows, 0, 0, a.outputs}, a.transposed, a.inputs, finish);
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
