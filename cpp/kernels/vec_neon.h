// NEON (AArch64): 16-byte vectors, 32 registers. A panel is 4 registers of float, 8 of double.
#pragma once

#include <arm_neon.h>

#define FW_VECTOR_BYTES 16
#include "vec.h"

namespace fw {
namespace FW_ISA {
namespace {

FW_VEC(float, std::int32_t, 6, 1, 4, 4)
FW_VEC(double, std::int64_t, 2, 1, 2, 2)

inline V<float> fma(V<float> a, V<float> b, V<float> c) { return vfmaq_f32(c, a, b); }
inline V<double> fma(V<double> a, V<double> b, V<double> c) { return vfmaq_f64(c, a, b); }
inline V<float> sqrt(V<float> a) { return vsqrtq_f32(a); }
inline V<double> sqrt(V<double> a) { return vsqrtq_f64(a); }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
