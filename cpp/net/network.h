// A dense network: its layers' packed parameters, and the forward pass. No intrinsics, no Python. The caller must hold
// a FloatEnvironment while it computes.
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

// Rows that go through all layers before the next block of rows. Fewer would read the weights of wide layers more
// often; more (192, 256) would evict the activations from the L2 cache.
constexpr std::ptrdiff_t kRowBlock = 128;

// A layer's shape, and the offsets of its parameters in the packed block.
struct Layer {
  std::ptrdiff_t inputs, outputs;
  int activation;
  std::ptrdiff_t weights, bias;  // offsets, in elements
  std::ptrdiff_t panels() const { return panels_of(outputs); }
};

// A panel-major matrix of up to `capacity` rows.
template <class T>
struct Panels {
  T* base;
  std::ptrdiff_t capacity;
  T* at(std::ptrdiff_t first, std::ptrdiff_t panel) const {
    return base ? base + (panel * capacity + first) * kPanel : nullptr;
  }
  // from this row and panel on
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
  // How many threads pay off for `rows` rows of work that costs `passes` times a forward pass.
  int threads_for(std::ptrdiff_t rows, int passes) const;
  // How many threads pay off for a single row, whose layers are split by panels.
  int row_threads() const;

  // Initialises layer l from uniform(-bound, bound) with this key of the generator; biases are 0.
  void initialize(std::size_t l, std::uint64_t key, double bound);
  // Between (O, I) or (O,), row-major, and the packed form.
  void get_weights(std::size_t l, T* to) const { unpack_weights(l, parameters_.data(), to); }
  void unpack_weights(std::size_t l, const T* packed, T* to) const;
  void set_weights(std::size_t l, const T* from) { pack_weights(l, from, parameters_.data()); }
  void pack_weights(std::size_t l, const T* from, T* packed) const;
  // Sets the lanes beyond a layer's last output to 0, in a block packed like the parameters.
  void clear_padding(T* packed) const;
  // Whether all weights and biases are finite, whatever the padding holds.
  bool finite_parameters() const;
  void get_bias(std::size_t l, T* to) const;
  void set_bias(std::size_t l, const T* from);

  // Computes out (rows, outputs), with rows out_stride apart. Threads may call it concurrently.
  void forward(const InputView& x, T* out, std::ptrdiff_t out_stride) const;
  // The same for x of type T; returns true if all of x is finite, which is checked while x is still in cache.
  bool forward_finite(const InputView& x, T* out, std::ptrdiff_t out_stride) const;
  // The scaled input, then every layer's activations, each (rows, size) contiguous.
  void activations(const InputView& x, T* const* outs) const;

  // True if rows must be converted or scaled before the first layer can read them.
  bool needs_conversion(const InputView& x) const { return x.is_uint8 || input_scale_ != T(1); }

 private:
  bool forward_blocks(const InputView& x, T* out, std::ptrdiff_t out_stride, bool check) const;
  void forward_rows(const InputView& x, std::ptrdiff_t first, std::ptrdiff_t rows, T* out,
                    std::ptrdiff_t out_stride, T* memory, std::ptrdiff_t block, int threads) const;
  // The rows of x as the first layer reads them: in place or converted into `scratch`.
  Rows<T> input_rows(const InputView& x, std::ptrdiff_t first, std::ptrdiff_t rows, const Panels<T>& scratch) const;
  // True if all weights, read by `threads` threads, don't fit the L2 caches.
  bool weights_exceed_l2(int threads) const;
  void split_layer(const DenseArgs<T>& args, int activation, int threads) const;

  const KernelTable* table_;
  std::vector<Layer> layers_;
  bool softmax_;
  T input_scale_;
  std::atomic<int> threads_;  // another thread may set it during training
  std::ptrdiff_t packed_size_ = 0;
  std::ptrdiff_t widest_ = 0;
  Buffer<T> parameters_;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace fw
