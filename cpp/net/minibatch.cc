// What a mini-batch is made of: rows where the caller has them or staged, weights, targets, dropout's masks.
#include <algorithm>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>
#include <utility>

#include "convert.h"
#include "philox.h"
#include "trainer.h"

namespace fw {
namespace {

// From which value to which the targets of a loss may be.
template <class T>
std::pair<T, T> limits_of(int loss) {
  constexpr T most = std::numeric_limits<T>::max();
  switch (loss) {
    case loss_binary_cross_entropy: return {T(0), T(1)};
    case loss_cross_entropy:
    case loss_poisson: return {T(0), most};
    default: return {-most, most};
  }
}

constexpr std::ptrdiff_t kLine = 64;  // bytes of a cache line
constexpr std::ptrdiff_t kStageAhead = 16;  // rows; asking for the second-level cache alone gained nothing

// Elements from one staged row to the next: row by row, since panels of many rows are far apart, and a panel more
// than there are, so that rows don't lie a multiple of 4096 bytes apart.
std::ptrdiff_t staged_stride(std::ptrdiff_t columns) { return (panels_of(columns) + 1) * kPanel; }

}  // namespace

template <class T>
void Trainer<T>::drop(const std::vector<double>& rates, std::uint64_t key) {
  rates_ = rates;
  drop_key_ = key;
  dropped_.clear();
  factors_.clear();
  for (std::size_t l = 0; l < rates.size(); ++l)
    for (auto* buffers : {&dropped_, &factors_}) {
      buffers->push_back(std::make_unique<Buffer<T>>());
      if (l && rates[l] > 0) buffers->back()->reserve(Panels<T>::size(capacity_, network_.layers()[l].inputs));
    }
  second_.reset();
}

template <class T>
DropArgs<T> Trainer<T>::drop_args(std::size_t l, std::ptrdiff_t rows, std::ptrdiff_t position) const {
  DropArgs<T> a = {};
  a.rows = rows;
  a.columns = a.width = network_.layers()[l].inputs;
  a.key = drop_key_;
  a.stream = kStreamDropout + (std::uint64_t(l) << 32) + epoch_;
  a.position = position_ + position;
  a.threshold = std::uint32_t(std::min(rates_[l] * 0x1p32, 0x1p32 - 1));
  a.scale = T(1.0 / (1.0 - rates_[l]));
  return a;
}

// A row's weight, 0 if it is none.
template <class T>
T Trainer<T>::weight_of(const Data& data, std::ptrdiff_t row) {
  const T weight = data.weights[row];
  if (weight >= T(0) && weight <= std::numeric_limits<T>::max()) return weight;
  note_invalid({Invalid::Of::weights, row, double(weight)});
  return T(0);
}

// A row of targets that are values must be what the loss takes.
template <class T>
void Trainer<T>::check_values(const T* target, std::ptrdiff_t row) {
  const std::ptrdiff_t outputs = network_.layers().back().outputs;
  const auto [least, most] = limits_of<T>(loss_.kind);
  double sum = 0;
  for (std::ptrdiff_t p = 0; p < panels_of(outputs); ++p)
    for (std::ptrdiff_t o = 0; o < std::min(std::ptrdiff_t(kPanel), outputs - p * kPanel); ++o) {
      const T value = target[p * capacity_ * kPanel + o];
      if (!(value >= least && value <= most)) return note_invalid({Invalid::Of::values, row, double(value)});
      sum += double(value);
    }
  if (loss_.kind == loss_cross_entropy && !(std::abs(sum - 1) < 2e-3))
    note_invalid({Invalid::Of::values, row, double(target[0])});
}

template <class T>
std::string Trainer<T>::sentence(const Invalid& invalid) const {
  std::ostringstream s;
  s.imbue(std::locale::classic());
  const std::ptrdiff_t outputs = network_.layers().back().outputs;
  switch (invalid.of) {
    case Invalid::Of::labels: s << "y: expected class labels from 0 to " << outputs - 1; break;
    case Invalid::Of::weights: s << "sample_weight: expected finite weights of at least 0"; break;
    default:
      s << "y: expected ";
      if (loss_.kind == loss_cross_entropy) s << "rows of probabilities that sum to 1";
      else if (loss_.kind == loss_binary_cross_entropy) s << "values from 0 to 1";
      else if (loss_.kind == loss_poisson) s << "finite values of at least 0";
      else s << "finite values";
  }
  s << ", found ";
  if (invalid.of == Invalid::Of::labels) s << invalid.label;
  else s << invalid.value;
  s << " in row " << invalid.row << ": the array was changed while in use";
  return s.str();
}

// The batch's weights, their sum and each row's share. False if the sum is 0: nothing to learn.
template <class T>
bool Trainer<T>::weigh(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                       Batch* batch) {
  batch->total_weight = T(batch->rows);
  if (data.weights) {
    for (std::ptrdiff_t r = 0; r < batch->rows; ++r)
      weight_.data()[r] = weight_of(data, index ? index[first + r] : first + r);
    batch->total_weight = kernels().sum(weight_.data(), nullptr, batch->rows);
    if (!(batch->total_weight <= std::numeric_limits<T>::max()))  // valid one by one
      note_invalid({Invalid::Of::weights, index ? index[first] : first, double(weight_.data()[0])});
    if (batch->total_weight == T(0)) return false;
  }
  for (std::ptrdiff_t r = 0; r < batch->rows; ++r)
    scale_.data()[r] = (data.weights ? weight_.data()[r] : T(1)) / batch->total_weight;
  return true;
}

template <class T>
T* Trainer<T>::room_to_stage(const InputView& x) {
  return staged_.reserve(std::size_t(capacity_ * staged_stride(x.columns)));
}

// Where the first layer finds the batch's rows: in the caller's array, by pointers, or staged there, the
// pointers being to what is to be staged of each row, from a column on.
template <class T>
void Trainer<T>::point(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                       Batch* batch, std::ptrdiff_t column) {
  const InputView& x = data.x;
  const bool native = x.element == Element::native;
  const std::ptrdiff_t size = !native ? 1 : x.is_uint8 ? 1 : std::ptrdiff_t(sizeof(T));  // strides' unit, in bytes
  const auto* base = static_cast<const char*>(x.data) + column * (native ? size : x.step);
  // of the batch that follows, too: its rows are prefetched while this one's are used
  batch->next = std::min(batch->rows, std::max(std::ptrdiff_t(0), data.rows() - first - batch->rows));
  for (std::ptrdiff_t r = 0; r < batch->rows + batch->next; ++r) {
    const std::ptrdiff_t i = index ? index[first + r] : first + r;
    pointers_.data()[r] = base + i * x.row_stride * size;
    if (data.targets.labels && r >= batch->rows) __builtin_prefetch(data.targets.labels + i);
  }
  if (stages(x)) {
    batch->input = {room_to_stage(x), nullptr, staged_stride(x.columns), kPanel};
  } else {
    batch->input = {nullptr, reinterpret_cast<const T* const*>(pointers_.data()), 0, kPanel};
    batch->shares = batch->next == batch->rows && batch->rows <= kBatchAhead && network_.layers()[0].panels() == 1;
  }
}

template <class T>
void Trainer<T>::load_targets(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                              std::ptrdiff_t from, std::ptrdiff_t rows) {
  const std::ptrdiff_t outputs = network_.layers().back().outputs;
  const InputView& others = data.targets.others;
  const T* values = data.targets.upstream ? data.targets.upstream : data.targets.values;
  T* base = data.targets.upstream ? deltas_.back()->data() : targets_.data();
  const T keep = T(1.0 - loss_.smoothing), floor = T(loss_.smoothing * loss_.smooth_to);
  for (std::ptrdiff_t r = from; r < from + rows; ++r) {
    const std::ptrdiff_t i = index ? index[first + r] : first + r;
    if (others.data) {
      const void* row = static_cast<const char*>(others.data) + i * others.row_stride;
      convert_rows(others, &row, 1, outputs, T(1), {base + r * kPanel, kPanel, capacity_ * kPanel, true});
    } else {
      for (std::ptrdiff_t p = 0; p < panels_of(outputs); ++p) {
        T* to = base + (p * capacity_ + r) * kPanel;
        std::fill_n(to, kPanel, T(0));
        if (!data.targets.labels)
          std::copy_n(values + i * outputs + p * kPanel,
                      std::min(std::ptrdiff_t(kPanel), outputs - p * kPanel), to);
      }
    }
    if (data.targets.labels) {
      const std::int64_t o = data.targets.labels[i];  // which may have changed since it was checked
      if (std::uint64_t(o) < std::uint64_t(outputs))
        targets_.data()[(o / kPanel * capacity_ + r) * kPanel + o % kPanel] = T(1);
      else
        note_invalid({Invalid::Of::labels, i, 0, o});
    } else if (!data.targets.upstream) {
      check_values(base + r * kPanel, i);
    }
    if (loss_.smoothing > 0)
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        T& t = base[(o / kPanel * capacity_ + r) * kPanel + o % kPanel];
        t = t * keep + floor;
      }
  }
}

