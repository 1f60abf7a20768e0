// dW and db: sums over the rows of a batch, in the batch's order, a tile of weights at a time.

// sums[KT][NP * 16] = x[:, k .. k + KT)^T dz[:, panels]
template <class T, int KT, int NP>
FW_NOINLINE void gradient_sums(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                               T* sums) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  alignas(64) T second[KT * NP * kPanel];
  const std::ptrdiff_t at = (k / kPanel) * a.x.panel_stride + k % kPanel;
  const std::ptrdiff_t blocks = blocks_of(a.rows), half = first_half(blocks);
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    V<T> acc[KT * N];
    FW_UNROLL for (int i = 0; i < KT * N; ++i) acc[i] = V<T>{};
    const std::ptrdiff_t end = least(a.rows, (b + 1) * kBlock);
    for (std::ptrdiff_t r = b * kBlock; r < end; ++r) {
      const T* x = row_of(a.x, r) + at;
      const T* dz = a.dz.base + r * a.dz.row_stride + panel * a.dz.panel_stride;
      V<T> dv[N];
      FW_UNROLL for (int v = 0; v < N; ++v)
        dv[v] = load<T>(dz + (v / P) * a.dz.panel_stride + (v % P) * L);
      FW_UNROLL for (int i = 0; i < KT; ++i) {
        const V<T> xv = splat<T>(x[i]);
        FW_UNROLL for (int v = 0; v < N; ++v) acc[i * N + v] = fma(xv, dv[v], acc[i * N + v]);
      }
    }
    fold<T, KT * N>(acc, b, half, sums, second);
  }
  join<T, KT * N>(blocks, sums, second);
}

// sums[16] = the sum of dz over the rows
template <class T>
FW_NOINLINE void bias_sums(const GradientArgs<T>& a, std::ptrdiff_t panel, T* sums) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L;
  alignas(64) T second[kPanel];
  const std::ptrdiff_t blocks = blocks_of(a.rows), half = first_half(blocks);
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    V<T> acc[P];
    FW_UNROLL for (int v = 0; v < P; ++v) acc[v] = V<T>{};
    const std::ptrdiff_t end = least(a.rows, (b + 1) * kBlock);
    for (std::ptrdiff_t r = b * kBlock; r < end; ++r) {
      const T* dz = a.dz.base + r * a.dz.row_stride + panel * a.dz.panel_stride;
      FW_UNROLL for (int v = 0; v < P; ++v) acc[v] = acc[v] + load<T>(dz + v * L);
    }
    fold<T, P>(acc, b, half, sums, second);
  }
  join<T, P>(blocks, sums, second);
}

// finish(offset in the packed weights, KT * 16 of one panel's gradients, how many)
template <class T, int KT, int NP, class Finish>
inline void walk_inputs(const GradientArgs<T>& a, std::ptrdiff_t* k, std::ptrdiff_t panel, T* sums,
                        const Finish& finish) {
  for (; *k + KT <= a.last; *k += KT) {
    gradient_sums<T, KT, NP>(a, *k, panel, sums);
    for (int q = 0; q < NP; ++q)
      for (int i = 0; i < KT; ++i)
        finish(((panel + q) * a.inputs + *k + i) * kPanel, sums + (i * NP + q) * kPanel);
  }
  if constexpr (KT > 1)
    walk_inputs<T, (KT > 4 ? 4 : KT / 2), NP>(a, k, panel, sums, finish);
}

template <class T, class Finish, class FinishBias>
inline void walk_gradient(const GradientArgs<T>& a, const Finish& finish,
                          const FinishBias& finish_bias) {
  constexpr int NP = Vec<T>::tile_panels, GI = Vec<T>::gradient_inputs;
  constexpr int G1 = Vec<T>::gradient_inputs_one;
  alignas(64) T sums[(GI * NP > G1 ? GI * NP : G1) * kPanel];
  const std::ptrdiff_t end = a.panel + a.panels;
  std::ptrdiff_t p = a.panel;
  if constexpr (NP > 1) {
    for (; p + NP <= end; p += NP) {
      std::ptrdiff_t k = a.first;
      walk_inputs<T, GI, NP>(a, &k, p, sums, finish);
    }
  }
  for (; p < end; ++p) {
    std::ptrdiff_t k = a.first;
    walk_inputs<T, G1, 1>(a, &k, p, sums, finish);
  }
  if (a.first != 0) return;
  for (p = a.panel; p < end; ++p) {
    bias_sums<T>(a, p, sums);
    finish_bias(p * kPanel, sums);
  }
}

template <class T>
void dense_gradient(const GradientArgs<T>& a) {
  const auto copy = [](T* to, const T* from) {
    FW_UNROLL for (int j = 0; j < kPanel; j += Vec<T>::lanes) store<T>(to + j, load<T>(from + j));
  };
  walk_gradient<T>(a, [&](std::ptrdiff_t at, const T* g) { copy(a.gradient + at, g); },
                   [&](std::ptrdiff_t at, const T* g) { copy(a.gradient_bias + at, g); });
}

template <class T, template <class> class O>
void dense_update(const GradientArgs<T>& a) {
  const auto apply = [&](T* w, T* const* slots, std::ptrdiff_t at, const T* g) {
    T* beside[kMaxSlots] = {};
    for (int k = 0; k < O<T>::slots; ++k) beside[k] = slots[k] + at;
    update<T, O>(w + at, g, beside, kPanel, *a.step);
  };
  walk_gradient<T>(a, [&](std::ptrdiff_t at, const T* g) { apply(a.weights, a.slots, at, g); },
                   [&](std::ptrdiff_t at, const T* g) { apply(a.bias, a.slots_bias, at, g); });
}

// 16 x 16 at a time. Plain copies: the transposed weights are read by the row block of the batch
// that follows, so that this is a few per cent of a step.
template <class T>
void transpose(const T* weights, std::ptrdiff_t inputs, std::ptrdiff_t outputs, std::ptrdiff_t panel,
               T* transposed) {
  const T* w = weights + panel * inputs * kPanel;
  const std::ptrdiff_t valid = least(kPanel, outputs - panel * kPanel);
  for (std::ptrdiff_t c = 0; c < panels_of(inputs); ++c) {
    const std::ptrdiff_t m = least(kPanel, inputs - c * kPanel);
    T* to = transposed + (c * outputs + panel * kPanel) * kPanel;
    for (std::ptrdiff_t j = 0; j < valid; ++j) {
      for (std::ptrdiff_t t = 0; t < m; ++t)
        to[j * kPanel + t] = w[(c * kPanel + t) * kPanel + j];
      for (std::ptrdiff_t t = m; t < kPanel; ++t) to[j * kPanel + t] = 0;
    }
  }
}
