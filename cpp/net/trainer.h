// Training: one step, one epoch, gradients and the loss on given rows. A step is two parallel
// phases, each row or weight by one thread alone, so that threads never split a sum:
//   1. by rows, or through wide layers by panels of outputs (forward_backward.cc): gather, forward, loss, and the gradients dz
//      down to the first layer
//   2. by panels of weights: dW over the whole batch, handed to the optimizer tile by tile
// Where a step is too short for that but its first layer is wide, two threads share the layer by its
// inputs instead: see paired_step.cc.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "network.h"

namespace fw {

constexpr auto kPollEvery = std::chrono::milliseconds(50);
constexpr std::ptrdiff_t kPair = 2;  // panels that are updated together
// Where thread t's share of some panels begins, in whole pairs: of a wide layer's, for all that is done with them.
inline std::ptrdiff_t panel_share(std::ptrdiff_t panels, std::ptrdiff_t t, int threads) {
  return t == threads ? panels : (panels + kPair - 1) / kPair * t / threads * kPair;
}
// How many rows of a shuffled batch are asked for ahead of their use: a whole batch of 200 would crowd the
// second-level cache.
constexpr std::ptrdiff_t kBatchAhead = 32;

struct OptimizerState {
  int kind;                        // opt_...
  double hyper[kMaxHyper];         // in the order of OptimizerInfo::hyper_names
  double* memo;                    // running scalars and, below, state beside the parameters,
  void* slots[kMaxSlots];          // both owned by the caller so that they outlive a call
  const double* by_step = nullptr; // the hyper-parameters of each step of the pass, kMaxHyper apart, or null
  // 0 for none: the largest element and the largest norm of a gradient, and what half the sum of the weights'
  // squares (not the biases') is multiplied by and added to the loss
  double clip_value = 0, clip_norm = 0, penalty = 0;
  // Whether a step needs its whole gradient before the first update: each element by itself is limited on its way
  // there, unless something is to be added before.
  bool looks_at_all() const { return clip_norm > 0 || (clip_value > 0 && penalty != 0); }
};

// A target or a weight that nothing can be trained on, of data that were good when they were checked and have changed
// since: which of the arguments, its row of x, and the value.
struct Invalid {
  enum class Of { nothing, labels, values, weights };
  Of of = Of::nothing;
  std::ptrdiff_t row = 0;
  double value = 0;        // of values and weights
  std::int64_t label = 0;
  explicit operator bool() const { return of != Of::nothing; }
};

struct EpochResult {
  double loss = 0;        // mean over the epoch's rows (by weight) of the batches' losses
  double weight = 0;      // the sum of the rows' weights
  double penalty = 0;     // the part of the loss that is the penalty on the weights' squares
  std::ptrdiff_t correct = 0, rows = 0;
  std::ptrdiff_t failed = 0;  // the step, from 1, that ended the pass: its loss was NaN or infinite, or
  Invalid invalid = {};       // its data were not what they had been
  bool finite = true;
};

struct LossOptions {
  int kind;                           // loss_...
  double parameter = 0;               // huber's delta, quantile's level
  double smoothing = 0;               // targets t become t (1 - smoothing) + smoothing * smooth_to
  double smooth_to = 0;
  std::vector<double> output_weights = {};  // what each output's part counts, or none
};

// Where two threads may share a first layer by its inputs (paired_step.cc), when they do: as it pays, which depends on
// the cores that are free; or, so that tests don't, always, or for the first two steps of each epoch.
enum class Pairing { as_it_pays, always, for_two_steps };
void set_pairing(Pairing pairing);

// One step's scalars, for weights and for biases.
template <class T>
struct Steps {
  Step<T> weights, biases;
};

template <class T>
class Trainer {
 public:
  // Room for batches of up to `batch` rows.
  Trainer(Network<T>& network, const LossOptions& loss, std::ptrdiff_t batch);
  Trainer(Network<T>& network, int loss, std::ptrdiff_t batch) : Trainer(network, LossOptions{loss}, batch) {}

  // Rates in [0, 1) at which each layer's inputs are dropped in training, those of the network's first; none: no
  // dropout. Masks are drawn with this key, in streams numbered by epoch.
  void drop(const std::vector<double>& rates, std::uint64_t key);

  // From now on the penalty belongs to a sum over rows, so that its coefficient is divided by each batch's weight,
  // and an epoch's loss is the mean of its batches' by their rows, whatever these weigh.
  void count_rows() {
    counts_rows_ = true;
    second_.reset();
  }

  // What every row-wise pass needs to know of the data. Weights may be null.
  struct Data {
    InputView x;
    Targets<T> targets;
    const T* weights;
    const std::int64_t* index = nullptr;  // which rows there are, in this order; null: all of x
    std::ptrdiff_t count = 0;             // how many
    std::ptrdiff_t rows() const { return index ? count : x.rows; }
  };

