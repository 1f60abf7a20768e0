// AVX2 and FMA: 32-byte vectors, 16 registers. A panel is 2 registers of float, 4 of double.
#pragma once

#include <immintrin.h>

#define FW_VECTOR_BYTES 32
#include "vec.h"

namespace fw {
namespace FW_ISA {
namespace {

FW_VEC(float, std::int32_t, 6, 1, 4, 4)
FW_VEC(double, std::int64_t, 2, 1, 2, 2)

inline V<float> fma(V<float> a, V<float> b, V<float> c) { return _mm256_fmadd_ps(a, b, c); }
inline V<double> fma(V<double> a, V<double> b, V<double> c) { return _mm256_fmadd_pd(a, b, c); }
inline V<float> sqrt(V<float> a) { return _mm256_sqrt_ps(a); }
inline V<double> sqrt(V<double> a) { return _mm256_sqrt_pd(a); }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
