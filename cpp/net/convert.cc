#include "convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace fw {
namespace {

struct Half {
  std::uint16_t bits;
};

template <class S, bool Swapped, class T>
void convert(const void* const* rows, std::ptrdiff_t n, std::ptrdiff_t columns, std::ptrdiff_t stride, T scale,
             const RowsOut<T>& out) {
  for (std::ptrdiff_t r = 0; r < n; ++r) {
    const char* from = static_cast<const char*>(rows[r]);
    for (std::ptrdiff_t k = 0; k < columns; k += kPanel) {
      T* to = out.base + r * out.row_stride + k / kPanel * out.panel_stride;
      for (std::ptrdiff_t j = 0; j < kPanel; ++j) {
        S x = {};
        if (k + j < columns) std::memcpy(&x, from + (k + j) * stride, sizeof x);
        if constexpr (Swapped) {
          unsigned char bytes[sizeof x];
          std::memcpy(bytes, &x, sizeof x);
          std::reverse(bytes, bytes + sizeof x);
          std::memcpy(&x, bytes, sizeof x);
        }
        if constexpr (std::is_same_v<S, Half>) to[j] = T(from_half(x.bits)) * scale;
        else to[j] = T(x) * scale;
      }
    }
  }
}

}  // namespace

float from_half(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16, rest = bits & 0x7FFFu;
  float value;
  if (rest < 0x0400u) {  // 0 and subnormal numbers: multiples of 2^-24
    value = float(rest) * 0x1p-24f;
  } else {
    const std::uint32_t wide = rest >= 0x7C00u ? 0x7F800000u | (rest & 0x3FFu) << 13 : (rest << 13) + (112u << 23);
    std::memcpy(&value, &wide, sizeof value);
  }
  std::uint32_t out;
  std::memcpy(&out, &value, sizeof out);
  out |= sign;
  std::memcpy(&value, &out, sizeof value);
  return value;
}

bool to_float(const double* from, std::ptrdiff_t n, float* to) {
  int lost = 0;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    to[i] = float(from[i]);
    lost |= (std::abs(to[i]) > std::numeric_limits<float>::max()) & (std::abs(from[i]) <= std::numeric_limits<double>::max());
  }
  return lost == 0;
}

template <class T>
void convert_rows(const InputView& x, const void* const* rows, std::ptrdiff_t n, std::ptrdiff_t columns, T scale,
                  const RowsOut<T>& out) {
  const auto as = [&]<class S>(S) {
    if (x.byte_swapped) convert<S, true>(rows, n, columns, x.column_stride, scale, out);
    else convert<S, false>(rows, n, columns, x.column_stride, scale, out);
  };
  switch (x.element) {
    case Element::int8: return as(std::int8_t());
    case Element::int16: return as(std::int16_t());
    case Element::int32: return as(std::int32_t());
    case Element::int64: return as(std::int64_t());
    case Element::uint8: return as(std::uint8_t());
    case Element::uint16: return as(std::uint16_t());
    case Element::uint32: return as(std::uint32_t());
    case Element::uint64: return as(std::uint64_t());
    case Element::float16: return as(Half());
    case Element::float32: return as(float());
    case Element::float64: return as(double());
    case Element::native: return as(T());
  }
}

template decltype(convert_rows<float>) convert_rows<float>;
template decltype(convert_rows<double>) convert_rows<double>;

}  // namespace fw