  // One pass over the rows in mini-batches of the trainer's size, shuffled if key is not null by
  // the generator's stream `epoch`. `poll(rows done, result so far)` is called now and then, or after every
  // step, and ends the pass after the step in hand by returning false. `position` is how many rows the
  // epoch has had before these: what masks are drawn for.
  using Poll = std::function<bool(std::ptrdiff_t, const EpochResult&)>;
  EpochResult epoch(const Data& data, const OptimizerState& optimizer, const std::uint64_t* key,
                    std::uint64_t epoch, const Poll& poll, bool every_step = false,
                    std::ptrdiff_t position = 0);

  std::ptrdiff_t batch() const { return batch_; }

  // How many steps two threads that share the first layer have taken.
  std::ptrdiff_t paired_steps() const { return paired_steps_; }
  // How many times, over all steps, threads have shared a layer by its panels.
  std::ptrdiff_t shared_passes() const { return shared_passes_; }

  // What was expected of an argument, and what was found.
  std::string sentence(const Invalid& invalid) const;

  // The loss of all rows as one batch (0 if the gradient at the outputs is given), its gradients in the packed order
  // and (or null) those of the input, (rows, inputs) without gaps; and (or null) how many rows were read rightly.
  double gradients(const Data& data, T* packed, T* input_gradient, std::ptrdiff_t* correct = nullptr);

  // One step of the optimizer with this gradient (packed), limited and penalised as the state has it and
  // changed on the way.
  void apply(T* gradient, const OptimizerState& optimizer) {
    clear_padding(optimizer);
    network_.clear_padding(gradient);
    apply_flat(gradient, optimizer, steps(optimizer, 0));
  }

  // The loss of all rows as one sum, whatever the batch size, and how many were read rightly. `look` is called
  // now and then, and may end it by throwing. Both throw std::invalid_argument for invalid data.
  EpochResult evaluate(const Data& data, const std::function<void()>& look = [] {});

 private:
  struct Batch {
    std::ptrdiff_t rows, next;     // its own, and how many of the next batch are known
    T total_weight;
    Rows<T> input;                 // as the first layer reads it, set by point()
    // of a batch that is taken in parts: this one's first row, and how many rows there are in all
    std::ptrdiff_t from = 0, all = 0;
    bool shares = false;           // the next batch's rows are asked for in both halves of a step
  };
  // An epoch on its way.
  struct Pass {
    const Data& data;
    const std::int64_t* index;     // the order of the rows, or null
    const Poll& poll;
    bool every_step = false;
    std::ptrdiff_t first = 0;      // the next batch's first row
    bool stopped = false;
    EpochResult result = {};
    double loss = 0, weight = 0, penalty = 0;
    std::chrono::steady_clock::time_point polled = std::chrono::steady_clock::now();
  };
  struct Handshake;

