#include "network.h"

#include <algorithm>
#include <cmath>
#include <atomic>

#include "philox.h"
#include "thread_pool.h"

namespace fw {
namespace {

// Below this many multiply-adds, about 50 microseconds of one core, a second thread does not repay
// being woken (8 to 16 microseconds).
constexpr double kThreadWork = 5e6;

constexpr std::ptrdiff_t kNarrow = 2;        // panels of a layer that reads bytes itself
constexpr std::ptrdiff_t kSmallRow = 1024;   // widest layer of a net whose row needs no scratch
// From so many weights on one row is worth sharing (its weights take 10 microseconds to be read), and from so
// many a layer of it.
constexpr std::ptrdiff_t kSharedRow = 300000, kSharedLayer = 50000;
// Of so many bytes of parameters a good part stays in the second-level cache from one call to the next, and
// of twice as many for each of several threads.
constexpr std::ptrdiff_t kNear = 2000000;
constexpr std::ptrdiff_t kPrefetchRows = 16;  // how far ahead of their use input rows are asked for

template <class T>
Buffer<T>& scratch() {
  thread_local Buffer<T> buffer;
  return buffer;
}

}  // namespace

template <class T>
Network<T>::Network(const std::vector<std::ptrdiff_t>& sizes, const std::vector<int>& activations,
                    bool softmax, double input_scale, const KernelTable& table, int threads)
    : table_(&table), softmax_(softmax), input_scale_(T(input_scale)), threads_(threads) {
  for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
    Layer layer = {sizes[l], sizes[l + 1], activations[l], packed_size_, 0};
    layer.bias = layer.weights + layer.panels() * layer.inputs * kPanel;
    packed_size_ = layer.bias + layer.panels() * kPanel;
    widest_ = std::max({widest_, layer.inputs, layer.outputs});
    layers_.push_back(layer);
  }
  parameters_.reserve(std::size_t(packed_size_ + (far(1) ? kFarSlack : 0)));
}

template <class T>
int Network<T>::threads_for(std::ptrdiff_t rows, int passes) const {
  if (threads() <= 1) return 1;
  const double work = double(rows) * double(packed_size_) * passes;
  return work < kThreadWork ? 1 : int(std::min(double(threads()), work / kThreadWork + 1));
}

template <class T>
bool Network<T>::far(int threads) const {
  return packed_size_ * std::ptrdiff_t(sizeof(T)) > kNear * (threads > 1 ? 2 * threads : 1);
}

template <class T>
int Network<T>::row_threads() const {
  if (threads() <= 1 || packed_size_ < kSharedRow) return 1;
  if (threads_for(1, 1) == 1 && !follows_closely()) return 1;
  return int(std::min<std::ptrdiff_t>(threads(), 2 * packed_size_ / kSharedRow));
}

template <class T>
void Network<T>::initialize(std::size_t l, std::uint64_t key, double limit) {
  const Layer& a = layers_[l];
  const Philox random(key);
  T* w = parameters_.data() + a.weights;
  for (std::ptrdiff_t o = 0; o < a.outputs; ++o)
    for (std::ptrdiff_t k = 0; k < a.inputs; ++k) {
      const double u = random.uniform(kStreamInitial + l, std::uint64_t(o * a.inputs + k));
      w[((o / kPanel) * a.inputs + k) * kPanel + o % kPanel] = T((2.0 * u - 1.0) * limit);
    }
  std::fill_n(parameters_.data() + a.bias, a.panels() * kPanel, T(0));
}

template <class T>
void Network<T>::unpack_weights(std::size_t l, const T* packed, T* to) const {
  const Layer& a = layers_[l];
  const T* w = packed + a.weights;
  for (std::ptrdiff_t o = 0; o < a.outputs; ++o)
    for (std::ptrdiff_t k = 0; k < a.inputs; ++k)
      to[o * a.inputs + k] = w[((o / kPanel) * a.inputs + k) * kPanel + o % kPanel];
}

template <class T>
void Network<T>::pack_weights(std::size_t l, const T* from, T* packed) const {
  const Layer& a = layers_[l];
  T* w = packed + a.weights;
  for (std::ptrdiff_t o = 0; o < a.outputs; ++o)
    for (std::ptrdiff_t k = 0; k < a.inputs; ++k)
      w[((o / kPanel) * a.inputs + k) * kPanel + o % kPanel] = from[o * a.inputs + k];
}

