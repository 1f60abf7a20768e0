// The memory of training: one minibatch's activations and gradients, and what goes with them. Buffers only; the
// functions that fill them are in minibatch.cc, forward_backward.cc and update.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "buffer.h"
#include "minibatch.h"
#include "network.h"

namespace fw {

// Instantiates a function template for both precisions; decltype stands for the signature.
#define FW_INSTANTIATE(function)                       \
  template decltype(function<float>) function<float>; \
  template decltype(function<double>) function<double>;

// What is trained, and on which loss: the same for all workspaces of a trainer.
template <class T>
struct Objective {
  Network<T>& network;
  LossOptions loss;
  std::vector<double> dropout_rates = {};  // of each layer's input, or none
  std::uint64_t dropout_key = 0;
  // The L2 penalty belongs to a sum over rows: its coefficient is divided by each minibatch's weight, and an
  // epoch's loss is the mean of its minibatches' losses by their rows instead of their weights.
  bool counts_rows = false;

  bool drops(std::size_t l) const { return !dropout_rates.empty() && dropout_rates[l] > 0; }
  const Kernels<T>& kernels() const { return network.kernels(); }
};

template <class T>
struct Workspace {
  // Memory for minibatches of up to `batch` rows.
  Workspace(const Objective<T>& objective, std::ptrdiff_t batch);
  void reserve_dropout();
  void reserve_converted(std::ptrdiff_t columns) { converted.reserve(std::size_t(capacity * converted_stride(columns))); }

  const Objective<T>& objective;
  const std::ptrdiff_t batch, capacity;  // rows; capacity is a multiple of a panel

  struct LayerBuffers {
    Buffer<T> output, sum, delta;        // y, z (where something reads it) and dL/dz
    Buffer<T> dropped, dropout_factor;   // the layer's input after dropout, and the masks
  };
  std::vector<LayerBuffers> layers;
  Buffer<T> targets, output_weights;
  // by row: loss, correct or not, share of the batch's loss, weight, and softmax's intermediate results
  Buffer<T> row_loss, row_correct, row_scale, row_weight, row_max, log_sum;
  Buffer<const void*> row_pointers;      // the minibatch's rows, then the next minibatch's
  Buffer<T> converted;                   // rows that the first layer can't read in place
  Buffer<T> gradient;                    // the whole gradient, if the optimizer needs it at once
  Buffer<T> gradient_second_half;        // of a gradient that is summed some rows at a time
  std::vector<std::ptrdiff_t> task_ends; // of an update, for the number of threads of the last one
  // Only of a paired step's second thread: its own copy of all parameters but the first layer's weights, and of
  // the optimizer's slots; and the half sums that the threads exchange, by the step's parity and the thread.
  Buffer<T> own_parameters, own_slots[kMaxSlots];
  Buffer<T> half_sums[2][2];
  FirstInvalid invalid;

  Network<T>& network() const { return objective.network; }
  const Kernels<T>& kernels() const { return objective.kernels(); }
  const Layer& layer(std::size_t l) const { return network().layers()[l]; }

  Panels<T> output(std::size_t l) { return panels(layers[l].output); }
  Panels<T> sum(std::size_t l) { return panels(layers[l].sum); }
  Panels<T> delta(std::size_t l) { return panels(layers[l].delta); }
  Panels<T> dropped(std::size_t l) { return panels(layers[l].dropped); }
  Panels<T> dropout_factor(std::size_t l) { return panels(layers[l].dropout_factor); }
  Panels<T> panels(Buffer<T>& buffer) const { return {buffer.data(), capacity}; }
  // What layer l > 0 reads in training.
  Panels<T> layer_input(std::size_t l) { return objective.drops(l) ? dropped(l) : output(l - 1); }
  // What the derivative of layer l's activation is a function of.
  Rows<T> derivative_input(std::size_t l, std::ptrdiff_t row, std::ptrdiff_t panel = 0) {
    return (kernels().derivative_from_z[layer(l).activation] ? sum(l) : output(l)).rows(row, panel);
  }

  // The parameters, or an optimizer's slot, at this offset of the packed block.
  T* parameter(std::ptrdiff_t offset) { return own_or_shared(own_parameters, network().parameters(), offset); }
  T* slot(int s, void* shared, std::ptrdiff_t offset) {
    return own_or_shared(own_slots[s], static_cast<T*>(shared), offset);
  }

  bool converts(const InputView& x) const {
    return network().needs_conversion(x) || x.element != Element::native || objective.drops(0);
  }
  // Elements from one converted row to the next. Rows aren't panel-major, since panels of many rows are far
  // apart; one panel more than needed, so that rows are not a multiple of 4096 bytes apart.
  static std::ptrdiff_t converted_stride(std::ptrdiff_t columns) { return (panels_of(columns) + 1) * kPanel; }

 private:
  T* own_or_shared(Buffer<T>& own, T* shared, std::ptrdiff_t offset) {
    const std::ptrdiff_t begin = layer(0).bias;
    return own.data() && offset >= begin ? own.data() + (offset - begin) : shared + offset;
  }
};

extern template struct Workspace<float>;
extern template struct Workspace<double>;

}  // namespace fw
