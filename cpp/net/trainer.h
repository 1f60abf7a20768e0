// Training: epochs, and the loss and its gradients on given rows.
//
// From the top: an epoch (trainer.cc) is a pass of steps (step.cc). A step has two phases, each split among threads:
//   1. forward_backward.cc: forward pass, loss and the gradients dz down to the first layer, split by rows or, through
//      wide layers, by panels of outputs
//   2. update.cc: dW over the whole minibatch and the optimizer, tile by tile, split by panels of weights
// A thread computes whole sums, except in paired steps (paired_step.cc): for networks that are small apart from a wide
// first layer, two threads each compute one half of that layer's sums.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "minibatch.h"
#include "step.h"
#include "update.h"
#include "workspace.h"

namespace fw {

template <class T>
class Trainer {
 public:
  // For minibatches of up to `batch` rows.
  Trainer(Network<T>& network, const LossOptions& loss, std::ptrdiff_t batch)
      : objective_{network, loss}, workspace_(objective_, batch) {}
  Trainer(Network<T>& network, int loss, std::ptrdiff_t batch) : Trainer(network, LossOptions{loss}, batch) {}

  // Sets the dropout rate, in [0, 1), of each layer's input in training; no rates: no dropout. Masks depend on this
  // key and the epoch's number.
  void set_dropout(const std::vector<double>& rates, std::uint64_t key);
  // Makes the L2 penalty that of a sum over rows: see Objective::counts_rows.
  void count_rows() { objective_.counts_rows = true; }

  // One pass over the rows in minibatches. If `key` is not null, they are shuffled by its generator's stream `epoch`.
  // `poll` is called every kPollInterval or, if `poll_every_step`, after each step. `position` is how many rows of
  // the epoch precede these: dropout masks depend on it.
  EpochResult epoch(const Samples<T>& samples, const OptimizerState& optimizer, const std::uint64_t* key,
                    std::uint64_t epoch, const Poll& poll, bool poll_every_step = false, std::ptrdiff_t position = 0);

  // The loss of all rows as one minibatch (0 with an upstream gradient); its gradients in the packed order; if not
  // null, those of the input, (rows, inputs) contiguous, and how many rows were classified correctly.
  double gradients(const Samples<T>& samples, T* packed, T* input_gradient, std::ptrdiff_t* correct = nullptr);

  // One optimizer step with this packed gradient, which is clipped, and L2 added to it, in place.
  void apply(T* gradient, const OptimizerState& optimizer);

  // The loss of all rows as one sum, whatever the minibatch size, and how many were classified correctly. `poll` is
  // called every kPollInterval and may throw. This and gradients() throw std::invalid_argument for invalid data.
  EpochResult evaluate(const Samples<T>& samples, const std::function<void()>& poll = [] {});

  // The sentence for users about invalid data.
  std::string sentence(const Invalid& invalid) const;

  std::ptrdiff_t batch() const { return workspace_.batch; }
  const StepCounts& counts() const { return counts_; }

 private:
  Network<T>& network() const { return objective_.network; }
  const Kernels<T>& kernels() const { return objective_.kernels(); }
  const std::int64_t* shuffled(const Samples<T>& samples, std::uint64_t key, std::uint64_t epoch);
  void clear_padding(const OptimizerState& optimizer);  // of the parameters and of the optimizer's state
  void expect_valid();
  void rows_gradients(const Minibatch<T>& batch, RowSpan rows, T* input_gradient);
  void whole_gradients(const Minibatch<T>& batch, T* packed, T* input_gradient);

  Objective<T> objective_;
  Workspace<T> workspace_;
  std::unique_ptr<Workspace<T>> peer_;  // of a paired step's second thread
  std::vector<std::int64_t> order_;
  Buffer<T> epoch_weights_;             // a copy, so that all threads see the same
  StepCounts counts_;
};

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace fw
