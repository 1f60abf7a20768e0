// The gate: who is let in, who waits, who is refused, and that those who left have left.
#include "../net/access.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "check.h"
#include "child.h"

namespace {

using fw::Gate;

template <class F>
bool elsewhere(F f) {
  bool found = false;
  std::thread([&] { found = f(); }).join();
  return found;
}

// Whether f() holds before long.
template <class F>
bool comes(F f) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!f())
    if (std::chrono::steady_clock::now() > end) return false;
  return true;
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

// No more readers are let in before a writer that waits, but for those that it waits for.
void waiting() {
  Gate gate;
  std::atomic<bool> written{false};
  std::thread writer, late;
  {
    const Gate::Reader reader(gate);
    const Gate::Pause pause(gate);
    writer = std::thread([&] {
      const Gate::Writer inside(gate);
      written = true;
    });
    CHECK(comes([&] { return elsewhere([&] { return !let_in(gate); }); }));  // it waits
    late = std::thread([&] {
      const Gate::Reader after(gate);
      CHECK(written);
    });
    for (int i = 0; i < 100; ++i) CHECK(!refused<Gate::Reader>(gate) && refused<Gate::Writer>(gate));
    CHECK(!written);
  }
  writer.join();
  late.join();
  CHECK(written);
  CHECK(let_in(gate));
}

// One that is refused while it waits waits no longer.
void refused_while_waiting() {
  Gate gate;
  std::atomic<int> refusals{0};
  std::thread writer;
  {
    const Gate::Reader reader(gate);
    writer = std::thread([&] { refusals += refused<Gate::Writer>(gate); });
    CHECK(comes([&] { return elsewhere([&] { return !let_in(gate); }); }));
    gate.begin_fit();
    writer.join();
  }
  gate.end_fit();
  CHECK(refusals == 1);
  CHECK(let_in(gate));
}

#if defined(__unix__) || defined(__APPLE__)
// A child of a fork has of a gate what the thread had that forked, and nothing of others.
void forked() {
  Gate read, written, trained, mine, paused, own;
  std::atomic<bool> there{false}, done{false};
  std::thread other([&] {
    const Gate::Reader reader(read);
    const Gate::Writer writer(written);
    trained.begin_fit();
    there = true;
    while (!done) std::this_thread::yield();
    trained.end_fit();
  });
  while (!there) std::this_thread::yield();
  mine.begin_fit();
  {
    const Gate::Reader reader(paused);
    const Gate::Pause pause(paused);
    const Gate::Writer epoch(mine), writer(own);
    const auto right = [&] {
      const bool rest = !refused<Gate::Writer>(read) && let_in(written) && !refused<Gate::Writer>(trained);
      const bool kept = refused<Gate::Writer>(paused) && refused<Gate::Writer>(mine) && !refused<Gate::Reader>(mine) &&
                        !let_in(own) && elsewhere([&] { return refused<Gate::Reader>(mine); });
      return rest && kept;
    };
    CHECK(check::holds_in_child(right));
    CHECK(check::holds_in_child([&] { return check::holds_in_child(right) && right(); }));
    CHECK(!let_in(written) && let_in(read));
  }
  CHECK(!refused<Gate::Writer>(paused) && !refused<Gate::Writer>(mine) && let_in(own));
  mine.end_fit();
  done = true;
  other.join();
  CHECK(let_in(written) && !refused<Gate::Writer>(trained) && !refused<Gate::Writer>(read));
}
#endif

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
  waiting();
  refused_while_waiting();
#if defined(__unix__) || defined(__APPLE__)
  if (!std::getenv("FEATHERWEIGHT_NO_FORK")) forked();
#endif
  nothing_torn();
  return check::finish("test_access");
}
