#include "thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "float_environment.h"
#include "pause.h"

namespace fw {
namespace {

constexpr int kSpins = 2000;  // ten to thirty microseconds, about as long as waking a sleeping worker takes

constexpr int kMaxParts = 64;  // with more threads, some begin with another's part

class Pool {
 public:
  void run(std::ptrdiff_t tasks, int threads, TaskFunction function, void* context) {
    // a flag and not a mutex: a nested call would try to lock a mutex that its own thread holds
    if (busy_.test_and_set(std::memory_order_acquire)) {
      for (std::ptrdiff_t i = 0; i < tasks; ++i) function(context, i);
      return;
    }
    start(threads - 1);
    function_ = function;
    context_ = context;
    tasks_ = tasks;
    limit_ = std::uint32_t(threads - 1);
    parts_ = std::min(threads, kMaxParts);
    for (int i = 0; i < parts_; ++i)
      part_[i].next.store(tasks * i / parts_, std::memory_order_relaxed);
    state_.store(kOpen, std::memory_order_release);
    generation_.fetch_add(1, std::memory_order_seq_cst);
    generation_.notify_all();
    work(0);
    // no worker may enter from here on; those inside finish their task
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    // a worker that takes long may have lost its core to another process: yield this one
    for (int i = 0; state_.load(std::memory_order_acquire) & kInside; ++i)
      if (i < kSpins) pause();
      else std::this_thread::yield();
    const std::exception_ptr error = std::exchange(error_, nullptr);
    failed_.clear(std::memory_order_relaxed);
    busy_.clear(std::memory_order_release);
    if (error) std::rethrow_exception(error);
  }

 private:
  // state: open bit, how many workers have entered this job, how many are inside now
  static constexpr std::uint64_t kOpen = 1ull << 63, kEntered = 1ull << 32, kInside = 0xffffffffull;

  // Starts workers. If the system refuses a thread, the caller does its work, and the next attempt is made a second
  // later at the earliest.
  void start(int workers) {
    if (started_ >= workers || std::chrono::steady_clock::now() < not_before_) return;
    try {
      for (; started_ < workers; ++started_) std::thread([this, id = started_ + 1] { serve(id); }).detach();
    } catch (const std::exception&) {  // no thread or no memory for one
      not_before_ = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    }
  }

  // A thread's own part of the tasks, then the remaining tasks of the others. The part is the same in each job, so
  // that what the thread wrote in one job is in its core's cache in the next.
  void work(int self) {
    for (int i = 0; i < parts_; ++i) {
      const int p = (self + i) % parts_;
      const std::ptrdiff_t end = tasks_ * (p + 1) / parts_;
      for (;;) {
        const std::ptrdiff_t task = part_[p].next.fetch_add(1, std::memory_order_relaxed);
        if (task >= end) break;
        try {
          function_(context_, task);
        } catch (...) {
          if (!failed_.test_and_set(std::memory_order_relaxed)) error_ = std::current_exception();
        }
      }
    }
  }

  bool enter() {
    std::uint64_t s = state_.load(std::memory_order_acquire);
    do {
      if (!(s & kOpen) || ((s & ~kOpen) >> 32) >= limit_) return false;
    } while (!state_.compare_exchange_weak(s, s + kEntered + 1, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
    return true;
  }

  void serve(int id) {
    const FloatEnvironment environment;  // permanently: a worker runs nothing but our tasks
    std::uint32_t seen = generation_.load(std::memory_order_acquire) - 1;
    for (;;) {
      for (int i = 0; i < kSpins && generation_.load(std::memory_order_acquire) == seen; ++i)
        pause();
      generation_.wait(seen, std::memory_order_acquire);
      seen = generation_.load(std::memory_order_acquire);
      if (!enter()) continue;
      work(id);
      state_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  std::atomic_flag busy_, failed_;
  std::exception_ptr error_;  // of the first task that failed
  int started_ = 0;
  std::chrono::steady_clock::time_point not_before_{};
  TaskFunction function_ = nullptr;
  void* context_ = nullptr;
  std::ptrdiff_t tasks_ = 0;
  std::atomic<std::uint32_t> limit_{0};
  int parts_ = 0;
  struct alignas(128) Part {
    std::atomic<std::ptrdiff_t> next{0};
  };
  Part part_[kMaxParts];
  alignas(128) std::atomic<std::uint64_t> state_{0};
  alignas(128) std::atomic<std::uint32_t> generation_{0};
};

std::atomic<Pool*> g_pool{nullptr};
std::atomic<int> g_thread_limit{0};
std::atomic<std::int64_t> g_completed{0};

std::int64_t ticks() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// Never destroyed: sleeping workers hold nothing, and the process may end at any time. After a fork the child has no
// workers and gets a new pool.
Pool& pool() {
  Pool* p = g_pool.load(std::memory_order_acquire);
  if (p) return *p;
  static std::mutex making;
  std::lock_guard<std::mutex> lock(making);
  p = g_pool.load(std::memory_order_acquire);
  if (!p) {
#if defined(__unix__) || defined(__APPLE__)
    static bool registered = false;
    if (!registered) pthread_atfork(nullptr, nullptr, [] { g_pool.store(new Pool); });
    registered = true;
#endif
    p = new Pool;
    g_pool.store(p, std::memory_order_release);
  }
  return *p;
}

}  // namespace

bool workers_still_spinning() {
  constexpr std::chrono::steady_clock::duration spinning = std::chrono::microseconds(50);
  return ticks() - g_completed.load(std::memory_order_relaxed) < spinning.count();
}
void note_completion() { g_completed.store(ticks(), std::memory_order_relaxed); }

void set_thread_limit(int n) { g_thread_limit.store(n, std::memory_order_relaxed); }
int thread_limit() { return g_thread_limit.load(std::memory_order_relaxed); }

void parallel_for(std::ptrdiff_t tasks, int threads, TaskFunction function, void* context) {
  if (const int limit = thread_limit(); limit > 0 && threads > limit) threads = limit;
  if (threads > tasks) threads = int(tasks);
  if (threads <= 1) {
    for (std::ptrdiff_t i = 0; i < tasks; ++i) function(context, i);
  } else {
    pool().run(tasks, threads, function, context);
  }
}

}  // namespace fw
