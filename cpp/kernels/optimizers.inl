// The optimizers: what one step does to a vector of parameters w, given its gradient g, the state s
// beside it and the step's scalars, which prepare() makes in double from the hyper-parameters and the
// running scalars `memo` (begin as 1). Formulas and defaults are PyTorch's.
namespace opt {

template <class T>
inline V<T> decayed(V<T> w, V<T> g, T weight_decay) { return fma(splat<T>(weight_decay), w, g); }

template <class T> struct sgd {
  static constexpr int slots = 0, memo = 0, hyper = 2;
  static constexpr const char* names[] = {"lr", "weight_decay"};
  static inline void prepare(const double* h, double*, T* c) {
    c[0] = T(-h[0]);
    c[1] = T(h[1]);
  }
  static inline V<T> update(V<T> w, V<T> g, V<T>*, const T* c) {
    return fma(splat<T>(c[0]), decayed<T>(w, g, c[1]), w);
  }
};

// Polyak (1964), in the form of Sutskever et al. (2013) that PyTorch takes
template <class T> struct momentum {
  static constexpr int slots = 1, memo = 0, hyper = 3;
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
  static constexpr int slots = 1, memo = 0, hyper = 3;
  static constexpr const char* names[] = {"lr", "weight_decay", "momentum"};
  static inline void prepare(const double* h, double* m, T* c) { momentum<T>::prepare(h, m, c); }
  static inline V<T> update(V<T> w, V<T> g, V<T>* s, const T* c) {
    g = decayed<T>(w, g, c[1]);
    s[0] = fma(splat<T>(c[2]), s[0], g);
    return fma(splat<T>(c[0]), fma(splat<T>(c[2]), s[0], g), w);
  }
};

// Kingma and Ba (2015). The powers of the betas are running products and not pow(), whose last bit
// differs between C libraries.
template <class T> struct adam {
  static constexpr int slots = 2, memo = 2, hyper = 5;
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
    c[6] = T(h[4]);
  }
  static inline V<T> update(V<T> w, V<T> g, V<T>* s, const T* c) {
    g = decayed<T>(w, g, c[1]);
    s[0] = fma(splat<T>(c[2]), g - s[0], s[0]);
    s[1] = fma(splat<T>(c[4]) * g, g, splat<T>(c[3]) * s[1]);
    const V<T> root = fma(sqrt(s[1]), splat<T>(c[5]), splat<T>(c[6]));
    return fma(splat<T>(c[0]), s[0] / root, w);
  }
};

}  // namespace opt

// one vector of parameters at w + at and of the state beside it
template <class T, template <class> class O>
inline void update_at(T* w, V<T> g, T* const* slots, std::ptrdiff_t at, const Step<T>& c) {
  V<T> s[O<T>::slots + 1];
  FW_UNROLL for (int k = 0; k < O<T>::slots; ++k) s[k] = load<T>(slots[k] + at);
  store<T>(w + at, O<T>::update(load<T>(w + at), g, s, c.value));
  FW_UNROLL for (int k = 0; k < O<T>::slots; ++k) store<T>(slots[k] + at, s[k]);
}

// n is a multiple of a panel, so that no tail is left
template <class T, template <class> class O>
void update(T* w, const T* g, T* const* slots, std::ptrdiff_t n, const Step<T>& step) {
  const Step<T> c = step;  // the compiler can't know that w doesn't overlap the caller's
  for (std::ptrdiff_t i = 0; i < n; i += Vec<T>::lanes)
    update_at<T, O>(w, load<T>(g + i), slots, i, c);
}

template <class T, template <class> class O>
void prepare(const double* hyper, double* memo, Step<T>* step) {
  O<T>::prepare(hyper, memo, step->value);
}
