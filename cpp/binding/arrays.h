// NumPy arrays as views, checked: whatever Python hands over, nothing is read or written outside it.
// The sentences for users come from network.py; these guard what it passes on.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <utility>

#include "../net/matrix.h"

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

// (rows, columns) of T or uint8 with unit stride in the rows.
template <class T>
InputView input_view(const py::array& a, std::ptrdiff_t columns) {
  const bool is_uint8 = holds<std::uint8_t>(a);
  const std::ptrdiff_t size = is_uint8 ? 1 : sizeof(T);
  expect(is_uint8 || holds<T>(a), "x: expected the network's dtype or uint8");
  expect(a.ndim() == 2 && a.shape(1) == columns, "x: expected two dimensions, (rows, inputs)");
  const bool walks = a.shape(0) > 1;
  expect(a.shape(0) == 0 || (aligned(a) && (columns < 2 || a.strides(1) == size) && (!walks || a.strides(0) % size == 0)),
         "x: expected an aligned array with unit stride in its rows");
  return {a.data(), is_uint8, a.shape(0), columns, walks ? a.strides(0) / size : columns};
}

// (rows, columns) of any type of numbers, as training reads them: elements aligned, strides of any kind.
template <class T>
InputView any_view(const py::array& a, std::ptrdiff_t columns) {
  if (holds<std::uint8_t>(a) || holds<T>(a)) {
    const std::ptrdiff_t size = holds<std::uint8_t>(a) ? 1 : sizeof(T);
    const bool walks = a.ndim() == 2 && a.shape(0) > 1;
    if (a.ndim() == 2 && (columns < 2 || a.strides(1) == size) && (!walks || a.strides(0) % size == 0))
      return input_view<T>(a, columns);
  }
  expect(a.ndim() == 2 && a.shape(1) == columns, "x: expected two dimensions, (rows, inputs)");
  expect(a.shape(0) == 0 || aligned(a), "x: expected an aligned array");
  const std::pair<bool, Element> kinds[] = {
      {holds<std::int8_t>(a), Element::int8},     {holds<std::int16_t>(a), Element::int16},
      {holds<std::int32_t>(a), Element::int32},   {holds<std::int64_t>(a), Element::int64},
      {holds<std::uint8_t>(a), Element::uint8},   {holds<std::uint16_t>(a), Element::uint16},
      {holds<std::uint32_t>(a), Element::uint32}, {holds<std::uint64_t>(a), Element::uint64},
      {holds<bool>(a), Element::uint8},           {a.dtype().equal(py::dtype("e")), Element::float16},
      {holds<float>(a), Element::float32},        {holds<double>(a), Element::float64}};
  for (const auto& [is, element] : kinds)
    if (is) return {a.data(), false, a.shape(0), columns, a.strides(0), element, a.strides(1)};
  throw std::invalid_argument("x: expected numbers of a type that can be read in place");
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

}  // namespace fw
