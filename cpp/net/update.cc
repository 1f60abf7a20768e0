// A step's second phase: from the batch's activations and deltas into the parameters, tile by tile or, where
// something looks at the whole gradient first, by way of one flat buffer.
#include <algorithm>
#include <cmath>

#include "thread_pool.h"
#include "trainer.h"

namespace fw {
namespace {

constexpr std::ptrdiff_t kInputChunk = 240;  // inputs to a task: a multiple of a panel and of tiles

}  // namespace

template <class T>
void Trainer<T>::update_part(const Batch& batch, const OptimizerState& optimizer,
                             const Steps<T>& steps, T* packed, std::size_t l, std::ptrdiff_t panel,
                             std::ptrdiff_t first, std::ptrdiff_t last) {
  const Layer& a = network_.layers()[l];
  GradientArgs<T> g = {};
  g.x = l ? fed(l).rows(batch.from) : batch.input;
  if (l == 0 && g.x.pointers) g.x.pointers += batch.from;
  else if (l == 0) g.x.base += batch.from * g.x.row_stride;
  g.dz = delta(l).rows(batch.from);
  g.rows = batch.rows;
  g.next = l == 0 && batch.shares ? batch.rows : 0;
  g.inputs = a.inputs;
  g.panel = panel;
  g.panels = std::min(kPair, a.panels() - panel);
  g.first = first;
  g.last = last;
  if (packed) {
    g.gradient = packed + a.weights;
    g.gradient_bias = packed + a.bias;
    if (batch.all) {
      g.block = batch.from / kBlock;
      g.blocks = (batch.all + kBlock - 1) / kBlock;
      g.second = second_half_.data() + a.weights;
      g.second_bias = second_half_.data() + a.bias;
    }
    kernels().dense_gradient(g);
    return;
  }
  g.weights = parameter(a.weights);
  g.bias = parameter(a.bias);
  for (int s = 0; s < network_.table().optimizer_info[optimizer.kind].slots; ++s) {
    T* slot = static_cast<T*>(optimizer.slots[s]);
    g.slots[s] = own(slot, slot_tails_[s], a.weights);
    g.slots_bias[s] = own(slot, slot_tails_[s], a.bias);
  }
  g.step = &steps.weights;
  g.step_bias = &steps.biases;
  kernels().dense_update[optimizer.kind](g);
}

// Phase 2: into the parameters by the optimizer or, if packed is given, the gradients there.
template <class T>
void Trainer<T>::update(const Batch& batch, const OptimizerState& optimizer, const Steps<T>& steps,
                        T* packed, int threads) {
  const auto& layers = network_.layers();
  const auto chunk = [&](std::size_t l) { return threads == 1 ? layers[l].inputs : kInputChunk; };
  const auto chunks = [&](std::size_t l) { return (layers[l].inputs + chunk(l) - 1) / chunk(l); };
  const auto pairs = [&](std::ptrdiff_t share, std::size_t l) {
    const std::ptrdiff_t n = layers[l].panels();
    return (panel_share(n, share + 1, threads) - panel_share(n, share, threads) + kPair - 1) / kPair;
  };
  // Task numbers run over threads' shares of the panels, and in each from the last layer's last pair of panels, where
  // the way down has just been, to the first layer's first, where the next step begins. ends: of each share's layers.
  std::vector<std::ptrdiff_t>& ends = task_ends_;
  if (ends.size() != std::size_t(threads) * layers.size()) {
    ends.clear();
    for (std::ptrdiff_t share = 0, end = 0; share < threads; ++share)
      for (std::size_t l = layers.size(); l-- > 0;) ends.push_back(end += pairs(share, l) * chunks(l));
  }
  auto task = [&](std::ptrdiff_t t) {
    const std::size_t i = std::size_t(std::upper_bound(ends.begin(), ends.end(), t) - ends.begin());
    const std::size_t share = i / layers.size(), l = layers.size() - 1 - i % layers.size();
    const std::ptrdiff_t n = t - (i ? ends[i - 1] : 0), first = n % chunks(l) * chunk(l);
    const std::ptrdiff_t panel = panel_share(layers[l].panels(), std::ptrdiff_t(share), threads) +
                                 (pairs(std::ptrdiff_t(share), l) - 1 - n / chunks(l)) * kPair;
    update_part(batch, optimizer, steps, packed, l, panel, first, std::min(layers[l].inputs, first + chunk(l)));
  };
  parallel_for(ends.back(), threads, task);
}

// The scalars of the step that begins with row `first`.
template <class T>
Steps<T> Trainer<T>::steps(const OptimizerState& optimizer, std::ptrdiff_t first) {
  const double* hyper =
      optimizer.by_step ? optimizer.by_step + first / batch_ * kMaxHyper : optimizer.hyper;
  Steps<T> s;
  kernels().prepare[optimizer.kind](hyper, optimizer.memo, &s.biases);
  s.weights = s.biases;
  s.weights.value[1] += T(optimizer.penalty);
  s.weights.limit = s.biases.limit = T(optimizer.clip_value);
  return s;
}

template <class T>
double Trainer<T>::squares(const Layer& a, std::ptrdiff_t first, std::ptrdiff_t last) {
  double sum = 0;
  if (first == last) return sum;
  for (std::ptrdiff_t p = 0; p < a.panels(); ++p) {
    const int neurons = int(std::min<std::ptrdiff_t>(kPanel, a.outputs - p * kPanel));  // without the padding
    sum += double(kernels().squares(parameter(a.weights) + (p * a.inputs + first) * kPanel, (last - first) * kPanel,
                                    neurons));
  }
  return sum;
}

template <class T>
double Trainer<T>::penalty(const OptimizerState& optimizer, double first, double second) {
  const auto& layers = network_.layers();
  double sum = first + second;
  for (std::size_t l = 1; l < layers.size(); ++l) sum += squares(layers[l], 0, layers[l].inputs);
  return 0.5 * optimizer.penalty * sum;
}

template <class T>
double Trainer<T>::penalty(const OptimizerState& optimizer) {
  if (optimizer.penalty == 0) return 0;
  const Layer& a = network_.layers()[0];
  return penalty(optimizer, squares(a, 0, border()), squares(a, border(), a.inputs));
}

template <class T>
void Trainer<T>::apply_flat(T* g, const OptimizerState& optimizer, const Steps<T>& steps) {
  const Kernels<T>& k = kernels();
  const std::ptrdiff_t n = network_.packed_size();
  if (optimizer.penalty != 0)
    for (const Layer& a : network_.layers())
      k.add_scaled(g + a.weights, network_.parameters() + a.weights, a.bias - a.weights,
                   T(optimizer.penalty));
  Step<T> step = steps.biases;
  if (optimizer.clip_value > 0) k.clip(g, n, T(optimizer.clip_value));
  if (optimizer.clip_norm > 0) {
    network_.clear_padding(g);  // which holds what comes of the parameters' padding, if another thread writes there
    const double norm = std::sqrt(double(k.squares(g, n, kPanel)));
    const double by = optimizer.clip_norm / (norm + 1e-6);  // as PyTorch has it
    if (!(by >= 1)) step.by = T(by);
  }
  T* slots[kMaxSlots];
  for (int s = 0; s < kMaxSlots; ++s) slots[s] = static_cast<T*>(optimizer.slots[s]);
  k.update[optimizer.kind](network_.parameters(), g, slots, n, step);
}

// By way of the whole gradient, which is limited before the optimizer sees it.
template <class T>
void Trainer<T>::update_clipped(const Batch& batch, const OptimizerState& optimizer, const Steps<T>& steps) {
  T* g = gradient_.reserve(std::size_t(network_.packed_size()));
  update(batch, optimizer, steps, g, network_.threads_for(batch.rows, 1));
  apply_flat(g, optimizer, steps);
}

#define FW_UPDATE(T)                                                           \
  template void Trainer<T>::update_part(const Batch&, const OptimizerState&, const Steps<T>&, T*, \
                                        std::size_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t); \
  template void Trainer<T>::update(const Batch&, const OptimizerState&, const Steps<T>&, T*, int); \
  template Steps<T> Trainer<T>::steps(const OptimizerState&, std::ptrdiff_t);  \
  template double Trainer<T>::penalty(const OptimizerState&);                  \
  template double Trainer<T>::penalty(const OptimizerState&, double, double);  \
  template double Trainer<T>::squares(const Layer&, std::ptrdiff_t, std::ptrdiff_t); \
  template void Trainer<T>::apply_flat(T*, const OptimizerState&, const Steps<T>&); \
  template void Trainer<T>::update_clipped(const Batch&, const OptimizerState&, const Steps<T>&);
FW_UPDATE(float)
FW_UPDATE(double)

}  // namespace fw
