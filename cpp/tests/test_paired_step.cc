// Paired steps: the same bits as with one thread, polls, and errors.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <thread>

#include "../kernels/dispatch.h"
#include "../net/pairing_budget.h"
#include "../net/trainer.h"
#include "check.h"
#include "epochs.h"

namespace {

// While g_scarce, other threads than the main one get no memory.
const std::thread::id g_main = std::this_thread::get_id();
std::atomic<bool> g_scarce{false};
std::atomic<int> g_refused{0};

}  // namespace

void* operator new(std::size_t n, std::align_val_t a) {
  const std::size_t alignment = std::size_t(a);
  void* p = nullptr;
  if (g_scarce && std::this_thread::get_id() != g_main) ++g_refused;
  else p = std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment);
  if (!p) throw std::bad_alloc();
  return p;
}
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

using fw::EpochResult;
using fw::Pairing;
using epochs::go_on;
using epochs::Run;
using epochs::same;

// A network small enough for paired steps, on generated rows of numbers or bytes.
template <class T>
struct Case : epochs::Case<T> {
  Case(bool bytes, std::ptrdiff_t rows, std::ptrdiff_t batch, int optimizer, bool weighted, double penalty = 0)
      : epochs::Case<T>({{784, 16, 16, 10}, {fw::act_sigmoid, fw::act_tanh, fw::act_identity}, bytes, rows, batch,
                         optimizer, weighted, penalty}) {}
};

template <class T>
void same_bits(const char* isa) {
  struct {
    bool bytes;
    std::ptrdiff_t rows, batch;
    int optimizer;
    bool weighted;
    double penalty = 0;
  } const cases[] = {{false, 1500, 32, fw::opt_sgd, false},  {true, 1331, 33, fw::opt_adam, false},
                     {false, 1500, 32, fw::opt_adam, false, 0.01}, {false, 1330, 64, fw::opt_sgd, true, 5},
                     {false, 1330, 64, fw::opt_nesterov, true}, {true, 40, 20, fw::opt_momentum, true},
                     {false, 17, 48, fw::opt_adam, false}};
  const bool slowest = !std::strcmp(isa, "scalar");
  for (auto c : cases) {
    if (slowest) c.rows = std::min(c.rows, 3 * c.batch + c.rows % c.batch);
    Case<T> one(c.bytes, c.rows, c.batch, c.optimizer, c.weighted, c.penalty);
    for (bool shuffle : {true, false}) {
      const int epochs = slowest ? 1 : 2;
      const Run<T> a = one.run(1, epochs, go_on, isa, shuffle);
      CHECK(a.paired == 0);
      for (Pairing pairing : {Pairing::always, Pairing::for_two_steps, Pairing::as_it_pays}) {
        fw::set_pairing(pairing);
        const Run<T> b = one.run(2, epochs, go_on, isa, shuffle);
        const std::ptrdiff_t steps = (c.rows + c.batch - 1) / c.batch;
        if (pairing == Pairing::always) CHECK(b.paired == epochs * steps);
        if (pairing == Pairing::for_two_steps) CHECK(b.paired == epochs * std::min(steps, std::ptrdiff_t(2)));
        CHECK(same(a, b));
        for (int e = 0; e < epochs; ++e) {
          CHECK((a.results[e].penalty > 0) == (c.penalty > 0));
          CHECK(b.results[e].rows == c.rows);
        }
      }
      if (slowest) break;
    }
  }
}

// By the budget two threads do pair, once there are free cores.
void pays() {
  fw::set_pairing(Pairing::as_it_pays);
  Case<float> one(false, 1500, 32, fw::opt_sgd, false);
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  std::ptrdiff_t paired = 0;
  while (!paired && std::chrono::steady_clock::now() < until) paired = one.run(2, 5, go_on, "", false).paired;
  CHECK(paired > 0);
}

// A poll comes between two steps: it sees the network after complete steps, and if it stops the epoch or throws, no
// further step is taken.
void polls() {
  fw::set_pairing(Pairing::always);
  Case<float> one(true, 1000, 32, fw::opt_adam, false);
  for (bool throws : {false, true}) {
    std::vector<float> seen;
    std::ptrdiff_t at = 0;
    const Run<float> r = one.run(2, 1, [&](auto& net, std::ptrdiff_t rows, const EpochResult& e) {
      CHECK(at == 0 && e.rows == rows && rows % 32 == 0 && rows <= 320);
      if (rows < 320) return true;
      seen.assign(net.parameters(), net.parameters() + net.packed_size());
      at = rows;
      if (throws) throw std::runtime_error("from a poll");
      return false;
    }, "", false, 0, true);
    CHECK(at == 320 && r.threw == throws);
    CHECK(throws || r.results[0].rows == at);
    CHECK(same(seen, r.parameters));
    const Run<float> alone = one.run(1, 1, go_on, "", false, at);
    CHECK(same(alone.parameters, r.parameters));
    CHECK(same(alone.state, r.state));
    CHECK(r.paired == 320 / 32);
  }
}

// The peer allocates nothing: all its memory is reserved before, by the caller.
void without_memory() {
  Case<float> one(true, 4000, 32, fw::opt_adam, false);
  const Run<float> whole = one.run(1, 1, go_on, "", false);
  fw::set_pairing(Pairing::always);
  g_scarce = true;
  const Run<float> r = one.run(2, 1, go_on, "", false);
  g_scarce = false;
  CHECK(!r.threw && same(r.parameters, whole.parameters));
  CHECK(r.paired == 4000 / 32 && g_refused == 0);
  std::thread([] {  // an allocation would be refused
    g_scarce = true;
    try {
      fw::Buffer<float>().reserve(1);
    } catch (const std::bad_alloc&) {
    }
    g_scarce = false;
  }).join();
  CHECK(g_refused == 1);
}

}  // namespace

int main() {
  const fw::FloatEnvironment environment;
  for (const char* isa : {"", "scalar"}) {
    same_bits<float>(isa);
    if (!*isa) same_bits<double>(isa);
  }
  pays();
  polls();
  without_memory();
  return check::finish("test_paired_step");
}
