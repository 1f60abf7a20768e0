// Shared by the wide instruction sets: GCC and Clang vector extensions of FW_VECTOR_BYTES, whose operators
// + - * / < > ?: and integer operators are built in. A vec_<isa>.h defines FW_VECTOR_BYTES, includes this file
// and adds the tile sizes, fma and sqrt; vec_scalar.h shows the whole interface.
#pragma once

#include <cstdint>

namespace fw {
namespace FW_ISA {
namespace {

template <class T> struct Vec;   // V, I, lanes and the tiles; specialised by FW_VEC
template <class T> using V = typename Vec<T>::V;
template <class T> using I = typename Vec<T>::I;

// Unaligned access: a caller's array is aligned for its elements only.
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
// x - 0 rather than x + 0, which would turn -0 into +0
template <class T>
inline V<T> splat(T x) { return x - V<T>{}; }

// Of each 16 bytes of a and b: a0 b0 a1 b1 ... of the lower and of the upper halves.
#define FW_INTERLEAVE(BYTES, T, LOW, HIGH)                                     \
  template <> struct Interleave<BYTES, T> {                                    \
    template <class X> static inline X low(X a, X b) { return __builtin_shufflevector(a, b, LOW); } \
    template <class X> static inline X high(X a, X b) { return __builtin_shufflevector(a, b, HIGH); } \
  };
// The even and the odd 16 bytes of a and then of b.
#define FW_SIFT(BYTES, T, EVEN, ODD)                                           \
  template <> struct Sift<BYTES, T> {                                          \
    template <class X> static inline X even(X a, X b) { return __builtin_shufflevector(a, b, EVEN); } \
    template <class X> static inline X odd(X a, X b) { return __builtin_shufflevector(a, b, ODD); } \
  };
#define FW_LIST(...) __VA_ARGS__
template <int bytes, class T> struct Interleave;
template <int bytes, class T> struct Sift;
FW_INTERLEAVE(16, float, FW_LIST(0, 4, 1, 5), FW_LIST(2, 6, 3, 7))
FW_INTERLEAVE(32, float, FW_LIST(0, 8, 1, 9, 4, 12, 5, 13), FW_LIST(2, 10, 3, 11, 6, 14, 7, 15))
FW_INTERLEAVE(64, float, FW_LIST(0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29),
              FW_LIST(2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31))
FW_INTERLEAVE(16, double, FW_LIST(0, 2), FW_LIST(1, 3))
FW_INTERLEAVE(32, double, FW_LIST(0, 4, 2, 6), FW_LIST(1, 5, 3, 7))
FW_INTERLEAVE(64, double, FW_LIST(0, 8, 2, 10, 4, 12, 6, 14), FW_LIST(1, 9, 3, 11, 5, 13, 7, 15))
FW_SIFT(32, float, FW_LIST(0, 1, 2, 3, 8, 9, 10, 11), FW_LIST(4, 5, 6, 7, 12, 13, 14, 15))
FW_SIFT(64, float, FW_LIST(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
        FW_LIST(4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31))
FW_SIFT(32, double, FW_LIST(0, 1, 4, 5), FW_LIST(2, 3, 6, 7))
FW_SIFT(64, double, FW_LIST(0, 1, 4, 5, 8, 9, 12, 13), FW_LIST(2, 3, 6, 7, 10, 11, 14, 15))

// Transposes as many vectors as they have lanes, in place: first each square of 16 bytes within itself, then
// the squares. Such shuffles cost half as much as those across a whole vector.
template <class T>
inline void transpose_square(V<T>* v) {
  constexpr int L = Vec<T>::lanes, S = 16 / sizeof(T);
#pragma GCC unroll 4
  for (int n = 1; n < S; n *= 2) {
    V<T> w[L];
#pragma GCC unroll 16
    for (int i = 0; i < L; i += S) {
#pragma GCC unroll 4
      for (int j = 0; j < S / 2; ++j) {
        w[i + 2 * j] = Interleave<FW_VECTOR_BYTES, T>::low(v[i + j], v[i + j + S / 2]);
        w[i + 2 * j + 1] = Interleave<FW_VECTOR_BYTES, T>::high(v[i + j], v[i + j + S / 2]);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) v[i] = w[i];
  }
  if constexpr (FW_VECTOR_BYTES > 16) {
    // square p of vector i goes to square i / S of vector p * S + i % S
#pragma GCC unroll 4
    for (int n = S; n < L; n *= 2) {
      V<T> w[L];
#pragma GCC unroll 16
      for (int i = 0; i < L / 2; ++i) {
        const int a = i / S * 2 * S + i % S, b = a + S;  // adjacent squares
        w[i] = Sift<FW_VECTOR_BYTES, T>::even(v[a], v[b]);
        w[i + L / 2] = Sift<FW_VECTOR_BYTES, T>::odd(v[a], v[b]);
      }
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) v[i] = w[i];
    }
  }
}

// 32-bit words in the lower halves of 64-bit lanes; the upper halves are arbitrary.
typedef std::uint64_t Wide __attribute__((vector_size(FW_VECTOR_BYTES)));
constexpr int kWideLanes = FW_VECTOR_BYTES / 8;
inline Wide wide(std::uint64_t x) { return x - Wide{}; }
inline Wide wide_from(std::uint64_t x) {  // x, x + 1, ...
#if FW_VECTOR_BYTES == 64
  constexpr Wide step = {0, 1, 2, 3, 4, 5, 6, 7};
#elif FW_VECTOR_BYTES == 32
  constexpr Wide step = {0, 1, 2, 3};
#else
  constexpr Wide step = {0, 1};
#endif
  return wide(x) + step;
}
// Stores the words of a and then of b, in one store: a load that spans two stores can't be forwarded and waits.
inline void store_words(std::uint32_t* p, Wide a, Wide b) {
  typedef std::uint32_t Words __attribute__((vector_size(FW_VECTOR_BYTES), aligned(4), may_alias));
#if FW_VECTOR_BYTES == 64
  *reinterpret_cast<Words*>(p) = __builtin_shufflevector((Words)a, (Words)b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18,
                                                         20, 22, 24, 26, 28, 30);
#elif FW_VECTOR_BYTES == 32
  *reinterpret_cast<Words*>(p) = __builtin_shufflevector((Words)a, (Words)b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
  *reinterpret_cast<Words*>(p) = __builtin_shufflevector((Words)a, (Words)b, 0, 2, 4, 6);
#endif
}
// v in the lanes whose word is at least `least`, 0 in the others
template <class T>
inline V<T> where_at_least(const std::uint32_t* words, std::uint32_t least, V<T> v) {
  typedef std::uint32_t Read __attribute__((vector_size(FW_VECTOR_BYTES / sizeof(T) * 4), aligned(4), may_alias));
  typedef typename Vec<T>::Word Word;
  typedef Word Words __attribute__((vector_size(FW_VECTOR_BYTES)));
  const Words w = __builtin_convertvector(*reinterpret_cast<const Read*>(words), Words);
  return w >= Word(least) - Words{} ? v : V<T>{};
}

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }

// Tile sizes: (rows x panels) or fewer panels, or (rows_one x 1 panel), for forward and dX;
// (gradient_inputs x gradient_panels) or (gradient_inputs_one x 1 panel) for dW; and the number of chains for
// a single row. A tile's accumulators must fit the registers together with its panels' weights and one broadcast.
struct Tiles {
  int rows, rows_one, panels;
  int gradient_inputs, gradient_inputs_one, gradient_panels;
  int row_chains;
};

// Vec of one element type: FW_VEC(type, integer of the same size, designated initialisers of Tiles).
#define FW_VEC(T, INT, ...)                                                    \
  template <> struct Vec<T> {                                                  \
    typedef T V __attribute__((vector_size(FW_VECTOR_BYTES)));                 \
    typedef INT I __attribute__((vector_size(FW_VECTOR_BYTES)));               \
    using Word = decltype(INT() + 0u);                                         \
    static constexpr Tiles tiles = {__VA_ARGS__};                              \
    static constexpr int lanes = FW_VECTOR_BYTES / sizeof(T);                  \
    static constexpr int tile_rows = tiles.rows, tile_rows_one = tiles.rows_one, tile_panels = tiles.panels; \
    static constexpr int gradient_inputs = tiles.gradient_inputs;              \
    static constexpr int gradient_inputs_one = tiles.gradient_inputs_one;      \
    static constexpr int gradient_panels = tiles.gradient_panels;              \
    static constexpr int row_chains = tiles.row_chains;                        \
    static constexpr int registers = FW_VECTOR_BYTES == 32 ? 16 : 32;          \
  };                                                                           \
  inline Vec<T>::I bits(Vec<T>::V v) { return (Vec<T>::I)v; }                  \
  inline Vec<T>::V from_bits(Vec<T>::I i) { return (Vec<T>::V)i; }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
