// dW and db: sums over the rows of a batch, in the batch's order. A tile's sums end in registers, where
// finish(offset in the packed weights, a vector of sums) stores them or runs the optimizer on them.
//
// Tried without gain: for one panel, vectors over inputs, which halves the loads, since turning the sums round for
// the update costs as much; 20, 24 or 28 inputs to a tile, whose lines are too few or too many for one prefetch a row;
// the tile's code in its caller; three panels or 12 inputs by two (24 accumulators); keeping a tile's
// sums until the next tile's rows go by, so that an optimizer's divisions and roots overlap with multiply-adds: alone
// they would, but their long chain holds up what comes behind it (slower, and no quicker in three stages, on Intel's).

// What is prefetched into the first-level cache: the line of each row that the next tile begins with, where a tile
// takes a whole line (rows of 784 numbers, 32 to a batch, are twice that cache), or the rows some way on, once a
// tile's own lines don't stay there.
enum { kNothing, kNextInputs, kNextRows };
constexpr int kRowsAhead = 8;

// RB rows from r on of the chains for KT inputs and NP panels: all RB rows of x and dz are asked for before
// the first is used, which hides more of the second-level cache's latency than the CPU finds by itself.
template <class T, int KT, int NP, int RB, int Fetch>
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
  if constexpr (Fetch == kNextInputs)
    FW_UNROLL for (int j = 0; j < RB; ++j) __builtin_prefetch(x[j] + KT, 0, 3);
  if constexpr (Fetch == kNextInputs && kSharesFetching<T>)
    if ((r | (kPanel - 1)) < a.next) {
      const T* const* p = a.x.pointers + a.next + (r & -kPanel) + (kPanel + (r & (kPanel - 1))) / 2;
      FW_UNROLL for (int j = 0; j < RB / 2; ++j) __builtin_prefetch(p[j] + at, 0, 2);
    }
  if constexpr (Fetch == kNextRows)
    FW_UNROLL for (int j = 0; j < RB; ++j) {
      const T* p = row_of(a.x, r + kRowsAhead + j) + at;
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

// The chains of rows [first, last) for inputs k .. k + KT, which lie side by side in a row of x, and
// NP panels.
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
        gradient_rows<T, KT, NP, RB, line ? kNextInputs : kNothing>(a, r, at, dz, acc);
    else if (a.rows > kBlock && a.x.panel_stride == kPanel)
      for (const std::ptrdiff_t end = least(last, a.rows - kRowsAhead); r + RB <= end; r += RB, dz += RB * kPanel)
        gradient_rows<T, KT, NP, RB, kNextRows>(a, r, at, dz, acc);
    for (; r + RB <= last; r += RB, dz += RB * kPanel) gradient_rows<T, KT, NP, RB, kNothing>(a, r, at, dz, acc);
  }
  for (; r < last; ++r, dz += kPanel) gradient_rows<T, KT, NP, 1, kNothing>(a, r, at, dz, acc);
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
  V<T> acc[KT * N];
  if (a.rows <= kBlock) {
    gradient_chains<T, KT, NP>(a, k, panel, 0, a.rows, acc);
  } else {
    alignas(64) T sums[KT * NP * kPanel];
    alignas(64) T second[KT * NP * kPanel];
    gradient_blocks<T, KT, NP>(a, k, panel, sums, second);
    FW_UNROLL for (int i = 0; i < KT * N; ++i) acc[i] = load<T>(sums + i * L) + load<T>(second + i * L);
  }
  if (finish.limit() != T(0))
    FW_UNROLL for (int i = 0; i < KT * N; ++i) acc[i] = limited<T>(acc[i], finish.limit());
  std::ptrdiff_t at[NP];  // hidden, or the address of each vector is made and kept in advance
  FW_UNROLL for (int q = 0; q < NP; ++q) {
    at[q] = ((panel + q) * a.inputs + k) * kPanel;
    opaque(at[q]);
  }
  FW_UNROLL for (int i = 0; i < KT * N; ++i)
    finish(at[i % N / P] + i / N * kPanel + i % P * L, acc[i]);
}

// A large tile by itself: inlined it is no quicker, and its loop would be harder to find in the assembly. By reference:
// a copy would be made from parts just stored, which waits until every store before them is done (a tenth of Adam's
// epoch by two threads).
template <class T, int KT, int NP, class Finish>
FW_NOINLINE void large_gradient_tile(const GradientArgs<T>& a, std::ptrdiff_t k, std::ptrdiff_t panel,
                                     const Finish& finish) {
  gradient_tile<T, KT, NP>(a, k, panel, finish);
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
  for (; k + KT <= a.last; k += KT) {
    if constexpr (KT * NP * (kPanel / Vec<T>::lanes) >= 16) large_gradient_tile<T, KT, NP>(a, k, panel, finish);
    else gradient_tile<T, KT, NP>(a, k, panel, finish);
  }
  if constexpr (KT > 1) {
    constexpr int next = KT > 16 ? 16 : KT > 8 ? 8 : KT > 4 ? 4 : KT / 2;
    if (k < a.last) walk_inputs<T, next, NP>(a, k, panel, finish);
  }
}

