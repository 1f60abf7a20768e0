// Who may touch a network now. Any number of readers at once; a writer alone, waiting for its turn, while
// no more readers are let in; and while one thread trains it, every other is refused with a sentence instead of
// reading torn weights. The training thread itself may come in between epochs (its callbacks do), and between steps
// (its signal handlers do) to read. A long evaluation lets signal handlers read, too. A process that forks leaves in
// the child whom the forking thread stands for, and no one else.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace fw {

class Gate {
  // What this thread has of a gate while code of Python's may run in it, which may come in again, and may fork.
  class Hold {
   public:
    Hold(Gate& gate, std::int64_t who) : gate_(gate), who_(who), before_(held_) { held_ = this; }
    ~Hold() { held_ = before_; }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    friend class Gate;
    Gate& gate_;
    const std::int64_t who_;
    Hold* const before_;
  };

 public:
  Gate() {
#if defined(__unix__) || defined(__APPLE__)
    static const int registered = pthread_atfork(nullptr, nullptr, &after_fork);
    static_cast<void>(registered);
#endif
  }

  class Reader {
   public:
    explicit Reader(Gate& gate) : gate_(gate) { gate_.enter(1); }
    ~Reader() { gate_.state_.fetch_sub(1, std::memory_order_release); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    Gate& gate_;
  };
  // Does not wait: false where a writer is inside or another thread trains.
  class TryReader {
   public:
    explicit TryReader(Gate& gate)
        : gate_(!gate.trained_elsewhere() && gate.try_enter(1) ? &gate : nullptr) {}
    ~TryReader() {
      if (gate_) gate_->state_.fetch_sub(1, std::memory_order_release);
    }
    explicit operator bool() const { return gate_ != nullptr; }
    TryReader(const TryReader&) = delete;
    TryReader& operator=(const TryReader&) = delete;

   private:
    Gate* gate_;
  };
  class Writer {
   public:
    explicit Writer(Gate& gate) : gate_((gate.enter(kWriter), gate)), hold_(gate, kWriter) {}
    ~Writer() { gate_.state_.fetch_sub(kWriter, std::memory_order_release); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

   private:
    Gate& gate_;
    Hold hold_;
  };

  // Where a reader stands still for Python's signal handlers, which this thread runs: a writer among them would
  // wait for the reader that waits for it, and is refused instead.
  class Pause {
   public:
    explicit Pause(Gate& gate) : hold_(gate, 1) {}

   private:
    Hold hold_;
  };

  void begin_fit() {
    refresh();
    std::thread::id nobody{};
    if (!trainer_.compare_exchange_strong(nobody, std::this_thread::get_id()))
      throw std::runtime_error("the network is already being trained: expected one fit at a time");
  }
  void end_fit() { trainer_.store(std::thread::id{}); }

 private:
  // The state: readers inside, writers that wait, and whether a writer is inside.
  static constexpr std::int64_t kWaiting = std::int64_t(1) << 24, kWriter = std::int64_t(1) << 48;
  static constexpr int kYields = 1000;  // looks, after which one who waits sleeps for a while between them

  bool trained_elsewhere() {
    refresh();
    const std::thread::id trainer = trainer_.load(std::memory_order_acquire);
    return trainer != std::thread::id{} && trainer != std::this_thread::get_id();
  }

  bool trained_here() const {
    return trainer_.load(std::memory_order_acquire) == std::this_thread::get_id();
  }

  bool paused_here() const {
    for (const Hold* h = held_; h; h = h->before_)
      if (&h->gate_ == this && h->who_ == 1) return true;
    return false;
  }

  // A reader is let in before the writers that wait only if they wait for this very thread.
  bool try_enter(std::int64_t who, std::int64_t waiting = 0, bool inside = false) {
    std::int64_t s = state_.load(std::memory_order_relaxed);
    while (who == kWriter ? s % kWaiting == 0 && s < kWriter : s < (inside ? kWriter : kWaiting))
      if (state_.compare_exchange_weak(s, s + who - waiting, std::memory_order_acq_rel)) return true;
    return false;
  }

  // A writer, as long as it waits.
  class Waiting {
   public:
    explicit Waiting(Gate& gate) : gate_(&gate) { gate.state_.fetch_add(kWaiting, std::memory_order_acq_rel); }
    ~Waiting() {
      if (gate_) gate_->state_.fetch_sub(kWaiting, std::memory_order_acq_rel);
    }
    bool try_enter() {
      if (!gate_->try_enter(kWriter, kWaiting)) return false;
      gate_ = nullptr;  // it waits no longer
      return true;
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    Gate* gate_;
  };

  void expect_untrained() {
    if (trained_elsewhere())
      throw std::runtime_error(
          "the network is being trained by another thread: expected it to be left alone until "
          "fit returns");
  }

  void enter(std::int64_t who) {
    expect_untrained();
    if (try_enter(who)) return;
    const bool paused = paused_here(), here = trained_here();
    if (who == kWriter && paused)
      throw std::runtime_error(
          "the network is in the middle of an evaluation: expected it to be changed afterwards");
    if (here && state_.load(std::memory_order_acquire) >= kWriter) {
      // this thread is inside already, in an epoch that stands still while it asks
      if (who == kWriter)
        throw std::runtime_error(
            "the network is in the middle of an epoch: expected it to be changed between epochs");
      state_.fetch_add(who, std::memory_order_acq_rel);
      return;
    }
    if (who == kWriter) {
      Waiting waiting(*this);
      wait([&] { return waiting.try_enter(); });
    } else {
      wait([&] { return try_enter(who, 0, paused || here); });
    }
  }

  template <class Done>
  void wait(const Done& done) {
    for (int i = 0; !done(); ++i) {
      if (i < kYields) std::this_thread::yield();
      else std::this_thread::sleep_for(std::chrono::microseconds(50));
      expect_untrained();
    }
  }

  // In a child of a fork there is one thread: what the others had of any gate is gone with them.
  void refresh() {
    if (generation_.load(std::memory_order_acquire) != forks_.load(std::memory_order_relaxed)) restore();
  }
  void restore() {
    while (restoring_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
    if (generation_.load(std::memory_order_relaxed) != forks_.load(std::memory_order_relaxed)) leave_to_forker();
    restoring_.clear(std::memory_order_release);
  }
  void leave_to_forker() {
    state_.store(0, std::memory_order_relaxed);
    if (trainer_.load(std::memory_order_relaxed) != forker_) trainer_.store({}, std::memory_order_relaxed);
    generation_.store(forks_.load(std::memory_order_relaxed), std::memory_order_release);
  }
  static void after_fork() {
    forks_.fetch_add(1, std::memory_order_relaxed);
    forker_ = std::this_thread::get_id();
    restoring_.clear();
    for (const Hold* h = held_; h; h = h->before_) h->gate_.leave_to_forker();
    for (const Hold* h = held_; h; h = h->before_) h->gate_.state_.fetch_add(h->who_, std::memory_order_relaxed);
  }

  static inline thread_local Hold* held_ = nullptr;
  static inline std::atomic<std::uint32_t> forks_{0};
  static inline std::thread::id forker_{};
  static inline std::atomic_flag restoring_{};

  std::atomic<std::int64_t> state_{0};
  std::atomic<std::thread::id> trainer_{};
  std::atomic<std::uint32_t> generation_{forks_.load()};
};

}  // namespace fw
