// Two threads on one step of a network whose first layer is most of it: they share that layer by its inputs, at
// the border between the two halves of its sums, each for the forward pass and for dW, so that each half of the
// weights stays in one core's cache. A step has one meeting, where each hands the other its half of the
// sums; all the rest, which is less, both do for themselves on copies of their own, the second side's
// being dropped in the end. What is computed, and in what order, is what one thread computes.
#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "pause.h"
#include "thread_pool.h"
#include "trainer.h"

namespace fw {
namespace {

constexpr double kPairWork = 4e5;  // multiply-adds of the first layer in a step, below which a meeting costs more
constexpr int kPatience = 100;     // looks, in about two microseconds, after which the other side is late
constexpr int kSpins = 2000;       // ten to thirty microseconds, after which it has lost its core
using Clock = std::chrono::steady_clock;

// Where cores are scarce a pair loses more than it gains. A twentieth of the time may be lost and some beyond
// it, over all epochs together; then a pair breaks up, and no other begins for twenty times what was lost.
constexpr int kShare = 20;
constexpr Clock::duration kForgiven = std::chrono::microseconds(100);
std::atomic<Clock::rep> g_debt{0}, g_rest_until{0};
std::atomic<Pairing> g_pairing{Pairing::as_it_pays};

// What is owed after a run that began at `started`.
Clock::duration debt(Clock::duration late, Clock::time_point started) {
  const Clock::duration owed = Clock::duration(g_debt.load(std::memory_order_relaxed)) + late;
  return std::max(owed - (Clock::now() - started) / kShare, Clock::duration(0));
}

// Whether a pair breaks up with this step.
bool has_enough(Pairing pairing, std::uint64_t step, Clock::duration late, Clock::time_point started) {
  if (pairing != Pairing::as_it_pays) return pairing == Pairing::for_two_steps && step > 2;
  return debt(late, started) > kForgiven;
}

}  // namespace

void set_pairing(Pairing pairing) { g_pairing = pairing; }

// Side 0 is the caller's thread, which polls and keeps the accounts. A step's number is stored in met[side]
// once the side's half of the sums can be read, by which its part of the step before is done, too.
template <class T>
struct Trainer<T>::Handshake {
  enum { waiting, arrived, paired, off };
  std::atomic<int> state{waiting};
  const Pairing pairing = g_pairing;
  std::thread::id caller = std::this_thread::get_id();
  alignas(128) std::atomic<std::uint64_t> met[2][16] = {};  // a line or two to each side
  std::atomic<std::uint64_t> stop_at{~std::uint64_t(0)};
  std::exception_ptr error[2];
  std::atomic<bool> failed{false};  // a side that won't come any more
  Clock::duration late{};  // the time that side 0 has lost
  double squares[2] = {};  // likewise by parity, of the second side's weights of the first layer

  // For tests, that side 0 takes no step by itself if the other can be had
  void wait_for_the_other() const {
    for (const auto until = Clock::now() + std::chrono::seconds(60); state == waiting && Clock::now() < until;)
      std::this_thread::yield();
  }
  void arrive(int side, std::uint64_t step) { met[side][0].store(step, std::memory_order_release); }
  // false if that side won't come
  bool await(int side, std::uint64_t step) {
    const auto there = [&] { return met[side][0].load(std::memory_order_acquire) >= step; };
    for (int i = 0; i < kPatience; ++i) {
      if (there()) return true;
      pause();
    }
    const auto from = Clock::now();
    for (int i = 0; !there(); ++i) {
      if (failed.load(std::memory_order_acquire)) return there();
      if (i < kSpins) pause();
      else std::this_thread::yield();
    }
    if (side == 1) late += Clock::now() - from;
    return true;
  }

