// The kernels' oracle: plain functions in a wider type, the sum rule spelled out one term at a
// time, and matrices that notice what is written where it should not be.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include "../kernels/dispatch.h"
#include "../net/float_environment.h"
#include "check.h"

namespace plain {

// double for float; for double long double, wider still on x86 and ARM
template <class T>
using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;
template <class T>
constexpr Wide<T> unit = sizeof(T) == 4 ? Wide<T>(0x1p-24) : Wide<T>(0x1p-53);

using fw::panels_of;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2654435761u + 88172645463325252ull) {}
  double operator()(double from, double to) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return from + (to - from) * double(state_ >> 11) * 0x1p-53;
  }

 private:
  std::uint64_t state_;
};

enum Layout { row_major, row_major_loose, panel_major, by_pointers };

// A matrix in one of the layouts. Inputs end where their last element does, for the address
// sanitizer to see; outputs have a guard on either side, and intact() says whether anything was
// written outside of what may be.
template <class T>
class Matrix {
 public:
  Matrix(std::ptrdiff_t rows, std::ptrdiff_t columns, Layout layout, bool output = false)
      : rows_(rows), columns_(columns), layout_(layout), guard_(output ? kGuard : 0) {
    row_stride_ = layout == panel_major ? fw::kPanel : columns + (layout == row_major ? 0 : 3);
    const std::ptrdiff_t capacity = rows + (output ? 3 : 0);
    panel_stride_ = layout == panel_major ? capacity * fw::kPanel : fw::kPanel;
    const std::ptrdiff_t size = layout == panel_major ? capacity * fw::kPanel * panels_of(columns)
                                                      : (rows - 1) * row_stride_ + columns;
    data_.assign(std::size_t(size + 2 * guard_), output ? sentinel() : T(0));
    if (layout == by_pointers)  // rows from last to first
      for (std::ptrdiff_t r = 0; r < rows; ++r)
        pointers_.push_back(base() + (rows - 1 - r) * row_stride_);
  }
  T& operator()(std::ptrdiff_t r, std::ptrdiff_t c) { return data_[index(r, c)]; }
  const T& operator()(std::ptrdiff_t r, std::ptrdiff_t c) const { return data_[index(r, c)]; }
  void fill(Random& random, double from, double to) {
    for (std::ptrdiff_t r = 0; r < rows_; ++r)
      for (std::ptrdiff_t c = 0; c < columns_; ++c) (*this)(r, c) = T(random(from, to));
  }
  fw::Rows<T> rows() const {
    if (layout_ == by_pointers) return {nullptr, pointers_.data(), 0, panel_stride_};
    return {base(), nullptr, row_stride_, panel_stride_};
  }
  fw::RowsOut<T> out() { return {base(), row_stride_, panel_stride_, layout_ == panel_major}; }
  std::vector<T> values() const {
    std::vector<T> v;
    for (std::ptrdiff_t r = 0; r < rows_; ++r)
      for (std::ptrdiff_t c = 0; c < columns_; ++c) v.push_back((*this)(r, c));
    return v;
  }
  // the lanes past the last column, where they belong to the matrix
  bool padding_is_zero() const {
    for (std::ptrdiff_t r = 0; r < rows_ && layout_ == panel_major; ++r)
      for (std::ptrdiff_t c = columns_; c % fw::kPanel; ++c)
        if ((*this)(r, c) != T(0)) return false;
    return true;
  }
  bool intact() const {
    std::vector<char> ours(data_.size(), 0);
    const std::ptrdiff_t end =
        layout_ == panel_major ? panels_of(columns_) * fw::kPanel : columns_;
    for (std::ptrdiff_t r = 0; r < rows_; ++r)
      for (std::ptrdiff_t c = 0; c < end; ++c) ours[index(r, c)] = 1;
    for (std::size_t i = 0; i < data_.size(); ++i)
      if (!ours[i] && data_[i] != sentinel()) return false;
    return true;
  }
  void spoil() { data_.back() = T(0); }

