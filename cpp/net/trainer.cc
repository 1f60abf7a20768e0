#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "forward_backward.h"
#include "paired_step.h"
#include "philox.h"
#include "thread_pool.h"

namespace fw {
namespace {

constexpr std::ptrdiff_t kWholeGradientRows = 256;  // more rows are summed in parts

// Calls task(RowSpan) for all rows, in blocks of kRowBlock.
template <class Task>
void for_row_blocks(std::ptrdiff_t rows, int threads, const Task& task) {
  auto numbered = [&](std::ptrdiff_t b) { task(RowSpan{b * kRowBlock, std::min(kRowBlock, rows - b * kRowBlock)}); };
  parallel_for(ceil_div(rows, kRowBlock), threads, numbered);
}

}  // namespace

template <class T>
EpochResult Trainer<T>::epoch(const Samples<T>& given, const OptimizerState& optimizer, const std::uint64_t* key,
                              std::uint64_t epoch, const Poll& poll, bool poll_every_step, std::ptrdiff_t position) {
  Samples<T> samples = given;
  if (given.weights) {
    T* copy = epoch_weights_.reserve(std::size_t(given.x.rows));
    std::copy_n(given.weights, given.x.rows, copy);
    samples.weights = copy;
  }
  workspace_.invalid.clear();
  clear_padding(optimizer);
  Pass<T> pass = {.samples = samples,
                  .order = key ? shuffled(samples, *key, epoch) : samples.index,
                  .poll = poll,
                  .counts = counts_,
                  .poll_every_step = poll_every_step,
                  .epoch = epoch,
                  .position = position};
  if (suits_pairing(workspace_, optimizer)) {
    if (!peer_) peer_ = std::make_unique<Workspace<T>>(objective_, workspace_.batch);
    reserve_peer(*peer_, samples.x, optimizer);
    run_paired_steps(workspace_, *peer_, &pass, optimizer);
  }
  while (!pass.stopped && !pass.at_end()) training_step(workspace_, &pass, optimizer);
  pass.result.finite = std::isfinite(pass.result.loss);
  return pass.result;
}

template <class T>
const std::int64_t* Trainer<T>::shuffled(const Samples<T>& samples, std::uint64_t key, std::uint64_t epoch) {
  const std::ptrdiff_t n = samples.rows();
  order_.resize(std::size_t(n));
  if (samples.index) std::copy_n(samples.index, n, order_.begin());
  else std::iota(order_.begin(), order_.end(), std::int64_t(0));
  Philox(key).shuffle(kStreamShuffle + epoch, order_.data(), n);
  return order_.data();
}

template <class T>
void Trainer<T>::set_dropout(const std::vector<double>& rates, std::uint64_t key) {
  objective_.dropout_rates = rates;
  objective_.dropout_key = key;
  workspace_.reserve_dropout();
  peer_.reset();
}

template <class T>
void Trainer<T>::clear_padding(const OptimizerState& optimizer) {
  network().clear_padding(network().parameters());
  for (int s = 0; s < network().table().optimizer_info[optimizer.kind].slots; ++s)
    network().clear_padding(static_cast<T*>(optimizer.slots[s]));
}

template <class T>
std::string Trainer<T>::sentence(const Invalid& invalid) const {
  return describe(invalid, objective_.loss, network().layers().back().outputs);
}

template <class T>
void Trainer<T>::expect_valid() {
  if (const Invalid invalid = workspace_.invalid.get()) throw std::invalid_argument(sentence(invalid));
}

template <class T>
void Trainer<T>::apply(T* gradient, const OptimizerState& optimizer) {
  clear_padding(optimizer);
  network().clear_padding(gradient);
  apply_gradient(workspace_, gradient, optimizer, prepare_update(workspace_, optimizer, 0));
}

template <class T>
double Trainer<T>::gradients(const Samples<T>& samples, T* packed, T* input_gradient, std::ptrdiff_t* correct) {
  const std::ptrdiff_t n = samples.x.rows;
  if (correct) *correct = 0;
  std::fill_n(packed, network().packed_size(), T(0));
  workspace_.invalid.clear();
  Minibatch<T> batch = {.samples = samples, .order = nullptr, .first = 0, .rows = n};
  if (n == 0 || !normalise_row_weights(workspace_, &batch)) {
    expect_valid();
    if (input_gradient) std::fill_n(input_gradient, n * samples.x.columns, T(0));
    return n ? 0.0 : std::nan("");
  }
  gather_pointers(workspace_, &batch);
  whole_gradients(batch, packed, input_gradient);
  network().clear_padding(packed);
  if (samples.targets.upstream_gradient) return 0.0;
  expect_valid();
  if (correct) *correct = count_correct(workspace_, n);
  const T* row_weight = samples.weights ? workspace_.row_weight.data() : nullptr;
  return double(kernels().sum(workspace_.row_loss.data(), row_weight, n) / batch.total_weight);
}

template <class T>
void Trainer<T>::whole_gradients(const Minibatch<T>& batch, T* packed, T* input_gradient) {
  const int threads = network().threads_for(batch.rows, 2);
  const auto task = [&](RowSpan rows) { rows_gradients(batch, rows, input_gradient); };
  if (batch.rows <= kWholeGradientRows) {
    for_row_blocks(batch.rows, threads, task);
    sum_gradient(workspace_, batch, packed, network().threads_for(batch.rows, 1));
    return;
  }
  // one part of the rows after the other, each while its activations are in cache
  workspace_.gradient_second_half.reserve(std::size_t(network().packed_size()));
  const std::ptrdiff_t part_rows = kRowBlock * threads;
  for (std::ptrdiff_t offset = 0; offset < batch.rows; offset += part_rows) {
    Minibatch<T> part = batch;
    part.offset = offset;
    part.sum_rows = batch.rows;
    part.rows = std::min(part_rows, batch.rows - offset);
    for_row_blocks(part.rows, threads, [&](RowSpan rows) { task({offset + rows.first, rows.count}); });
    sum_gradient(workspace_, part, packed, network().threads_for(part.rows, 1));
  }
}

template <class T>
void Trainer<T>::rows_gradients(const Minibatch<T>& batch, RowSpan rows, T* input_gradient) {
  const Layer& a = network().layers()[0];
  forward_backward_rows(workspace_, batch, rows, true);
  if (!input_gradient) return;
  T* dx = input_gradient + rows.first * a.inputs;
  kernels().dense_backward[act_identity]({.dz = workspace_.delta(0).rows(rows.first),
                                          .rows = rows.count,
                                          .outputs = a.outputs,
                                          .weights = network().parameters() + a.weights,
                                          .inputs = a.inputs,
                                          .dx = {dx, a.inputs, kPanel, false},
                                          // identity's derivative ignores these numbers, but they must be readable
                                          .below = {network().parameters(), nullptr, 0, 0}});
  for (std::ptrdiff_t i = 0; i < rows.count * a.inputs; ++i) dx[i] *= network().input_scale();
  if (objective_.drops(0)) drop_input_gradient(workspace_, batch, input_gradient, rows);
}

template <class T>
EpochResult Trainer<T>::evaluate(const Samples<T>& samples, const std::function<void()>& poll) {
  using Clock = std::chrono::steady_clock;
  EpochResult result;
  auto polled = Clock::now();
  const std::ptrdiff_t n = samples.rows();
  Buffer<T> row_losses, weights;
  row_losses.reserve(std::size_t(n));
  workspace_.invalid.clear();
  for (std::ptrdiff_t first = 0; first < n; first += workspace_.batch) {
    Minibatch<T> batch = {
        .samples = samples, .order = samples.index, .first = first, .rows = std::min(workspace_.batch, n - first)};
    gather_pointers(workspace_, &batch);
    for_row_blocks(batch.rows, network().threads_for(batch.rows, 1),
                   [&](RowSpan rows) { forward_backward_rows(workspace_, batch, rows, false); });
    std::copy_n(workspace_.row_loss.data(), batch.rows, row_losses.data() + first);
    result.correct += count_correct(workspace_, batch.rows);
    result.rows += batch.rows;
    if (Clock::now() - polled > kPollInterval) {
      poll();
      polled = Clock::now();
    }
  }
  if (samples.weights) {
    weights.reserve(std::size_t(n));
    for (std::ptrdiff_t i = 0; i < n; ++i)
      weights.data()[i] = valid_row_weight(workspace_, samples, samples.index ? samples.index[i] : i);
  }
  expect_valid();
  const T* w = samples.weights ? weights.data() : nullptr;
  const T total = kernels().sum(row_losses.data(), w, n);
  const T weight = w ? kernels().sum(w, nullptr, n) : T(n);
  result.loss = n ? double(total / weight) : std::nan("");
  result.finite = std::isfinite(result.loss);
  return result;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace fw
