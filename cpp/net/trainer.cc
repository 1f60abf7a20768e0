#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "philox.h"
#include "thread_pool.h"

namespace fw {
namespace {

constexpr std::ptrdiff_t kManyRows = 256;  // above which a gradient is summed some rows at a time

std::ptrdiff_t round_up(std::ptrdiff_t n, std::ptrdiff_t to) { return (n + to - 1) / to * to; }

}  // namespace

template <class T>
Trainer<T>::Trainer(Network<T>& network, const LossOptions& loss, std::ptrdiff_t batch)
    : network_(network), loss_(loss), batch_(batch), capacity_(round_up(batch, kPanel)) {
  const auto room = [&](std::ptrdiff_t n) {
    auto buffer = std::make_unique<Buffer<T>>();
    if (n) buffer->reserve(Panels<T>::size(capacity_, n));
    return buffer;
  };
  const auto& layers = network.layers();
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const bool last = l + 1 == layers.size();
    outputs_.push_back(room(layers[l].outputs));
    // the losses read the output layer's sums; so does a derivative that is a function of them
    sums_.push_back(
        room(last || kernels().derivative_from_z[layers[l].activation] ? layers[l].outputs : 0));
    deltas_.push_back(room(layers[l].outputs));
  }
  targets_.reserve(Panels<T>::size(capacity_, layers.back().outputs));
  for (Buffer<T>* b : {&row_loss_, &row_hit_, &scale_, &weight_, &row_max_, &log_sum_})
    b->reserve(std::size_t(capacity_));
  pointers_.reserve(std::size_t(2 * capacity_));
  task_ends_.reserve(std::size_t(std::max(1, network.threads())) * layers.size());
  if (loss_.output_weights.empty()) return;
  const std::ptrdiff_t padded = layers.back().panels() * kPanel;
  T* to = output_weights_.reserve(std::size_t(padded));
  std::fill_n(to, padded, T(0));
  std::copy(loss_.output_weights.begin(), loss_.output_weights.end(), to);
}

template <class T>
std::ptrdiff_t Trainer<T>::count_correct(std::ptrdiff_t rows) const {
  double n = 0;
  for (std::ptrdiff_t r = 0; r < rows; ++r) n += double(row_hit_.data()[r]);
  return std::ptrdiff_t(n);
}

template <class T>
void Trainer<T>::account(Pass* pass, const Batch& batch, double penalty) {
  const double total = double(batch.total_weight), weight = counts_rows_ ? double(batch.rows) : total;
  double loss = double(kernels().sum(row_loss_.data(), pass->data.weights ? weight_.data() : nullptr, batch.rows));
  if (weight != total) loss *= weight / total;
  loss += penalty * weight;
  pass->penalty += penalty * weight;
  pass->loss += loss;
  if (!std::isfinite(loss) && !pass->result.failed) {
    pass->result.failed = pass->first / batch_ + 1;
    pass->stopped = true;
  }
  pass->weight += weight;
  pass->result.loss = pass->loss / pass->weight;
  pass->result.penalty = pass->penalty / pass->weight;
  pass->result.weight = pass->weight;
  pass->result.correct += count_correct(batch.rows);
}

template <class T>
bool Trainer<T>::poll_due(const Pass& pass) const {
  return pass.every_step || std::chrono::steady_clock::now() - pass.polled > kPollEvery;
}

template <class T>
void Trainer<T>::poll(Pass* pass) {
  pass->polled = std::chrono::steady_clock::now();
  pass->stopped = !pass->poll(pass->result.rows, pass->result) || pass->stopped;
  network_.clear_padding(network_.parameters());  // into which a callback may have written
}

template <class T>
void Trainer<T>::clear_padding(const OptimizerState& optimizer) {
  network_.clear_padding(network_.parameters());
  for (int s = 0; s < network_.table().optimizer_info[optimizer.kind].slots; ++s)
    network_.clear_padding(static_cast<T*>(optimizer.slots[s]));
}

