#include "update.h"

#include <algorithm>
#include <cmath>

#include "split.h"
#include "thread_pool.h"

namespace fw {
namespace {

constexpr std::ptrdiff_t kInputChunk = 240;  // inputs per task: a multiple of a panel and of a tile

// The arguments of a tile's sums.
template <class T>
GradientArgs<T> gradient_args(Workspace<T>& w, const Minibatch<T>& batch, const WeightTile& tile) {
  const Layer& a = w.layer(tile.layer);
  const bool first_layer = tile.layer == 0;
  GradientArgs<T> g = {};
  g.x = first_layer ? batch.input : w.layer_input(tile.layer).rows(batch.offset);
  if (first_layer && g.x.pointers) g.x.pointers += batch.offset;
  else if (first_layer) g.x.base += batch.offset * g.x.row_stride;
  g.dz = w.delta(tile.layer).rows(batch.offset);
  g.rows = batch.rows;
  g.next_rows = first_layer && batch.split_prefetch ? batch.rows : 0;
  g.inputs = a.inputs;
  g.panel = tile.panel;
  g.panels = std::min(kPanelPair, a.panels() - tile.panel);
  g.first_input = tile.first_input;
  g.end_input = tile.end_input;
  return g;
}

// Splits all weights into tiles and calls task(WeightTile) for each, by `threads` threads. A thread has a part of
// each layer's panels; within it the last layer comes first, since its gradients are still in cache, and the first
// layer's first panels come last, since the next step begins there. With two threads and two layers of four panels,
// each a single chunk of inputs:
//   task 0: thread 0, layer 1, panels 0-1       task 2: thread 1, layer 1, panels 2-3
//   task 1: thread 0, layer 0, panels 0-1       task 3: thread 1, layer 0, panels 2-3
template <class T, class Task>
void for_weight_tiles(Workspace<T>& w, int threads, const Task& task) {
  const std::size_t layers = w.layers.size();
  const auto chunk = [&](std::size_t l) { return threads == 1 ? w.layer(l).inputs : kInputChunk; };
  const auto chunks = [&](std::size_t l) { return ceil_div(w.layer(l).inputs, chunk(l)); };
  const auto panel_pairs = [&](std::ptrdiff_t thread, std::size_t l) {
    const std::ptrdiff_t n = w.layer(l).panels();
    return ceil_div(first_panel(n, thread + 1, threads) - first_panel(n, thread, threads), kPanelPair);
  };
  // the number of the task after the last one of each thread's part of each layer, in the order of the tasks
  std::vector<std::ptrdiff_t>& ends = w.task_ends;
  if (ends.size() != std::size_t(threads) * layers) {
    ends.clear();
    for (std::ptrdiff_t thread = 0, end = 0; thread < threads; ++thread)
      for (std::size_t l = layers; l-- > 0;) ends.push_back(end += panel_pairs(thread, l) * chunks(l));
  }
  auto numbered = [&](std::ptrdiff_t t) {
    const std::size_t i = std::size_t(std::upper_bound(ends.begin(), ends.end(), t) - ends.begin());
    const std::ptrdiff_t thread = std::ptrdiff_t(i / layers);
    const std::size_t l = layers - 1 - i % layers;
    const std::ptrdiff_t n = t - (i ? ends[i - 1] : 0), input = n % chunks(l) * chunk(l);
    const std::ptrdiff_t pair = panel_pairs(thread, l) - 1 - n / chunks(l);
    task(WeightTile{.layer = l,
                    .panel = first_panel(w.layer(l).panels(), thread, threads) + pair * kPanelPair,
                    .first_input = input,
                    .end_input = std::min(w.layer(l).inputs, input + chunk(l))});
  };
  parallel_for(ends.back(), threads, numbered);
}

}  // namespace

template <class T>
void update_tile(Workspace<T>& w, const Minibatch<T>& batch, const OptimizerState& optimizer,
                 const UpdateScalars<T>& scalars, const WeightTile& tile) {
  const Layer& a = w.layer(tile.layer);
  GradientArgs<T> g = gradient_args(w, batch, tile);
  g.weights = w.parameter(a.weights);
  g.bias = w.parameter(a.bias);
  for (int s = 0; s < w.network().table().optimizer_info[optimizer.kind].slots; ++s) {
    g.slots[s] = w.slot(s, optimizer.slots[s], a.weights);
    g.slots_bias[s] = w.slot(s, optimizer.slots[s], a.bias);
  }
  g.step = &scalars.weights;
  g.step_bias = &scalars.biases;
  w.kernels().dense_update[optimizer.kind](g);
}

template <class T>
void update_parameters(Workspace<T>& w, const Minibatch<T>& batch, const OptimizerState& optimizer,
                       const UpdateScalars<T>& scalars, int threads) {
  for_weight_tiles(w, threads, [&](const WeightTile& tile) { update_tile(w, batch, optimizer, scalars, tile); });
}

template <class T>
void sum_gradient(Workspace<T>& w, const Minibatch<T>& batch, T* packed, int threads) {
  for_weight_tiles(w, threads, [&](const WeightTile& tile) {
    const Layer& a = w.layer(tile.layer);
    GradientArgs<T> g = gradient_args(w, batch, tile);
    g.gradient = packed + a.weights;
    g.gradient_bias = packed + a.bias;
    if (batch.sum_rows) {
      g.block = batch.offset / kBlock;
      g.blocks = blocks_of(batch.sum_rows);
      g.second_half = w.gradient_second_half.data() + a.weights;
      g.second_half_bias = w.gradient_second_half.data() + a.bias;
    }
    w.kernels().dense_gradient(g);
  });
}

template <class T>
UpdateScalars<T> prepare_update(const Workspace<T>& w, const OptimizerState& optimizer, std::ptrdiff_t step) {
  const double* hyper = optimizer.hyper_by_step ? optimizer.hyper_by_step + step * kMaxHyper : optimizer.hyper;
  UpdateScalars<T> s;
  w.kernels().prepare[optimizer.kind](hyper, optimizer.scalar_state, &s.biases);
  s.weights = s.biases;
  s.weights.value[1] += T(optimizer.l2);
  s.weights.clip_value = s.biases.clip_value = T(optimizer.clip_value);
  return s;
}

template <class T>
void apply_gradient(Workspace<T>& w, T* g, const OptimizerState& optimizer, const UpdateScalars<T>& scalars) {
  const Kernels<T>& k = w.kernels();
  Network<T>& network = w.network();
  const std::ptrdiff_t n = network.packed_size();
  if (optimizer.l2 != 0)
    for (const Layer& a : network.layers())
      k.add_scaled(g + a.weights, network.parameters() + a.weights, a.bias - a.weights, T(optimizer.l2));
  StepScalars<T> step = scalars.biases;  // without L2, which has just been added
  if (optimizer.clip_value > 0) k.clip(g, n, T(optimizer.clip_value));
  if (optimizer.clip_norm > 0) {
    network.clear_padding(g);  // another thread may have written into the padding of the parameters
    const double norm = std::sqrt(double(k.sum_of_squares(g, n, kPanel)));
    const double scale = optimizer.clip_norm / (norm + 1e-6);  // PyTorch's formula
    if (!(scale >= 1)) step.gradient_scale = T(scale);
  }
  T* slots[kMaxSlots];
  for (int s = 0; s < kMaxSlots; ++s) slots[s] = static_cast<T*>(optimizer.slots[s]);
  k.update[optimizer.kind](network.parameters(), g, slots, n, step);
}

template <class T>
double sum_of_squares(Workspace<T>& w, std::size_t l, std::ptrdiff_t first, std::ptrdiff_t end) {
  const Layer& a = w.layer(l);
  double sum = 0;
  if (first == end) return sum;
  for (std::ptrdiff_t p = 0; p < a.panels(); ++p) {
    const T* begin = w.parameter(a.weights) + (p * a.inputs + first) * kPanel;
    const int neurons = int(std::min<std::ptrdiff_t>(kPanel, a.outputs - p * kPanel));  // without the padding
    sum += double(w.kernels().sum_of_squares(begin, (end - first) * kPanel, neurons));
  }
  return sum;
}

template <class T>
double l2_penalty_of(Workspace<T>& w, const OptimizerState& optimizer, double lower, double upper) {
  double sum = lower + upper;
  for (std::size_t l = 1; l < w.layers.size(); ++l) sum += sum_of_squares(w, l, 0, w.layer(l).inputs);
  return 0.5 * optimizer.l2 * sum;
}

template <class T>
double l2_penalty(Workspace<T>& w, const OptimizerState& optimizer) {
  if (optimizer.l2 == 0) return 0;
  const std::ptrdiff_t boundary = half_boundary(w);
  return l2_penalty_of(w, optimizer, sum_of_squares(w, 0, 0, boundary),
                       sum_of_squares(w, 0, boundary, w.layer(0).inputs));
}

FW_INSTANTIATE(update_tile)
FW_INSTANTIATE(update_parameters)
FW_INSTANTIATE(sum_gradient)
FW_INSTANTIATE(prepare_update)
FW_INSTANTIATE(apply_gradient)
FW_INSTANTIATE(l2_penalty)
FW_INSTANTIATE(l2_penalty_of)
FW_INSTANTIATE(sum_of_squares)

}  // namespace fw