 private:
  static constexpr std::ptrdiff_t kGuard = 33;  // also misaligns what lies between
  static T sentinel() { return T(-12345.75); }
  T* base() { return data_.data() + guard_; }
  const T* base() const { return data_.data() + guard_; }
  std::size_t index(std::ptrdiff_t r, std::ptrdiff_t c) const {
    if (layout_ == by_pointers) r = rows_ - 1 - r;
    return std::size_t(guard_ + r * row_stride_ + (c / fw::kPanel) * panel_stride_ +
                       c % fw::kPanel);
  }
  std::ptrdiff_t rows_, columns_;
  Layout layout_;
  std::ptrdiff_t guard_, row_stride_, panel_stride_;
  std::vector<T> data_;
  std::vector<const T*> pointers_;
};

// n sums of products in the table's order; term(i, chain) is one step of a block's chain
template <class T, class Term>
T sum_rule(std::ptrdiff_t n, const Term& term) {
  std::vector<T> blocks;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    if (i % fw::kBlock == 0) blocks.push_back(T(0));
    blocks.back() = term(i, blocks.back());
  }
  const std::size_t half = (blocks.size() + 1) / 2;
  T halves[2] = {0, 0};
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    T& to = halves[b >= half];
    to = b == 0 || b == half ? blocks[b] : to + blocks[b];
  }
  return blocks.size() < 2 ? halves[0] : halves[0] + halves[1];
}

template <class W>
W value(int activation, W z) {
  const W tail = std::erfc(-z / std::sqrt(W(2))) / 2;
  switch (activation) {
    case fw::act_identity: return z;
    case fw::act_sigmoid: return 1 / (1 + std::exp(-z));
    case fw::act_relu: return z > 0 ? z : 0;
    case fw::act_tanh: return std::tanh(z);
    case fw::act_leaky_relu: return z > 0 ? z : z * W(0.01L);
    case fw::act_elu: return z > 0 ? z : std::expm1(z);
    case fw::act_gelu: return z * tail;
    case fw::act_silu: return z / (1 + std::exp(-z));
    case fw::act_softplus: return std::log1p(std::exp(z));
    case fw::act_exp: return std::exp(z);
  }
  return W(NAN);
}

// of y or z, whichever the kernel takes
template <class W>
W slope(int activation, W v) {
  const W s = 1 / (1 + std::exp(-v));
  switch (activation) {
    case fw::act_identity: return 1;
    case fw::act_sigmoid: return v * (1 - v);
    case fw::act_relu: return v > 0 ? 1 : 0;
    case fw::act_tanh: return 1 - v * v;
    case fw::act_leaky_relu: return v > 0 ? W(1) : W(0.01L);
    case fw::act_elu: return v > 0 ? 1 : v + 1;
    case fw::act_gelu:
      return std::erfc(-v / std::sqrt(W(2))) / 2 +
             v * std::exp(-v * v / 2) / std::sqrt(2 * std::acos(W(-1)));
    case fw::act_silu: return s * (1 + v * (1 - s));
    case fw::act_softplus: return s;
    case fw::act_exp: return v;
  }
  return W(NAN);
}

// what a y of that activation can be, for tests that make one up
inline double least_output(int activation) {
  return activation == fw::act_sigmoid ? 0 : activation == fw::act_relu ? 0 : -0.99;
}

// The record of instruction sets: a test notes each table whose kernels it calls, and fails at the
// end when one that can run here was not called.
inline std::vector<std::string>& record() {
  static std::vector<std::string> names;
  return names;
}
inline void exercised(const fw::KernelTable* table) {
  for (const std::string& name : record())
    if (name == table->name) return;
  record().emplace_back(table->name);
}
inline bool complete(const std::vector<std::string>& names) {
  for (const fw::KernelTable* table : fw::available_isas())
    if (std::find(names.begin(), names.end(), table->name) == names.end()) return false;
  return true;
}
inline int finish(const char* name) {
  std::printf("instruction sets exercised:");
  for (const std::string& isa : record()) std::printf(" %s", isa.c_str());
  std::printf("\n");
  CHECK(complete(record()));
  std::vector<std::string> fewer = record();
  if (!fewer.empty()) fewer.pop_back();
  CHECK(!complete(fewer));
  return check::finish(name);
}

template <class T>
const fw::Kernels<T>& kernels(const fw::KernelTable& table) {
  if constexpr (sizeof(T) == 4) return table.f32;
  else return table.f64;
}

}  // namespace plain
