// The optimizers: one step for a vector of parameters w, given its gradient g, its state s and the step's
// scalars c, which prepare() computes in double from the hyper-parameters and `scalar_state` (initially 1).
// Formulas and defaults are PyTorch's. Every optimizer adds c[1] times w to g: the trainer increases c[1] for
// an L2 penalty on the weights.
namespace opt {

template <class T>
inline V<T> decayed(V<T> w, V<T> g, T weight_decay) { return fma(splat<T>(weight_decay), w, g); }

// eps, at least the smallest normal number: a subnormal one would count as 0 and lead to 0 / 0.
template <class T>
inline T normal_eps(double eps) {
  constexpr double least = sizeof(T) == sizeof(float) ? 0x1p-126 : 0x1p-1022;
  return T(eps < least ? least : eps);
}

template <class T> struct sgd {
  static constexpr int slots = 0, scalar_state = 0, hyper = 2;
  static constexpr const char* names[] = {"lr", "weight_decay"};
  static inline void prepare(const double* h, double*, T* c) {
    c[0] = T(-h[0]);
    c[1] = T(h[1]);
  }
  static inline V<T> update(V<T> w, V<T> g, V<T>*, const T* c) {
    return fma(splat<T>(c[0]), decayed<T>(w, g, c[1]), w);
  }
};

// Polyak (1964), in PyTorch's variant of Sutskever et al. (2013)
template <class T> struct momentum {
  static constexpr int slots = 1, scalar_state = 0, hyper = 3;
  static constexpr const char* names[] = {"lr", "weight_decay", "momentum"};
  static inline void prepare(const double* h, double*, T* c) {
    c[0] = T(-h[0]);
    c[1] = T(h[1]);
    c[2] = T(h[2]);
  }
  static inline V<T> update(V<T> w, V<T> g, V<T>* s, const T* c) {
    s[0] = fma(splat<T>(c[2]), s[0], decayed<T>(w, g, c[1]));
    return fma(splat<T>(c[0]), s[0], w);
  }
};

template <class T> struct nesterov {
  static constexpr int slots = 1, scalar_state = 0, hyper = 3;
  static constexpr const char* names[] = {"lr", "weight_decay", "momentum"};
  static inline void prepare(const double* h, double* m, T* c) { momentum<T>::prepare(h, m, c); }
  static inline V<T> update(V<T> w, V<T> g, V<T>* s, const T* c) {
    g = decayed<T>(w, g, c[1]);
    s[0] = fma(splat<T>(c[2]), s[0], g);
    return fma(splat<T>(c[0]), fma(splat<T>(c[2]), s[0], g), w);
  }
};

// Kingma and Ba (2015). The powers of the betas are running products, since the last bit of pow() differs
// between C libraries.
template <class T> struct adam {
  static constexpr int slots = 2, scalar_state = 2, hyper = 5;
  static constexpr const char* names[] = {"lr", "weight_decay", "beta1", "beta2", "eps"};
  static inline void prepare(const double* h, double* m, T* c) {
    m[0] *= h[2];
    m[1] *= h[3];
    c[0] = T(-(h[0] / (1.0 - m[0])));
    c[1] = T(h[1]);
    c[2] = T(1.0 - h[2]);
    c[3] = T(h[3]);
    c[4] = T(1.0 - h[3]);
    c[5] = T(1.0 / __builtin_sqrt(1.0 - m[1]));
    c[6] = normal_eps<T>(h[4]);
  }
  static inline V<T> update(V<T> w, V<T> g, V<T>* s, const T* c) {
    return step(w, decayed<T>(w, g, c[1]), s, c);
  }
  static inline V<T> step(V<T> w, V<T> g, V<T>* s, const T* c) {
    s[0] = fma(splat<T>(c[2]), g - s[0], s[0]);
    s[1] = fma(splat<T>(c[4]) * g, g, splat<T>(c[3]) * s[1]);
    const V<T> root = fma(sqrt(s[1]), splat<T>(c[5]), splat<T>(c[6]));
    return fma(splat<T>(c[0]), s[0] / root, w);
  }
};

// Loshchilov and Hutter (2019): weight decay is decoupled from the gradient
template <class T> struct adamw {
  static constexpr int slots = 2, scalar_state = 2, hyper = 5;
  static constexpr const char* names[] = {"lr", "weight_decay", "beta1", "beta2", "eps"};
  static inline void prepare(const double* h, double* m, T* c) {
    adam<T>::prepare(h, m, c);
    c[1] = T(0);
    c[7] = T(1.0 - h[0] * h[1]);
  }
  static inline V<T> update(V<T> w, V<T> g, V<T>* s, const T* c) {
    return adam<T>::step(w * splat<T>(c[7]), decayed<T>(w, g, c[1]), s, c);
  }
};

// Hinton's lecture 6e (2012); centered: Graves (2013). Order of the state: mean of the squares, velocity, mean
// of the gradient.
template <class T, bool Momentum, bool Centered> struct rms {
  static constexpr int slots = 1 + Momentum + Centered, scalar_state = 0, hyper = 5;
  static constexpr const char* names[] = {"lr", "weight_decay", "momentum", "alpha", "eps"};
  static inline void prepare(const double* h, double*, T* c) {
    c[0] = T(-h[0]);
    c[1] = T(h[1]);
    c[2] = T(h[2]);
    c[3] = T(h[3]);
    c[4] = T(1.0 - h[3]);
    c[5] = normal_eps<T>(h[4]);
  }
  static inline V<T> update(V<T> w, V<T> g, V<T>* s, const T* c) {
    g = decayed<T>(w, g, c[1]);
    s[0] = fma(splat<T>(c[4]) * g, g, splat<T>(c[3]) * s[0]);
    V<T> variance = s[0];
    if constexpr (Centered) {
      V<T>& mean = s[1 + Momentum];
      mean = fma(splat<T>(c[4]), g - mean, mean);
      variance = fma(-mean, mean, variance);  // rounding may make it negative
      variance = variance < splat<T>(0) ? splat<T>(0) : variance;
    }
    const V<T> step = g / (sqrt(variance) + splat<T>(c[5]));
    if constexpr (!Momentum) return fma(splat<T>(c[0]), step, w);
    s[1] = fma(splat<T>(c[2]), s[1], step);
    return fma(splat<T>(c[0]), s[1], w);
  }
};
template <class T> struct rmsprop : rms<T, false, false> {};
template <class T> struct rmsprop_momentum : rms<T, true, false> {};
template <class T> struct rmsprop_centered : rms<T, false, true> {};
template <class T> struct rmsprop_centered_momentum : rms<T, true, true> {};

}  // namespace opt

