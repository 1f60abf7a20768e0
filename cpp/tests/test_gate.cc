// The gate: who is let in, who waits, who is refused, and that those who left have left.
#include "../net/gate.h"

#include <thread>

#include "check.h"

namespace {

using fw::Gate;

template <class F>
bool elsewhere(F f) {
  bool found = false;
  std::thread([&] { found = f(); }).join();
  return found;
}

bool let_in(Gate& gate) { return bool(Gate::TryReader(gate)); }

template <class Guard>
bool refused(Gate& gate) {
  try {
    Guard guard(gate);
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

void readers_and_writers() {
  Gate gate;
  CHECK(let_in(gate));
  {
    const Gate::Reader one(gate);
    const Gate::TryReader two(gate);
    CHECK(bool(two));
    CHECK(elsewhere([&] { return let_in(gate); }));
  }
  {
    const Gate::Writer writer(gate);
    CHECK(!let_in(gate));
    CHECK(elsewhere([&] { return !let_in(gate); }));
  }
  CHECK(let_in(gate));
  const Gate::Writer all_have_left(gate);  // would wait forever for one who has not
}

void training() {
  Gate gate;
  gate.begin_fit();
  CHECK(let_in(gate));
  CHECK(!refused<Gate::Reader>(gate));
  CHECK(elsewhere([&] { return !let_in(gate); }));
  CHECK(elsewhere([&] { return refused<Gate::Reader>(gate) && refused<Gate::Writer>(gate); }));
  gate.end_fit();
  CHECK(elsewhere([&] { return let_in(gate) && !refused<Gate::Reader>(gate); }));
}

// A reader that stands still waits for this thread, whose writers are refused then instead of waiting for it.
void paused() {
  Gate gate, other;
  {
    const Gate::Reader reader(gate);
    const Gate::Pause pause(gate);
    CHECK(refused<Gate::Writer>(gate));
    CHECK(!refused<Gate::Reader>(gate));
    CHECK(!refused<Gate::Writer>(other));
  }
  CHECK(!refused<Gate::Writer>(gate));
}

// A writer's two halves are never seen apart, by whichever way a reader came in.
void nothing_torn() {
  Gate gate;
  int first = 0, second = 0;  // plain: a reader beside the writer would race
  bool torn = false;
  std::thread writer([&] {
    for (int i = 0; i < 2000; ++i) {
      const Gate::Writer inside(gate);
      ++first;
      ++second;
    }
  });
  for (int seen = 0; seen < 2000;) {
    if (const Gate::TryReader reader(gate); reader) {
      torn = torn || first != second;
      seen = first;
    }
  }
  writer.join();
  CHECK(!torn);
}

}  // namespace

int main() {
  readers_and_writers();
  training();
  paused();
  nothing_torn();
  return check::finish("test_gate");
}
