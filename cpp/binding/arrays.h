// Checked views of NumPy arrays: nothing outside an array is read or written, whatever Python passes. The sentences for
// users come from the Python code; these checks only guard the compiled code.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <utility>

#include "../net/views.h"

namespace fw {

namespace py = pybind11;

inline void expect(bool ok, const char* what) {
  if (!ok) throw std::invalid_argument(what);
}

template <class T>
bool holds(const py::array& a) {
  return a.dtype().is(py::dtype::of<T>()) || a.dtype().equal(py::dtype::of<T>());
}

inline bool aligned(const py::array& a) {
  return (a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

// (rows, columns) of T or uint8, contiguous within a row.
template <class T>
InputView input_view(const py::array& a, std::ptrdiff_t columns) {
  const bool is_uint8 = holds<std::uint8_t>(a);
  const std::ptrdiff_t size = is_uint8 ? 1 : sizeof(T);
  expect(is_uint8 || holds<T>(a), "x: expected the network's dtype or uint8");
  expect(a.ndim() == 2 && a.shape(1) == columns, "x: expected two dimensions, (rows, inputs)");
  const bool strided = a.shape(0) > 1;
  expect(a.shape(0) == 0 || (aligned(a) && (columns < 2 || a.strides(1) == size) && (!strided || a.strides(0) % size == 0)),
         "x: expected an aligned array with unit stride in its rows");
  return {.data = a.data(), .is_uint8 = is_uint8, .rows = a.shape(0), .columns = columns,
          .row_stride = strided ? a.strides(0) / size : columns};
}

// (rows, columns) of any type of numbers, in any byte order, with any strides.
inline InputView byte_view(const py::array& a, std::ptrdiff_t columns) {
  expect(a.ndim() == 2 && a.shape(1) == columns, "array: expected two dimensions, of so many columns");
  const auto native = py::reinterpret_steal<py::dtype>(a.dtype().attr("newbyteorder")("=").release());
  const std::pair<py::dtype, Element> kinds[] = {
      {py::dtype::of<std::int8_t>(), Element::int8},     {py::dtype::of<std::int16_t>(), Element::int16},
      {py::dtype::of<std::int32_t>(), Element::int32},   {py::dtype::of<std::int64_t>(), Element::int64},
      {py::dtype::of<std::uint8_t>(), Element::uint8},   {py::dtype::of<std::uint16_t>(), Element::uint16},
      {py::dtype::of<std::uint32_t>(), Element::uint32}, {py::dtype::of<std::uint64_t>(), Element::uint64},
      {py::dtype::of<bool>(), Element::uint8},           {py::dtype("e"), Element::float16},
      {py::dtype::of<float>(), Element::float32},        {py::dtype::of<double>(), Element::float64}};
  for (const auto& [type, element] : kinds)
    if (native.equal(type))
      return {.data = a.data(), .is_uint8 = false, .rows = a.shape(0), .columns = columns, .row_stride = a.strides(0),
              .element = element, .column_stride = a.strides(1), .byte_swapped = !a.dtype().equal(native)};
  throw std::invalid_argument("array: expected numbers of a type that can be read in place");
}

// (rows, columns) of any type of numbers, as training reads them.
template <class T>
InputView any_view(const py::array& a, std::ptrdiff_t columns) {
  if ((holds<std::uint8_t>(a) || holds<T>(a)) && aligned(a)) {
    const std::ptrdiff_t size = holds<std::uint8_t>(a) ? 1 : sizeof(T);
    const bool strided = a.ndim() == 2 && a.shape(0) > 1;
    if (a.ndim() == 2 && (columns < 2 || a.strides(1) == size) && (!strided || a.strides(0) % size == 0))
      return input_view<T>(a, columns);
  }
  return byte_view(a, columns);
}

// A C-contiguous array of n elements, or null for None.
template <class T>
const T* elements(const py::object& o, std::ptrdiff_t n, const char* what) {
  if (o.is_none()) return nullptr;
  expect(py::isinstance<py::array>(o), what);
  const auto a = py::reinterpret_borrow<py::array>(o);
  expect(holds<T>(a) && a.size() == n && aligned(a) && (a.flags() & py::array::c_style), what);
  return static_cast<const T*>(a.data());
}

template <class T>
T* writable(const py::object& o, std::ptrdiff_t n, const char* what) {
  const T* p = elements<T>(o, n, what);
  if (p) expect(py::reinterpret_borrow<py::array>(o).writeable(), what);
  return const_cast<T*>(p);
}

// Class labels, or values that can be copied, or values that are converted row by row.
template <class T>
Targets<T> targets(const py::object& labels, const py::object& values, std::ptrdiff_t rows, std::ptrdiff_t outputs) {
  expect(labels.is_none() != values.is_none(), "targets: expected labels or values");
  if (values.is_none())
    return {elements<std::int64_t>(labels, rows, "labels: expected int64 of shape (rows,)"), nullptr};
  expect(py::isinstance<py::array>(values), "values: expected an array");
  const auto a = py::reinterpret_borrow<py::array>(values);
  expect(a.ndim() == 2 && a.shape(0) == rows && a.shape(1) == outputs, "values: expected shape (rows, outputs)");
  if (holds<T>(a) && aligned(a) && (a.flags() & py::array::c_style)) return {nullptr, static_cast<const T*>(a.data())};
  return {.labels = nullptr, .values = nullptr, .other_values = byte_view(a, outputs)};
}

}  // namespace fw
