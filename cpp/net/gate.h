// Who may touch a network now. Any number of readers at once; a writer alone, waiting for its turn;
// and while one thread trains it, every other is refused with a sentence instead of reading torn
// weights. The training thread itself may come in between epochs (its callbacks do).
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
  class Writer {
   public:
    explicit Writer(Gate& gate) : gate_(gate) { gate_.enter(kWriter); }
    ~Writer() { gate_.state_.fetch_sub(kWriter, std::memory_order_release); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

   private:
    Gate& gate_;
  };

  void begin_fit() {
    std::thread::id nobody{};
    if (!trainer_.compare_exchange_strong(nobody, std::this_thread::get_id()))
      throw std::runtime_error("the network is already being trained: expected one fit at a time");
  }
  void end_fit() { trainer_.store(std::thread::id{}); }

 private:
  static constexpr int kWriter = 1 << 24;  // more than there can be readers

  void enter(int who) {
    for (;;) {
      const std::thread::id trainer = trainer_.load(std::memory_order_acquire);
      if (trainer != std::thread::id{} && trainer != std::this_thread::get_id())
        throw std::runtime_error(
            "the network is being trained by another thread: expected it to be left alone until "
            "fit returns");
      int s = state_.load(std::memory_order_relaxed);
      const bool open = who == kWriter ? s == 0 : s < kWriter;
      if (open && state_.compare_exchange_weak(s, s + who, std::memory_order_acq_rel)) return;
      if (!open) std::this_thread::yield();
    }
  }

  std::atomic<int> state_{0};
  std::atomic<std::thread::id> trainer_{};
};

}  // namespace fw