template <class T>
void Network<T>::clear_padding(T* packed) const {
  for (const Layer& a : layers_) {
    const std::ptrdiff_t used = a.outputs % kPanel;
    if (used == 0) continue;
    const auto clear = [&](T* panel) { std::fill(panel + used, panel + kPanel, T(0)); };
    const std::ptrdiff_t last = (a.panels() - 1) * kPanel;
    for (std::ptrdiff_t k = 0; k < a.inputs; ++k) clear(packed + a.weights + last * a.inputs + k * kPanel);
    clear(packed + a.bias + last);
  }
}

template <class T>
bool Network<T>::finite_parameters() const {
  if (kernels().finite(parameters(), packed_size_)) return true;
  for (const Layer& a : layers_)
    for (std::ptrdiff_t o = 0; o < a.outputs; ++o) {
      const T* w = parameters() + a.weights + (o / kPanel) * a.inputs * kPanel + o % kPanel;
      for (std::ptrdiff_t k = 0; k < a.inputs; ++k)
        if (!std::isfinite(w[k * kPanel])) return false;
      if (!std::isfinite(parameters()[a.bias + o])) return false;
    }
  return true;
}

template <class T>
void Network<T>::get_bias(std::size_t l, T* to) const {
  std::copy_n(parameters_.data() + layers_[l].bias, layers_[l].outputs, to);
}

template <class T>
void Network<T>::set_bias(std::size_t l, const T* from) {
  std::copy_n(from, layers_[l].outputs, parameters_.data() + layers_[l].bias);
}

template <class T>
Rows<T> Network<T>::input_rows(const InputView& x, std::ptrdiff_t first, std::ptrdiff_t rows,
                               const Panels<T>& staged) const {
  if (x.is_uint8) {
    const auto* from = static_cast<const std::uint8_t*>(x.data) + first * x.row_stride;
    kernels().stage_u8({from, nullptr, x.row_stride, kPanel}, rows, x.columns, input_scale_,
                       staged.out());
    return staged.rows();
  }
  const Rows<T> in_place = {static_cast<const T*>(x.data) + first * x.row_stride, nullptr,
                            x.row_stride, kPanel};
  if (!needs_staging(x)) return in_place;
  kernels().stage(in_place, rows, x.columns, input_scale_, staged.out());
  return staged.rows();
}

// One row's layer by several threads, some panels of outputs to a task.
template <class T>
void Network<T>::share_layer(const DenseArgs<T>& args, int activation, int threads) const {
  const std::ptrdiff_t panels = panels_of(args.outputs);
  const std::ptrdiff_t size = (panels + 2 * threads - 1) / (2 * threads);
  auto task = [&](std::ptrdiff_t t) {
    DenseArgs<T> part = args;
    const std::ptrdiff_t panel = t * size;
    part.weights += panel * args.inputs * kPanel;
    part.bias += panel * kPanel;
    part.y.base += panel * args.y.panel_stride;
    part.outputs = std::min(args.outputs - panel * kPanel, size * kPanel);
    kernels().dense[activation](part);
  };
  parallel_for((panels + size - 1) / size, threads, task);
}

// Some rows through all layers, with room in `memory` for `block` rows of three widths.
template <class T>
void Network<T>::forward_rows(const InputView& x, std::ptrdiff_t first, std::ptrdiff_t rows, T* out,
                              std::ptrdiff_t out_stride, T* memory, std::ptrdiff_t block,
                              int threads) const {
  const std::size_t size = Panels<T>::size(block, widest_);
  const Panels<T> hidden[2] = {{memory, block}, {memory + size, block}};
  const Kernels<T>& k = kernels();
  // bytes for few outputs are converted by the kernel as it loads them; one row is quicker staged
  const bool bytes = x.is_uint8 && rows > 1 && layers_[0].panels() <= kNarrow;
  DenseArgs<T> args = {};
  if (bytes) {
    args.bytes = {static_cast<const std::uint8_t*>(x.data) + first * x.row_stride, nullptr,
                  x.row_stride, kPanel};
    args.scale = input_scale_;
  } else {
    args.x = input_rows(x, first, rows, {memory + 2 * size, block});
    args.distance = kPrefetchRows;
    args.ahead = x.rows - first - rows;
  }
  args.rows = rows;
  args.far = far(threads);
  const RowsOut<T> to = {out + first * out_stride, out_stride, kPanel, false};
  const std::size_t last = layers_.size() - 1;
  for (std::size_t l = 0; l <= last; ++l) {
    const Layer& a = layers_[l];
    args.inputs = a.inputs;
    args.weights = parameters_.data() + a.weights;
    args.bias = parameters_.data() + a.bias;
    args.outputs = a.outputs;
    args.y = l == last && !softmax_ ? to : hidden[l % 2].out();
    if (threads > 1 && a.panels() * a.inputs * kPanel >= kSharedLayer)
      share_layer(args, a.activation, threads);
    else
      k.dense[a.activation](args);
    args.x = hidden[l % 2].rows();
    args.bytes = {};
    args.distance = 0;
  }
  if (softmax_) k.softmax(args.y, rows, layers_[last].outputs, to, nullptr, nullptr);
}

