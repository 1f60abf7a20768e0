// The thread pool: every task runs exactly once, whichever thread calls.
#include "../net/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "../net/float_environment.h"
#include "check.h"
#include "child.h"

namespace {

// Runs tasks that count themselves `times` times; returns whether each ran that often.
bool each_once(std::ptrdiff_t tasks, int threads, int times = 1, std::ptrdiff_t left_out = -1) {
  std::vector<int> counts(std::size_t(tasks) + 2, 0);  // plain: two runs of a task would race
  for (int i = 0; i < times; ++i) {
    auto task = [&](std::ptrdiff_t t) { counts[std::size_t(t) + 1] += t != left_out; };
    fw::parallel_for(tasks, threads, task);
  }
  bool ok = counts.front() == 0 && counts.back() == 0;
  for (std::ptrdiff_t t = 0; t < tasks; ++t) ok = ok && counts[std::size_t(t) + 1] == times;
  return ok;
}

void sizes() {
  for (int threads = 0; threads <= 8; ++threads)
    for (std::ptrdiff_t tasks : {0, 1, 2, 3, 7, 8, 9, 64, 1000}) {
      CHECK(each_once(tasks, threads));
      CHECK(each_once(tasks, threads, 20));
    }
  CHECK(!each_once(64, 4, 1, 63));  // a task that did nothing is noticed
}

void many_callers() {
  std::atomic<int> bad{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&, c] {
      for (int i = 0; i < 100; ++i) bad += !each_once(1 + (i * 7 + c) % 33, 1 + (i + c) % 8);
    });
  for (std::thread& t : callers) t.join();
  CHECK(bad == 0);
}

void nested() {
  std::atomic<int> inner{0};
  auto outer = [&](std::ptrdiff_t) {
    auto task = [&](std::ptrdiff_t) {
      auto deepest = [&](std::ptrdiff_t) { ++inner; };
      fw::parallel_for(3, 2, deepest);
    };
    fw::parallel_for(5, 4, task);
  };
  fw::parallel_for(7, 3, outer);
  CHECK(inner == 7 * 5 * 3);
}

// How many threads take part in a job for 4 threads; it waits for `expected` of them and then a little longer.
int taking_part(int expected) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  auto task = [&](std::ptrdiff_t) {
    for (int i = 0; i < 5000; ++i) {
      {
        const std::lock_guard<std::mutex> lock(mutex);
        seen.insert(std::this_thread::get_id());
        if (int(seen.size()) >= expected) break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  fw::parallel_for(8, 4, task);
  return int(seen.size());
}

void limited() {
  CHECK(fw::thread_limit() == 0);
  CHECK(taking_part(4) == 4);
  for (int limit = 1; limit < 6; ++limit) {
    fw::set_thread_limit(limit);
    CHECK(fw::thread_limit() == limit);
    CHECK(taking_part(limit < 4 ? limit : 4) == (limit < 4 ? limit : 4));
    CHECK(each_once(64, 8, 5));
  }
  fw::set_thread_limit(0);
  CHECK(taking_part(4) == 4);
}

// An exception of a task reaches the caller when all tasks are done, and the pool still works.
void errors_reach_the_caller() {
  for (int threads : {1, 2, 4})
    for (int bad : {0, 3, 31}) {
      std::atomic<int> done{0};
      auto task = [&](std::ptrdiff_t t) {
        if (t >= bad) throw std::bad_alloc();
        ++done;
      };
      bool caught = false;
      try {
        fw::parallel_for(32, threads, task);
      } catch (const std::bad_alloc&) {
        caught = true;
      }
      CHECK(caught && done == bad);
      CHECK(each_once(64, 4, 5));
    }
}

// The caller sees what the tasks wrote.
void results_are_visible() {
  std::vector<double> values(512);
  for (int round = 1; round <= 50; ++round) {
    auto task = [&](std::ptrdiff_t t) { values[std::size_t(t)] = double(t) * round; };
    fw::parallel_for(512, 4, task);
    double sum = 0;
    for (double v : values) sum += v;
    CHECK(sum == round * 511.0 * 512 / 2);
  }
}

#if defined(__unix__) || defined(__APPLE__)
void forked() {
  CHECK(each_once(64, 4));  // the parent's pool has workers
  for (int i = 0; i < 3; ++i) {
    CHECK(check::holds_in_child([] { return each_once(64, 4, 20); }));
    CHECK(each_once(64, 4, 20));
  }
  CHECK(check::holds_in_child([] { return check::holds_in_child([] { return each_once(9, 8); }); }));
  CHECK(!check::holds_in_child([] { return false; }));  // a child that fails is noticed
  // while the pool is at work
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    while (!stop) each_once(16, 3);
  });
  for (int i = 0; i < 5; ++i) CHECK(check::holds_in_child([] { return each_once(64, 4, 5); }));
  stop = true;
  worker.join();
}
#endif

}  // namespace

int main() {
  const fw::FloatEnvironment environment;
#if defined(__unix__) || defined(__APPLE__)
  if (std::getenv("FEATHERWEIGHT_NO_FORK")) {
    std::printf("forks left out: FEATHERWEIGHT_NO_FORK is set\n");
  } else {  // before this process has a pool, and after
    CHECK(check::holds_in_child([] { return each_once(64, 4); }));
    forked();
  }
#endif
  sizes();
  many_callers();
  nested();
  limited();
  results_are_visible();
  errors_reach_the_caller();
  return check::finish("test_threads");
}
