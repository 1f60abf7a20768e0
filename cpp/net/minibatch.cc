#include "minibatch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>
#include <utility>

#include "convert.h"
#include "philox.h"
#include "workspace.h"

namespace fw {
namespace {

constexpr std::ptrdiff_t kCacheLine = 64;             // bytes
constexpr std::ptrdiff_t kConvertPrefetchRows = 16;   // prefetching into the L2 cache only gained nothing

// The smallest and the largest target that a loss takes.
template <class T>
std::pair<T, T> target_range(int loss) {
  constexpr T most = std::numeric_limits<T>::max();
  switch (loss) {
    case loss_binary_cross_entropy: return {T(0), T(1)};
    case loss_cross_entropy:
    case loss_poisson: return {T(0), most};
    default: return {-most, most};
  }
}

// Reports values that the loss can't take in one row of targets, panel-major.
template <class T>
void check_values(Workspace<T>& w, const T* target, std::ptrdiff_t row) {
  const LossOptions& loss = w.objective.loss;
  const std::ptrdiff_t outputs = w.network().layers().back().outputs;
  const auto [least, most] = target_range<T>(loss.kind);
  const auto report = [&](T value) { w.invalid.report({.of = Invalid::Of::values, .row = row, .value = double(value)}); };
  double sum = 0;
  for (std::ptrdiff_t p = 0; p < panels_of(outputs); ++p)
    for (std::ptrdiff_t o = 0; o < std::min(std::ptrdiff_t(kPanel), outputs - p * kPanel); ++o) {
      const T value = target[p * w.capacity * kPanel + o];
      if (!(value >= least && value <= most)) return report(value);
      sum += double(value);
    }
  if (loss.kind == loss_cross_entropy && !(std::abs(sum - 1) < 2e-3)) report(target[0]);
}

// Bytes from one element of a row to the next.
template <class T>
std::ptrdiff_t element_stride(const InputView& x) {
  if (x.element != Element::native) return x.column_stride;
  return x.is_uint8 ? 1 : std::ptrdiff_t(sizeof(T));
}

}  // namespace

std::string describe(const Invalid& invalid, const LossOptions& loss, std::ptrdiff_t outputs) {
  std::ostringstream s;
  s.imbue(std::locale::classic());
  switch (invalid.of) {
    case Invalid::Of::labels: s << "y: expected class labels from 0 to " << outputs - 1; break;
    case Invalid::Of::weights: s << "sample_weight: expected finite weights of at least 0"; break;
    default:
      s << "y: expected ";
      if (loss.kind == loss_cross_entropy) s << "rows of probabilities that sum to 1";
      else if (loss.kind == loss_binary_cross_entropy) s << "values from 0 to 1";
      else if (loss.kind == loss_poisson) s << "finite values of at least 0";
      else s << "finite values";
  }
  s << ", found ";
  if (invalid.of == Invalid::Of::labels) s << invalid.label;
  else s << invalid.value;
  s << " in row " << invalid.row << ": the array was changed while in use";
  return s.str();
}

template <class T>
T valid_row_weight(Workspace<T>& w, const Samples<T>& samples, std::ptrdiff_t row) {
  const T weight = samples.weights[row];
  if (weight >= T(0) && weight <= std::numeric_limits<T>::max()) return weight;
  w.invalid.report({.of = Invalid::Of::weights, .row = row, .value = double(weight)});
  return T(0);
}

template <class T>
bool normalise_row_weights(Workspace<T>& w, Minibatch<T>* batch) {
  const bool weighted = batch->samples.weights;
  T* weight = w.row_weight.data();
  batch->total_weight = T(batch->rows);
  if (weighted) {
    for (std::ptrdiff_t r = 0; r < batch->rows; ++r)
      weight[r] = valid_row_weight(w, batch->samples, batch->row_number(r));
    batch->total_weight = w.kernels().sum(weight, nullptr, batch->rows);
    if (!(batch->total_weight <= std::numeric_limits<T>::max()))  // each weight is valid, but not their sum
      w.invalid.report({.of = Invalid::Of::weights, .row = batch->row_number(0), .value = double(weight[0])});
    if (batch->total_weight == T(0)) return false;
  }
  for (std::ptrdiff_t r = 0; r < batch->rows; ++r)
    w.row_scale.data()[r] = (weighted ? weight[r] : T(1)) / batch->total_weight;
  return true;
}

template <class T>
void gather_pointers(Workspace<T>& w, Minibatch<T>* batch, std::ptrdiff_t column) {
  const Samples<T>& samples = batch->samples;
  const InputView& x = samples.x;
  const std::ptrdiff_t stride = element_stride<T>(x);
  const std::ptrdiff_t row_stride = x.element == Element::native ? x.row_stride * stride : x.row_stride;
  const auto* base = static_cast<const char*>(x.data) + column * stride;
  batch->next_rows = std::min(batch->rows, std::max(std::ptrdiff_t(0), samples.rows() - batch->first - batch->rows));
  for (std::ptrdiff_t r = 0; r < batch->rows + batch->next_rows; ++r) {
    const std::ptrdiff_t i = batch->row_number(r);
    w.row_pointers.data()[r] = base + i * row_stride;
    if (samples.targets.labels && r >= batch->rows) __builtin_prefetch(samples.targets.labels + i);
  }
  if (w.converts(x)) {
    w.reserve_converted(x.columns);
    batch->input = {w.converted.data(), nullptr, w.converted_stride(x.columns), kPanel};
  } else {
    batch->input = {nullptr, reinterpret_cast<const T* const*>(w.row_pointers.data()), 0, kPanel};
    batch->split_prefetch =
        batch->next_rows == batch->rows && batch->rows <= kBatchPrefetchRows && w.layer(0).panels() == 1;
  }
}

template <class T>
Rows<T> convert_rows_to_scratch(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows, ColumnSpan columns,
                                bool dropout) {
  const InputView& x = batch.samples.x;
  Rows<T> in = batch.input;
  if (!w.converts(x)) {
    in.pointers += rows.first;
    return in;
  }
  in.base += rows.first * in.row_stride;
  const RowsOut<T> out = {w.converted.data() + rows.first * in.row_stride + columns.first, in.row_stride, kPanel, true};
  const void* const* pointers = w.row_pointers.data() + rows.first;
  const T scale = w.network().input_scale();
  // Shuffled rows are scattered over memory: convert row by row, and prefetch some rows ahead. Not if each element
  // has a cache line of its own, as in Fortran order: so many prefetches would double the time.
  const std::ptrdiff_t known = batch.rows + batch.next_rows - rows.first, stride = element_stride<T>(x);
  const std::ptrdiff_t bytes = stride > kCacheLine ? 0 : columns.count * stride;
  RowsOut<T> row = out;
  for (std::ptrdiff_t r = 0; r < rows.count; ++r, row.base += row.row_stride) {
    if (r + kConvertPrefetchRows < known)
      for (std::ptrdiff_t b = 0; b < bytes; b += kCacheLine)
        __builtin_prefetch(static_cast<const char*>(pointers[r + kConvertPrefetchRows]) + b);
    if (x.element != Element::native)
      convert_rows(x, pointers + r, 1, columns.count, scale, row);
    else if (x.is_uint8)
      w.kernels().to_panels_u8({static_cast<const std::uint8_t*>(pointers[r]), nullptr, 0, kPanel}, 1, columns.count,
                               scale, row);
    else
      w.kernels().to_panels({static_cast<const T*>(pointers[r]), nullptr, 0, kPanel}, 1, columns.count, scale, row);
  }
  if (dropout && w.objective.drops(0)) {
    DropoutArgs<T> a = dropout_args(w, 0, rows.count, batch.epoch, batch.position + rows.first);
    a.x = {out.base, nullptr, out.row_stride, out.panel_stride};
    a.y = out;
    a.panel = columns.first / kPanel;
    a.columns = columns.count;
    w.kernels().dropout(a);
  }
  return in;
}

template <class T>
void load_targets(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows) {
  const Targets<T>& targets = batch.samples.targets;
  const InputView& others = targets.other_values;
  const LossOptions& loss = w.objective.loss;
  const std::ptrdiff_t outputs = w.network().layers().back().outputs;
  const T* values = targets.upstream_gradient ? targets.upstream_gradient : targets.values;
  T* base = targets.upstream_gradient ? w.layers.back().delta.data() : w.targets.data();
  const T keep = T(1.0 - loss.smoothing), floor = T(loss.smoothing * loss.smooth_to);
  for (std::ptrdiff_t r = rows.first; r < rows.first + rows.count; ++r) {
    const std::ptrdiff_t i = batch.row_number(r);
    const auto element = [&](std::ptrdiff_t o) -> T& {
      return base[(o / kPanel * w.capacity + r) * kPanel + o % kPanel];
    };
    if (others.data) {
      const void* row = static_cast<const char*>(others.data) + i * others.row_stride;
      convert_rows(others, &row, 1, outputs, T(1), {base + r * kPanel, kPanel, w.capacity * kPanel, true});
    } else {
      for (std::ptrdiff_t p = 0; p < panels_of(outputs); ++p) {
        T* to = &element(p * kPanel);
        std::fill_n(to, kPanel, T(0));
        if (!targets.labels)
          std::copy_n(values + i * outputs + p * kPanel,
                      std::min(std::ptrdiff_t(kPanel), outputs - p * kPanel), to);
      }
    }
    if (targets.labels) {
      const std::int64_t label = targets.labels[i];  // may have changed since it was checked
      if (std::uint64_t(label) < std::uint64_t(outputs)) element(label) = T(1);
      else w.invalid.report({.of = Invalid::Of::labels, .row = i, .label = label});
    } else if (!targets.upstream_gradient) {
      check_values(w, base + r * kPanel, i);
    }
    if (loss.smoothing > 0)
      for (std::ptrdiff_t o = 0; o < outputs; ++o) element(o) = element(o) * keep + floor;
  }
}

template <class T>
DropoutArgs<T> dropout_args(const Workspace<T>& w, std::size_t l, std::ptrdiff_t rows, std::uint64_t epoch,
                            std::ptrdiff_t position) {
  const double rate = w.objective.dropout_rates[l];
  DropoutArgs<T> a = {};
  a.rows = rows;
  a.columns = a.width = w.layer(l).inputs;
  a.key = w.objective.dropout_key;
  a.stream = kStreamDropout + (std::uint64_t(l) << 32) + epoch;
  a.position = position;
  a.threshold = std::uint32_t(std::min(rate * 0x1p32, 0x1p32 - 1));
  a.scale = T(1.0 / (1.0 - rate));
  return a;
}

template <class T>
void drop_input_gradient(Workspace<T>& w, const Minibatch<T>& batch, T* dx, RowSpan rows) {
  DropoutArgs<T> a = dropout_args(w, 0, 1, batch.epoch, batch.position);
  Buffer<T> row;
  const std::size_t size = Panels<T>::size(1, a.columns);
  T* to = row.reserve(size);
  a.x = {to, nullptr, kPanel, kPanel};
  a.y = {to, kPanel, kPanel, true};
  for (std::ptrdiff_t r = rows.first; r < rows.first + rows.count; ++r) {
    a.position = batch.position + r;
    std::fill(std::copy_n(dx + r * a.columns, a.columns, to), to + size, T(0));
    w.kernels().dropout(a);
    std::copy_n(to, a.columns, dx + r * a.columns);
  }
}

FW_INSTANTIATE(valid_row_weight)
FW_INSTANTIATE(normalise_row_weights)
FW_INSTANTIATE(gather_pointers)
FW_INSTANTIATE(convert_rows_to_scratch)
FW_INSTANTIATE(load_targets)
FW_INSTANTIATE(dropout_args)
FW_INSTANTIATE(drop_input_gradient)

}  // namespace fw
