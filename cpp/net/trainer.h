// Training: one step, one epoch, gradients and the loss on given rows. A step is two parallel
// phases, each row or weight by one thread alone, so that threads never split a sum:
//   1. by rows: gather, forward, loss, and the gradients dz down to the first layer
//   2. by panels of weights: dW over the whole batch, handed to the optimizer tile by tile
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "network.h"

namespace fw {

struct OptimizerState {
  int kind;                        // opt_...
  double hyper[kMaxHyper];         // in the order of OptimizerInfo::hyper_names
  double* memo;                    // running scalars and, below, state beside the parameters,
  void* slots[kMaxSlots];          // both owned by the caller so that they outlive a call
};

struct EpochResult {
  double loss = 0;        // mean over the epoch's rows (by weight) of the batches' losses
  std::ptrdiff_t correct = 0, rows = 0;
  bool finite = true;
};

template <class T>
class Trainer {
 public:
  // Room for batches of up to `batch` rows.
  Trainer(Network<T>& network, int loss, std::ptrdiff_t batch);

  // What every row-wise pass needs to know of the data. Weights may be null.
  struct Data {
    InputView x;
    Targets<T> targets;
    const T* weights;
  };

  // One pass over the rows in mini-batches of the trainer's size, shuffled if key is not null by
  // the generator's stream `epoch`. `poll(rows done, result so far)` is called now and then, and
  // ends the pass after the step in hand by returning false.
  EpochResult epoch(const Data& data, const OptimizerState& optimizer, const std::uint64_t* key,
                    std::uint64_t epoch,
                    const std::function<bool(std::ptrdiff_t, const EpochResult&)>& poll);

  // The loss of all rows as one batch, its gradients in the packed order and (or null) those of the
  // input, (rows, inputs) without gaps.
  double gradients(const Data& data, T* packed, T* input_gradient);

  // The loss of all rows as one sum, whatever the batch size, and how many were read rightly.
  EpochResult evaluate(const Data& data);

 private:
  struct Batch {
    std::ptrdiff_t rows, next;     // its own, and how many of the next batch are known
    T total_weight;
    Rows<T> input;                 // as the first layer reads it, set by gather()
  };
  void load_targets(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                    std::ptrdiff_t from, std::ptrdiff_t rows);
  bool weigh(const Data& data, const std::int64_t* index, std::ptrdiff_t first, Batch* batch);
  void point(const Data& data, const std::int64_t* index, std::ptrdiff_t first, Batch* batch);
  void rows_pass(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                 const Batch& batch, std::ptrdiff_t from, std::ptrdiff_t rows, bool backward);
  void update(const Batch& batch, const OptimizerState& optimizer, const Step<T>& step, T* packed);
  std::ptrdiff_t count_correct(std::ptrdiff_t rows) const;
  Panels<T> delta(std::size_t l) { return {deltas_[l]->data(), capacity_}; }
  Panels<T> output(std::size_t l) { return {outputs_[l]->data(), capacity_}; }
  Panels<T> sum(std::size_t l) { return {sums_[l]->data(), capacity_}; }
  const Kernels<T>& kernels() const { return network_.kernels(); }

  Network<T>& network_;
  int loss_;
  std::ptrdiff_t batch_, capacity_;
  std::vector<std::unique_ptr<Buffer<T>>> outputs_, sums_, deltas_;
  Buffer<T> staged_, targets_, row_loss_, row_hit_, scale_, weight_, row_max_, log_sum_;
  Buffer<const void*> pointers_;
  std::vector<std::int64_t> order_;
};

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace fw
