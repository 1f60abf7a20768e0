#include "paired_step.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "forward_backward.h"
#include "pairing_budget.h"
#include "pause.h"
#include "split.h"
#include "thread_pool.h"

namespace fw {
namespace {

using Clock = PairingBudget::Clock;

constexpr int kPatience = 100;  // spins, about two microseconds, after which the peer counts as late
constexpr int kSpins = 2000;    // ten to thirty microseconds, after which the peer has probably lost its core

// One spin of a loop that waits for the other thread.
void spin(int i) {
  if (i < kSpins) pause();
  else std::this_thread::yield();
}

// How the two threads find and meet each other. Thread 0 is the caller, which polls and keeps the accounts; thread 1
// is its peer.
class Meeting {
 public:
  // Thread 1: waits to be admitted; false if it isn't, or is not needed.
  bool join() {
    int state = kAlone;
    if (!state_.compare_exchange_strong(state, kArrived)) return false;
    for (int i = 0; (state = state_.load()) == kArrived; ++i) spin(i);
    return state == kPaired;
  }
  // Thread 0:
  bool peer_arrived() const { return state_.load() == kArrived; }
  void admit_peer() { state_.store(kPaired); }
  void close() { state_.store(kClosed); }
  // For tests: thread 0 takes no step alone if a peer can be had.
  void wait_for_peer() const {
    const auto until = Clock::now() + std::chrono::seconds(60);
    while (state_ == kAlone && Clock::now() < until) std::this_thread::yield();
  }

  // This thread's half of the sums of a step can be read, and its part of the step before is done.
  void arrive(int thread, std::uint64_t step) { arrived_[thread].step.store(step, std::memory_order_release); }
  // Waits until that thread has arrived at the step; false if it failed. Thread 0 notes the time in its budget.
  bool await(int thread, std::uint64_t step) {
    const auto arrived = [&] { return arrived_[thread].step.load(std::memory_order_acquire) >= step; };
    for (int i = 0; i < kPatience; ++i) {
      if (arrived()) return true;
      pause();
    }
    const auto from = Clock::now();
    for (int i = 0; !arrived(); ++i) {
      if (failed_.load(std::memory_order_acquire)) return arrived();
      spin(i);
    }
    if (thread == 1) budget.add_waiting(Clock::now() - from);
    return true;
  }

  // Thread 0 decides that this step is not to be finished by the pair.
  void stop_at(std::uint64_t step) { stop_at_.store(step, std::memory_order_relaxed); }
  bool stopped_at(std::uint64_t step) const { return stop_at_.load(std::memory_order_relaxed) <= step; }

  // Runs a thread's part, whose errors must not leave the other thread waiting.
  template <class Part>
  void guard(int thread, const Part& part) {
    try {
      part();
    } catch (...) {
      error[thread] = std::current_exception();
      failed_.store(true, std::memory_order_release);
    }
  }

  PairingBudget budget;         // of thread 0
  std::exception_ptr error[2];
  double peer_squares[2] = {};  // by the step's parity: the sum of squares of thread 1's half of the first layer

 private:
  enum { kAlone, kArrived, kPaired, kClosed };
  struct alignas(128) Arrival {  // a cache line or two for each thread
    std::atomic<std::uint64_t> step{0};
  };
  std::atomic<int> state_{kAlone};
  Arrival arrived_[2];
  std::atomic<std::uint64_t> stop_at_{~std::uint64_t(0)};
  std::atomic<bool> failed_{false};
};

// One thread's part of the paired steps.
template <class T>
class PairedThread {
 public:
  // `halves`: the workspace whose half_sums the threads exchange.
  PairedThread(int thread, Workspace<T>& own, Workspace<T>& halves, Meeting* meeting)
      : thread_(thread), w_(own), halves_(halves), meeting_(*meeting), boundary_(half_boundary(own)) {}

  void run(Pass<T>* pass, const OptimizerState& optimizer) {
    for (std::uint64_t step = 1; !pass->at_end(); ++step, pass->first += w_.batch) {
      Minibatch<T> batch = pass->next_minibatch(w_.batch);
      const bool weighted = normalise_row_weights(w_, &batch);
      if (weighted) sum_own_half(&batch, step, optimizer);
      if (!meet(step, pass)) return;
      if (weighted) finish_step(batch, step, pass, optimizer);
      pass->result.rows += batch.rows;
      if (!caller()) continue;
      pass->stop_if_invalid(w_);
      ++pass->counts.paired_steps;
    }
  }

