// A step's first phase: forward, the loss, and the gradients dz down to the first layer. By rows, each thread taking
// some of them through all layers; or, where layers are wide and rows few, layer by layer, each thread taking some
// panels: it then fetches its own part of the weights, which it has changed in the step before, and not all.
#include <algorithm>

#include "thread_pool.h"
#include "trainer.h"

namespace fw {
namespace {

// Rows to a task by rows: whole tiles, some tasks to each thread, and enough rows to repay it for fetching all
// weights, half of which another core has just changed.
std::ptrdiff_t task_rows(std::ptrdiff_t rows, int threads) {
  constexpr std::ptrdiff_t least = 2 * kPanel;
  if (threads == 1) return std::min(rows, kRowBlock);
  const std::ptrdiff_t each = (rows + threads - 1) / threads;
  return std::clamp((each + kPanel - 1) / kPanel * kPanel, least, kRowBlock);
}

// Calls task(panel, end) for all of some panels, as evenly as pairs go, one share to each thread: the same as for the
// weights' update. There must be a pair for each.
template <class Task>
void by_panels(std::ptrdiff_t panels, int threads, const Task& task) {
  auto part = [&](std::ptrdiff_t t) { task(panel_share(panels, t, threads), panel_share(panels, t + 1, threads)); };
  parallel_for(threads, threads, part);
}

}  // namespace

// Layer l's panels [panel, end) of rows from `from` on, with what the caller has set of the input.
template <class T>
void Trainer<T>::ascend(std::size_t l, DenseArgs<T> d, std::ptrdiff_t from, std::ptrdiff_t panel,
                        std::ptrdiff_t end) {
  const Layer& a = network_.layers()[l];
  d.inputs = a.inputs;
  d.weights = parameter(a.weights) + panel * a.inputs * kPanel;
  d.bias = parameter(a.bias) + panel * kPanel;
  d.outputs = std::min(a.outputs, end * kPanel) - panel * kPanel;
  d.y = output(l).out(from, panel);
  d.z = sum(l).out(from, panel);
  kernels().dense[a.activation](d);
}

// The same of what layer l > 0 reads, if some of it is dropped; panel is even. `position`: the first row's in the pass.
template <class T>
void Trainer<T>::drop_below(std::size_t l, std::ptrdiff_t position, std::ptrdiff_t from, std::ptrdiff_t rows,
                            std::ptrdiff_t panel, std::ptrdiff_t end) {
  if (!drops(l)) return;
  DropArgs<T> d = drop_args(l, rows, position);
  d.x = output(l - 1).rows(from, panel);
  d.y = fed(l).out(from, panel);
  d.factor = factor(l).out(from, panel);
  d.panel = panel;
  d.columns = std::min(d.width, end * kPanel) - panel * kPanel;
  kernels().drop(d);
}

// dz of the layer below l, of its panels [panel, end).
template <class T>
void Trainer<T>::descend(std::size_t l, std::ptrdiff_t from, std::ptrdiff_t rows, std::ptrdiff_t panel,
                         std::ptrdiff_t end) {
  const Layer& a = network_.layers()[l];
  kernels().dense_backward[network_.layers()[l - 1].activation](
      {delta(l).rows(from), rows, a.outputs, parameter(a.weights), a.inputs, delta(l - 1).out(from),
       derived_from(l - 1, from), panel, end});
  if (drops(l))
    kernels().multiply(factor(l).rows(from, panel), rows, std::min(a.inputs, end * kPanel) - panel * kPanel,
                       delta(l - 1).out(from, panel));
}

// What the first layer reads of some rows, and which of the rows ahead it asks for.
template <class T>
DenseArgs<T> Trainer<T>::first_layer(const Batch& batch, const Rows<T>& in, bool staged, std::ptrdiff_t from,
                                     std::ptrdiff_t rows, bool backward) {
  DenseArgs<T> d = {};
  d.x = in;
  d.rows = rows;
  d.halved = backward && batch.shares;
  if (staged) return d;  // then stage() has asked for the next rows
  d.distance = std::min(batch.rows, kBatchAhead);
  d.ahead = batch.rows + batch.next - from - rows;
  return d;
}

template <class T>
void Trainer<T>::rows_pass(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                           const Batch& batch, std::ptrdiff_t from, std::ptrdiff_t rows,
                           bool backward) {
  const Rows<T> in = stage(data, batch, from, rows, 0, data.x.columns, first, backward);
  ascend(0, first_layer(batch, in, stages(data.x), from, rows, backward), from, 0, network_.layers()[0].panels());
  upper_layers(data, index, first, from, rows, backward);
}

// The layers from `bottom` > 0 on, up and down again.
template <class T>
void Trainer<T>::upper_layers(const Data& data, const std::int64_t* index, std::ptrdiff_t first,
                              std::ptrdiff_t from, std::ptrdiff_t rows, bool backward, std::size_t bottom) {
  const Kernels<T>& k = kernels();
  const auto& layers = network_.layers();
  for (std::size_t l = bottom; l < layers.size(); ++l) {
    if (backward) drop_below(l, first + from, from, rows, 0, layers[l - 1].panels());
    DenseArgs<T> d = {};
    d.x = (backward ? fed(l) : output(l - 1)).rows(from);
    d.rows = rows;
    ascend(l, d, from, 0, layers[l].panels());
  }
  const std::size_t last = layers.size() - 1;
  const std::ptrdiff_t outputs = layers[last].outputs;
  const bool softmax = network_.softmax();
  if (softmax)
    k.softmax(output(last).out(from), rows, outputs, output(last).out(from),
              row_max_.data() + from, log_sum_.data() + from);
  load_targets(data, index, first, from, rows);
  const bool upstream = data.targets.upstream;
  const Panels<T> targets = {targets_.data(), capacity_};
  if (!upstream) k.loss[loss_.kind]({sum(last).rows(from), output(last).rows(from), targets.rows(from), rows, outputs,
                 softmax ? row_max_.data() + from : nullptr,
                 softmax ? log_sum_.data() + from : nullptr, scale_.data() + from,
                 row_loss_.data() + from, row_hit_.data() + from,
                 backward ? delta(last).out(from) : RowsOut<T>{}, T(loss_.parameter), output_weights_.data()});
  if (!backward) return;
  if (upstream || !network_.table().loss_info[loss_.kind].fused) {
    if (softmax)
      k.softmax_backward(output(last).rows(from), rows, outputs, delta(last).out(from));
    else
      k.derivative[layers[last].activation](derived_from(last, from), rows, outputs, delta(last).out(from));
  }
  for (std::size_t l = last; l >= bottom; --l) descend(l, from, rows, 0, layers[l - 1].panels());
}

// How many layers, from the first on, are shared by panels: those with a pair for every thread, together with enough
// work to repay their meetings, and with more weights than there are activations to exchange instead.
template <class T>
std::size_t Trainer<T>::shared_layers(std::ptrdiff_t rows, int threads) const {
  constexpr double least = 1.5e6;  // multiply-adds of a thread between two meetings
  const auto& layers = network_.layers();
  const double each = double(rows) / threads;
  double weights = 0, exchanged = 0;
  std::size_t shared = 0;
  for (std::size_t l = 0; threads > 1 && l + 1 < layers.size() && layers[l].panels() >= kPair * threads; ++l) {
    const double own = double(layers[l].inputs) * double(layers[l].outputs);
    weights += own;
    exchanged += each * double(layers[l].inputs + layers[l].outputs);
    // the last of them by itself, too: a light one may only come before
    if (each * own >= least && each * weights >= least * double(l + 1) && exchanged <= weights) shared = l + 1;
  }
  return shared;
}

// All of a batch, up and down: its wide layers by panels, the others by rows.
template <class T>
void Trainer<T>::pass_through(const Data& data, const std::int64_t* index, std::ptrdiff_t first, const Batch& batch,
                              int threads) {
  const std::size_t shared = shared_layers(batch.rows, threads);
  const std::ptrdiff_t rows = batch.rows, block = task_rows(rows, threads);
  const auto by_rows = [&](const auto& task) {
    auto part = [&](std::ptrdiff_t b) { task(b * block, std::min(block, rows - b * block)); };
    parallel_for((rows + block - 1) / block, threads, part);
  };
  if (shared == 0) {
    by_rows([&](std::ptrdiff_t from, std::ptrdiff_t n) { rows_pass(data, index, first, batch, from, n, true); });
    return;
  }
  shared_passes_ += std::ptrdiff_t(shared);
  const auto& layers = network_.layers();
  const bool staged = stages(data.x);
  if (staged)
    by_rows([&](std::ptrdiff_t from, std::ptrdiff_t n) {
      stage(data, batch, from, n, 0, data.x.columns, first, true);
    });
  DenseArgs<T> d = first_layer(batch, batch.input, staged, 0, rows, true);
  for (std::size_t l = 0; l < shared; ++l) {
    by_panels(layers[l].panels(), threads, [&](std::ptrdiff_t panel, std::ptrdiff_t end) {
      ascend(l, d, 0, panel, end);
      if (l + 1 < shared) drop_below(l + 1, first, 0, rows, panel, end);
    });
    d = {};
    d.x = fed(l + 1).rows();
    d.rows = rows;
  }
  by_rows([&](std::ptrdiff_t from, std::ptrdiff_t n) { upper_layers(data, index, first, from, n, true, shared); });
  for (std::size_t l = shared - 1; l > 0; --l)
    by_panels(layers[l - 1].panels(), threads, [&](std::ptrdiff_t panel, std::ptrdiff_t end) {
      descend(l, 0, rows, panel, end);
    });
}

#define FW_PASSES(T)                                                           \
  template void Trainer<T>::ascend(std::size_t, DenseArgs<T>, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t); \
  template void Trainer<T>::drop_below(std::size_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, \
                                       std::ptrdiff_t);                        \
  template void Trainer<T>::descend(std::size_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t); \
  template DenseArgs<T> Trainer<T>::first_layer(const Batch&, const Rows<T>&, bool, std::ptrdiff_t, std::ptrdiff_t, \
                                                bool);                         \
  template std::size_t Trainer<T>::shared_layers(std::ptrdiff_t, int) const;   \
  template void Trainer<T>::rows_pass(const Data&, const std::int64_t*, std::ptrdiff_t, const Batch&, \
                                      std::ptrdiff_t, std::ptrdiff_t, bool);   \
  template void Trainer<T>::upper_layers(const Data&, const std::int64_t*, std::ptrdiff_t, std::ptrdiff_t, \
                                         std::ptrdiff_t, bool, std::size_t);   \
  template void Trainer<T>::pass_through(const Data&, const std::int64_t*, std::ptrdiff_t, const Batch&, int);
FW_PASSES(float)
FW_PASSES(double)

}  // namespace fw
