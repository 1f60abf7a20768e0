// Softmax, the losses, and the staging of inputs. A loss gives each row's own loss and its gradient
// (LossInfo::fused says with respect to what); sums along a row follow the sum rule, one term at a
// time, while what is done to each element runs in vectors.

// The sum rule over n terms; add(sum, i) is one step of a block's chain.
template <class T, class Add>
inline T sum_terms(std::ptrdiff_t n, const Add& add) {
  const std::ptrdiff_t blocks = blocks_of(n), half = first_half(blocks);
  T halves[2] = {0, 0};
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    T chain = 0;
    const std::ptrdiff_t end = least(n, (b + 1) * kBlock);
    for (std::ptrdiff_t i = b * kBlock; i < end; ++i) chain = add(chain, i);
    T& to = halves[b >= half];
    to = b == 0 || b == half ? chain : to + chain;
  }
  return blocks < 2 ? halves[0] : halves[0] + halves[1];
}

template <class T>
T sum(const T* values, const T* weights, std::ptrdiff_t n) {
  return sum_terms<T>(n, [&](T s, std::ptrdiff_t i) {
    return weights ? fma(weights[i], values[i], s) : s + values[i];
  });
}

// element o of a row in any layout
template <class T>
inline T& element(T* row, std::ptrdiff_t panel_stride, std::ptrdiff_t o) {
  return row[(o / kPanel) * panel_stride + o % kPanel];
}

// f over all of a row's panels; `in` and `out` may be of a layout whose last panel is cut short
template <class T, class F>
inline void map_row(T* row, std::ptrdiff_t panel_stride, std::ptrdiff_t outputs, const F& f) {
  constexpr int L = Vec<T>::lanes;
  for (std::ptrdiff_t p = 0; p * kPanel < outputs; ++p) {
    T* at = row + p * panel_stride;
    const std::ptrdiff_t valid = least(kPanel, outputs - p * kPanel);
    alignas(64) T cut[kPanel] = {};
    T* from = at;
    if (valid < kPanel) {
      for (std::ptrdiff_t j = 0; j < valid; ++j) cut[j] = at[j];
      from = cut;
    }
    FW_UNROLL for (int j = 0; j < kPanel; j += L) store<T>(from + j, f(load<T>(from + j)));
    if (valid < kPanel)
      for (std::ptrdiff_t j = 0; j < valid; ++j) at[j] = cut[j];
  }
}

template <class T>
void softmax(const RowsOut<T>& y, std::ptrdiff_t rows, std::ptrdiff_t outputs, T* row_max,
             T* log_sum) {
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    T* row = y.base + r * y.row_stride;
    T most = row[0];
    for (std::ptrdiff_t o = 1; o < outputs; ++o) {
      const T z = element(row, y.panel_stride, o);
      most = z > most ? z : most;
    }
    const V<T> m = splat<T>(most);
    map_row<T>(row, y.panel_stride, outputs, [&](V<T> z) { return exp<T>(z - m); });
    const T total = sum_terms<T>(outputs, [&](T s, std::ptrdiff_t o) {
      return s + element(row, y.panel_stride, o);
    });
    const V<T> t = splat<T>(total);
    map_row<T>(row, y.panel_stride, outputs, [&](V<T> e) { return e / t; });
    if (y.padded)
      for (std::ptrdiff_t o = outputs; o % kPanel; ++o) element(row, y.panel_stride, o) = 0;
    if (row_max) {
      row_max[r] = most;
      log_sum[r] = total;
    }
  }
  if (row_max)
    for (std::ptrdiff_t r = 0; r < rows; r += Vec<T>::lanes)
      store<T>(log_sum + r, log<T>(load<T>(log_sum + r)));
}

template <class T>
void softmax_backward(const Rows<T>& y, std::ptrdiff_t rows, std::ptrdiff_t outputs,
                      const RowsOut<T>& d) {
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const T* yr = row_of(y, r);
    T* dr = d.base + r * d.row_stride;
    const T mean = sum_terms<T>(outputs, [&](T s, std::ptrdiff_t o) {
      return fma(element(dr, d.panel_stride, o), element(yr, y.panel_stride, o), s);
    });
    for (std::ptrdiff_t o = 0; o < outputs; ++o) {
      T& e = element(dr, d.panel_stride, o);
      e = element(yr, y.panel_stride, o) * (e - mean);
    }
  }
}

// A row of a loss's arguments, and the walk over rows that every loss shares: row_loss from
// l.value(row), dz from l.gradient(row, z, y, t), lanes past the last output 0.
template <class T>
struct LossRow {
  const T *z, *y, *t;
  std::ptrdiff_t z_stride, y_stride, t_stride, outputs;
  T scale, row_max, log_sum;
};