 private:
  bool caller() const { return thread_ == 0; }
  std::ptrdiff_t first_input() const { return caller() ? 0 : boundary_; }
  std::ptrdiff_t end_input() const { return caller() ? boundary_ : w_.layer(0).inputs; }
  Panels<T> half_sums(int thread, std::uint64_t step) { return halves_.panels(halves_.half_sums[step % 2][thread]); }

  // The first layer's sums over this thread's half of the inputs.
  void sum_own_half(Minibatch<T>* batch, std::uint64_t step, const OptimizerState& optimizer) {
    const Layer& a = w_.layer(0);
    const bool converts = w_.converts(batch->samples.x);
    const ColumnSpan columns = {first_input(), end_input() - first_input()};
    gather_pointers(w_, batch, converts ? columns.first : 0);
    const Rows<T> x = convert_rows_to_scratch(w_, *batch, {0, batch->rows}, columns, true);
    w_.kernels().dense_half({.x = x,
                             .bytes = {},
                             .scale = T(0),
                             .rows = batch->rows,
                             .prefetch_distance = converts ? 0 : batch->rows,
                             .rows_ahead = converts ? 0 : batch->next_rows,
                             .inputs = a.inputs,
                             .weights = w_.parameter(a.weights),
                             .bias = nullptr,
                             .outputs = a.outputs,
                             .y = half_sums(thread_, step).out(),
                             .z = {},
                             .split_prefetch = batch->split_prefetch},
                            thread_ + 1);
    if (optimizer.l2 == 0) return;
    squares_ = sum_of_squares(w_, 0, first_input(), end_input());
    if (!caller()) meeting_.peer_squares[step % 2] = squares_;
  }

  // Waits for the other thread. False if the pair ends before this step is finished.
  bool meet(std::uint64_t step, Pass<T>* pass) {
    if (caller()) {
      // a poll may read the network, so the peer must have finished its part of the previous step
      if (pass->poll_due()) {
        if (!meeting_.await(1, step)) return false;
        try {
          pass->run_poll(w_);
        } catch (...) {
          meeting_.error[0] = std::current_exception();
          pass->stopped = true;
        }
      }
      if (pass->stopped || meeting_.budget.should_stop_pairing(step)) meeting_.stop_at(step);
    }
    meeting_.arrive(thread_, step);
    return meeting_.await(1 - thread_, step) && !meeting_.stopped_at(step);
  }

  // All that follows the first layer's sums; of the update of the first layer, this thread's half.
  void finish_step(const Minibatch<T>& batch, std::uint64_t step, Pass<T>* pass, const OptimizerState& optimizer) {
    const Layer& a = w_.layer(0);
    prefetch_peer_sums(batch.rows, step);
    w_.kernels().combine[a.activation]({.first = half_sums(0, step).rows(),
                                        .second = half_sums(1, step).rows(),
                                        .rows = batch.rows,
                                        .bias = w_.parameter(a.bias),
                                        .outputs = a.outputs,
                                        .y = w_.output(0).out(),
                                        .z = w_.sum(0).out()});
    forward_backward_from(w_, batch, {0, batch.rows}, true);
    const OptimizerState state = for_minibatch(optimizer, w_, batch);
    const double penalty =
        caller() && state.l2 != 0 ? l2_penalty_of(w_, state, squares_, meeting_.peer_squares[step % 2]) : 0;
    const UpdateScalars<T> scalars = prepare_update(w_, state, pass->first / w_.batch);
    for (std::size_t l = 0; l < w_.layers.size(); ++l)
      for (std::ptrdiff_t p = 0; p < w_.layer(l).panels(); p += kPanelPair) {
        WeightTile tile = {l, p, 0, w_.layer(l).inputs};
        if (l == 0) tile.first_input = first_input(), tile.end_input = end_input();
        update_tile(w_, batch, state, scalars, tile);
        if (tile.first_input) update_tile(w_, batch, state, scalars, {l, p, 0, 0});  // the bias alone
      }
    if (caller()) pass->account(w_, batch, penalty);
  }