// updates one vector of parameters at w + at, and its state
template <class T, template <class> class O>
inline void update_at(T* w, V<T> g, T* const* slots, std::ptrdiff_t at, const StepScalars<T>& c) {
  V<T> s[O<T>::slots + 1];
  FW_UNROLL for (int k = 0; k < O<T>::slots; ++k) s[k] = load<T>(slots[k] + at);
  store<T>(w + at, O<T>::update(load<T>(w + at), g, s, c.value));
  FW_UNROLL for (int k = 0; k < O<T>::slots; ++k) store<T>(slots[k] + at, s[k]);
}

// n is a multiple of a panel, so that there is no remainder
template <class T, template <class> class O>
void update(T* w, const T* g, T* const* slots, std::ptrdiff_t n, const StepScalars<T>& step) {
  const StepScalars<T> c = step;  // a copy, since w might overlap the caller's for all the compiler knows
  for (std::ptrdiff_t i = 0; i < n; i += Vec<T>::lanes)
    update_at<T, O>(w, load<T>(g + i) * splat<T>(c.gradient_scale), slots, i, c);
}

template <class T, template <class> class O>
void prepare(const double* hyper, double* scalar_state, StepScalars<T>* step) {
  O<T>::prepare(hyper, scalar_state, step->value);
}

// v clipped to [-most, most]; NaN stays NaN
template <class T>
inline V<T> clipped(V<T> v, T most) {
  const V<T> high = splat<T>(most), low = splat<T>(-most);
  v = v > high ? high : v;
  return v < low ? low : v;
}

template <class T>
void clip(T* g, std::ptrdiff_t n, T most) {
  for (std::ptrdiff_t i = 0; i < n; i += Vec<T>::lanes) store<T>(g + i, clipped<T>(load<T>(g + i), most));
}

// g + by w
template <class T>
void add_scaled(T* g, const T* w, std::ptrdiff_t n, T by) {
  for (std::ptrdiff_t i = 0; i < n; i += Vec<T>::lanes)
    store<T>(g + i, fma(splat<T>(by), load<T>(w + i), load<T>(g + i)));
}

// The sum of n squares, n a multiple of a panel: blocks of 64 panels with one chain per lane; the blocks are added
// in order, and finally the first `used` lanes. The chains of several blocks run side by side.
template <class T>
T sum_of_squares(const T* g, std::ptrdiff_t n, int used) {
  constexpr int L = Vec<T>::lanes, P = kPanel / L, most = Vec<T>::registers / 2 / P, NB = most > 8 ? 8 : most > 0 ? most : 1;
  constexpr std::ptrdiff_t block = kBlock * kPanel;
  V<T> sums[P] = {};
  const auto round = [&](auto blocks) {
    constexpr int B = decltype(blocks)::value;
    V<T> acc[B * P];
    FW_UNROLL for (int i = 0; i < B * P; ++i) acc[i] = V<T>{};
    const std::ptrdiff_t end = B > 1 ? block : minimum(n, block);
    for (std::ptrdiff_t k = 0; k < end; k += kPanel)
      FW_UNROLL for (int i = 0; i < B * P; ++i) {
        const V<T> v = load<T>(g + k + i / P * block + i % P * L);
        acc[i] = fma(v, v, acc[i]);
      }
    FW_UNROLL for (int i = 0; i < B * P; ++i) sums[i % P] = sums[i % P] + acc[i];
    g += B * block;
    n -= B * block;
  };
  while (n >= NB * block && NB > 1) round(Int<NB>{});
  while (n > 0) round(Int<1>{});
  alignas(64) T lanes[kPanel];
  FW_UNROLL for (int v = 0; v < P; ++v) store<T>(lanes + v * L, sums[v]);
  T total = lanes[0];
  for (int i = 1; i < used; ++i) total = total + lanes[i];
  return total;
}

template <class T>
bool all_finite(const T* x, std::ptrdiff_t n) {
  constexpr int L = Vec<T>::lanes, N = 8;
  const V<T> zero = {};
  V<T> sums[N] = {};  // of x * 0, which is NaN if x is NaN or infinite
  std::ptrdiff_t k = 0;
  for (; k + N * L <= n; k += N * L)
    FW_UNROLL for (int i = 0; i < N; ++i) sums[i] = fma(load<T>(x + k + i * L), zero, sums[i]);
  FW_UNROLL for (int i = 1; i < N; ++i) sums[0] = sums[0] + sums[i];
  alignas(64) T lanes[L];
  store<T>(lanes, sums[0]);
  T sum = 0;
  for (int i = 0; i < L; ++i) sum = sum + lanes[i];
  for (; k < n; ++k) sum = fma(x[k], T(0), sum);
  return sum == T(0);
}
