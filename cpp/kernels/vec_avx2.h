// AVX2 and FMA: 32-byte vectors, 16 registers. A panel is 2 registers of float, 4 of double.
#pragma once

#include <immintrin.h>

#define FW_VECTOR_BYTES 32
#include "vec.h"

namespace fw {
namespace FW_ISA {
namespace {

FW_VEC(float, std::int32_t, .rows = 6, .rows_one = 6, .panels = 1,
       .gradient_inputs = 4, .gradient_inputs_one = 4, .gradient_panels = 1, .row_chains = 4)
FW_VEC(double, std::int64_t, .rows = 2, .rows_one = 2, .panels = 1,
       .gradient_inputs = 2, .gradient_inputs_one = 2, .gradient_panels = 1, .row_chains = 2)

inline V<float> fma(V<float> a, V<float> b, V<float> c) { return _mm256_fmadd_ps(a, b, c); }
inline V<double> fma(V<double> a, V<double> b, V<double> c) { return _mm256_fmadd_pd(a, b, c); }
inline void store_part(float* p, V<float> v, int n) {
  const I<float> lane = {0, 1, 2, 3, 4, 5, 6, 7};
  _mm256_maskstore_ps(p, (__m256i)(lane < n), v);
}
inline void store_part(double* p, V<double> v, int n) {
  const I<double> lane = {0, 1, 2, 3};
  _mm256_maskstore_pd(p, (__m256i)(lane < n), v);
}
inline void load_bytes(const std::uint8_t* p, V<float>& v) {
  v = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline void load_bytes(const std::uint8_t* p, V<double>& v) {
  v = _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_loadu_si32(p)));
}
// the products of the lower halves of the 64-bit lanes
inline Wide multiply_words(Wide a, Wide b) { return (Wide)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
inline V<float> sqrt(V<float> a) { return _mm256_sqrt_ps(a); }
inline V<double> sqrt(V<double> a) { return _mm256_sqrt_pd(a); }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
