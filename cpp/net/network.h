// A dense network: its layers' packed parameters, and the forward pass. No intrinsics, no Python. Whoever computes with
// it holds a FloatEnvironment.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "../kernels/table.h"
#include "buffer.h"
#include "float_environment.h"
#include "views.h"

namespace fw {

// Rows that go through all layers before the next. Fewer read the weights of wide layers more often, more
// (192, 256) push the activations between them out of the second-level cache.
constexpr std::ptrdiff_t kRowBlock = 128;

inline std::ptrdiff_t panels_of(std::ptrdiff_t n) { return (n + kPanel - 1) / kPanel; }

// A layer is its shape and where its parameters lie in the flat block.
struct Layer {
  std::ptrdiff_t inputs, outputs;
  int activation;
  std::ptrdiff_t weights, bias;  // offsets, in elements
  std::ptrdiff_t panels() const { return panels_of(outputs); }
};

// Panel-major scratch for `capacity` rows of n values.
template <class T>
struct Panels {
  T* base;
  std::ptrdiff_t capacity;
  T* at(std::ptrdiff_t first, std::ptrdiff_t panel) const {
    return base ? base + (panel * capacity + first) * kPanel : nullptr;
  }
  // from a row and a panel on
  Rows<T> rows(std::ptrdiff_t first = 0, std::ptrdiff_t panel = 0) const {
    return {at(first, panel), nullptr, kPanel, capacity * kPanel};
  }
  RowsOut<T> out(std::ptrdiff_t first = 0, std::ptrdiff_t panel = 0) const {
    return {at(first, panel), kPanel, capacity * kPanel, true};
  }
  static std::size_t size(std::ptrdiff_t capacity, std::ptrdiff_t n) {
    return std::size_t(capacity) * std::size_t(panels_of(n)) * kPanel;
  }
};

template <class T>
class Network {
 public:
  Network(const std::vector<std::ptrdiff_t>& sizes, const std::vector<int>& activations,
          bool softmax, double input_scale, const KernelTable& table, int threads);

  const std::vector<Layer>& layers() const { return layers_; }
  const Kernels<T>& kernels() const {
    if constexpr (sizeof(T) == sizeof(float)) return table_->f32;
    else return table_->f64;
  }
  const KernelTable& table() const { return *table_; }
  T* parameters() { return parameters_.data(); }
  const T* parameters() const { return parameters_.data(); }
  std::ptrdiff_t packed_size() const { return packed_size_; }
  bool softmax() const { return softmax_; }
  T input_scale() const { return input_scale_; }
  int threads() const { return threads_.load(std::memory_order_relaxed); }
  void set_threads(int n) { threads_.store(n, std::memory_order_relaxed); }
  // Threads worth waking for so many rows of work that costs `passes` times a forward pass.
  int threads_for(std::ptrdiff_t rows, int passes) const;
  // Threads for one row, whose layers are shared by panels.
  int row_threads() const;

  // Fills layer l from uniform(-limit, limit) of the generator with this key.
  void initialize(std::size_t l, std::uint64_t key, double limit);
  // (O, I) and (O,), row-major, from and to the packed form
  void get_weights(std::size_t l, T* to) const { unpack_weights(l, parameters_.data(), to); }
  void unpack_weights(std::size_t l, const T* packed, T* to) const;
  void set_weights(std::size_t l, const T* from) { pack_weights(l, from, parameters_.data()); }
  void pack_weights(std::size_t l, const T* from, T* packed) const;
  // Zeros where panels have more room than outputs, in what is packed like the parameters.
  void clear_padding(T* packed) const;
  // Whether all weights and biases are finite, whatever the padding holds.
  bool finite_parameters() const;
  void get_bias(std::size_t l, T* to) const;
  void set_bias(std::size_t l, const T* from);

  // out (rows, outputs), rows out_stride apart. Any number of threads may call at once.
  void forward(const InputView& x, T* out, std::ptrdiff_t out_stride) const;
  // The same; returns whether all of x, of T, is finite: looked at while it is near for having been used.
  bool forward_finite(const InputView& x, T* out, std::ptrdiff_t out_stride) const;
  // The input as it is used, then every layer's activations, each (rows, size) without gaps.
  void activations(const InputView& x, T* const* outs) const;

  // The rows of x as the first layer reads them: in place, or staged (converted and scaled) into
  // `staged` where they are uint8 or an input scale is set.
  bool needs_staging(const InputView& x) const { return x.is_uint8 || input_scale_ != T(1); }
  Rows<T> input_rows(const InputView& x, std::ptrdiff_t first, std::ptrdiff_t rows,
                     const Panels<T>& staged) const;

 private:
  bool forward_blocks(const InputView& x, T* out, std::ptrdiff_t out_stride, bool check) const;
  void forward_rows(const InputView& x, std::ptrdiff_t first, std::ptrdiff_t rows, T* out,
                    std::ptrdiff_t out_stride, T* memory, std::ptrdiff_t block, int threads) const;
  // Whether one row's weights, read by so many threads, come from beyond the second-level cache.
  bool far(int threads) const;
  void share_layer(const DenseArgs<T>& args, int activation, int threads) const;

  const KernelTable* table_;
  std::vector<Layer> layers_;
  bool softmax_;
  T input_scale_;
  std::atomic<int> threads_;  // which another thread may set during training
  std::ptrdiff_t packed_size_ = 0;
  std::ptrdiff_t widest_ = 0;
  Buffer<T> parameters_;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace fw