template <class T, template <class> class K>
void loss(const LossArgs<T>& a) {
  constexpr int L = Vec<T>::lanes;
  for (std::ptrdiff_t r = 0; r < a.rows; ++r) {
    const LossRow<T> row = {row_of(a.z, r), row_of(a.y, r), row_of(a.targets, r),
                            a.z.panel_stride, a.y.panel_stride, a.targets.panel_stride,
                            a.outputs, a.scale ? a.scale[r] : T(0),
                            a.row_max ? a.row_max[r] : T(0), a.log_sum ? a.log_sum[r] : T(0)};
    a.row_loss[r] = K<T>::value(row);
    if (!a.dz.base) continue;
    T* dz = a.dz.base + r * a.dz.row_stride;
    const T factor = K<T>::factor(row);
    const T total = K<T>::target_total(row);
    for (std::ptrdiff_t p = 0; p < panels_of(a.outputs); ++p) {
      FW_UNROLL for (int j = 0; j < kPanel; j += L)
        store<T>(dz + p * a.dz.panel_stride + j,
                 K<T>::gradient(load<T>(row.y + p * row.y_stride + j),
                                load<T>(row.t + p * row.t_stride + j), splat<T>(total)) *
                     splat<T>(factor));
    }
    for (std::ptrdiff_t o = a.outputs; o % kPanel; ++o) element(dz, a.dz.panel_stride, o) = 0;
  }
}

namespace loss_of {

// the mean over outputs of (y - t)^2
template <class T> struct mse {
  static constexpr LossInfo info = {false, false, false};
  static inline T value(const LossRow<T>& a) {
    return sum_terms<T>(a.outputs, [&](T s, std::ptrdiff_t o) {
      const T e = element(a.y, a.y_stride, o) - element(a.t, a.t_stride, o);
      return fma(e, e, s);
    }) / T(a.outputs);
  }
  static inline T factor(const LossRow<T>& a) { return T(2) * a.scale / T(a.outputs); }
  static inline T target_total(const LossRow<T>&) { return 0; }
  static inline V<T> gradient(V<T> y, V<T> t, V<T>) { return y - t; }
};

// -sum t log(softmax(z)), by z - max - log(sum) and not by log(y), which underflows
template <class T> struct cross_entropy {
  static constexpr LossInfo info = {true, false, true};
  static inline T value(const LossRow<T>& a) {
    return sum_terms<T>(a.outputs, [&](T s, std::ptrdiff_t o) {
      const T t = element(a.t, a.t_stride, o);
      const T l = a.log_sum - (element(a.z, a.z_stride, o) - a.row_max);
      return t == 0 ? s : fma(t, l, s);  // 0 times an infinite l is 0 here
    });
  }
  static inline T factor(const LossRow<T>& a) { return a.scale; }
  static inline T target_total(const LossRow<T>& a) {
    return sum_terms<T>(a.outputs, [&](T s, std::ptrdiff_t o) {
      return s + element(a.t, a.t_stride, o);
    });
  }
  static inline V<T> gradient(V<T> y, V<T> t, V<T> total) { return fma(y, total, -t); }
};

// the mean over outputs of max(z, 0) - z t + log(1 + exp(-|z|))
template <class T> struct binary_cross_entropy {
  static constexpr LossInfo info = {false, true, true};
  static inline T value(const LossRow<T>& a) {
    constexpr int L = Vec<T>::lanes;
    alignas(64) T terms[kPanel];
    return sum_terms<T>(a.outputs, [&](T s, std::ptrdiff_t o) {
      if (o % kPanel == 0) {
        const std::ptrdiff_t p = o / kPanel;
        FW_UNROLL for (int j = 0; j < kPanel; j += L) {
          const V<T> z = load<T>(a.z + p * a.z_stride + j);
          const V<T> t = load<T>(a.t + p * a.t_stride + j);
          const V<T> top = z < splat<T>(0) ? splat<T>(0) : z;
          store<T>(terms + j, fma(-z, t, top) + log1p_unit<T>(exp<T>(-abs<T>(z))));
        }
      }
      return s + terms[o % kPanel];
    }) / T(a.outputs);
  }
  static inline T factor(const LossRow<T>& a) { return a.scale / T(a.outputs); }
  static inline T target_total(const LossRow<T>&) { return 0; }
  static inline V<T> gradient(V<T> y, V<T> t, V<T>) { return y - t; }
};

}  // namespace loss_of

// x * scale, panel by panel; the conversion and the product are exact to the last bit on every path
template <class T, class S>
void stage(const Rows<S>& x, std::ptrdiff_t rows, std::ptrdiff_t inputs, T scale,
           const RowsOut<T>& out) {
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const S* from = row_of(x, r);
    T* to = out.base + r * out.row_stride;
    for (std::ptrdiff_t k = 0; k < inputs; k += kPanel) {
      const S* f = from + (k / kPanel) * x.panel_stride;
      T* t = to + (k / kPanel) * out.panel_stride;
      if (k + kPanel <= inputs) {
        FW_UNROLL for (int j = 0; j < kPanel; ++j) t[j] = T(f[j]) * scale;
      } else {
        for (int j = 0; j < kPanel; ++j) t[j] = k + j < inputs ? T(f[j]) * scale : T(0);
      }
    }
  }
}
