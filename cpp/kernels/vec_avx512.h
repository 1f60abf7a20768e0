// AVX-512 (F, BW, DQ, VL): 64-byte vectors, 32 registers. A panel is 1 register of float, 2 of double.
#pragma once

// GCC 12 warns about its own header (GCC bug 105593)
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

FW_VEC(float, std::int32_t, .rows = 8, .rows_one = 16, .panels = 3,
       .gradient_inputs = 8, .gradient_inputs_one = 16, .gradient_panels = 2, .row_chains = 8)
FW_VEC(double, std::int64_t, .rows = 6, .rows_one = 8, .panels = 2,
       .gradient_inputs = 8, .gradient_inputs_one = 8, .gradient_panels = 1, .row_chains = 8)

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
// x * 2^power, rounded once, like a product with two factors of which the first is exact
#define FW_TIMES_POWER
template <class T> V<T> times_power(V<T> x, V<T> power);
template <> inline V<float> times_power<float>(V<float> x, V<float> power) { return _mm512_scalef_ps(x, power); }
template <> inline V<double> times_power<double>(V<double> x, V<double> power) { return _mm512_scalef_pd(x, power); }
// the products of the lower halves of the 64-bit lanes
inline Wide multiply_words(Wide a, Wide b) { return (Wide)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
inline V<float> sqrt(V<float> a) { return _mm512_sqrt_ps(a); }
inline V<double> sqrt(V<double> a) { return _mm512_sqrt_pd(a); }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
