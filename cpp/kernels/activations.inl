// The activations: value, and derivative as a function of the output y or, if from_z, of the sum z.
// The names are those of registry.def.
namespace act {

template <class T> struct identity {
  static constexpr bool from_z = false;
  static inline V<T> value(V<T> z) { return z; }
  static inline V<T> derivative(V<T>) { return splat<T>(1); }
};

template <class T> struct sigmoid {
  static constexpr bool from_z = false;
  static inline V<T> value(V<T> z) { return logistic<T>(z); }
  static inline V<T> derivative(V<T> y) { return y * (splat<T>(1) - y); }
};

template <class T> struct relu {
  static constexpr bool from_z = false;
  // z < 0 rather than z > 0, so that NaN stays NaN
  static inline V<T> value(V<T> z) { return z < splat<T>(0) ? splat<T>(0) : z; }
  static inline V<T> derivative(V<T> y) { return y > splat<T>(0) ? splat<T>(1) : splat<T>(0); }
};

template <class T> struct tanh {
  static constexpr bool from_z = false;
  static inline V<T> value(V<T> z) { return tanh_<T>(z); }
  static inline V<T> derivative(V<T> y) { return fma(-y, y, splat<T>(1)); }
};

// slope 0.01 below 0 (Maas, Hannun and Ng 2013; PyTorch's default)
template <class T> struct leaky_relu {
  static constexpr bool from_z = false;
  static constexpr T slope = T(0.01);
  static inline V<T> value(V<T> z) { return z < splat<T>(0) ? z * splat<T>(slope) : z; }
  static inline V<T> derivative(V<T> y) { return y > splat<T>(0) ? splat<T>(1) : splat<T>(slope); }
};

// alpha 1 (Clevert, Unterthiner and Hochreiter 2016)
template <class T> struct elu {
  static constexpr bool from_z = false;
  static inline V<T> value(V<T> z) {
    const V<T> e = expm1_negative<T>(z < splat<T>(0) ? z : splat<T>(0));
    return z < splat<T>(0) ? e : z;
  }
  static inline V<T> derivative(V<T> y) { return y > splat<T>(0) ? splat<T>(1) : y + splat<T>(1); }
};

// z, at least -1e4: -infinity times a tail of 0 would be NaN instead of -0
template <class T>
inline V<T> above_infinity(V<T> z) { return z < splat<T>(T(-1e4)) ? splat<T>(T(-1e4)) : z; }

// z times the normal cdf (Hendrycks and Gimpel 2016); by erfc below 0, where 1 + erf would cancel
template <class T> struct gelu {
  static constexpr bool from_z = true;
  static inline V<T> value(V<T> z) {
    V<T> second;
    const V<T> tail = gaussian_factors<T>(z, &second) * tail_ratio<T>(z);
    return z < splat<T>(0) ? above_infinity<T>(z) * tail * second
                           : z * (splat<T>(1) - tail * second);
  }
  static inline V<T> derivative(V<T> z) {
    V<T> second;
    const V<T> g = gaussian_factors<T>(z, &second) * second;
    const V<T> tail = g * tail_ratio<T>(z);
    return fma(z * g, splat<T>(T(0.39894228040143267794)),
               z < splat<T>(0) ? tail : splat<T>(1) - tail);
  }
};

// z times the sigmoid (Elfwing, Uchibe and Doya 2018)
template <class T> struct silu {
  static constexpr bool from_z = true;
  static inline V<T> value(V<T> z) {
    V<T> second;
    const V<T> e = exp_factors_below<T>(minus_abs<T>(z), &second);
    const V<T> d = fma(e, second, splat<T>(1));
    return z < splat<T>(0) ? above_infinity<T>(z) * e / d * second : z / d;
  }
  static inline V<T> derivative(V<T> z) {
    const V<T> e = exp_negative<T>(minus_abs<T>(z)), d = splat<T>(1) + e;
    const V<T> large = splat<T>(1) / d, small = e / d;  // sigmoid(|z|) and sigmoid(-|z|)
    const V<T> s = z < splat<T>(0) ? small : large, rest = z < splat<T>(0) ? large : small;
    return s * fma(z, rest, splat<T>(1));
  }
};

template <class T> struct softplus {
  static constexpr bool from_z = true;
  static inline V<T> value(V<T> z) {
    const V<T> u = exp_negative<T>(minus_abs<T>(z));
    return (z < splat<T>(0) ? splat<T>(0) : z) + log1p_unit<T>(u);
  }
  static inline V<T> derivative(V<T> z) { return logistic<T>(z); }
};

// for outputs above 0, such as the rate of a Poisson distribution
template <class T> struct exp {
  static constexpr bool from_z = false;
  static inline V<T> value(V<T> z) { return FW_ISA::exp<T>(z); }
  static inline V<T> derivative(V<T> y) { return y; }
};

}  // namespace act
