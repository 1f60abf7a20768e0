// A pass over the samples, and one step of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "minibatch.h"
#include "update.h"
#include "workspace.h"

namespace fw {

constexpr auto kPollInterval = std::chrono::milliseconds(50);

struct EpochResult {
  double loss = 0;        // mean over the epoch's rows, by weight, of the minibatches' losses
  double weight = 0;      // sum of the rows' weights
  double penalty = 0;     // the part of the loss that is the L2 penalty
  std::ptrdiff_t correct = 0, rows = 0;
  std::ptrdiff_t failed = 0;  // the step, from 1, that ended the pass: its loss wasn't finite, or its data
  Invalid invalid = {};       // were invalid
  bool finite = true;
};

// Called with the rows done and the result so far; ends the pass by returning false.
using Poll = std::function<bool(std::ptrdiff_t, const EpochResult&)>;

// For tests, over all steps of a trainer.
struct StepCounts {
  std::ptrdiff_t paired_steps = 0;            // steps taken by two threads
  std::ptrdiff_t layers_split_by_panels = 0;  // a layer counts once per step
};

template <class T>
struct Pass {
  const Samples<T>& samples;
  const std::int64_t* order;     // of the rows, or null
  const Poll& poll;
  StepCounts& counts;
  bool poll_every_step = false;  // else every kPollInterval
  std::uint64_t epoch = 0;
  std::ptrdiff_t position = 0;   // rows of the epoch before this pass
  std::ptrdiff_t first = 0;      // the next minibatch's first row
  bool stopped = false;
  EpochResult result = {};
  double loss = 0, weight = 0, penalty = 0;  // sums over the minibatches, of which the result has the means
  std::chrono::steady_clock::time_point polled = std::chrono::steady_clock::now();

  bool at_end() const { return first >= samples.rows(); }
  Minibatch<T> next_minibatch(std::ptrdiff_t batch) const;
  // Adds a step's loss, penalty and correct rows to the result; ends the pass if the loss isn't finite.
  void account(Workspace<T>& w, const Minibatch<T>& batch, double l2_penalty);
  // Ends the pass with the current step if its data were invalid.
  void stop_if_invalid(Workspace<T>& w);
  bool poll_due() const { return poll_every_step || std::chrono::steady_clock::now() - polled > kPollInterval; }
  void run_poll(Workspace<T>& w);
};

extern template struct Pass<float>;
extern template struct Pass<double>;

// The optimizer's state with the L2 coefficient for this minibatch.
template <class T>
OptimizerState for_minibatch(OptimizerState optimizer, const Workspace<T>& w, const Minibatch<T>& batch);
// How many of `rows` rows were classified correctly.
template <class T>
std::ptrdiff_t count_correct(const Workspace<T>& w, std::ptrdiff_t rows);
// Whether this training should take steps in pairs rather than split the rows of a step.
template <class T>
bool suits_pairing(const Workspace<T>& w, const OptimizerState& optimizer);

// One step: forward pass, backward pass, update.
template <class T>
void training_step(Workspace<T>& w, Pass<T>* pass, const OptimizerState& optimizer);

}  // namespace fw