template <class T>
void Trainer<T>::note_invalid(const Invalid& invalid) {
  const std::lock_guard<std::mutex> lock(noting_);
  if (!invalid_ || invalid.row < invalid_.row) invalid_ = invalid;
}

template <class T>
void Trainer<T>::end_if_invalid(Pass* pass) {
  const std::lock_guard<std::mutex> lock(noting_);
  if (!invalid_) return;
  pass->result.failed = pass->first / batch_ + 1;
  pass->result.invalid = invalid_;
  pass->stopped = true;
}

template <class T>
void Trainer<T>::step(Pass* pass, const OptimizerState& optimizer) {
  const Data& data = pass->data;
  const std::int64_t* index = pass->index;
  const std::ptrdiff_t first = pass->first;
  Batch batch = {std::min(batch_, data.rows() - first), 0, T(0), {}};
  if (weigh(data, index, first, &batch)) {
    point(data, index, first, &batch);
    // where a pair would be better but has no core to spare, rows are not split either
    const bool alone = pairs(optimizer);
    pass_through(data, index, first, batch, alone ? 1 : network_.threads_for(batch.rows, 2));
    const OptimizerState state = of_batch(optimizer, batch);
    const double added = penalty(state);
    const Steps<T> s = steps(state, first);
    if (state.looks_at_all()) update_clipped(batch, state, s);
    else update(batch, state, s, nullptr, alone ? 1 : network_.threads_for(batch.rows, 1));
    account(pass, batch, added);
  }
  end_if_invalid(pass);
  pass->result.rows += batch.rows;
  pass->first += batch_;
  if (poll_due(*pass)) poll(pass);
}

template <class T>
EpochResult Trainer<T>::epoch(const Data& given, const OptimizerState& optimizer,
                              const std::uint64_t* key, std::uint64_t epoch, const Poll& when,
                              bool every_step, std::ptrdiff_t position) {
  Data data = given;
  if (data.weights) {
    T* copy = epoch_weights_.reserve(std::size_t(data.x.rows));
    std::copy_n(given.weights, data.x.rows, copy);
    data.weights = copy;
  }
  const std::ptrdiff_t n = data.rows();
  const std::int64_t* index = data.index;
  epoch_ = epoch;
  position_ = position;
  invalid_ = {};
  clear_padding(optimizer);
  if (key) {
    order_.resize(std::size_t(n));
    if (data.index) std::copy_n(data.index, n, order_.begin());
    else std::iota(order_.begin(), order_.end(), std::int64_t(0));
    Philox(*key).shuffle(kStreamShuffle + epoch, order_.data(), n);
    index = order_.data();
  }
  Pass pass = {data, index, when, every_step};
  if (pairs(optimizer)) run_pair(&pass, optimizer);
  while (!over(pass)) step(&pass, optimizer);
  pass.result.finite = std::isfinite(pass.result.loss);
  return pass.result;
}

