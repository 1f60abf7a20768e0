// dW and db: sums over the rows of a minibatch, in its order. A tile's sums end in registers, where
// finish(offset in the packed weights, a vector of sums) stores them or runs the optimizer on them.
//
// Tried without gain: for one panel, vectors over inputs (half the loads, but transposing the sums for the update
// costs as much); 20, 24 or 28 inputs per tile (too few or too many cache lines for one prefetch per row); the
// tile's code inlined in its caller; three panels, or 12 inputs by two panels (24 accumulators); delaying a tile's
// update until the next tile's sums, so that the optimizer's divisions and roots overlap with multiply-adds: their
// long dependency chain blocks the instructions behind it (slower, and no faster in three stages, on Intel).

// What a tile prefetches into the L1 cache. kPrefetchInputs: the next cache line of each row, if a tile takes a
// whole line (32 rows of 784 numbers are twice the L1 cache). kPrefetchRows: the rows kPrefetchDistance ahead, if
// there are too many rows for a tile's own lines to stay in the cache.
enum { kNoPrefetch, kPrefetchInputs, kPrefetchRows };
constexpr int kPrefetchDistance = 8;

// Rows [r, r + RB) of the chains for KT inputs and NP panels. All RB rows are loaded before the first is used,
// which hides more of the L2 cache's latency than the CPU does by itself.
template <class T, int KT, int NP, int RB, int Prefetch>
FW_INLINE void gradient_rows(const GradientArgs<T>& a, std::ptrdiff_t r, std::ptrdiff_t at, const T* dz,
                             V<T>* acc) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  const T* x[RB];
  V<T> dv[RB * N];
  FW_UNROLL for (int j = 0; j < RB; ++j) {
    x[j] = row_of(a.x, r + j) + at;
    opaque(x[j]);
    FW_UNROLL for (int v = 0; v < N; ++v)
      dv[j * N + v] = load<T>(dz + j * kPanel + (v / P) * a.dz.panel_stride + (v % P) * L);
  }
  if constexpr (Prefetch == kPrefetchInputs)
    FW_UNROLL for (int j = 0; j < RB; ++j) __builtin_prefetch(x[j] + KT, 0, 3);
  if constexpr (Prefetch == kPrefetchInputs && kCanSplitPrefetch<T>)
    if ((r | (kPanel - 1)) < a.next_rows) {
      const T* const* p = a.x.pointers + a.next_rows + (r & -kPanel) + (kPanel + (r & (kPanel - 1))) / 2;
      FW_UNROLL for (int j = 0; j < RB / 2; ++j) __builtin_prefetch(p[j] + at, 0, 2);
    }
  if constexpr (Prefetch == kPrefetchRows)
    FW_UNROLL for (int j = 0; j < RB; ++j) {
      const T* p = row_of(a.x, r + kPrefetchDistance + j) + at;
      __builtin_prefetch(p, 0, 3);
      __builtin_prefetch(p + KT - 1, 0, 3);
    }
  FW_UNROLL for (int j = 0; j < RB; ++j) {
    FW_UNROLL for (int i = 0; i < KT; ++i) {
      const V<T> xv = splat<T>(x[j][i]);
      FW_UNROLL for (int v = 0; v < N; ++v) acc[i * N + v] = fma(xv, dv[j * N + v], acc[i * N + v]);
    }
  }
}

// The chains of rows [first, last) for inputs [k, k + KT), which are contiguous in a row of x, and NP panels.
template <class T, int KT, int NP>
FW_INLINE void gradient_chains(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                               std::ptrdiff_t first, std::ptrdiff_t last, V<T>* acc) {
  constexpr int N = NP * (kPanel / Vec<T>::lanes), RB = KT * N + 5 * N <= Vec<T>::registers ? 4 : 1;
  FW_UNROLL for (int i = 0; i < KT * N; ++i) acc[i] = V<T>{};
  const std::ptrdiff_t at = (k / kPanel) * a.x.panel_stride + k % kPanel;
  const T* dz = a.dz.base + first * kPanel + panel * a.dz.panel_stride;
  std::ptrdiff_t r = first;
  if constexpr (RB > 1) {
    constexpr bool line = NP == 1 && KT * sizeof(T) == 64;
    if (line && a.x.panel_stride == kPanel && a.rows <= kBlock)
      for (; r + RB <= last; r += RB, dz += RB * kPanel)
        gradient_rows<T, KT, NP, RB, line ? kPrefetchInputs : kNoPrefetch>(a, r, at, dz, acc);
    else if (a.rows > kBlock && a.x.panel_stride == kPanel)
      for (const std::ptrdiff_t end = minimum(last, a.rows - kPrefetchDistance); r + RB <= end; r += RB, dz += RB * kPanel)
        gradient_rows<T, KT, NP, RB, kPrefetchRows>(a, r, at, dz, acc);
    for (; r + RB <= last; r += RB, dz += RB * kPanel) gradient_rows<T, KT, NP, RB, kNoPrefetch>(a, r, at, dz, acc);
  }
  for (; r < last; ++r, dz += kPanel) gradient_rows<T, KT, NP, 1, kNoPrefetch>(a, r, at, dz, acc);
}

