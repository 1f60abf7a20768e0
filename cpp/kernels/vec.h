// What the wide instruction sets share: GCC and Clang vector extensions at FW_VECTOR_BYTES, for which
// + - * / comparisons, ?: and integer operators are the language's own. A vec_<isa>.h defines
// FW_VECTOR_BYTES, includes this file and adds the tiles, fma and sqrt; vec_scalar.h is the
// interface by example.
#pragma once

#include <cstdint>

namespace fw {
namespace FW_ISA {
namespace {

template <class T> struct Vec;   // V, I, lanes and the tiles; specialised by FW_VEC
template <class T> using V = typename Vec<T>::V;
template <class T> using I = typename Vec<T>::I;

// Unaligned access: a caller's array starts anywhere that its element may.
template <class T>
inline V<T> load(const T* p) {
  typedef T U __attribute__((vector_size(FW_VECTOR_BYTES), aligned(alignof(T)), may_alias));
  return *reinterpret_cast<const U*>(p);
}
template <class T>
inline void store(T* p, V<T> v) {
  typedef T U __attribute__((vector_size(FW_VECTOR_BYTES), aligned(alignof(T)), may_alias));
  *reinterpret_cast<U*>(p) = v;
}
// x - 0 and not x + 0: the latter would make +0 of -0
template <class T>
inline V<T> splat(T x) { return x - V<T>{}; }

// a0 b0 a1 b1 ... of the lower and of the upper halves
#define FW_INTERLEAVE(LANES, LOW, HIGH)                                        \
  template <> struct Interleave<LANES> {                                       \
    template <class X> static inline X low(X a, X b) { return __builtin_shufflevector(a, b, LOW); } \
    template <class X> static inline X high(X a, X b) { return __builtin_shufflevector(a, b, HIGH); } \
  };
#define FW_LIST(...) __VA_ARGS__
template <int lanes> struct Interleave;
FW_INTERLEAVE(2, FW_LIST(0, 2), FW_LIST(1, 3))
FW_INTERLEAVE(4, FW_LIST(0, 4, 1, 5), FW_LIST(2, 6, 3, 7))
FW_INTERLEAVE(8, FW_LIST(0, 8, 1, 9, 2, 10, 3, 11), FW_LIST(4, 12, 5, 13, 6, 14, 7, 15))
FW_INTERLEAVE(16, FW_LIST(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
              FW_LIST(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31))

// Transposes as many vectors as they have lanes, in place: log2(lanes) perfect shuffles.
template <class T>
inline void transpose_square(V<T>* v) {
  constexpr int L = Vec<T>::lanes;
#pragma GCC unroll 4
  for (int n = 1; n < L; n *= 2) {
    V<T> w[L];
#pragma GCC unroll 16
    for (int i = 0; i < L / 2; ++i) {
      w[2 * i] = Interleave<L>::low(v[i], v[i + L / 2]);
      w[2 * i + 1] = Interleave<L>::high(v[i], v[i + L / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) v[i] = w[i];
  }
}

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

// The types of one element, with tiles of TR rows x TP panels or TR1 rows x 1 panel (forward and dX),
// of GI inputs x TP panels or GI1 inputs x 1 panel (dW), and RC chains of one row. A tile's
// accumulators must fit the registers beside a panel's weights and one broadcast.
#define FW_VEC(T, INT, TR, TR1, TP, GI, GI1, RC)                                        \
  template <> struct Vec<T> {                                                  \
    typedef T V __attribute__((vector_size(FW_VECTOR_BYTES)));                 \
    typedef INT I __attribute__((vector_size(FW_VECTOR_BYTES)));               \
    static constexpr int lanes = FW_VECTOR_BYTES / sizeof(T);                  \
    static constexpr int tile_rows = TR, tile_rows_one = TR1, tile_panels = TP; \
    static constexpr int gradient_inputs = GI, gradient_inputs_one = GI1;      \
    static constexpr int row_chains = RC;                                      \
  };                                                                           \
  inline Vec<T>::I bits(Vec<T>::V v) { return (Vec<T>::I)v; }                  \
  inline Vec<T>::V from_bits(Vec<T>::I i) { return (Vec<T>::V)i; }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