// Some columns of some rows, converted and scaled, and those rows as the first layer reads them.
template <class T>
Rows<T> Trainer<T>::stage(const Data& data, const Batch& batch, std::ptrdiff_t from,
                          std::ptrdiff_t rows, std::ptrdiff_t column, std::ptrdiff_t columns,
                          std::ptrdiff_t first, bool dropping) {
  Rows<T> in = batch.input;
  if (!stages(data.x)) {
    in.pointers += from;
    return in;
  }
  in.base += from * in.row_stride;
  const RowsOut<T> to = {staged_.data() + from * in.row_stride + column, in.row_stride, kPanel, true};
  const void* const* pointers = pointers_.data() + from;
  const Kernels<T>& k = kernels();
  const T scale = network_.input_scale();
  // row by row, and each asked for some rows before its use: they are strewn over memory by the shuffle
  const std::ptrdiff_t known = batch.rows + batch.next - from;
  const std::ptrdiff_t step = data.x.element != Element::native ? data.x.step
                              : data.x.is_uint8                 ? 1
                                                                : std::ptrdiff_t(sizeof(T));
  // columns that lie apart, as in Fortran order, have a cache line each: prefetching so many makes it twice as slow
  const std::ptrdiff_t bytes = step > kLine ? 0 : columns * step;
  RowsOut<T> row = to;
  for (std::ptrdiff_t r = 0; r < rows; ++r, row.base += row.row_stride) {
    if (r + kStageAhead < known)
      for (std::ptrdiff_t b = 0; b < bytes; b += kLine)
        __builtin_prefetch(static_cast<const char*>(pointers[r + kStageAhead]) + b);
    if (data.x.element != Element::native)
      convert_rows(data.x, pointers + r, 1, columns, scale, row);
    else if (data.x.is_uint8)
      k.stage_u8({static_cast<const std::uint8_t*>(pointers[r]), nullptr, 0, kPanel}, 1, columns, scale, row);
    else
      k.stage({static_cast<const T*>(pointers[r]), nullptr, 0, kPanel}, 1, columns, scale, row);
  }
  if (dropping && drops(0)) {
    DropArgs<T> a = drop_args(0, rows, first + from);
    a.x = {to.base, nullptr, to.row_stride, to.panel_stride};
    a.y = to;
    a.panel = column / kPanel;
    a.columns = columns;
    kernels().drop(a);
  }
  return in;
}

