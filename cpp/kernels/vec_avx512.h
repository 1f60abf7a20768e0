// AVX-512 (F, BW, DQ, VL): 64-byte vectors, 32 registers. A panel is 1 register of float, 2 of double.
#pragma once

// GCC 12's own header trips its own warning (GCC bug 105593)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#define FW_VECTOR_BYTES 64
#include "vec.h"

namespace fw {
namespace FW_ISA {
namespace {

FW_VEC(float, std::int32_t, 8, 16, 3, 8, 16, 2, 8)
FW_VEC(double, std::int64_t, 6, 8, 2, 8, 8, 1, 8)

inline V<float> fma(V<float> a, V<float> b, V<float> c) { return _mm512_fmadd_ps(a, b, c); }
inline V<double> fma(V<double> a, V<double> b, V<double> c) { return _mm512_fmadd_pd(a, b, c); }
inline void store_part(float* p, V<float> v, int n) {
  _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), v);
}
inline void store_part(double* p, V<double> v, int n) {
  _mm512_mask_storeu_pd(p, __mmask8((1u << n) - 1), v);
}
inline void load_bytes(const std::uint8_t* p, V<float>& v) {
  v = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline void load_bytes(const std::uint8_t* p, V<double>& v) {
  v = _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
// x times 2 to a whole power, rounded once, as by two factors of which the first is exact
#define FW_TIMES_POWER
template <class T> V<T> times_power(V<T> x, V<T> power);
template <> inline V<float> times_power<float>(V<float> x, V<float> power) { return _mm512_scalef_ps(x, power); }
template <> inline V<double> times_power<double>(V<double> x, V<double> power) { return _mm512_scalef_pd(x, power); }
// products of the lower halves
inline Wide multiply_words(Wide a, Wide b) { return (Wide)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
inline V<float> sqrt(V<float> a) { return _mm512_sqrt_ps(a); }
inline V<double> sqrt(V<double> a) { return _mm512_sqrt_pd(a); }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