// finish as in gradient_tile, finish_bias(offset in the packed biases, a vector of sums)
template <class T, class Finish, class FinishBias>
inline void walk_gradient(const GradientArgs<T>& a, const Finish& finish,
                          const FinishBias& finish_bias) {
  constexpr int G1 = Vec<T>::gradient_inputs_one;
  const std::ptrdiff_t end = a.panel + a.panels;
  share_panels<Vec<T>::gradient_panels>(a.panel, end, [&](std::ptrdiff_t p, auto np) FW_ALWAYS {
    if constexpr (np() > 1)
      walk_inputs<T, Vec<T>::gradient_inputs, np()>(a, a.first, p, finish);
    else if (a.x.panel_stride == kPanel)
      walk_inputs<T, G1, 1>(a, a.first, p, finish);
    else  // tiles may not reach over a panel of inputs
      walk_inputs<T, (G1 < kPanel ? G1 : kPanel), 1>(a, a.first, p, finish);
  });
  if (a.first != 0) return;
  for (std::ptrdiff_t p = a.panel; p < end; ++p) {
    alignas(64) T sums[kPanel];
    bias_sums<T>(a, p, sums);
    for (int j = 0; j < kPanel; j += Vec<T>::lanes) {
      const V<T> sum = load<T>(sums + j);
      finish_bias(p * kPanel + j, finish_bias.limit() != T(0) ? limited<T>(sum, finish_bias.limit()) : sum);
    }
  }
}

// What is done with a finished sum. These hold copies: a store through a vector may alias anything, and
// what lies behind a reference would be read again after each. (Prefetching the weights and the
// optimizer's state, a tile ahead, as its sums begin or spread over them, was tried and gained nothing.)
template <class T>
struct Keep {
  T* gradient;
  static constexpr T limit() { return T(0); }
  FW_INLINE void operator()(std::ptrdiff_t at, V<T> g) const { store<T>(gradient + at, g); }
};
template <class T>
struct Add {
  T* sums;
  bool begin;
  static constexpr T limit() { return T(0); }
  FW_INLINE void operator()(std::ptrdiff_t at, V<T> g) const {
    store<T>(sums + at, begin ? g : load<T>(sums + at) + g);
  }
};
template <class T, template <class> class O>
struct Apply {
  T* weights;
  T* slots[O<T>::slots + 1];
  Step<T> step;
  Apply(T* w, T* const* s, const Step<T>& c) : weights(w), slots{}, step(c) {
    for (int i = 0; i < O<T>::slots; ++i) slots[i] = s[i];
  }
  FW_INLINE T limit() const { return step.limit; }
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
  if (!a.second) {
    walk_gradient<T>(a, Keep<T>{a.gradient}, Keep<T>{a.gradient_bias});
    return;
  }
  const std::ptrdiff_t half = first_half(a.blocks), end = a.block + blocks_of(a.rows);
  for (std::ptrdiff_t b = a.block; b < end; ++b) {
    GradientArgs<T> block = a;
    const std::ptrdiff_t from = (b - a.block) * kBlock;
    block.rows = least(kBlock, a.rows - from);
    if (a.x.pointers) block.x.pointers = a.x.pointers + from;
    else block.x.base = a.x.base + from * a.x.row_stride;
    block.dz.base = a.dz.base + from * kPanel;
    const bool begin = b == 0 || b == half;
    walk_gradient<T>(block, Add<T>{b < half ? a.gradient : a.second, begin},
                     Add<T>{b < half ? a.gradient_bias : a.second_bias, begin});
  }
  if (end < a.blocks || a.blocks == 1) return;
  for (std::ptrdiff_t p = a.panel; p < a.panel + a.panels; ++p) {
    const std::ptrdiff_t at = (p * a.inputs + a.first) * kPanel;
    add<T>(a.gradient + at, a.second + at, (a.last - a.first) * kPanel);
    if (a.first == 0) add<T>(a.gradient_bias + p * kPanel, a.second_bias + p * kPanel, kPanel);
  }
}

template <class T, template <class> class O>
void dense_update(const GradientArgs<T>& a) {
  walk_gradient<T>(a, Apply<T, O>(a.weights, a.slots, *a.step),
                   Apply<T, O>(a.bias, a.slots_bias, *a.step_bias));
}