  // One side's part, whose errors must not leave the other waiting
  template <class Part>
  void guard(int side, const Part& part) {
    try {
      part();
    } catch (...) {
      error[side] = std::current_exception();
      failed.store(true, std::memory_order_release);
    }
  }
};

// Whether a step's first layer is long enough for its inputs to be split, and that is better than to split the rows,
// for which each thread must fetch all weights: of few rows always, of some if two threads would share them.
template <class T>
bool Trainer<T>::pairs(const OptimizerState& optimizer) const {
  constexpr std::ptrdiff_t few = 64, some = 256;
  const Layer& a = network_.layers()[0];
  const double first = 2.0 * double(batch_) * double(a.inputs * a.panels() * kPanel);
  const double all = 3.0 * double(batch_) * double(network_.packed_size());
  const int limit = thread_limit();
  if (optimizer.looks_at_all()) return false;
  const int by_rows = network_.threads_for(batch_, 2);
  return network_.threads() > 1 && limit != 1 && (by_rows == 1 || batch_ <= few || (by_rows == 2 && batch_ <= some)) &&
         a.inputs > kBlock && first >= kPairWork && 2 * first > all;
}

template <class T>
void Trainer<T>::copy_tails(const OptimizerState& optimizer, OptimizerState* own) {
  const std::ptrdiff_t begin = network_.layers()[0].bias, size = network_.packed_size() - begin;
  std::copy_n(network_.parameters() + begin, size, second_->tail_.data());
  for (int s = 0; s < network_.table().optimizer_info[optimizer.kind].slots; ++s)
    std::copy_n(static_cast<T*>(optimizer.slots[s]) + begin, size,
                second_->slot_tails_[s].data());
  std::copy_n(optimizer.memo, kMaxMemo, own->memo);
}

// The caller's thread takes steps by itself until the second side has come, if it does.
template <class T>
void Trainer<T>::run_pair(Pass* pass, const OptimizerState& optimizer) {
  if (!second_) {
    second_ = std::make_unique<Trainer>(network_, loss_, batch_);
    second_->drop(rates_, drop_key_);
    second_->counts_rows_ = counts_rows_;
  }
  // all that a pair needs, whether or not it comes about now
  const std::size_t tail = std::size_t(network_.packed_size() - network_.layers()[0].bias);
  second_->tail_.reserve(tail);
  for (int s = 0; s < network_.table().optimizer_info[optimizer.kind].slots; ++s) second_->slot_tails_[s].reserve(tail);
  if (stages(pass->data.x)) second_->room_to_stage(pass->data.x);
  for (auto& by_side : second_->halves_)
    for (Buffer<T>& h : by_side) h.reserve(Panels<T>::size(capacity_, network_.layers()[0].outputs));
  Handshake shake;
  const bool as_it_pays = shake.pairing == Pairing::as_it_pays;
  // A callback may change the weights after each step, which the second side would not see.
  if (as_it_pays && pass->every_step) return;
  if (as_it_pays && Clock::now().time_since_epoch().count() <= g_rest_until.load(std::memory_order_relaxed)) return;
  second_->invalid_ = {};
  second_->epoch_ = epoch_;
  second_->position_ = position_;
  double memo[kMaxMemo];
  OptimizerState own = optimizer;
  own.memo = memo;
  Pass copy = *pass;
  auto task = [&](std::ptrdiff_t) {
    int state = Handshake::waiting;
    if (std::this_thread::get_id() != shake.caller) {
      if (!shake.state.compare_exchange_strong(state, Handshake::arrived)) return;
      for (int i = 0; (state = shake.state.load()) == Handshake::arrived; ++i)
        if (i < kSpins) pause();
        else std::this_thread::yield();
      if (state == Handshake::paired) shake.guard(1, [&] { second_->run_side(&copy, own, 1, &shake); });
      return;
    }
    shake.guard(0, [&] {
      if (!as_it_pays) shake.wait_for_the_other();
      while (shake.state.load() == Handshake::waiting && !over(*pass)) step(pass, optimizer);
      if (shake.state.load() == Handshake::arrived && !over(*pass)) {
        copy_tails(optimizer, &own);
        copy.first = pass->first;
        shake.state.store(Handshake::paired);
        run_side(pass, optimizer, 0, &shake);
      }
    });
    shake.state.store(Handshake::off);
  };
  const auto started = Clock::now();
  parallel_for(2, 2, task);
  for (const std::exception_ptr& error : shake.error)
    if (error) std::rethrow_exception(error);
  if (second_->invalid_) {  // each side reads the data for itself
    note_invalid(second_->invalid_);
    end_if_invalid(pass);
  }
  if (!as_it_pays) return;
  Clock::duration owed = debt(shake.late, started);
  if (owed > kForgiven) {
    g_rest_until = (Clock::now() + kShare * owed).time_since_epoch().count();
    owed = Clock::duration(0);
  }
  g_debt = owed.count();
}

template <class T>
void Trainer<T>::run_side(Pass* pass, const OptimizerState& optimizer, int side, Handshake* shake) {
  const Data& data = pass->data;
  const Layer& a = network_.layers()[0];
  const std::ptrdiff_t n = data.rows(), begin = side ? border() : 0, end = side ? a.inputs : border();
  const auto started = Clock::now();
  std::uint64_t step = 0;
  for (; pass->first < n; pass->first += batch_) {
    const std::ptrdiff_t first = pass->first;
    Batch batch = {std::min(batch_, n - first), 0, T(0), {}};
    const bool some = weigh(data, pass->index, first, &batch);
    Panels<T> half[2] = {};
    double own_squares = 0;
    ++step;
    if (some) {
      for (int s : {0, 1}) half[s] = {(side ? *this : *second_).halves_[step % 2][s].data(), capacity_};
      point(data, pass->index, first, &batch, stages(data.x) ? begin : 0);
      const Rows<T> in = stage(data, batch, 0, batch.rows, begin, end - begin, first, true);
      const bool staged = stages(data.x);
      kernels().dense_half({in, {}, T(0), batch.rows, staged ? 0 : batch.rows, staged ? 0 : batch.next, a.inputs,
                            parameter(a.weights), nullptr, a.outputs, half[side].out(), {}, false, batch.shares},
                           side + 1);
      if (optimizer.penalty != 0) own_squares = squares(a, begin, end);
      if (side == 1) shake->squares[step % 2] = own_squares;
    }
    // A poll may read the network, so that the second side must have done its part of the last step.
    const bool due = side == 0 && poll_due(*pass);
    if (due) {
      if (!shake->await(1, step)) return;
      try {
        poll(pass);
      } catch (...) {
        shake->error[0] = std::current_exception();
        pass->stopped = true;
      }
    }
    if (side == 0 && (pass->stopped || has_enough(shake->pairing, step, shake->late, started)))
      shake->stop_at.store(step, std::memory_order_relaxed);
    shake->arrive(side, step);
    if (!shake->await(1 - side, step)) return;
    if (shake->stop_at.load(std::memory_order_relaxed) <= step) return;
    if (some) {
      for (std::ptrdiff_t p = 0; p < a.panels(); ++p)  // all at once: the lines lie in the other core's cache
        for (std::ptrdiff_t r = 0; r < batch.rows; ++r)
          __builtin_prefetch(half[1 - side].base + (p * capacity_ + r) * kPanel);
      kernels().join[a.activation]({half[0].rows(), half[1].rows(), batch.rows, parameter(a.bias),
                                    a.outputs, output(0).out(), sum(0).out()});
      upper_layers(data, pass->index, first, 0, batch.rows, true);
      const OptimizerState state = of_batch(optimizer, batch);
      const double added = state.penalty == 0 ? 0 : penalty(state, own_squares, shake->squares[step % 2]);
      const Steps<T> scalars = steps(state, first);
      for (std::ptrdiff_t p = 0; p < a.panels(); p += kPair) {
        update_part(batch, state, scalars, nullptr, 0, p, begin, end);
        if (begin) update_part(batch, state, scalars, nullptr, 0, p, 0, 0);  // its bias
      }
      for (std::size_t l = 1; l < network_.layers().size(); ++l)
        for (std::ptrdiff_t p = 0; p < network_.layers()[l].panels(); p += kPair)
          update_part(batch, state, scalars, nullptr, l, p, 0, network_.layers()[l].inputs);
      if (side == 0) account(pass, batch, added);
    }
    if (side == 0) end_if_invalid(pass);
    pass->result.rows += batch.rows;
    ++paired_steps_;
  }
}

#define FW_PAIR(T)                                                             \
  template bool Trainer<T>::pairs(const OptimizerState&) const;                \
  template void Trainer<T>::run_pair(Pass*, const OptimizerState&);            \
  template void Trainer<T>::copy_tails(const OptimizerState&, OptimizerState*); \
  template void Trainer<T>::run_side(Pass*, const OptimizerState&, int, Handshake*);
FW_PAIR(float)
FW_PAIR(double)

}  // namespace fw
