// The machine's peak speeds, for `featherweight bench` and the scripts in bench/.
#include <chrono>

#include "../kernels/dispatch.h"
#include "../net/buffer.h"
#include "network.h"

namespace fw {
namespace {

volatile double g_sink;  // keeps the compiler from removing loops whose result is unused

// The shortest time of one call of `task` within about 20 ms, in seconds.
template <class Task>
double least_seconds(const Task& task) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  double least = 1e9;
  do {
    const auto start = Clock::now();
    g_sink = double(task());
    const std::chrono::duration<double> spent = Clock::now() - start;
    least = spent.count() < least ? spent.count() : least;
  } while (Clock::now() - begin < std::chrono::milliseconds(20));
  return least;
}

template <class T>
double fma_rate(const KernelTable& table, const Kernels<T>& k) {
  constexpr std::ptrdiff_t steps = 20000;
  const double lanes = table.vector_bytes ? double(table.vector_bytes) / sizeof(T) : 1.0;
  return double(steps) * table.peak_chains * lanes * 2 / least_seconds([&] {
    return k.peak_fma(steps);
  });
}

}  // namespace

void bind_peak(py::module_& m) {
  m.def("fma_limit", [](const std::string& isa, bool double_precision) {
    const KernelTable& table = choose_isa(isa);
    const Work work;
    return double_precision ? fma_rate(table, table.f64) : fma_rate(table, table.f32);
  }, py::arg("isa"), py::arg("double_precision"));
  m.def("read_limit", [](const std::string& isa, std::ptrdiff_t bytes) {
    expect(bytes > 0, "bytes: expected a positive number");
    const KernelTable& table = choose_isa(isa);
    const Work work;
    const std::ptrdiff_t n = (bytes / 4 + 127) / 128 * 128;
    Buffer<float> memory;
    const float* p = memory.reserve(std::size_t(n));
    return double(n) * 4 / least_seconds([&] { return table.f32.peak_read(p, n); });
  }, py::arg("isa"), py::arg("bytes"));
}

}  // namespace fw