// The two halves of sums over more than one block of rows, [KT][NP][16] each.
template <class T, int KT, int NP>
FW_NOINLINE void gradient_blocks(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                                 T* sums, T* second) {
  constexpr int N = KT * NP * (kPanel / Vec<T>::lanes);
  const std::ptrdiff_t blocks = blocks_of(a.rows), half = first_half(blocks);
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    V<T> acc[N];
    gradient_chains<T, KT, NP>(a, k, panel, b * kBlock, minimum(a.rows, (b + 1) * kBlock), acc);
    fold<T, N>(acc, b == 0 || b == half, b < half ? sums : second);
  }
}

template <class T, int KT, int NP, class Finish>
inline void gradient_tile(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                          const Finish finish) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, N = NP * P;
  V<T> acc[KT * N];
  if (a.rows <= kBlock) {
    gradient_chains<T, KT, NP>(a, k, panel, 0, a.rows, acc);
  } else {
    alignas(64) T sums[KT * NP * kPanel];
    alignas(64) T second[KT * NP * kPanel];
    gradient_blocks<T, KT, NP>(a, k, panel, sums, second);
    FW_UNROLL for (int i = 0; i < KT * N; ++i) acc[i] = load<T>(sums + i * L) + load<T>(second + i * L);
  }
  if (finish.clip_value() != T(0))
    FW_UNROLL for (int i = 0; i < KT * N; ++i) acc[i] = clipped<T>(acc[i], finish.clip_value());
  std::ptrdiff_t at[NP];  // opaque: GCC would otherwise compute and spill each vector's address in advance
  FW_UNROLL for (int q = 0; q < NP; ++q) {
    at[q] = ((panel + q) * a.inputs + k) * kPanel;
    opaque(at[q]);
  }
  FW_UNROLL for (int i = 0; i < KT * N; ++i)
    finish(at[i % N / P] + i / N * kPanel + i % P * L, acc[i]);
}

// A large tile in a function of its own: inlining is no faster, and tests/test_codegen.py finds the loop. `finish`
// is a reference, since a copy would wait for all earlier stores (10 % of an epoch with Adam on two threads).
template <class T, int KT, int NP, class Finish>
FW_NOINLINE void large_gradient_tile(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                                     const Finish& finish) {
  gradient_tile<T, KT, NP>(a, k, panel, finish);
}

// The sum of dz over the rows, for one panel.
template <class T>
FW_NOINLINE void bias_sums(const GradientArgs<T>& a, std::ptrdiff_t panel, T* sums) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L;
  alignas(64) T second[kPanel];
  const std::ptrdiff_t blocks = blocks_of(a.rows), half = first_half(blocks);
  for (std::ptrdiff_t b = 0; b < blocks; ++b) {
    V<T> acc[P];
    FW_UNROLL for (int v = 0; v < P; ++v) acc[v] = V<T>{};
    const std::ptrdiff_t end = minimum(a.rows, (b + 1) * kBlock);
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
  for (; k + KT <= a.end_input; k += KT) {
    if constexpr (KT * NP * (kPanel / Vec<T>::lanes) >= 16) large_gradient_tile<T, KT, NP>(a, k, panel, finish);
    else gradient_tile<T, KT, NP>(a, k, panel, finish);
  }
  if constexpr (KT > 1) {
    constexpr int next = KT > 16 ? 16 : KT > 8 ? 8 : KT > 4 ? 4 : KT / 2;
    if (k < a.end_input) walk_inputs<T, next, NP>(a, k, panel, finish);
  }
}

