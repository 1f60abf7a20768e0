#include "network.h"

#include <algorithm>
#include <cmath>
#include <atomic>

#include "philox.h"
#include "thread_pool.h"

namespace fw {
namespace {

// Multiply-adds, about 50 microseconds of one core, from which a second thread pays off: waking it takes 8 to 16
// microseconds.
constexpr double kThreadWork = 5e6;

constexpr std::ptrdiff_t kNarrow = 2;        // panels of a first layer up to which its kernel reads bytes directly
constexpr std::ptrdiff_t kSmallRow = 1024;   // width of layers up to which a single row's scratch is on the stack
// Weights of a network from which a single row is split among threads (reading them takes 10 microseconds), and of
// a layer of it.
constexpr std::ptrdiff_t kSplitRow = 300000, kSplitLayer = 50000;
// Bytes of parameters up to which a good part of them stays in the L2 cache from one call to the next; twice as many
// for each of several threads.
constexpr std::ptrdiff_t kL2Bytes = 2000000;
constexpr std::ptrdiff_t kForwardPrefetchRows = 16;  // how far ahead of their use input rows are prefetched

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
  parameters_.reserve(std::size_t(packed_size_ + (weights_exceed_l2(1) ? kStreamedSlack : 0)));
}

template <class T>
int Network<T>::threads_for(std::ptrdiff_t rows, int passes) const {
  if (threads() <= 1) return 1;
  const double work = double(rows) * double(packed_size_) * passes;
  return work < kThreadWork ? 1 : int(std::min(double(threads()), work / kThreadWork + 1));
}

template <class T>
bool Network<T>::weights_exceed_l2(int threads) const {
  return packed_size_ * std::ptrdiff_t(sizeof(T)) > kL2Bytes * (threads > 1 ? 2 * threads : 1);
}

template <class T>
int Network<T>::row_threads() const {
  if (threads() <= 1 || packed_size_ < kSplitRow) return 1;
  if (threads_for(1, 1) == 1 && !workers_still_spinning()) return 1;
  return int(std::min<std::ptrdiff_t>(threads(), 2 * packed_size_ / kSplitRow));
}

template <class T>
void Network<T>::initialize(std::size_t l, std::uint64_t key, double bound) {
  const Layer& a = layers_[l];
  const Philox random(key);
  T* w = parameters_.data() + a.weights;
  for (std::ptrdiff_t o = 0; o < a.outputs; ++o)
    for (std::ptrdiff_t k = 0; k < a.inputs; ++k) {
      const double u = random.uniform(kStreamInitial + l, std::uint64_t(o * a.inputs + k));
      w[((o / kPanel) * a.inputs + k) * kPanel + o % kPanel] = T((2.0 * u - 1.0) * bound);
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
  if (kernels().all_finite(parameters(), packed_size_)) return true;
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
                               const Panels<T>& scratch) const {
  if (x.is_uint8) {
    const auto* from = static_cast<const std::uint8_t*>(x.data) + first * x.row_stride;
    kernels().to_panels_u8({from, nullptr, x.row_stride, kPanel}, rows, x.columns, input_scale_, scratch.out());
    return scratch.rows();
  }
  const Rows<T> in_place = {static_cast<const T*>(x.data) + first * x.row_stride, nullptr,
                            x.row_stride, kPanel};
  if (!needs_conversion(x)) return in_place;
  kernels().to_panels(in_place, rows, x.columns, input_scale_, scratch.out());
  return scratch.rows();
}

// A layer for a single row by several threads, some panels of outputs per task.
template <class T>
void Network<T>::split_layer(const DenseArgs<T>& args, int activation, int threads) const {
  const std::ptrdiff_t panels = panels_of(args.outputs);
  const std::ptrdiff_t size = ceil_div(panels, 2 * threads);
  auto task = [&](std::ptrdiff_t t) {
    DenseArgs<T> part = args;
    const std::ptrdiff_t panel = t * size;
    part.weights += panel * args.inputs * kPanel;
    part.bias += panel * kPanel;
    part.y.base += panel * args.y.panel_stride;
    part.outputs = std::min(args.outputs - panel * kPanel, size * kPanel);
    kernels().dense[activation](part);
  };
  parallel_for(ceil_div(panels, size), threads, task);
}

// Some rows through all layers. `memory` has room for 3 x `block` rows of the widest layer.
template <class T>
void Network<T>::forward_rows(const InputView& x, std::ptrdiff_t first, std::ptrdiff_t rows, T* out,
                              std::ptrdiff_t out_stride, T* memory, std::ptrdiff_t block,
                              int threads) const {
  const std::size_t size = Panels<T>::size(block, widest_);
  const Panels<T> hidden[2] = {{memory, block}, {memory + size, block}};
  const Kernels<T>& k = kernels();
  // for few outputs the kernel converts bytes as it loads them; a single row is faster converted before
  const bool bytes = x.is_uint8 && rows > 1 && layers_[0].panels() <= kNarrow;
  DenseArgs<T> args = {};
  if (bytes) {
    args.bytes = {static_cast<const std::uint8_t*>(x.data) + first * x.row_stride, nullptr,
                  x.row_stride, kPanel};
    args.scale = input_scale_;
  } else {
    args.x = input_rows(x, first, rows, {memory + 2 * size, block});
    args.prefetch_distance = kForwardPrefetchRows;
    args.rows_ahead = x.rows - first - rows;
  }
  args.rows = rows;
  args.weights_exceed_l2 = weights_exceed_l2(threads);
  const RowsOut<T> to = {out + first * out_stride, out_stride, kPanel, false};
  const std::size_t last = layers_.size() - 1;
  for (std::size_t l = 0; l <= last; ++l) {
    const Layer& a = layers_[l];
    args.inputs = a.inputs;
    args.weights = parameters_.data() + a.weights;
    args.bias = parameters_.data() + a.bias;
    args.outputs = a.outputs;
    args.y = l == last && !softmax_ ? to : hidden[l % 2].out();
    if (threads > 1 && a.panels() * a.inputs * kPanel >= kSplitLayer)
      split_layer(args, a.activation, threads);
    else
      k.dense[a.activation](args);
    args.x = hidden[l % 2].rows();
    args.bytes = {};
    args.prefetch_distance = 0;
  }
  if (softmax_) k.softmax(args.y, rows, layers_[last].outputs, to, nullptr, nullptr);
}

template <class T>
void Network<T>::forward(const InputView& x, T* out, std::ptrdiff_t out_stride) const {
  if (x.rows == 1) {
    const int threads = row_threads();
    if (widest_ <= kSmallRow) {
      alignas(64) T memory[3 * kSmallRow];  // saves the look-up of the thread's scratch
      forward_rows(x, 0, 1, out, out_stride, memory, 1, threads);
    } else {
      T* memory = scratch<T>().reserve(3 * Panels<T>::size(1, widest_));
      forward_rows(x, 0, 1, out, out_stride, memory, 1, threads);
    }
    if (this->threads() > 1 && packed_size_ >= kSplitRow) note_completion();
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
  const std::ptrdiff_t blocks = block ? ceil_div(x.rows, block) : 0;
  std::atomic<bool> finite = true;
  auto task = [&](std::ptrdiff_t b) {
    // of this thread, shared by all networks
    T* memory = scratch<T>().reserve(3 * Panels<T>::size(block, widest_));
    const std::ptrdiff_t first = b * block, rows = std::min(block, x.rows - first);
    forward_rows(x, first, rows, out, out_stride, memory, block, 1);
    if (!check) return;
    const T* from = static_cast<const T*>(x.data) + first * x.row_stride;
    const bool dense = x.row_stride == x.columns;
    for (std::ptrdiff_t r = 0; r < (dense ? 1 : rows); ++r)
      if (!kernels().all_finite(from + r * x.row_stride, dense ? rows * x.columns : x.columns)) finite = false;
  };
  parallel_for(blocks, threads_for(x.rows, 1), task);
  return finite;
}

template <class T>
void Network<T>::activations(const InputView& x, T* const* outs) const {
  const Kernels<T>& k = kernels();
  Buffer<T> scratch, sums;
  scratch.reserve(Panels<T>::size(kRowBlock, x.columns));
  sums.reserve(Panels<T>::size(kRowBlock, layers_.back().outputs));
  for (std::ptrdiff_t first = 0; first < x.rows; first += kRowBlock) {
    const std::ptrdiff_t rows = std::min(kRowBlock, x.rows - first);
    const Rows<T> in = input_rows(x, first, rows, {scratch.data(), kRowBlock});
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
      k.dense[a.activation]({.x = from, .bytes = {}, .scale = T(0), .rows = rows, .prefetch_distance = 0,
                             .rows_ahead = 0, .inputs = a.inputs, .weights = parameters_.data() + a.weights,
                             .bias = parameters_.data() + a.bias, .outputs = a.outputs, .y = y, .z = {}});
      if (softmax) k.softmax(y, rows, a.outputs, to, nullptr, nullptr);
    }
  }
}

template class Network<float>;
template class Network<double>;

}  // namespace fw
