// Who may touch a network now. Any number of readers at once; a writer alone, waiting for its turn;
// and while one thread trains it, every other is refused with a sentence instead of reading torn
// weights. The training thread itself may come in between epochs (its callbacks do), and between steps
// (its signal handlers do) to read. A long evaluation lets signal handlers read, too.
#pragma once

#include <atomic>
#include <stdexcept>
#include <thread>

namespace fw {

class Gate {
 public:
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
    explicit Writer(Gate& gate) : gate_(gate) { gate_.enter(kWriter); }
    ~Writer() { gate_.state_.fetch_sub(kWriter, std::memory_order_release); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

   private:
    Gate& gate_;
  };

  // Where a reader stands still for Python's signal handlers, which this thread runs: a writer among them would
  // wait for the reader that waits for it, and is refused instead.
  class Pause {
   public:
    explicit Pause(const Gate& gate) : before_(paused_) { paused_ = &gate; }
    ~Pause() { paused_ = before_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    const Gate* before_;
  };

  void begin_fit() {
    std::thread::id nobody{};
    if (!trainer_.compare_exchange_strong(nobody, std::this_thread::get_id()))
      throw std::runtime_error("the network is already being trained: expected one fit at a time");
  }
  void end_fit() { trainer_.store(std::thread::id{}); }

 private:
  static constexpr int kWriter = 1 << 24;  // more than there can be readers

  bool trained_elsewhere() const {
    const std::thread::id trainer = trainer_.load(std::memory_order_acquire);
    return trainer != std::thread::id{} && trainer != std::this_thread::get_id();
  }

  bool trained_here() const {
    return trainer_.load(std::memory_order_acquire) == std::this_thread::get_id();
  }

  bool try_enter(int who) {
    int s = state_.load(std::memory_order_relaxed);
    while (who == kWriter ? s == 0 : s < kWriter)
      if (state_.compare_exchange_weak(s, s + who, std::memory_order_acq_rel)) return true;
    return false;
  }

  void enter(int who) {
    for (;;) {
      if (trained_elsewhere())
        throw std::runtime_error(
            "the network is being trained by another thread: expected it to be left alone until "
            "fit returns");
      if (try_enter(who)) return;
      if (who == kWriter && paused_ == this)
        throw std::runtime_error(
            "the network is in the middle of an evaluation: expected it to be changed afterwards");
      if (state_.load(std::memory_order_acquire) >= kWriter && trained_here()) {
        // this thread is inside already, in an epoch that stands still while it asks
        if (who == kWriter)
          throw std::runtime_error(
              "the network is in the middle of an epoch: expected it to be changed between epochs");
        state_.fetch_add(who, std::memory_order_acq_rel);
        return;
      }
      std::this_thread::yield();
    }
  }

  static inline thread_local const Gate* paused_ = nullptr;

  std::atomic<int> state_{0};
  std::atomic<std::thread::id> trainer_{};
};

}  // namespace fw