  void load_targets(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                    std::ptrdiff_t from, std::ptrdiff_t rows);
  bool weigh(const Data& data, const std::int64_t* index, std::ptrdiff_t first, Batch* batch);
  T* room_to_stage(const InputView& x);
  void point(const Data& data, const std::int64_t* index, std::ptrdiff_t first, Batch* batch,
             std::ptrdiff_t column = 0);
  Rows<T> stage(const Data& data, const Batch& batch, std::ptrdiff_t from, std::ptrdiff_t rows,
                std::ptrdiff_t column, std::ptrdiff_t columns, std::ptrdiff_t first, bool dropping);
  void ascend(std::size_t l, DenseArgs<T> d, std::ptrdiff_t from, std::ptrdiff_t panel, std::ptrdiff_t end);
  void drop_below(std::size_t l, std::ptrdiff_t position, std::ptrdiff_t from, std::ptrdiff_t rows,
                  std::ptrdiff_t panel, std::ptrdiff_t end);
  void descend(std::size_t l, std::ptrdiff_t from, std::ptrdiff_t rows, std::ptrdiff_t panel, std::ptrdiff_t end);
  DenseArgs<T> first_layer(const Batch& batch, const Rows<T>& in, bool staged, std::ptrdiff_t from,
                           std::ptrdiff_t rows, bool backward);
  void rows_pass(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                 const Batch& batch, std::ptrdiff_t from, std::ptrdiff_t rows, bool backward);
  void upper_layers(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                    std::ptrdiff_t from, std::ptrdiff_t rows, bool backward, std::size_t bottom = 1);
  std::size_t shared_layers(std::ptrdiff_t rows, int threads) const;
  void pass_through(const Data& data, const std::int64_t* index, std::ptrdiff_t first, const Batch& batch, int threads);
  // with the penalty's coefficient for a batch
  OptimizerState of_batch(OptimizerState optimizer, const Batch& batch) const {
    if (counts_rows_) optimizer.penalty /= double(batch.total_weight);
    return optimizer;
  }
  Steps<T> steps(const OptimizerState& optimizer, std::ptrdiff_t first);
  void update(const Batch& batch, const OptimizerState& optimizer, const Steps<T>& steps, T* packed, int threads);
  void update_clipped(const Batch& batch, const OptimizerState& optimizer, const Steps<T>& steps);
  // g, which is changed on the way, into the parameters
  void apply_flat(T* g, const OptimizerState& optimizer, const Steps<T>& steps);
  double penalty(const OptimizerState& optimizer);  // what it adds to the loss
  // the same, given the squares of the first layer's two parts by inputs
  double penalty(const OptimizerState& optimizer, double first, double second);
  double squares(const Layer& a, std::ptrdiff_t first, std::ptrdiff_t last);  // of inputs [first, last)
  std::ptrdiff_t border() const {  // between the halves of the first layer's sums
    const std::ptrdiff_t inputs = network_.layers()[0].inputs;
    return std::min(inputs, ((inputs + kBlock - 1) / kBlock + 1) / 2 * kBlock);
  }
  // panels [panel, panel + kPair) of layer l, inputs [first, last) of its weights
  void update_part(const Batch& batch, const OptimizerState& optimizer, const Steps<T>& steps,
                   T* packed, std::size_t l, std::ptrdiff_t panel, std::ptrdiff_t first,
                   std::ptrdiff_t last);
  // a step's loss, to which the penalty is added, and hits
  void account(Pass* pass, const Batch& batch, double penalty);
  void note_invalid(const Invalid& invalid);
  void check_values(const T* target, std::ptrdiff_t row);  // in the panels of targets_, before smoothing
  T weight_of(const Data& data, std::ptrdiff_t row);
  // ends the pass with this step if its data were invalid
  void end_if_invalid(Pass* pass);
  void clear_padding(const OptimizerState& optimizer);  // of the parameters, and of the optimizer's state
  static bool over(const Pass& pass) { return pass.stopped || pass.first >= pass.data.rows(); }
  bool poll_due(const Pass& pass) const;
  void poll(Pass* pass);
  bool pairs(const OptimizerState& optimizer) const;
  void step(Pass* pass, const OptimizerState& optimizer);
  void run_pair(Pass* pass, const OptimizerState& optimizer);
  void copy_tails(const OptimizerState& optimizer, OptimizerState* own);
  void run_side(Pass* pass, const OptimizerState& optimizer, int side, Handshake* shake);
  void drop_gradient(T* dx, std::ptrdiff_t from, std::ptrdiff_t rows);
  std::ptrdiff_t count_correct(std::ptrdiff_t rows) const;
  Panels<T> delta(std::size_t l) { return {deltas_[l]->data(), capacity_}; }
  Panels<T> output(std::size_t l) { return {outputs_[l]->data(), capacity_}; }
  // What layer l's derivative is a function of.
  Rows<T> derived_from(std::size_t l, std::ptrdiff_t from) {
    return (kernels().derivative_from_z[network_.layers()[l].activation] ? sum(l) : output(l)).rows(from);
  }
  Panels<T> sum(std::size_t l) { return {sums_[l]->data(), capacity_}; }
  // Dropout of what layer l reads, of some rows of the epoch from `position` on.
  bool drops(std::size_t l) const { return !rates_.empty() && rates_[l] > 0; }
  DropArgs<T> drop_args(std::size_t l, std::ptrdiff_t rows, std::ptrdiff_t position) const;
  // What layer l > 0 reads in training.
  Panels<T> fed(std::size_t l) { return drops(l) ? Panels<T>{dropped_[l]->data(), capacity_} : output(l - 1); }
  Panels<T> factor(std::size_t l) { return {factors_[l]->data(), capacity_}; }
  bool stages(const InputView& x) const {
    return network_.needs_staging(x) || x.element != Element::native || drops(0);
  }
  const Kernels<T>& kernels() const { return network_.kernels(); }
  // Where the parameters at an offset of the packed block are; `tail` begins with the first bias.
  T* parameter(std::ptrdiff_t offset) { return own(network_.parameters(), tail_, offset); }
  T* own(T* all, Buffer<T>& tail, std::ptrdiff_t offset) {
    const std::ptrdiff_t begin = network_.layers()[0].bias;
    return tail.data() && offset >= begin ? tail.data() + (offset - begin) : all + offset;
  }

  Network<T>& network_;
  LossOptions loss_;
  std::vector<double> rates_;
  std::uint64_t drop_key_ = 0, epoch_ = 0;
  bool counts_rows_ = false;
  std::ptrdiff_t position_ = 0;
  std::ptrdiff_t batch_, capacity_;
  std::vector<std::unique_ptr<Buffer<T>>> outputs_, sums_, deltas_, dropped_, factors_;
  Buffer<T> gradient_, second_half_, staged_, targets_, row_loss_, row_hit_, scale_, weight_, row_max_, log_sum_,
      output_weights_;
  Buffer<const void*> pointers_;
  std::vector<std::int64_t> order_;
  Buffer<T> epoch_weights_;  // a copy, so that all threads of an epoch see the same
  std::vector<std::ptrdiff_t> task_ends_;  // of an update by the threads it was last made for
  // Of a pair's second side: its own copy of all parameters but the first layer's weights, and of the
  // optimizer's state beside them.
  Buffer<T> tail_, slot_tails_[kMaxSlots];
  Buffer<T> halves_[2][2];  // by the step's parity and the side: it may be a step ahead of its reader
  std::unique_ptr<Trainer> second_;
  std::ptrdiff_t paired_steps_ = 0, shared_passes_ = 0;
  std::mutex noting_;
  Invalid invalid_;  // the first in this pass, of the lowest row
};

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace fw
