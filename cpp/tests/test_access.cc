// The lock of a network: who enters, who waits, who is refused, and that leaving releases it.
#include "../net/access.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "check.h"
#include "child.h"

namespace {

using fw::Access;

template <class F>
bool elsewhere(F f) {
  bool found = false;
  std::thread([&] { found = f(); }).join();
  return found;
}

// Whether f() becomes true within 20 seconds.
template <class F>
bool comes(F f) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!f())
    if (std::chrono::steady_clock::now() > end) return false;
  return true;
}

bool may_read(Access& access) { return bool(Access::TryReader(access)); }

template <class Guard>
bool refused(Access& access) {
  try {
    Guard guard(access);
    return false;
  } catch (const std::runtime_error&) {
    return true;
  }
}

void readers_and_writers() {
  Access access;
  CHECK(may_read(access));
  {
    const Access::Reader one(access);
    const Access::TryReader two(access);
    CHECK(bool(two));
    CHECK(elsewhere([&] { return may_read(access); }));
  }
  {
    const Access::Writer writer(access);
    CHECK(!may_read(access));
    CHECK(elsewhere([&] { return !may_read(access); }));
  }
  CHECK(may_read(access));
  const Access::Writer last(access);  // would wait for ever for one that had not left
}

void training() {
  Access access;
  access.begin_fit();
  CHECK(may_read(access));
  CHECK(!refused<Access::Reader>(access));
  CHECK(elsewhere([&] { return !may_read(access); }));
  CHECK(elsewhere([&] { return refused<Access::Reader>(access) && refused<Access::Writer>(access); }));
  access.end_fit();
  CHECK(elsewhere([&] { return may_read(access) && !refused<Access::Reader>(access); }));
}

// During a Pause this thread's writers are refused instead of waiting for its own reader.
void paused() {
  Access access, other;
  {
    const Access::Reader reader(access);
    const Access::Pause pause(access);
    CHECK(refused<Access::Writer>(access));
    CHECK(!refused<Access::Reader>(access));
    CHECK(!refused<Access::Writer>(other));
  }
  CHECK(!refused<Access::Writer>(access));
}

// New readers wait behind a waiting writer, except those of the thread that it waits for.
void waiting() {
  Access access;
  std::atomic<bool> written{false};
  std::thread writer, late;
  {
    const Access::Reader reader(access);
    const Access::Pause pause(access);
    writer = std::thread([&] {
      const Access::Writer inside(access);
      written = true;
    });
    CHECK(comes([&] { return elsewhere([&] { return !may_read(access); }); }));  // it waits
    late = std::thread([&] {
      const Access::Reader after(access);
      CHECK(written);
    });
    for (int i = 0; i < 100; ++i) CHECK(!refused<Access::Reader>(access) && refused<Access::Writer>(access));
    CHECK(!written);
  }
  writer.join();
  late.join();
  CHECK(written);
  CHECK(may_read(access));
}

// A writer that is refused while it waits no longer counts as waiting.
void refused_while_waiting() {
  Access access;
  std::atomic<int> refusals{0};
  std::thread writer;
  {
    const Access::Reader reader(access);
    writer = std::thread([&] { refusals += refused<Access::Writer>(access); });
    CHECK(comes([&] { return elsewhere([&] { return !may_read(access); }); }));
    access.begin_fit();
    writer.join();
  }
  access.end_fit();
  CHECK(refusals == 1);
  CHECK(may_read(access));
}

#if defined(__unix__) || defined(__APPLE__)
// A forked child holds what the forking thread held, and nothing of other threads.
void forked() {
  Access read, written, trained, mine, paused, own;
  std::atomic<bool> there{false}, done{false};
  std::thread other([&] {
    const Access::Reader reader(read);
    const Access::Writer writer(written);
    trained.begin_fit();
    there = true;
    while (!done) std::this_thread::yield();
    trained.end_fit();
  });
  while (!there) std::this_thread::yield();
  mine.begin_fit();
  {
    const Access::Reader reader(paused);
    const Access::Pause pause(paused);
    const Access::Writer epoch(mine), writer(own);
    const auto right = [&] {
      const bool rest = !refused<Access::Writer>(read) && may_read(written) && !refused<Access::Writer>(trained);
      const bool kept = refused<Access::Writer>(paused) && refused<Access::Writer>(mine) && !refused<Access::Reader>(mine) &&
                        !may_read(own) && elsewhere([&] { return refused<Access::Reader>(mine); });
      return rest && kept;
    };
    CHECK(check::holds_in_child(right));
    CHECK(check::holds_in_child([&] { return check::holds_in_child(right) && right(); }));
    CHECK(!may_read(written) && may_read(read));
  }
  CHECK(!refused<Access::Writer>(paused) && !refused<Access::Writer>(mine) && may_read(own));
  mine.end_fit();
  done = true;
  other.join();
  CHECK(may_read(written) && !refused<Access::Writer>(trained) && !refused<Access::Writer>(read));
}
#endif

// A reader never sees a writer's work half done.
void nothing_torn() {
  Access access;
  int first = 0, second = 0;  // plain: a reader beside the writer would race
  bool torn = false;
  std::thread writer([&] {
    for (int i = 0; i < 2000; ++i) {
      const Access::Writer inside(access);
      ++first;
      ++second;
    }
  });
  for (int seen = 0; seen < 2000;) {
    if (const Access::TryReader reader(access); reader) {
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