template <class T>
double Trainer<T>::gradients(const Data& data, T* packed, T* input_gradient, std::ptrdiff_t* correct) {
  const auto& layers = network_.layers();
  if (correct) *correct = 0;
  std::fill_n(packed, network_.packed_size(), T(0));
  Batch batch = {data.x.rows, 0, T(0), {}};
  epoch_ = 0;
  position_ = 0;
  invalid_ = {};
  const auto expect_valid = [&] {
    if (invalid_) throw std::invalid_argument(sentence(invalid_));
  };
  if (batch.rows == 0 || !weigh(data, nullptr, 0, &batch)) {
    expect_valid();
    if (input_gradient) std::fill_n(input_gradient, data.x.rows * data.x.columns, T(0));
    return batch.rows ? 0.0 : std::nan("");
  }
  point(data, nullptr, 0, &batch);
  const Layer& a = layers[0];
  auto rows_task = [&](std::ptrdiff_t b) {
    const std::ptrdiff_t from = b * kRowBlock, rows = std::min(kRowBlock, batch.rows - from);
    rows_pass(data, nullptr, 0, batch, from, rows, true);
    if (!input_gradient) return;
    const RowsOut<T> to = {input_gradient + from * a.inputs, a.inputs, kPanel, false};
    // the derivative of identity reads nothing that matters, but its rows must be there to be read
    kernels().dense_backward[act_identity]({delta(0).rows(from), rows, a.outputs,
                                            network_.parameters() + a.weights, a.inputs, to,
                                            {network_.parameters(), nullptr, 0, 0}});
    for (std::ptrdiff_t i = from * a.inputs; i < (from + rows) * a.inputs; ++i)
      input_gradient[i] *= network_.input_scale();
    if (drops(0)) drop_gradient(input_gradient, from, rows);
  };
  const int threads = network_.threads_for(batch.rows, 2);
  if (batch.rows <= kManyRows) {
    parallel_for((batch.rows + kRowBlock - 1) / kRowBlock, threads, rows_task);
    update(batch, {}, {}, packed, network_.threads_for(batch.rows, 1));
  } else {
    // some rows at a time go all the way, while they are near
    second_half_.reserve(std::size_t(network_.packed_size()));
    const std::ptrdiff_t most = kRowBlock * threads;
    for (std::ptrdiff_t from = 0; from < batch.rows; from += most) {
      Batch part = batch;
      part.from = from;
      part.all = batch.rows;
      part.rows = std::min(most, batch.rows - from);
      auto part_task = [&](std::ptrdiff_t b) { rows_task(from / kRowBlock + b); };
      parallel_for((part.rows + kRowBlock - 1) / kRowBlock, threads, part_task);
      update(part, {}, {}, packed, network_.threads_for(part.rows, 1));
    }
  }
  network_.clear_padding(packed);
  if (data.targets.upstream) return 0.0;
  expect_valid();
  if (correct) *correct = count_correct(batch.rows);
  return double(kernels().sum(row_loss_.data(), data.weights ? weight_.data() : nullptr,
                              batch.rows) / batch.total_weight);
}

template <class T>
EpochResult Trainer<T>::evaluate(const Data& data, const std::function<void()>& look) {
  EpochResult result;
  auto looked = std::chrono::steady_clock::now();
  const std::ptrdiff_t n = data.rows();
  const std::int64_t* index = data.index;
  Buffer<T> all, weights;
  all.reserve(std::size_t(n));
  invalid_ = {};
  for (std::ptrdiff_t first = 0; first < n; first += batch_) {
    Batch batch = {std::min(batch_, n - first), 0, T(0), {}};
    point(data, index, first, &batch);
    auto rows_task = [&](std::ptrdiff_t b) {
      rows_pass(data, index, first, batch, b * kRowBlock,
                std::min(kRowBlock, batch.rows - b * kRowBlock), false);
    };
    parallel_for((batch.rows + kRowBlock - 1) / kRowBlock, network_.threads_for(batch.rows, 1),
                 rows_task);
    std::copy_n(row_loss_.data(), batch.rows, all.data() + first);
    result.correct += count_correct(batch.rows);
    result.rows += batch.rows;
    if (std::chrono::steady_clock::now() - looked > kPollEvery) {
      look();
      looked = std::chrono::steady_clock::now();
    }
  }
  const T* w = data.weights;
  if (w) {
    weights.reserve(std::size_t(n));
    for (std::ptrdiff_t i = 0; i < n; ++i) weights.data()[i] = weight_of(data, index ? index[i] : i);
    w = weights.data();
  }
  if (invalid_) throw std::invalid_argument(sentence(invalid_));
  const T total = kernels().sum(all.data(), w, n);
  const T weight = w ? kernels().sum(w, nullptr, n) : T(n);
  result.loss = n ? double(total / weight) : std::nan("");
  result.finite = std::isfinite(result.loss);
  return result;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace fw
