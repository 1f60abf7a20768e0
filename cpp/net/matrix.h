// What the caller's arrays look like from here: plain views that own nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fw {

// (rows, columns) of T or uint8, unit stride within a row; row_stride in elements.
struct InputView {
  const void* data;
  bool is_uint8;
  std::ptrdiff_t rows, columns, row_stride;
};

// Class labels (n,), or values (n, outputs) in rows without gaps.
template <class T>
struct Targets {
  const std::int64_t* labels;
  const T* values;
  const T* upstream = nullptr;  // instead of targets and a loss: its gradient dL/dy, (rows, outputs)
};

}  // namespace fw
