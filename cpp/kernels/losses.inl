// Softmax, the losses, and the conversion of inputs to panels. A loss computes each row's own loss and its
// gradient (with respect to z or y, see LossInfo::fused). Sums along a row follow the sum rule, one term at
// a time; for speed, as many rows at once as a vector has lanes.

// The sum rule over n terms, for one row (X a number) or several (X a vector); add(sum, i) is one step of
// a block's chain.
template <class X, class Add>
inline X sum_terms(std::ptrdiff_t n, const Add& add) {
  const std::ptrdiff_t blocks = blocks_of(n), half = first_half(blocks);
  X halves[2] = {};
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    X chain = {};
    const std::ptrdiff_t end = minimum(n, (b + 1) * kBlock);
    for (std::ptrdiff_t i = b * kBlock; i < end; ++i) chain = add(chain, i);
    X& to = halves[b >= half];
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

// v[i] = output o + i of `lanes` rows, the last row repeated. Sums along a row can then be computed for many
// rows side by side, one per lane.
template <class T>
FW_INLINE void columns(const Rows<T>& x, std::ptrdiff_t r, std::ptrdiff_t rows, std::ptrdiff_t o,
                       V<T>* v) {
  constexpr int L = Vec<T>::lanes;
  const std::ptrdiff_t at = (o / kPanel) * x.panel_stride + o % kPanel;
  FW_UNROLL for (int i = 0; i < L; ++i) v[i] = load<T>(row_of(x, minimum(r + i, rows - 1)) + at);
  transpose_square<T>(v);
}

// v with the lanes beyond the last output set to 0
template <class T>
inline V<T> keep(V<T> v, std::ptrdiff_t valid, int lane) {
  static constexpr T mask[2 * kPanel] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  return load<T>(mask + kPanel - valid + lane) != splat<T>(0) ? v : splat<T>(0);
}

template <class T>
inline void softmax_row(T* z, std::ptrdiff_t stride, std::ptrdiff_t outputs, T* most, T* total) {
  T m = z[0];
  for (std::ptrdiff_t o = 1; o < outputs; ++o) {
    const T e = element(z, stride, o);
    m = e > m ? e : m;
  }
  for (std::ptrdiff_t p = 0; p < panels_of(outputs); ++p)
    FW_UNROLL for (int j = 0; j < kPanel; j += Vec<T>::lanes)
      store<T>(z + p * stride + j, exp_negative<T>(load<T>(z + p * stride + j) - splat<T>(m)));
  *total = sum_terms<T>(outputs, [&](T s, std::ptrdiff_t o) { return s + element(z, stride, o); });
  *most = m;
}

template <class T>
void softmax(const RowsOut<T>& z, std::ptrdiff_t rows, std::ptrdiff_t outputs, const RowsOut<T>& y,
             T* row_max, T* log_sum) {
  constexpr int L = Vec<T>::lanes;
  const Rows<T> in = {z.base, nullptr, z.row_stride, z.panel_stride};
  const std::ptrdiff_t panels = panels_of(outputs);
  for (std::ptrdiff_t r = 0; r < rows; r += L) {
    alignas(64) T most[L], total[L];
    const std::ptrdiff_t m = minimum(L, rows - r);
    if (m < 4) {
      for (std::ptrdiff_t i = 0; i < m; ++i)
        softmax_row<T>(z.base + (r + i) * z.row_stride, z.panel_stride, outputs, most + i, total + i);
      for (std::ptrdiff_t i = m; i < L; ++i) most[i] = total[i] = 1;
    } else {
      V<T> v[L], top = {};
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        if (o % L == 0) columns<T>(in, r, rows, o, v);
        top = o == 0 || v[o % L] > top ? v[o % L] : top;
      }
      store<T>(most, top);
      for (std::ptrdiff_t p = 0; p < panels; ++p) {
        T* at = z.base + r * z.row_stride + p * z.panel_stride;
        for (std::ptrdiff_t i = 0; i < m; ++i, at += z.row_stride)
          FW_UNROLL for (int j = 0; j < kPanel; j += L)
            store<T>(at + j, exp_negative<T>(load<T>(at + j) - splat<T>(most[i])));
      }
      store<T>(total, sum_terms<V<T>>(outputs, [&](V<T> s, std::ptrdiff_t o) {
        if (o % L == 0) columns<T>(in, r, rows, o, v);
        return s + v[o % L];
      }));
    }
    for (std::ptrdiff_t p = 0; p < panels; ++p) {
      const T* e = z.base + r * z.row_stride + p * z.panel_stride;
      const std::ptrdiff_t valid = minimum(kPanel, outputs - p * kPanel), step = z.row_stride;
      store_panel<T>(y, r, m, p, outputs, [&](std::ptrdiff_t i, int j) {
        return keep<T>(load<T>(e + i * step + j) / splat<T>(total[i]), valid, j);
      });
    }
    if (row_max) {
      store<T>(row_max + r, load<T>(most));
      store<T>(log_sum + r, log<T>(load<T>(total)));
    }
  }
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

// The arguments of a loss for some rows, one row per lane.
template <class T>
struct LossRows {
  V<T> scale, row_max, log_sum;
  T outputs, parameter;
};

// The index of a row's largest output, the first one among equals.
template <class T>
struct Largest {
  V<T> value, index;
  inline void update(V<T> v, std::ptrdiff_t o) {
    if (o == 0) {
      value = v;
      index = splat<T>(0);
    } else {
      index = v > value ? splat<T>(T(o)) : index;
      value = v > value ? v : value;
    }
  }
};

// The loop that all losses share. row_loss is K::value of the row's sum of K::add over its outputs.
template <class T, template <class> class K>
void loss(const LossArgs<T>& a) {
  constexpr int L = Vec<T>::lanes;
  for (std::ptrdiff_t r = 0; r < a.rows; r += L) {
    const auto lanes = [&](const T* of) { return of ? load<T>(of + r) : V<T>{}; };
    const LossRows<T> rows = {lanes(a.scale), lanes(a.row_max), lanes(a.log_sum), T(a.outputs), a.parameter};
    V<T> z[L], y[L], t[L];
    Largest<T> found = {}, expected = {};
    const V<T> sum = sum_terms<V<T>>(a.outputs, [&](V<T> s, std::ptrdiff_t o) {
      const int i = o % L;
      if (i == 0) {
        columns<T>(a.z, r, a.rows, o, z);
        columns<T>(a.y, r, a.rows, o, y);
        columns<T>(a.targets, r, a.rows, o, t);
      }
      found.update(y[i], o);
      expected.update(t[i], o);
      if (!a.output_weights) return K<T>::add(s, z[i], y[i], t[i], rows);
      return fma(splat<T>(a.output_weights[o]), K<T>::add(splat<T>(0), z[i], y[i], t[i], rows), s);
    });
    const V<T> half = splat<T>(T(0.5)), one = splat<T>(1), none = splat<T>(0);
    if (a.outputs == 1) {
      found.index = found.value > half ? one : none;
      expected.index = expected.value > half ? one : none;
    }
    store<T>(a.row_correct + r, found.index == expected.index ? one : none);
    store<T>(a.row_loss + r, K<T>::value(sum, rows));
    if (!a.dz.base) continue;
    alignas(64) T factor[L], total[L];
    store<T>(factor, K<T>::factor(rows));
    store<T>(total, sum_terms<V<T>>(K<T>::needs_total ? a.outputs : 0, [&](V<T> s, std::ptrdiff_t o) {
      if (o % L == 0) columns<T>(a.targets, r, a.rows, o, t);
      return s + t[o % L];
    }));
    const std::ptrdiff_t m = minimum(L, a.rows - r);
    for (std::ptrdiff_t p = 0; p < panels_of(a.outputs); ++p) {
      const T* yr = a.y.base + r * kPanel + p * a.y.panel_stride;
      const T* tr = a.targets.base + r * kPanel + p * a.targets.panel_stride;
      T* dz = a.dz.base + r * kPanel + p * a.dz.panel_stride;
      const std::ptrdiff_t valid = minimum(kPanel, a.outputs - p * kPanel);
      for (std::ptrdiff_t i = 0; i < m; ++i, yr += kPanel, tr += kPanel, dz += kPanel)
        FW_UNROLL for (int j = 0; j < kPanel; j += L) {
          V<T> g = K<T>::gradient(load<T>(yr + j), load<T>(tr + j), splat<T>(total[i]), a.parameter);
          if (a.output_weights) g = g * load<T>(a.output_weights + p * kPanel + j);
          store<T>(dz + j, keep<T>(g * splat<T>(factor[i]), valid, j));
        }
    }
  }
}

namespace loss_of {

// the mean over outputs of (y - t)^2
template <class T> struct mse {
  static constexpr LossInfo info = {needs_any, false};
  static constexpr bool needs_total = false;
  static inline V<T> add(V<T> s, V<T>, V<T> y, V<T> t, const LossRows<T>&) {
    return fma(y - t, y - t, s);
  }
  static inline V<T> value(V<T> s, const LossRows<T>& a) { return s / splat<T>(a.outputs); }
  static inline V<T> factor(const LossRows<T>& a) {
    return splat<T>(2) * a.scale / splat<T>(a.outputs);
  }
  static inline V<T> gradient(V<T> y, V<T> t, V<T>, T) { return y - t; }
};

// -sum t log(softmax(z)), by z - max - log(sum) and not by log(y), which underflows
template <class T> struct cross_entropy {
  static constexpr LossInfo info = {needs_softmax, true};
  static constexpr bool needs_total = true;
  static inline V<T> add(V<T> s, V<T> z, V<T>, V<T> t, const LossRows<T>& a) {
    const V<T> l = a.log_sum - (z - a.row_max);
    return t == splat<T>(0) ? s : fma(t, l, s);  // 0 times an infinite l is 0 here
  }
  static inline V<T> value(V<T> s, const LossRows<T>&) { return s; }
  static inline V<T> factor(const LossRows<T>& a) { return a.scale; }
  static inline V<T> gradient(V<T> y, V<T> t, V<T> total, T) { return fma(y, total, -t); }
};

// the mean over outputs of max(z, 0) - z t + log(1 + exp(-|z|))
template <class T> struct binary_cross_entropy {
  static constexpr LossInfo info = {needs_sigmoid, true};
  static constexpr bool needs_total = false;
  static inline V<T> add(V<T> s, V<T> z, V<T>, V<T> t, const LossRows<T>&) {
    const V<T> top = z < splat<T>(0) ? splat<T>(0) : z;
    return s + (fma(-z, t, top) + log1p_unit<T>(exp_negative<T>(minus_abs<T>(z))));
  }
  static inline V<T> value(V<T> s, const LossRows<T>& a) { return s / splat<T>(a.outputs); }
  static inline V<T> factor(const LossRows<T>& a) { return a.scale / splat<T>(a.outputs); }
  static inline V<T> gradient(V<T> y, V<T> t, V<T>, T) { return y - t; }
};

// the mean over outputs of d^2 / 2 where |d| <= delta, of delta (|d| - delta / 2) elsewhere (Huber 1964)
template <class T> struct huber {
  static constexpr LossInfo info = {needs_any, false};
  static constexpr bool needs_total = false;
  static inline V<T> add(V<T> s, V<T>, V<T> y, V<T> t, const LossRows<T>& a) {
    const V<T> d = abs<T>(y - t), delta = splat<T>(a.parameter), half = splat<T>(T(0.5));
    return s + (d > delta ? delta * fma(-half, delta, d) : half * d * d);
  }
  static inline V<T> value(V<T> s, const LossRows<T>& a) { return s / splat<T>(a.outputs); }
  static inline V<T> factor(const LossRows<T>& a) { return a.scale / splat<T>(a.outputs); }
  static inline V<T> gradient(V<T> y, V<T> t, V<T>, T delta) {
    const V<T> d = y - t, most = splat<T>(delta), least = splat<T>(-delta);
    return d > most ? most : d < least ? least : d;
  }
};

// the mean over outputs of level (t - y) where t > y, of (1 - level) (y - t) elsewhere (Koenker and Bassett 1978)
template <class T> struct quantile {
  static constexpr LossInfo info = {needs_any, false};
  static constexpr bool needs_total = false;
  static inline V<T> add(V<T> s, V<T>, V<T> y, V<T> t, const LossRows<T>& a) {
    const V<T> d = t - y;
    return fma(d, d < splat<T>(0) ? splat<T>(a.parameter - T(1)) : splat<T>(a.parameter), s);
  }
  static inline V<T> value(V<T> s, const LossRows<T>& a) { return s / splat<T>(a.outputs); }
  static inline V<T> factor(const LossRows<T>& a) { return a.scale / splat<T>(a.outputs); }
  static inline V<T> gradient(V<T> y, V<T> t, V<T>, T level) {
    const V<T> d = y - t;  // NaN stays NaN; 0 where the two are equal
    return d > splat<T>(0) ? splat<T>(T(1) - level) : d < splat<T>(0) ? splat<T>(-level) : d;
  }
};

// the mean over outputs of y - t z, for y = exp(z) the rate of a Poisson distribution: its negative log-likelihood
// without what depends on t alone or, with the parameter 1, half the deviance: with t log(t) - t
template <class T> struct poisson {
  static constexpr LossInfo info = {needs_exp, true};
  static constexpr bool needs_total = false;
  static inline V<T> add(V<T> s, V<T> z, V<T> y, V<T> t, const LossRows<T>& a) {
    if (a.parameter == T(0)) return s + fma(-t, z, y);
    const V<T> none = splat<T>(0), one = splat<T>(1);
    return s + (fma(t, log<T>(t > none ? t : one) - z, y) - t);
  }
  static inline V<T> value(V<T> s, const LossRows<T>& a) { return s / splat<T>(a.outputs); }
  static inline V<T> factor(const LossRows<T>& a) { return a.scale / splat<T>(a.outputs); }
  static inline V<T> gradient(V<T> y, V<T> t, V<T>, T) { return y - t; }
};

}  // namespace loss_of

// x * scale, panel by panel; conversion and product have the same bits on every instruction set
template <class T, class S>
void to_panels(const Rows<S>& x, std::ptrdiff_t rows, std::ptrdiff_t inputs, T scale,
           const RowsOut<T>& out) {
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const S* from = row_of(x, r);
    T* to = out.base + r * out.row_stride;
    for (std::ptrdiff_t k = 0; k < inputs; k += kPanel) {
      const S* f = from + (k / kPanel) * x.panel_stride;
      T* t = to + (k / kPanel) * out.panel_stride;
      if (k + kPanel <= inputs) {
        FW_UNROLL for (int j = 0; j < kPanel; j += Vec<T>::lanes)
          store<T>(t + j, load_scaled<T>(f + j, scale));
      } else {
        for (int j = 0; j < kPanel; ++j) t[j] = k + j < inputs ? T(f[j]) * scale : T(0);
      }
    }
  }
}
