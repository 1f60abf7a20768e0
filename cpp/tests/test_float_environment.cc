// The floating-point environment: set on entry, put back on leaving, the caller's while code of the caller's runs, and
// in the workers of the pool.
#include "../net/float_environment.h"

#include <atomic>
#include <cfenv>
#include <thread>

#include "../net/thread_pool.h"
#include "check.h"

namespace {

using fw::FloatEnvironment;

#if defined(__clang__)
#define FW_CALLED [[gnu::noinline, clang::optnone]]
#else
#define FW_CALLED [[gnu::noipa]]
#endif
// Computed when they are called, and not by the compiler.
FW_CALLED float times(float a, float b) { return a * b; }
FW_CALLED float plus(float a, float b) { return a + b; }
FW_CALLED float multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

constexpr float kSmallest = 0x1p-126f;  // normal

bool flushes() { return times(kSmallest, 0.5f) == 0 && times(0x1p-127f, 0x1p100f) == 0; }
bool rounds_to_nearest() { return plus(1, 0x1p-25f) == 1 && plus(-1, -0x1p-25f) == -1; }

void entered_and_left() {
  CHECK(!flushes());
  const auto before = FloatEnvironment::read() & FloatEnvironment::kControl;
  for (int mode : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    {
      FloatEnvironment environment;
      CHECK(flushes());
      CHECK(rounds_to_nearest());
      {
        const FloatEnvironment within;
        CHECK(flushes());
      }
      CHECK(flushes());
      {
        const FloatEnvironment::Left left(environment);
        CHECK(!flushes());
        CHECK(std::fegetround() == mode);
      }
      CHECK(flushes());
      CHECK(rounds_to_nearest());
    }
    CHECK(std::fegetround() == mode);
    CHECK(!flushes());
  }
  std::fesetround(FE_TONEAREST);
  CHECK((FloatEnvironment::read() & FloatEnvironment::kControl) == before);
}

void what_the_callers_code_changes_stays() {
  {
    FloatEnvironment environment;
    {
      const FloatEnvironment::Left left(environment);
      std::fesetround(FE_UPWARD);
    }
    CHECK(rounds_to_nearest());
  }
  CHECK(std::fegetround() == FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}

// Whatever the thread has set that started them.
void workers() {
  std::fesetround(FE_UPWARD);
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> others{0}, wrong{0};
  auto task = [&](std::ptrdiff_t) {
    if (std::this_thread::get_id() == caller) {
      for (int i = 0; i < 10000 && others == 0; ++i) std::this_thread::yield();
      return;
    }
    ++others;
    if (!flushes() || !rounds_to_nearest()) ++wrong;
  };
  for (int i = 0; i < 200 && others < 20; ++i) fw::parallel_for(64, 4, task);
  CHECK(others > 0);
  CHECK(wrong == 0);
  CHECK(std::fegetround() == FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}

// Whether a number is tiny is decided after rounding on x86 and before it on Arm: of results within 2^-25, relative,
// below the smallest normal number that one is left on x86, and 0 on Arm. No other result differs.
void the_one_known_difference() {
  const FloatEnvironment environment;
  const float below = times(0x1.fffffep-1f, kSmallest);  // 2^-126 - 2^-150: tiny for both
  CHECK(below == 0);
  // 2^-126 (1 - 2^-26): 2^-126 when rounded to 24 bits
  const float nearest = multiply_add(0x1p-76f, -0x1p-76f, 0x1p-126f);
#if defined(__aarch64__)
  CHECK(nearest == 0);
#else
  CHECK(nearest == 0x1p-126f);
#endif
}

}  // namespace

int main() {
  entered_and_left();
  what_the_callers_code_changes_stays();
  workers();
  the_one_known_difference();
  return check::finish("test_float_environment");
}
