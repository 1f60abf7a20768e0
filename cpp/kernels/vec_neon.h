// NEON (AArch64): 16-byte vectors, 32 registers. A panel is 4 registers of float, 8 of double.
#pragma once

#include <arm_neon.h>

#define FW_VECTOR_BYTES 16
#include "vec.h"

namespace fw {
namespace FW_ISA {
namespace {

FW_VEC(float, std::int32_t, .rows = 6, .rows_one = 6, .panels = 1,
       .gradient_inputs = 4, .gradient_inputs_one = 4, .gradient_panels = 1, .row_chains = 4)
FW_VEC(double, std::int64_t, .rows = 2, .rows_one = 2, .panels = 1,
       .gradient_inputs = 2, .gradient_inputs_one = 2, .gradient_panels = 1, .row_chains = 2)

inline V<float> fma(V<float> a, V<float> b, V<float> c) { return vfmaq_f32(c, a, b); }
inline V<double> fma(V<double> a, V<double> b, V<double> c) { return vfmaq_f64(c, a, b); }
inline void store_part(float* p, V<float> v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
inline void store_part(double* p, V<double> v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
inline void load_bytes(const std::uint8_t* p, V<float>& v) {
  v = V<float>{float(p[0]), float(p[1]), float(p[2]), float(p[3])};
}
inline void load_bytes(const std::uint8_t* p, V<double>& v) {
  v = V<double>{double(p[0]), double(p[1])};
}
// the products of the lower halves of the 64-bit lanes
inline Wide multiply_words(Wide a, Wide b) {
  return (Wide)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
}
inline V<float> sqrt(V<float> a) { return vsqrtq_f32(a); }
inline V<double> sqrt(V<double> a) { return vsqrtq_f64(a); }

}  // namespace
}  // namespace FW_ISA
}  // namespace fw
