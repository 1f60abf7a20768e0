// When two threads may take steps in pairs (paired_step.h). If cores are scarce, a paired step loses more than it
// gains: a thread waits for a peer that has no core. Waiting may take up to a twentieth of the run time, over all
// runs of the process together; beyond that, pairing stops and rests for twenty times the excess.
#pragma once

#include <chrono>
#include <cstdint>

namespace fw {

// as_it_pays: by the budget. The others are for tests, which must not depend on free cores: always, or for the first
// two steps of each epoch.
enum class Pairing { as_it_pays, always, for_two_steps };
void set_pairing(Pairing pairing);

// One run's account; used by the thread that called for the run.
class PairingBudget {
 public:
  using Clock = std::chrono::steady_clock;

  PairingBudget();
  bool forced() const { return pairing_ != Pairing::as_it_pays; }
  // False while pairing rests.
  bool may_start() const;
  // To be called when the peer has come.
  void start_pairing() { paired_since_ = Clock::now(); }
  void add_waiting(Clock::duration time) { waited_ += time; }
  // Whether pairing ends with this step, counted from 1.
  bool should_stop_pairing(std::uint64_t step) const;
  // To be called once, at the end: carries the account over to the next run.
  void settle() const;

 private:
  // Time waited beyond the allowance of a run that began at `since`, with what earlier runs left.
  Clock::duration excess(Clock::time_point since) const;

  const Pairing pairing_;
  const Clock::time_point began_ = Clock::now();
  Clock::time_point paired_since_ = began_;
  Clock::duration waited_{};
};

}  // namespace fw
