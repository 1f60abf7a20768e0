// dW and db: sums over the rows of a batch, in the batch's order. A tile's sums end in registers, where
// finish(offset in the packed weights, a vector of sums) stores them or runs the optimizer on them.

// The chains of rows [first, last) for inputs k .. k + KT, which lie side by side in a row of x, and
// NP panels.
template <class T, int KT, int NP>
FW_INLINE void gradient_chains(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                               std::ptrdiff_t first, std::ptrdiff_t last, V<T>* acc) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  FW_UNROLL for (int i = 0; i < KT * N; ++i) acc[i] = V<T>{};
  const std::ptrdiff_t at = (k / kPanel) * a.x.panel_stride + k % kPanel;
  const T* dz = a.dz.base + first * kPanel + panel * a.dz.panel_stride;
  for (std::ptrdiff_t r = first; r < last; ++r, dz += kPanel) {
    const T* x = row_of(a.x, r) + at;
    opaque(x);
    V<T> dv[N];
    FW_UNROLL for (int v = 0; v < N; ++v)
      dv[v] = load<T>(dz + (v / P) * a.dz.panel_stride + (v % P) * L);
    FW_UNROLL for (int i = 0; i < KT; ++i) {
      const V<T> xv = splat<T>(x[i]);
      FW_UNROLL for (int v = 0; v < N; ++v) acc[i * N + v] = fma(xv, dv[v], acc[i * N + v]);
    }
  }
}

// The halves' sums over more than one block of rows, [KT][NP][16] each.
template <class T, int KT, int NP>
FW_NOINLINE void gradient_blocks(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                                 T* sums, T* second) {
  constexpr int N = KT * NP * (kPanel / Vec<T>::lanes);
  const std::ptrdiff_t blocks = blocks_of(a.rows), half = first_half(blocks);
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    V<T> acc[N];
    gradient_chains<T, KT, NP>(a, k, panel, b * kBlock, least(a.rows, (b + 1) * kBlock), acc);
    fold<T, N>(acc, b == 0 || b == half, b < half ? sums : second);
  }
}

template <class T, int KT, int NP, class Finish>
inline void gradient_tile(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                          const Finish finish) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  const std::ptrdiff_t inputs = a.inputs;
  const auto offset = [=](int i) {
    return ((panel + i % N / P) * inputs + k + i / N) * kPanel + i % P * L;
  };
  if (a.rows <= kBlock) {
    V<T> acc[KT * N];
    gradient_chains<T, KT, NP>(a, k, panel, 0, a.rows, acc);
    FW_UNROLL for (int i = 0; i < KT * N; ++i) finish(offset(i), acc[i]);
    return;
  }
  alignas(64) T sums[KT * NP * kPanel];
  alignas(64) T second[KT * NP * kPanel];
  gradient_blocks<T, KT, NP>(a, k, panel, sums, second);
  FW_UNROLL for (int i = 0; i < KT * N; ++i)
    finish(offset(i), load<T>(sums + i * L) + load<T>(second + i * L));
}

// The sum of dz over the rows, of one panel
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
      const T* dz = a.dz.base + r * kPanel + panel * a.dz.panel_stride;
      FW_UNROLL for (int v = 0; v < P; ++v) acc[v] = acc[v] + load<T>(dz + v * L);
    }
    fold<T, P>(acc, b == 0 || b == half, b < half ? sums : second);
  }
  if (blocks > 1)
    FW_UNROLL for (int v = 0; v < P; ++v)
      store<T>(sums + v * L, load<T>(sums + v * L) + load<T>(second + v * L));
}

template <class T, int KT, int NP, class Finish>
inline void walk_inputs(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                        const Finish& finish) {
  for (; k + KT <= a.last; k += KT) gradient_tile<T, KT, NP>(a, k, panel, finish);
  if constexpr (KT > 1) {
    constexpr int next = KT > 16 ? 16 : KT > 8 ? 8 : KT > 4 ? 4 : KT / 2;
    if (k < a.last) walk_inputs<T, next, NP>(a, k, panel, finish);
  }
}

// finish as in gradient_tile, finish_bias(offset in the packed biases, a vector of sums)
template <class T, class Finish, class FinishBias>
inline void walk_gradient(const GradientArgs<T>& a, const Finish& finish,
                          const FinishBias& finish_bias) {
  constexpr int NP = Vec<T>::tile_panels, G1 = Vec<T>::gradient_inputs_one;
  const std::ptrdiff_t end = a.panel + a.panels;
  std::ptrdiff_t p = a.panel;
  if constexpr (NP > 1)
    for (; p + NP <= end; p += NP)
      walk_inputs<T, Vec<T>::gradient_inputs, NP>(a, a.first, p, finish);
  for (; p < end; ++p) {
    if (a.x.panel_stride == kPanel)
      walk_inputs<T, G1, 1>(a, a.first, p, finish);
    else  // tiles may not reach over a panel of inputs
      walk_inputs<T, (G1 < kPanel ? G1 : kPanel), 1>(a, a.first, p, finish);
  }
  if (a.first != 0) return;
  for (p = a.panel; p < end; ++p) {
    alignas(64) T sums[kPanel];
    bias_sums<T>(a, p, sums);
    for (int j = 0; j < kPanel; j += Vec<T>::lanes) finish_bias(p * kPanel + j, load<T>(sums + j));
  }
}

// What is done with a finished sum. These hold copies: a store through a vector may alias anything, and
// what lies behind a reference would be read again after each. (Prefetching the weights and the
// optimizer's state a tile ahead was tried and gained nothing.)
template <class T>
struct Keep {
  T* gradient;
  FW_INLINE void operator()(std::ptrdiff_t at, V<T> g) const { store<T>(gradient + at, g); }
};
template <class T, template <class> class O>
struct Apply {
  T* weights;
  T* slots[O<T>::slots + 1];
  Step<T> step;
  Apply(T* w, T* const* s, const Step<T>& c) : weights(w), slots{}, step(c) {
    for (int i = 0; i < O<T>::slots; ++i) slots[i] = s[i];
  }
  FW_INLINE void operator()(std::ptrdiff_t at, V<T> g) const {
    update_at<T, O>(weights, g, slots, at, step);
  }
};

template <class T>
void dense_gradient(const GradientArgs<T>& a) {
  walk_gradient<T>(a, Keep<T>{a.gradient}, Keep<T>{a.gradient_bias});
}

template <class T, template <class> class O>
void dense_update(const GradientArgs<T>& a) {
  walk_gradient<T>(a, Apply<T, O>(a.weights, a.slots, *a.step),
                   Apply<T, O>(a.bias, a.slots_bias, *a.step));
}
