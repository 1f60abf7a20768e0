#include "step.h"

#include <algorithm>
#include <cmath>

#include "forward_backward.h"
#include "thread_pool.h"

namespace fw {

template <class T>
void training_step(Workspace<T>& w, Pass<T>* pass, const OptimizerState& optimizer) {
  const Network<T>& network = w.network();
  Minibatch<T> batch = pass->next_minibatch(w.batch);
  if (normalise_row_weights(w, &batch)) {
    gather_pointers(w, &batch);
    // a training that suits pairing but has no second core now does not split its rows either
    const bool alone = suits_pairing(w, optimizer);
    pass->counts.layers_split_by_panels += forward_backward(w, batch, alone ? 1 : network.threads_for(batch.rows, 2));
    const OptimizerState state = for_minibatch(optimizer, w, batch);
    const double penalty = l2_penalty(w, state);
    const UpdateScalars<T> scalars = prepare_update(w, state, pass->first / w.batch);
    if (state.needs_full_gradient()) {
      T* gradient = w.gradient.reserve(std::size_t(network.packed_size()));
      sum_gradient(w, batch, gradient, network.threads_for(batch.rows, 1));
      apply_gradient(w, gradient, state, scalars);
    } else {
      update_parameters(w, batch, state, scalars, alone ? 1 : network.threads_for(batch.rows, 1));
    }
    pass->account(w, batch, penalty);
  }
  pass->stop_if_invalid(w);
  pass->result.rows += batch.rows;
  pass->first += w.batch;
  if (pass->poll_due()) pass->run_poll(w);
}

template <class T>
Minibatch<T> Pass<T>::next_minibatch(std::ptrdiff_t batch) const {
  return {.samples = samples,
          .order = order,
          .first = first,
          .rows = std::min(batch, samples.rows() - first),
          .epoch = epoch,
          .position = position + first};
}

template <class T>
void Pass<T>::account(Workspace<T>& w, const Minibatch<T>& batch, double l2_penalty) {
  const double total = double(batch.total_weight), counted = w.objective.counts_rows ? double(batch.rows) : total;
  const T* row_weight = samples.weights ? w.row_weight.data() : nullptr;
  double sum = double(w.kernels().sum(w.row_loss.data(), row_weight, batch.rows));
  if (counted != total) sum *= counted / total;
  sum += l2_penalty * counted;
  penalty += l2_penalty * counted;
  loss += sum;
  if (!std::isfinite(sum) && !result.failed) {
    result.failed = first / w.batch + 1;
    stopped = true;
  }
  weight += counted;
  result.loss = loss / weight;
  result.penalty = penalty / weight;
  result.weight = weight;
  result.correct += count_correct(w, batch.rows);
}

template <class T>
void Pass<T>::stop_if_invalid(Workspace<T>& w) {
  const Invalid invalid = w.invalid.get();
  if (!invalid) return;
  result.failed = first / w.batch + 1;
  result.invalid = invalid;
  stopped = true;
}

template <class T>
void Pass<T>::run_poll(Workspace<T>& w) {
  polled = std::chrono::steady_clock::now();
  stopped = !poll(result.rows, result) || stopped;
  w.network().clear_padding(w.network().parameters());  // a callback may have written there
}

template <class T>
OptimizerState for_minibatch(OptimizerState optimizer, const Workspace<T>& w, const Minibatch<T>& batch) {
  if (w.objective.counts_rows) optimizer.l2 /= double(batch.total_weight);
  return optimizer;
}

template <class T>
std::ptrdiff_t count_correct(const Workspace<T>& w, std::ptrdiff_t rows) {
  double n = 0;
  for (std::ptrdiff_t r = 0; r < rows; ++r) n += double(w.row_correct.data()[r]);
  return std::ptrdiff_t(n);
}

// Pairing splits the first layer by its inputs, so that layer must have two halves and most of the network's work.
// It beats splitting rows, for which each thread reads all weights, if rows are few; and if rows would be split
// between two threads only, up to some more rows.
template <class T>
bool suits_pairing(const Workspace<T>& w, const OptimizerState& optimizer) {
  constexpr std::ptrdiff_t few = 64, some = 256;
  constexpr double least_work = 4e5;  // multiply-adds of the first layer in a step that make up for a barrier
  const Network<T>& network = w.network();
  const Layer& a = network.layers()[0];
  const double first_layer = 2.0 * double(w.batch) * double(a.inputs * a.panels() * kPanel);
  const double whole_step = 3.0 * double(w.batch) * double(network.packed_size());
  if (optimizer.needs_full_gradient() || network.threads() <= 1 || thread_limit() == 1) return false;
  const int by_rows = network.threads_for(w.batch, 2);
  return (by_rows == 1 || w.batch <= few || (by_rows == 2 && w.batch <= some)) && a.inputs > kBlock &&
         first_layer >= least_work && 2 * first_layer > whole_step;
}

template struct Pass<float>;
template struct Pass<double>;
FW_INSTANTIATE(training_step)
FW_INSTANTIATE(for_minibatch)
FW_INSTANTIATE(count_correct)
FW_INSTANTIATE(suits_pairing)

}  // namespace fw
