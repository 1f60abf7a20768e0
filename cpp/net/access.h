// A readers-writer lock for a network: many readers or one writer. While a thread trains the network, from begin_fit
// to end_fit, all other threads are refused with a sentence.
//
//   who asks                            nobody, readers     writer inside          another thread trains
//   reader                              enters *            waits                  refused
//   writer                              waits for readers   waits                  refused
//   training thread, between epochs     as above            -                      -
//   training thread, inside an epoch    -                   reader enters, writer refused
//   reader's own thread, during Pause   reader enters, writer refused
//
// * Not while a writer waits, except during a Pause of this thread and in the training thread, for which that writer
// would wait.
// A fork leaves in the child what the forking thread holds, and nothing of other threads.
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

class Access {
  // What this thread holds while Python code may run in it: that code may use the network again, and may fork.
  class Hold {
   public:
    Hold(Access& access, std::int64_t who) : access_(access), who_(who), before_(held_) { held_ = this; }
    ~Hold() { held_ = before_; }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    friend class Access;
    Access& access_;
    const std::int64_t who_;
    Hold* const before_;
  };

 public:
  Access() {
#if defined(__unix__) || defined(__APPLE__)
    static const int registered = pthread_atfork(nullptr, nullptr, &after_fork);
    static_cast<void>(registered);
#endif
  }

  class Reader {
   public:
    explicit Reader(Access& access) : access_(access) { access_.enter(1); }
    ~Reader() { access_.state_.fetch_sub(1, std::memory_order_release); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    Access& access_;
  };
  // Does not wait: false if a writer is inside or waits, or another thread trains.
  class TryReader {
   public:
    explicit TryReader(Access& access)
        : access_(!access.trained_elsewhere() && access.try_enter(1) ? &access : nullptr) {}
    ~TryReader() {
      if (access_) access_->state_.fetch_sub(1, std::memory_order_release);
    }
    explicit operator bool() const { return access_ != nullptr; }
    TryReader(const TryReader&) = delete;
    TryReader& operator=(const TryReader&) = delete;

   private:
    Access* access_;
  };
  class Writer {
   public:
    explicit Writer(Access& access) : access_((access.enter(kWriter), access)), hold_(access, kWriter) {}
    ~Writer() { access_.state_.fetch_sub(kWriter, std::memory_order_release); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

   private:
    Access& access_;
    Hold hold_;
  };

  // To be held by a reader while its thread runs Python's signal handlers: a writer among them would wait for
  // this reader for ever, and is refused instead.
  class Pause {
   public:
    explicit Pause(Access& access) : hold_(access, 1) {}

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
  // The state: the number of readers inside, that of waiting writers, and whether a writer is inside.
  static constexpr std::int64_t kWaiting = std::int64_t(1) << 24, kWriter = std::int64_t(1) << 48;
  static constexpr int kYields = 1000;  // attempts before a waiting thread sleeps between them

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
      if (&h->access_ == this && h->who_ == 1) return true;
    return false;
  }

  // `inside`: the waiting writers wait for this thread, so that it must not wait for them.
  bool try_enter(std::int64_t who, std::int64_t waiting = 0, bool inside = false) {
    std::int64_t s = state_.load(std::memory_order_relaxed);
    while (who == kWriter ? s % kWaiting == 0 && s < kWriter : s < (inside ? kWriter : kWaiting))
      if (state_.compare_exchange_weak(s, s + who - waiting, std::memory_order_acq_rel)) return true;
    return false;
  }

  // A waiting writer.
  class Waiting {
   public:
    explicit Waiting(Access& access) : access_(&access) { access.state_.fetch_add(kWaiting, std::memory_order_acq_rel); }
    ~Waiting() {
      if (access_) access_->state_.fetch_sub(kWaiting, std::memory_order_acq_rel);
    }
    bool try_enter() {
      if (!access_->try_enter(kWriter, kWaiting)) return false;
      access_ = nullptr;  // no longer waiting
      return true;
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    Access* access_;
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
      // this thread is inside already, as the writer of an epoch that is paused for Python code
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

  // A forked child has one thread: whatever others held is released.
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
    for (const Hold* h = held_; h; h = h->before_) h->access_.leave_to_forker();
    for (const Hold* h = held_; h; h = h->before_) h->access_.state_.fetch_add(h->who_, std::memory_order_relaxed);
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
