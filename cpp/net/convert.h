// Rows of numbers of any type, as the first layer reads them.
#pragma once

#include "../kernels/table.h"
#include "views.h"

namespace fw {

// A half-precision number (IEEE 754 binary16) of these bits.
float from_half(std::uint16_t bits);

// n doubles as floats; returns whether all finite ones are within a float's range.
bool to_float(const double* from, std::ptrdiff_t n, float* to);

// x * scale, panel by panel, lanes past the last column 0, for numbers of x's type, byte order and step. rows[r]
// is where row r begins.
template <class T>
void convert_rows(const InputView& x, const void* const* rows, std::ptrdiff_t n, std::ptrdiff_t columns, T scale,
                  const RowsOut<T>& out);

}  // namespace fw
