// Repeated forward passes and training steps allocate nothing, on one thread and on two. Every operator new of the
// process is counted, the library's and the standard library's.
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "../kernels/dispatch.h"
#include "../net/pairing_budget.h"
#include "../net/thread_pool.h"
#include "../net/trainer.h"
#include "check.h"

namespace {
std::atomic<long> g_allocations{0};

void* counted(std::size_t n, std::size_t alignment) {
  ++g_allocations;
  void* p = nullptr;
  if (posix_memalign(&p, alignment, n ? n : 1) != 0) throw std::bad_alloc();
  return p;
}
}  // namespace

// the other forms of new come to these
void* operator new(std::size_t n) { return counted(n, alignof(std::max_align_t)); }
void* operator new(std::size_t n, std::align_val_t a) { return counted(n, std::size_t(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

template <class F>
long allocations(F f) {
  const long before = g_allocations;
  f();
  return g_allocations - before;
}

// Calls f on the caller's thread and on a worker's at once, so that both have allocated their scratch memory.
template <class F>
void on_both(F f) {
  std::atomic<int> here{0};
  auto task = [&](std::ptrdiff_t) {
    ++here;
    while (here < 2) std::this_thread::yield();
    f();
  };
  fw::parallel_for(2, 2, task);
}

template <class T>
struct Case {
  static constexpr std::ptrdiff_t kInputs = 300, kOutputs = 10, kRows = 1280;
  fw::Network<T> net;
  std::vector<T> x = std::vector<T>(kRows * kInputs, T(0.25));
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kRows * kInputs, 3);
  std::vector<std::int64_t> labels = std::vector<std::int64_t>(kRows, 1);

  Case(int threads, double scale, std::ptrdiff_t width = 48)
      : net({kInputs, width, width, kOutputs}, {fw::act_gelu, fw::act_tanh, fw::act_identity}, true, scale,
            fw::choose_isa(""), threads) {
    for (std::size_t l = 0; l < 3; ++l) net.initialize(l, 1, 0.1);
  }
  fw::InputView view(std::ptrdiff_t rows, bool is_uint8) const {
    const void* data = is_uint8 ? static_cast<const void*>(bytes.data()) : x.data();
    return {data, is_uint8, rows, kInputs, kInputs};
  }
};

template <class T>
void forward(int threads, double scale) {
  const Case<T> c(threads, scale);
  std::vector<T> y(Case<T>::kRows * Case<T>::kOutputs);
  CHECK(c.net.threads_for(Case<T>::kRows, 1) == threads);
  for (const bool is_uint8 : {false, true})
    for (const std::ptrdiff_t rows : {std::ptrdiff_t(1), Case<T>::kRows}) {
      const auto call = [&] { c.net.forward(c.view(rows, is_uint8), y.data(), Case<T>::kOutputs); };
      on_both([&] {  // a nested forward pass runs on its own thread only
        std::vector<T> own(y.size());
        c.net.forward(c.view(rows, is_uint8), own.data(), Case<T>::kOutputs);
      });
      call();
      CHECK(allocations([&] {
              for (int i = 0; i < 20; ++i) call();
            }) == 0);
    }
}

// Enough work for a second thread: in paired steps, and split by rows.
constexpr std::ptrdiff_t kBatches[] = {160, 320};

template <class T>
struct Fit {
  Case<T>& c;
  fw::Trainer<T> trainer;
  std::vector<T> slots;
  double scalar_state[fw::kMaxScalarState] = {1, 1};
  fw::OptimizerState state = {};
  bool weighted, is_uint8;
  std::vector<T> weights = std::vector<T>(Case<T>::kRows, T(0.5));

  Fit(Case<T>& on, std::ptrdiff_t batch, bool weigh, bool u8)
      : c(on), trainer(on.net, fw::loss_cross_entropy, batch), weighted(weigh), is_uint8(u8) {
    slots.resize(std::size_t(2 * c.net.packed_size()));
    state.kind = fw::opt_adam;
    const double hyper[] = {1e-3, 0, 0.9, 0.999, 1e-8};
    for (int i = 0; i < 5; ++i) state.hyper[i] = hyper[i];
    state.scalar_state = scalar_state;
    for (int i = 0; i < 2; ++i) state.slots[i] = slots.data() + i * c.net.packed_size();
  }
  void epoch(std::ptrdiff_t rows) {
    const std::uint64_t key = 7;
    const fw::Samples<T> data = {
        c.view(rows, is_uint8), {c.labels.data(), nullptr}, weighted ? weights.data() : nullptr};
    trainer.epoch(data, state, &key, 0, [](std::ptrdiff_t, const fw::EpochResult&) { return true; });
  }
};

template <class T>
void training(int threads, double scale, std::ptrdiff_t batch) {
  Case<T> c(threads, scale);
  for (const bool u8 : {false, true}) {
    const std::ptrdiff_t n = Case<T>::kRows / 2, twice = Case<T>::kRows;
    CHECK(c.net.threads_for(batch, 2) == threads && n % batch == 0);
    // new trainers: as many allocations for an epoch as for one of twice as many steps
    long found[2];
    for (int round = 0; round < 2; ++round)  // the first round for the threads' scratch memory
      for (int i = 0; i < 2; ++i) {
        Fit<T> fit(c, batch, false, u8);
        found[i] = allocations([&] { fit.epoch(i ? twice : n); });
      }
    CHECK(found[0] == found[1]);
    for (const bool weighted : {false, true}) {  // a trainer that has trained: none
      Fit<T> fit(c, batch, weighted, u8);
      fit.epoch(twice);
      CHECK(allocations([&] { fit.epoch(n); }) == 0);
      CHECK(allocations([&] { fit.epoch(twice); }) == 0);
    }
  }
}

// Steps that the caller takes alone after an epoch of paired steps only.
void alone() {
  Case<float> c(2, 1.0);
  Fit<float> fit(c, kBatches[0], false, false);
  const std::ptrdiff_t rows = Case<float>::kRows, steps = rows / kBatches[0];
  fw::set_pairing(fw::Pairing::always);
  fit.epoch(rows);
  CHECK(fit.trainer.counts().paired_steps == steps);
  fw::set_pairing(fw::Pairing::for_two_steps);
  CHECK(allocations([&] { fit.epoch(rows); }) == 0);
  CHECK(fit.trainer.counts().paired_steps == steps + 2);
  fw::set_pairing(fw::Pairing::as_it_pays);
}

// Layers wide enough to be split by panels.
void wide() {
  Case<float> c(2, 1.0, 272);
  Fit<float> fit(c, kBatches[0], true, true);
  fit.epoch(2 * kBatches[0]);
  CHECK(allocations([&] { fit.epoch(2 * kBatches[0]); }) == 0);
  CHECK(fit.trainer.counts().layers_split_by_panels == 2 * 4);
}

// Planted allocations are counted, on a worker's thread too.
void planted() {
  std::vector<std::vector<int>> kept(8);
  CHECK(allocations([&] { kept[0].resize(9); }) == 1);
  CHECK(allocations([&] { kept.push_back({}); }) == 1);
  fw::Buffer<float> buffer;
  CHECK(allocations([&] { buffer.reserve(100); }) == 1);
  CHECK(allocations([&] { buffer.reserve(100); }) == 0);
  CHECK(allocations([] { on_both([] { fw::Buffer<double>().reserve(50); }); }) == 2);
}

}  // namespace

int main() {
  const fw::FloatEnvironment environment;
  on_both([] {});  // starts the pool
  planted();
  alone();
  wide();
  for (const int threads : {1, 2})
    for (const double scale : {1.0, 0.5}) {
      forward<float>(threads, scale);
      forward<double>(threads, scale);
      // each batch, scale and type with each number of threads
      training<float>(threads, scale, kBatches[scale == 1.0]);
      training<double>(threads, scale, kBatches[scale != 1.0]);
    }
  return check::finish("test_allocations");
}
