// The vector interface with one lane. *.inl use only these names, so an instruction set is a file that defines
// them for its own registers (see vec.h for the wide ones).
//
// fma must round once. soft_fma.inl does that without an instruction: slow, but with the same bits. sqrt and /
// are the IEEE ones.
#pragma once

#include <cstdint>

#define FW_VECTOR_BYTES 0

namespace fw {
namespace FW_ISA {
namespace {

template <class T> struct Vec;
template <> struct Vec<float> {
  using V = float;           // a vector of T
  using I = std::int32_t;    // a vector of integers as wide as T
  static constexpr int lanes = 1;
  static constexpr int tile_rows = 1, tile_panels = 1;        // forward: rows x panels
  static constexpr int tile_rows_one = 1;                     // or x 1 panel
  static constexpr int gradient_panels = 1;                   // dW
  static constexpr int gradient_inputs = 1, gradient_inputs_one = 1;  // with as many, with 1
  static constexpr int row_chains = 1;                        // blocks x panels of a single row
  static constexpr int registers = 1;                         // of vectors
};
template <> struct Vec<double> {
  using V = double;
  using I = std::int64_t;
  static constexpr int lanes = 1;
  static constexpr int tile_rows = 1, tile_panels = 1, tile_rows_one = 1;
  static constexpr int gradient_inputs = 1, gradient_inputs_one = 1, gradient_panels = 1;
  static constexpr int row_chains = 1, registers = 1;
};
template <class T> using V = typename Vec<T>::V;
template <class T> using I = typename Vec<T>::I;

template <class T> inline T load(const T* p) { return *p; }
template <class T> inline void store(T* p, T v) { *p = v; }
template <class T> inline T splat(T x) { return x; }
template <class T> inline void store_part(T* p, T v, int) { *p = v; }  // the first n lanes, 1 to lanes

// transposes a matrix of lanes x lanes
template <class T> inline void transpose_square(T*) {}

// loads as many bytes as there are lanes and converts them
inline void load_bytes(const std::uint8_t* p, float& v) { v = *p; }
inline void load_bytes(const std::uint8_t* p, double& v) { v = *p; }

// 32-bit words in the lower halves of 64-bit lanes; the upper halves are arbitrary
using Wide = std::uint64_t;
constexpr int kWideLanes = 1;
inline Wide wide(std::uint64_t x) { return x; }
inline Wide wide_from(std::uint64_t x) { return x; }  // x, x + 1, ...
inline Wide multiply_words(Wide a, Wide b) { return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu); }
inline void store_words(std::uint32_t* p, Wide a, Wide b) {  // the words of a and then of b
  p[0] = std::uint32_t(a);
  p[1] = std::uint32_t(b);
}
// v in the lanes whose word is at least `least`, 0 in the others
template <class T>
inline T where_at_least(const std::uint32_t* words, std::uint32_t least, T v) {
  return *words >= least ? v : T(0);
}

inline std::int32_t bits(float v) { return __builtin_bit_cast(std::int32_t, v); }
inline std::int64_t bits(double v) { return __builtin_bit_cast(std::int64_t, v); }
inline float from_bits(std::int32_t i) { return __builtin_bit_cast(float, i); }
inline double from_bits(std::int64_t i) { return __builtin_bit_cast(double, i); }

#if defined(__FMA__) || defined(__aarch64__)
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
#include "soft_fma.inl"
inline float fma(float a, float b, float c) { return soft_fma(a, b, c); }
inline double fma(double a, double b, double c) { return soft_fma(a, b, c); }
#endif
inline float sqrt(float a) { return __builtin_sqrtf(a); }
inline double sqrt(double a) { return __builtin_sqrt(a); }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
