#include "pairing_budget.h"

#include <algorithm>
#include <atomic>

namespace fw {
namespace {

using Clock = PairingBudget::Clock;

constexpr int kAllowance = 20;  // one part in so many of the run time may be spent waiting
constexpr Clock::duration kTolerance = std::chrono::microseconds(100);
std::atomic<Clock::rep> g_excess{0}, g_rest_until{0};
std::atomic<Pairing> g_pairing{Pairing::as_it_pays};

}  // namespace

void set_pairing(Pairing pairing) { g_pairing = pairing; }

PairingBudget::PairingBudget() : pairing_(g_pairing) {}

bool PairingBudget::may_start() const {
  return forced() || Clock::now().time_since_epoch().count() > g_rest_until.load(std::memory_order_relaxed);
}

Clock::duration PairingBudget::excess(Clock::time_point since) const {
  const Clock::duration waited = Clock::duration(g_excess.load(std::memory_order_relaxed)) + waited_;
  return std::max(waited - (Clock::now() - since) / kAllowance, Clock::duration(0));
}

bool PairingBudget::should_stop_pairing(std::uint64_t step) const {
  if (forced()) return pairing_ == Pairing::for_two_steps && step > 2;
  return excess(paired_since_) > kTolerance;
}

void PairingBudget::settle() const {
  if (forced()) return;
  Clock::duration left = excess(began_);
  if (left > kTolerance) {
    g_rest_until = (Clock::now() + kAllowance * left).time_since_epoch().count();
    left = Clock::duration(0);
  }
  g_excess = left.count();
}

}  // namespace fw