// Calls finish as gradient_tile does, and finish_bias(offset in the packed biases, a vector of sums).
template <class T, class Finish, class FinishBias>
inline void walk_gradient(const GradientArgs<T>& a, const Finish& finish,
                          const FinishBias& finish_bias) {
  constexpr int G1 = Vec<T>::gradient_inputs_one;
  const std::ptrdiff_t end = a.panel + a.panels;
  for_panel_groups<Vec<T>::gradient_panels>(a.panel, end, [&](std::ptrdiff_t p, auto np) FW_ALWAYS {
    if constexpr (np() > 1)
      walk_inputs<T, Vec<T>::gradient_inputs, np()>(a, a.first_input, p, finish);
    else if (a.x.panel_stride == kPanel)
      walk_inputs<T, G1, 1>(a, a.first_input, p, finish);
    else  // panel-major x: a tile must not cross a panel of inputs
      walk_inputs<T, (G1 < kPanel ? G1 : kPanel), 1>(a, a.first_input, p, finish);
  });
  if (a.first_input != 0) return;
  for (std::ptrdiff_t p = a.panel; p < end; ++p) {
    alignas(64) T sums[kPanel];
    bias_sums<T>(a, p, sums);
    for (int j = 0; j < kPanel; j += Vec<T>::lanes) {
      const V<T> sum = load<T>(sums + j);
      finish_bias(p * kPanel + j, finish_bias.clip_value() != T(0) ? clipped<T>(sum, finish_bias.clip_value()) : sum);
    }
  }
}

// What is done with a finished sum. These hold copies: a vector store may alias anything, so that values behind
// a reference would be loaded again after each store. (Tried without gain: prefetching the weights and the
// optimizer's state one tile ahead.)
template <class T>
struct StoreGradient {
  T* gradient;
  static constexpr T clip_value() { return T(0); }
  FW_INLINE void operator()(std::ptrdiff_t at, V<T> g) const { store<T>(gradient + at, g); }
};
template <class T>
struct AddGradient {
  T* sums;
  bool begin;
  static constexpr T clip_value() { return T(0); }
  FW_INLINE void operator()(std::ptrdiff_t at, V<T> g) const {
    store<T>(sums + at, begin ? g : load<T>(sums + at) + g);
  }
};
template <class T, template <class> class O>
struct ApplyOptimizer {
  T* weights;
  T* slots[O<T>::slots + 1];
  StepScalars<T> step;
  ApplyOptimizer(T* w, T* const* s, const StepScalars<T>& c) : weights(w), slots{}, step(c) {
    for (int i = 0; i < O<T>::slots; ++i) slots[i] = s[i];
  }
  FW_INLINE T clip_value() const { return step.clip_value; }
  FW_INLINE void operator()(std::ptrdiff_t at, V<T> g) const {
    update_at<T, O>(weights, g, slots, at, step);
  }
};

template <class T>
FW_INLINE void add(T* to, const T* second, std::ptrdiff_t n) {
  for (std::ptrdiff_t i = 0; i < n; i += Vec<T>::lanes) store<T>(to + i, load<T>(to + i) + load<T>(second + i));
}

template <class T>
void dense_gradient(const GradientArgs<T>& a) {
  if (!a.second_half) {
    walk_gradient<T>(a, StoreGradient<T>{a.gradient}, StoreGradient<T>{a.gradient_bias});
    return;
  }
  const std::ptrdiff_t half = first_half(a.blocks), end = a.block + blocks_of(a.rows);
  for (std::ptrdiff_t b = a.block; b < end; ++b) {
    GradientArgs<T> block = a;
    const std::ptrdiff_t from = (b - a.block) * kBlock;
    block.rows = minimum(kBlock, a.rows - from);
    if (a.x.pointers) block.x.pointers = a.x.pointers + from;
    else block.x.base = a.x.base + from * a.x.row_stride;
    block.dz.base = a.dz.base + from * kPanel;
    const bool begin = b == 0 || b == half;
    walk_gradient<T>(block, AddGradient<T>{b < half ? a.gradient : a.second_half, begin},
                     AddGradient<T>{b < half ? a.gradient_bias : a.second_half_bias, begin});
  }
  if (end < a.blocks || a.blocks == 1) return;
  for (std::ptrdiff_t p = a.panel; p < a.panel + a.panels; ++p) {
    const std::ptrdiff_t at = (p * a.inputs + a.first_input) * kPanel;
    add<T>(a.gradient + at, a.second_half + at, (a.end_input - a.first_input) * kPanel);
    if (a.first_input == 0) add<T>(a.gradient_bias + p * kPanel, a.second_half_bias + p * kPanel, kPanel);
  }
}

template <class T, template <class> class O>
void dense_update(const GradientArgs<T>& a) {
  walk_gradient<T>(a, ApplyOptimizer<T, O>(a.weights, a.slots, *a.step),
                   ApplyOptimizer<T, O>(a.bias, a.slots_bias, *a.step_bias));
}
