// Two threads that share a small network's first layer: the bits of one, what polls may do, and errors.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <thread>

#include "../kernels/dispatch.h"
#include "../net/trainer.h"
#include "check.h"

namespace {

// No memory for other threads than this, where it is asked for.
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

template <class T>
struct Run {
  std::vector<T> parameters, state;
  double memo[2] = {1, 1};
  std::vector<EpochResult> results;
  std::ptrdiff_t paired = 0;  // steps that two threads took
  bool threw = false;
};

// Some epochs over rows of numbers made up, or of bytes.
template <class T>
class Case {
 public:
  Case(bool bytes, std::ptrdiff_t rows, std::ptrdiff_t batch, int optimizer, bool weighted, double penalty = 0)
      : bytes_(bytes), rows_(rows), batch_(batch), optimizer_(optimizer), weighted_(weighted), penalty_(penalty) {
    std::uint32_t s = 1;
    const auto next = [&] { return (s = s * 1664525u + 1013904223u) >> 24; };
    for (std::ptrdiff_t i = 0; i < rows * 784; ++i) u_.push_back(std::uint8_t(next()));
    for (std::uint8_t v : u_) x_.push_back(T(v) / 255);
    for (std::ptrdiff_t i = 0; i < rows; ++i) labels_.push_back(next() % 10);
    // the whole of some batches weighs nothing
    for (std::ptrdiff_t i = 0; i < rows; ++i) weights_.push_back(i / batch % 3 == 1 ? 0 : T(next()));
  }

  // Until `epochs` have run, or poll(network, rows, result so far) has thrown; of the first `rows` alone.
  template <class Poll>
  Run<T> run(int threads, int epochs, const Poll& poll, const char* isa, bool shuffle,
             std::ptrdiff_t rows = 0, bool every_step = false) {
    Run<T> r;
    fw::Network<T> net({784, 16, 16, 10}, {fw::act_sigmoid, fw::act_tanh, fw::act_identity}, true,
                       bytes_ ? 1 / 255. : 1, fw::choose_isa(isa), threads);
    for (std::size_t l = 0; l < 3; ++l) net.initialize(l, 7, 0.1);
    fw::Trainer<T> trainer(net, fw::loss_cross_entropy, batch_);
    if (penalty_ && weighted_) trainer.count_rows();
    r.state.assign(std::size_t(2 * net.packed_size()), T(0));
    fw::OptimizerState o = {optimizer_, {0.01, 0.001, 0.9, 0.999, 1e-8}, r.memo,
                            {r.state.data(), r.state.data() + net.packed_size()}};
    o.penalty = penalty_;
    const void* x = bytes_ ? static_cast<const void*>(u_.data()) : x_.data();
    const typename fw::Trainer<T>::Data data = {
        {x, bytes_, rows ? rows : rows_, 784, 784}, {labels_.data(), nullptr}, weighted_ ? weights_.data() : nullptr};
    const std::uint64_t key = 5;
    try {
      for (int e = 0; e < epochs; ++e) {
        r.results.push_back(trainer.epoch(data, o, shuffle ? &key : nullptr, std::uint64_t(e),
                                          [&](std::ptrdiff_t done, const EpochResult& so_far) {
                                            return poll(net, done, so_far);
                                          }, every_step));
      }
    } catch (const std::runtime_error&) {
      r.threw = true;
    } catch (const std::bad_alloc&) {
      r.threw = true;
    }
    r.paired = trainer.paired_steps();
    r.parameters.assign(net.parameters(), net.parameters() + net.packed_size());
    return r;
  }

 private:
  bool bytes_;
  std::ptrdiff_t rows_, batch_;
  int optimizer_;
  bool weighted_;
  double penalty_;
  std::vector<std::uint8_t> u_;
  std::vector<T> x_, weights_;
  std::vector<std::int64_t> labels_;
};

const auto go_on = [](auto&, std::ptrdiff_t, const EpochResult&) { return true; };

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

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
        CHECK(same(a.parameters, b.parameters));
        CHECK(same(a.state, b.state));
        CHECK(a.memo[0] == b.memo[0] && a.memo[1] == b.memo[1]);
        for (int e = 0; e < epochs; ++e) {
          CHECK(a.results[e].loss == b.results[e].loss);
          CHECK(a.results[e].penalty == b.results[e].penalty && (a.results[e].penalty > 0) == (c.penalty > 0));
          CHECK(a.results[e].correct == b.results[e].correct);
          CHECK(a.results[e].rows == b.results[e].rows && b.results[e].rows == c.rows);
        }
      }
      if (slowest) break;
    }
  }
}

// Left to themselves two threads do pair, once there are cores to spare.
void pays() {
  fw::set_pairing(Pairing::as_it_pays);
  Case<float> one(false, 1500, 32, fw::opt_sgd, false);
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  std::ptrdiff_t paired = 0;
  while (!paired && std::chrono::steady_clock::now() < until) paired = one.run(2, 5, go_on, "", false).paired;
  CHECK(paired > 0);
}

// A poll comes between two steps: it sees the network after whole steps, and when it stops the epoch or
// throws no further step is taken.
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

// The second side asks for no memory: what it would be refused, on a thread that nobody waits for, it has before.
void without_memory() {
  Case<float> one(true, 4000, 32, fw::opt_adam, false);
  const Run<float> whole = one.run(1, 1, go_on, "", false);
  fw::set_pairing(Pairing::always);
  g_scarce = true;
  const Run<float> r = one.run(2, 1, go_on, "", false);
  g_scarce = false;
  CHECK(!r.threw && same(r.parameters, whole.parameters));
  CHECK(r.paired == 4000 / 32 && g_refused == 0);
  std::thread([] {  // the twin
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
  for (const char* isa : {"", "scalar"}) {
    same_bits<float>(isa);
    if (!*isa) same_bits<double>(isa);
  }
  pays();
  polls();
  without_memory();
  return check::finish("test_pair");
}