  // All cache lines at once, since they are in the other core's cache.
  void prefetch_peer_sums(std::ptrdiff_t rows, std::uint64_t step) {
    const Panels<T> sums = half_sums(1 - thread_, step);
    for (std::ptrdiff_t p = 0; p < w_.layer(0).panels(); ++p)
      for (std::ptrdiff_t r = 0; r < rows; ++r) __builtin_prefetch(sums.at(r, p));
  }

  const int thread_;
  Workspace<T>& w_;
  Workspace<T>& halves_;
  Meeting& meeting_;
  const std::ptrdiff_t boundary_;
  double squares_ = 0;  // of this thread's half of the first layer's weights
};

// Gives the peer its copies of the parameters and of the optimizer's state.
template <class T>
void copy_to_peer(Workspace<T>& peer, const OptimizerState& optimizer, double* scalar_state) {
  const Network<T>& network = peer.network();
  const std::ptrdiff_t begin = network.layers()[0].bias, size = network.packed_size() - begin;
  std::copy_n(network.parameters() + begin, size, peer.own_parameters.data());
  for (int s = 0; s < network.table().optimizer_info[optimizer.kind].slots; ++s)
    std::copy_n(static_cast<T*>(optimizer.slots[s]) + begin, size, peer.own_slots[s].data());
  std::copy_n(optimizer.scalar_state, kMaxScalarState, scalar_state);
}

}  // namespace

template <class T>
void reserve_peer(Workspace<T>& peer, const InputView& x, const OptimizerState& optimizer) {
  const Network<T>& network = peer.network();
  const std::size_t size = std::size_t(network.packed_size() - network.layers()[0].bias);
  peer.own_parameters.reserve(size);
  for (int s = 0; s < network.table().optimizer_info[optimizer.kind].slots; ++s) peer.own_slots[s].reserve(size);
  if (peer.converts(x)) peer.reserve_converted(x.columns);
  for (auto& by_thread : peer.half_sums)
    for (Buffer<T>& sums : by_thread) sums.reserve(Panels<T>::size(peer.capacity, network.layers()[0].outputs));
}

template <class T>
void run_paired_steps(Workspace<T>& w, Workspace<T>& peer, Pass<T>* pass, const OptimizerState& optimizer) {
  Meeting meeting;
  // a callback may change the weights after each step, which the peer's copies would miss
  if (!meeting.budget.forced() && pass->poll_every_step) return;
  if (!meeting.budget.may_start()) return;
  peer.invalid.clear();
  double peer_scalars[kMaxScalarState];
  OptimizerState peer_optimizer = optimizer;
  peer_optimizer.scalar_state = peer_scalars;
  Pass<T> peer_pass = *pass;
  const auto run_caller = [&] {
    if (meeting.budget.forced()) meeting.wait_for_peer();
    while (!meeting.peer_arrived() && !pass->stopped && !pass->at_end()) training_step(w, pass, optimizer);
    if (!meeting.peer_arrived() || pass->stopped || pass->at_end()) return;
    copy_to_peer(peer, optimizer, peer_scalars);
    peer_pass.first = pass->first;
    meeting.admit_peer();
    meeting.budget.start_pairing();
    PairedThread<T>(0, w, peer, &meeting).run(pass, optimizer);
  };
  const auto run_peer = [&] { PairedThread<T>(1, peer, peer, &meeting).run(&peer_pass, peer_optimizer); };
  auto task = [&, caller = std::this_thread::get_id()](std::ptrdiff_t) {
    if (std::this_thread::get_id() == caller) {
      meeting.guard(0, run_caller);
      meeting.close();
    } else if (meeting.join()) {
      meeting.guard(1, run_peer);
    }
  };
  parallel_for(2, 2, task);
  for (const std::exception_ptr& error : meeting.error)
    if (error) std::rethrow_exception(error);
  if (const Invalid invalid = peer.invalid.get()) {  // each thread reads the data for itself
    w.invalid.report(invalid);
    pass->stop_if_invalid(w);
  }
  meeting.budget.settle();
}

FW_INSTANTIATE(reserve_peer)
FW_INSTANTIATE(run_paired_steps)

}  // namespace fw
