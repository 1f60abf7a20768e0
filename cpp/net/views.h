// Views of the caller's arrays: pointers, sizes and strides that own nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fw {

// The element types that training reads. native: T or uint8, which the kernels read directly.
enum class Element { native, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, float32, float64 };

// (rows, columns). Native elements: contiguous within a row, row_stride in elements. Other types: row_stride and
// column_stride in bytes, and the bytes of an element may be in reverse order.
struct InputView {
  const void* data;
  bool is_uint8;
  std::ptrdiff_t rows, columns, row_stride;
  Element element = Element::native;
  std::ptrdiff_t column_stride = 0;
  bool byte_swapped = false;
};

// Exactly one is given: class labels (n,), or values (n, outputs), contiguous, or values of another type or
// layout, or dL/dy (n, outputs), the gradient of an external loss.
template <class T>
struct Targets {
  const std::int64_t* labels;
  const T* values;
  const T* upstream_gradient = nullptr;
  InputView other_values = {};
};

}  // namespace fw