// The gradients of some inputs through their masks.
template <class T>
void Trainer<T>::drop_gradient(T* dx, std::ptrdiff_t from, std::ptrdiff_t rows) {
  DropArgs<T> a = drop_args(0, 1, 0);
  Buffer<T> row;
  T* to = row.reserve(Panels<T>::size(1, a.columns));
  a.x = {to, nullptr, kPanel, kPanel};
  a.y = {to, kPanel, kPanel, true};
  const std::ptrdiff_t first = a.position;
  for (std::ptrdiff_t r = from; r < from + rows; ++r) {
    a.position = first + r;
    std::fill(std::copy_n(dx + r * a.columns, a.columns, to), to + Panels<T>::size(1, a.columns), T(0));
    kernels().drop(a);
    std::copy_n(to, a.columns, dx + r * a.columns);
  }
}

#define FW_BATCH(T)                                                            \
  template void Trainer<T>::drop(const std::vector<double>&, std::uint64_t);   \
  template DropArgs<T> Trainer<T>::drop_args(std::size_t, std::ptrdiff_t, std::ptrdiff_t) const; \
  template void Trainer<T>::drop_gradient(T*, std::ptrdiff_t, std::ptrdiff_t); \
  template bool Trainer<T>::weigh(const Data&, const std::int64_t*, std::ptrdiff_t, Batch*); \
  template std::string Trainer<T>::sentence(const Invalid&) const;             \
  template T Trainer<T>::weight_of(const Data&, std::ptrdiff_t);               \
  template void Trainer<T>::check_values(const T*, std::ptrdiff_t);            \
  template T* Trainer<T>::room_to_stage(const InputView&);                     \
  template void Trainer<T>::point(const Data&, const std::int64_t*, std::ptrdiff_t, Batch*, std::ptrdiff_t); \
  template void Trainer<T>::load_targets(const Data&, const std::int64_t*, std::ptrdiff_t, std::ptrdiff_t, \
                                         std::ptrdiff_t);                      \
  template Rows<T> Trainer<T>::stage(const Data&, const Batch&, std::ptrdiff_t, std::ptrdiff_t, \
                                     std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, bool);
FW_BATCH(float)
FW_BATCH(double)

}  // namespace fw
