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

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

// The types of one element, with tiles of TR rows x TP panels (forward and dX) and of GI inputs x TP
// panels or GI1 inputs x 1 panel (dW). A tile's accumulators must fit the registers beside a
// panel's weights and one broadcast.
#define FW_VEC(T, INT, TR, TP, GI, GI1)                                        \
  template <> struct Vec<T> {                                                  \
    typedef T V __attribute__((vector_size(FW_VECTOR_BYTES)));                 \
    typedef INT I __attribute__((vector_size(FW_VECTOR_BYTES)));               \
    static constexpr int lanes = FW_VECTOR_BYTES / sizeof(T);                  \
    static constexpr int tile_rows = TR, tile_panels = TP;                     \
    static constexpr int gradient_inputs = GI, gradient_inputs_one = GI1;      \
  };                                                                           \
  inline Vec<T>::I bits(Vec<T>::V v) { return (Vec<T>::I)v; }                  \
  inline Vec<T>::V from_bits(Vec<T>::I i) { return (Vec<T>::V)i; }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
