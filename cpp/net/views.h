// What the caller's arrays look like from here: plain views that own nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fw {

// The types of numbers that training reads; native: T or uint8, which the kernels read themselves.
enum class Element { native, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, float32, float64 };

// (rows, columns) of T or uint8, unit stride within a row; row_stride in elements. Of any other type row_stride
// and `step` are in bytes, and the bytes of a number may be in the other order than this machine's.
struct InputView {
  const void* data;
  bool is_uint8;
  std::ptrdiff_t rows, columns, row_stride;
  Element element = Element::native;
  std::ptrdiff_t step = 0;
  bool swapped = false;
};

// Class labels (n,), or values (n, outputs) in rows without gaps, or numbers of another type or layout.
template <class T>
struct Targets {
  const std::int64_t* labels;
  const T* values;
  const T* upstream = nullptr;  // instead of targets and a loss: its gradient dL/dy, (rows, outputs)
  InputView others = {};        // those numbers, not of `native` element, or null
};

}  // namespace fw
