// Conversion of rows of numbers of any type to the network's type.
#pragma once

#include "../kernels/table.h"
#include "views.h"

namespace fw {

// The half-precision number (IEEE 754 binary16) with these bits.
float from_half(std::uint16_t bits);

// Converts n doubles to floats; returns whether all finite ones are within the range of a float.
bool to_float(const double* from, std::ptrdiff_t n, float* to);

// x * scale, panel by panel, with lanes beyond the last column 0. x gives type, byte order and column stride;
// rows[r] is the address of row r.
template <class T>
void convert_rows(const InputView& x, const void* const* rows, std::ptrdiff_t n, std::ptrdiff_t columns, T scale,
                  const RowsOut<T>& out);

}  // namespace fw
