// The optimizers' formulas, and what is done to a whole gradient, on every instruction set that can run here:
// against plain loops in a wider type and by bits against the scalar table.
#include <algorithm>
#include <array>
#include <utility>

#include "plain.h"

namespace {

using namespace plain;

const fw::KernelTable* first() { return fw::available_isas().front(); }

// PyTorch's formulas, two steps: parameters w, state by slot, gradient g, for one of each
template <class W>
void reference(int which, int step, W& w, W* slot, W g) {
  const W lr = W(0.1L), decay = W(0.01L), b1 = W(0.9L), b2 = W(0.99L), eps = W(1e-8L);
  const W d = g + decay * w;
  const auto is = [&](std::initializer_list<int> some) { return std::find(some.begin(), some.end(), which) != some.end(); };
  if (which == fw::opt_sgd) w -= lr * d;
  if (which == fw::opt_momentum) w -= lr * (slot[0] = b1 * slot[0] + d);
  if (which == fw::opt_nesterov) w -= lr * (d + b1 * (slot[0] = b1 * slot[0] + d));
  if (is({fw::opt_adam, fw::opt_adamw})) {
    const W used = which == fw::opt_adam ? d : g;
    if (which == fw::opt_adamw) w *= 1 - lr * decay;
    slot[0] += (1 - b1) * (used - slot[0]);
    slot[1] = b2 * slot[1] + (1 - b2) * used * used;
    const W c1 = 1 - std::pow(b1, W(step)), c2 = 1 - std::pow(b2, W(step));
    w -= lr * (slot[0] / c1) / (std::sqrt(slot[1] / c2) + eps);
  }
  const bool moving = is({fw::opt_rmsprop_momentum, fw::opt_rmsprop_centered_momentum});
  const bool centered = is({fw::opt_rmsprop_centered, fw::opt_rmsprop_centered_momentum});
  if (moving || centered || which == fw::opt_rmsprop) {
    slot[0] = b2 * slot[0] + (1 - b2) * d * d;
    W variance = slot[0];
    if (centered) {
      W& mean = slot[moving ? 2 : 1];
      mean += (1 - b2) * (d - mean);
      variance -= mean * mean;
    }
    const W along = d / (std::sqrt(variance) + eps);
    w -= lr * (moving ? slot[1] = b1 * slot[1] + along : along);
  }
}

template <class T>
void optimizer(int which, std::ptrdiff_t n) {
  using W = Wide<T>;
  const double hyper[fw::kMaxHyper] = {0.1, 0.01, 0.9, 0.99, 1e-8};
  std::vector<T> kept;
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    Random random{std::uint64_t(n)};
    Matrix<T> state(1 + fw::kMaxSlots, n, row_major, true);  // the parameters and the slots
    const int slots = table->optimizer_info[which].slots;
    std::vector<W> w;
    std::vector<std::array<W, fw::kMaxSlots>> s(std::size_t(n), {0});
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      w.push_back(state(0, i) = T(random(-1, 1)));
      for (int slot = 1; slot <= fw::kMaxSlots; ++slot) state(slot, i) = 0;
    }
    double scalar_state[fw::kMaxScalarState] = {1, 1};
    const auto& k = kernels<T>(*table);
    for (int step = 1; step <= 2; ++step) {
      Matrix<T> g(1, n, row_major);
      g.fill(random, 0.2, 1);
      fw::StepScalars<T> scalars;
      k.prepare[which](hyper, scalar_state, &scalars);
      scalars.gradient_scale = step == 1 ? T(1) : T(0.75);
      T* beside[fw::kMaxSlots] = {};
      for (int slot = 0; slot < slots; ++slot) beside[slot] = &state(1 + slot, 0);
      k.update[which](&state(0, 0), &g(0, 0), beside, n, scalars);
      for (std::size_t i = 0; i < std::size_t(n); ++i)
        reference<W>(which, step, w[i], s[i].data(), W(scalars.gradient_scale) * W(g(0, std::ptrdiff_t(i))));
    }
    CHECK(state.intact());
    auto got = state.values();
    if (table == first()) kept = got;
    CHECK_SAME(got.data(), kept.data(), got.size());
    // a centered variance is a small difference, whose error the root magnifies
    std::vector<W> expected(w), bound((1 + fw::kMaxSlots) * std::size_t(n), 400 * unit<T>);
    for (int slot = 0; slot < fw::kMaxSlots; ++slot)
      for (std::size_t i = 0; i < std::size_t(n); ++i) expected.push_back(s[i][std::size_t(slot)]);
    CHECK_CLOSE(got.data(), expected.data(), bound.data(), got.size());
  }
}

// What is done to a whole gradient: limited, added to, its squares summed.
template <class T>
void whole_gradient(std::ptrdiff_t n) {
  using W = Wide<T>;
  T kept = 0;
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    const auto& k = kernels<T>(*table);
    Random random{std::uint64_t(n)};
    Matrix<T> g(1, n, row_major, true), w(1, n, row_major);
    g.fill(random, -1, 1);
    w.fill(random, -1, 1);
    W exact = 0, size = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i) exact += W(g(0, i)) * W(g(0, i));
    size = exact + 1;
    const T got = k.sum_of_squares(&g(0, 0), n, 16);
    CHECK(std::abs(W(got) - exact) <= 100 * unit<T> * size);
    CHECK(n < 17 || std::abs(W(got) - (exact - W(g(0, n - 1)) * W(g(0, n - 1)))) > 0);
    if (table == first()) kept = got;
    CHECK(got == kept);
    for (int lanes : {1, 10, 15}) {  // whatever the others hold
      Matrix<T> zero(1, n, row_major, true), any(1, n, row_major, true);
      for (std::ptrdiff_t i = 0; i < n; ++i) {
        zero(0, i) = i % 16 < lanes ? g(0, i) : T(0);
        any(0, i) = i % 16 < lanes ? g(0, i) : i % 3 ? T(NAN) : T(1e9);
      }
      CHECK(k.sum_of_squares(&any(0, 0), n, lanes) == k.sum_of_squares(&zero(0, 0), n, 16));
    }
    const auto before = g.values();
    k.add_scaled(&g(0, 0), &w(0, 0), n, T(0.5));
    k.clip(&g(0, 0), n, T(1.5));
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const T v = std::fma(T(0.5), w(0, i), before[std::size_t(i)]);
      CHECK(g(0, i) == std::min(std::max(v, T(-1.5)), T(1.5)));
    }
    CHECK(g.intact());
    g(0, n - 1) = T(NAN);
    k.clip(&g(0, 0), n, T(1.5));
    CHECK(std::isnan(g(0, n - 1)));
  }
}

template <class T>
void all() {
  for (int which = 0; which < fw::kOptimizers; ++which)
    for (std::ptrdiff_t n : {16, 32, 48, 160}) optimizer<T>(which, n);
  for (std::ptrdiff_t n : {16, 1008, 1024, 1040, 8192, 8208, 9216, 17 * 1024 + 32}) whole_gradient<T>(n);
}

}  // namespace

int main() {
  const fw::FloatEnvironment environment;
  all<float>();
  all<double>();
  return finish("test_optimizers");
}