template <class T>
void Network<T>::forward(const InputView& x, T* out, std::ptrdiff_t out_stride) const {
  if (x.rows == 1) {
    const int threads = row_threads();
    if (widest_ <= kSmallRow) {
      alignas(64) T memory[3 * kSmallRow];  // no thread's scratch to be looked up
      forward_rows(x, 0, 1, out, out_stride, memory, 1, threads);
    } else {
      T* memory = scratch<T>().reserve(3 * Panels<T>::size(1, widest_));
      forward_rows(x, 0, 1, out, out_stride, memory, 1, threads);
    }
    if (this->threads() > 1 && packed_size_ >= kSharedRow) mark_done();
    return;
  }
  forward_blocks(x, out, out_stride, false);
}

template <class T>
bool Network<T>::forward_finite(const InputView& x, T* out, std::ptrdiff_t out_stride) const {
  return forward_blocks(x, out, out_stride, true);
}

template <class T>
bool Network<T>::forward_blocks(const InputView& x, T* out, std::ptrdiff_t out_stride, bool check) const {
  const std::ptrdiff_t block = std::min(x.rows, kRowBlock);
  const std::ptrdiff_t blocks = block ? (x.rows + block - 1) / block : 0;
  std::atomic<bool> finite = true;
  auto task = [&](std::ptrdiff_t b) {
    // each thread's own, and no smaller than any network needed before: see buffer.h
    T* memory = scratch<T>().reserve(3 * Panels<T>::size(block, widest_));
    const std::ptrdiff_t first = b * block, rows = std::min(block, x.rows - first);
    forward_rows(x, first, rows, out, out_stride, memory, block, 1);
    if (!check) return;
    const T* from = static_cast<const T*>(x.data) + first * x.row_stride;
    const bool dense = x.row_stride == x.columns;
    for (std::ptrdiff_t r = 0; r < (dense ? 1 : rows); ++r)
      if (!kernels().finite(from + r * x.row_stride, dense ? rows * x.columns : x.columns)) finite = false;
  };
  parallel_for(blocks, threads_for(x.rows, 1), task);
  return finite;
}

template <class T>
void Network<T>::activations(const InputView& x, T* const* outs) const {
  const Kernels<T>& k = kernels();
  Buffer<T> staged, sums;
  staged.reserve(Panels<T>::size(kRowBlock, x.columns));
  sums.reserve(Panels<T>::size(kRowBlock, layers_.back().outputs));
  for (std::ptrdiff_t first = 0; first < x.rows; first += kRowBlock) {
    const std::ptrdiff_t rows = std::min(kRowBlock, x.rows - first);
    const Rows<T> in = input_rows(x, first, rows, {staged.data(), kRowBlock});
    for (std::ptrdiff_t r = 0; r < rows; ++r)
      for (std::ptrdiff_t c = 0; c < x.columns; ++c)
        outs[0][(first + r) * x.columns + c] =
            in.base[r * in.row_stride + (c / kPanel) * in.panel_stride + c % kPanel];
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const Layer& a = layers_[l];
      const Rows<T> from = {outs[l] + first * a.inputs, nullptr, a.inputs, kPanel};
      const RowsOut<T> to = {outs[l + 1] + first * a.outputs, a.outputs, kPanel, false};
      const bool softmax = l + 1 == layers_.size() && softmax_;
      const RowsOut<T> y = softmax ? Panels<T>{sums.data(), kRowBlock}.out() : to;
      k.dense[a.activation]({from, {}, T(0), rows, 0, 0, a.inputs, parameters_.data() + a.weights,
                             parameters_.data() + a.bias, a.outputs, y, {}});
      if (softmax) k.softmax(y, rows, a.outputs, to, nullptr, nullptr);
    }
  }
}

template class Network<float>;
template class Network<double>;

}  // namespace fw
