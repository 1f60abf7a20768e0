// Work is split by rows: each thread takes some rows through all layers. If layers are wide and rows are few, it is
// split by panels instead, layer by layer: each thread then reads only those weights that it updated in the
// previous step, instead of all weights.
#include "forward_backward.h"

#include <algorithm>

#include "split.h"
#include "thread_pool.h"

namespace fw {
namespace {

// Panels [begin, end) of a layer's outputs.
struct PanelSpan {
  std::ptrdiff_t begin, end;
  // how many columns they have of a layer's `n`
  std::ptrdiff_t columns(std::ptrdiff_t n) const { return std::min(n, end * kPanel) - begin * kPanel; }
};
PanelSpan all_panels(const Layer& a) { return {0, a.panels()}; }

// Rows per task: whole tiles, several tasks per thread, and enough rows to make up for reading all weights, half of
// which another core has just changed.
std::ptrdiff_t rows_per_task(std::ptrdiff_t rows, int threads) {
  constexpr std::ptrdiff_t least = 2 * kPanel;
  if (threads == 1) return std::min(rows, kRowBlock);
  return std::clamp(panels_of(ceil_div(rows, threads)) * kPanel, least, kRowBlock);
}

// Calls task(RowSpan) for all rows.
template <class Task>
void split_by_rows(std::ptrdiff_t rows, int threads, const Task& task) {
  const std::ptrdiff_t block = rows_per_task(rows, threads);
  auto part = [&](std::ptrdiff_t b) { task(RowSpan{b * block, std::min(block, rows - b * block)}); };
  parallel_for(ceil_div(rows, block), threads, part);
}

// Calls task(PanelSpan) once per thread, with the same panels for each thread as in the update of the weights.
// There must be a panel pair for each thread.
template <class Task>
void split_by_panels(std::ptrdiff_t panels, int threads, const Task& task) {
  auto part = [&](std::ptrdiff_t t) {
    task(PanelSpan{first_panel(panels, t, threads), first_panel(panels, t + 1, threads)});
  };
  parallel_for(threads, threads, part);
}

// How many layers, from the first on, are split by panels: layers wide enough to give each thread a panel pair,
// costly enough to amortise a barrier, and with more weights than there are activations to exchange instead.
template <class T>
std::size_t layers_split_by_panels(const Workspace<T>& w, std::ptrdiff_t rows, int threads) {
  constexpr double least = 1.5e6;  // multiply-adds of a thread between two barriers
  const auto& layers = w.network().layers();
  const double rows_each = double(rows) / threads;
  double weights = 0, exchanged = 0;
  std::size_t split = 0;
  for (std::size_t l = 0; threads > 1 && l + 1 < layers.size() && layers[l].panels() >= kPanelPair * threads; ++l) {
    const double own = double(layers[l].inputs) * double(layers[l].outputs);
    weights += own;
    exchanged += rows_each * double(layers[l].inputs + layers[l].outputs);
    // the last split layer must be costly by itself: a cheap one is only split before a costly one
    if (rows_each * own >= least && rows_each * weights >= least * double(l + 1) && exchanged <= weights)
      split = l + 1;
  }
  return split;
}

// Layer l's outputs for some rows and panels. `d` has the input and its prefetching.
template <class T>
void forward_layer(Workspace<T>& w, std::size_t l, DenseArgs<T> d, std::ptrdiff_t first_row, PanelSpan panels) {
  const Layer& a = w.layer(l);
  d.inputs = a.inputs;
  d.weights = w.parameter(a.weights) + panels.begin * a.inputs * kPanel;
  d.bias = w.parameter(a.bias) + panels.begin * kPanel;
  d.outputs = panels.columns(a.outputs);
  d.y = w.output(l).out(first_row, panels.begin);
  d.z = w.sum(l).out(first_row, panels.begin);
  w.kernels().dense[a.activation](d);
}

// Dropout of the panels of what layer l > 0 reads; panels.begin is even.
template <class T>
void drop_layer_input(Workspace<T>& w, const Minibatch<T>& batch, std::size_t l, RowSpan rows, PanelSpan panels) {
  if (!w.objective.drops(l)) return;
  DropoutArgs<T> d = dropout_args(w, l, rows.count, batch.epoch, batch.position + rows.first);
  d.x = w.output(l - 1).rows(rows.first, panels.begin);
  d.y = w.dropped(l).out(rows.first, panels.begin);
  d.factor = w.dropout_factor(l).out(rows.first, panels.begin);
  d.panel = panels.begin;
  d.columns = panels.columns(d.width);
  w.kernels().dropout(d);
}

// dz of layer l - 1 from that of layer l, for some panels of the former.
template <class T>
void backward_layer(Workspace<T>& w, std::size_t l, RowSpan rows, PanelSpan panels) {
  const Layer& a = w.layer(l);
  w.kernels().dense_backward[w.layer(l - 1).activation]({.dz = w.delta(l).rows(rows.first),
                                                         .rows = rows.count,
                                                         .outputs = a.outputs,
                                                         .weights = w.parameter(a.weights),
                                                         .inputs = a.inputs,
                                                         .dx = w.delta(l - 1).out(rows.first),
                                                         .below = w.derivative_input(l - 1, rows.first),
                                                         .panel = panels.begin,
                                                         .end = panels.end});
  if (w.objective.drops(l))
    w.kernels().multiply(w.dropout_factor(l).rows(rows.first, panels.begin), rows.count, panels.columns(a.inputs),
                         w.delta(l - 1).out(rows.first, panels.begin));
}

// What the first layer reads of some rows, and how many rows ahead it prefetches.
template <class T>
DenseArgs<T> first_layer_args(const Workspace<T>& w, const Minibatch<T>& batch, const Rows<T>& input, RowSpan rows,
                              bool backward) {
  DenseArgs<T> d = {};
  d.x = input;
  d.rows = rows.count;
  d.split_prefetch = backward && batch.split_prefetch;
  if (w.converts(batch.samples.x)) return d;  // the conversion prefetches
  d.prefetch_distance = std::min(batch.rows, kBatchPrefetchRows);
  d.rows_ahead = batch.rows + batch.next_rows - rows.first - rows.count;
  return d;
}

// The loss of some rows and, if `backward`, dz of the output layer.
template <class T>
void output_layer_loss(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows, bool backward) {
  const Kernels<T>& k = w.kernels();
  const std::ptrdiff_t r = rows.first;
  const std::size_t last = w.layers.size() - 1;
  const std::ptrdiff_t outputs = w.layer(last).outputs;
  const LossOptions& loss = w.objective.loss;
  const bool softmax = w.network().softmax(), upstream = batch.samples.targets.upstream_gradient;
  T* const row_max = w.row_max.data() + r;
  T* const log_sum = w.log_sum.data() + r;
  if (softmax) k.softmax(w.output(last).out(r), rows.count, outputs, w.output(last).out(r), row_max, log_sum);
  load_targets(w, batch, rows);
  if (!upstream)
    k.loss[loss.kind]({.z = w.sum(last).rows(r),
                       .y = w.output(last).rows(r),
                       .targets = w.panels(w.targets).rows(r),
                       .rows = rows.count,
                       .outputs = outputs,
                       .row_max = softmax ? row_max : nullptr,
                       .log_sum = softmax ? log_sum : nullptr,
                       .scale = w.row_scale.data() + r,
                       .row_loss = w.row_loss.data() + r,
                       .row_correct = w.row_correct.data() + r,
                       .dz = backward ? w.delta(last).out(r) : RowsOut<T>{},
                       .parameter = T(loss.parameter),
                       .output_weights = w.output_weights.data()});
  if (!backward || (!upstream && w.network().table().loss_info[loss.kind].fused)) return;
  if (softmax)
    k.softmax_backward(w.output(last).rows(r), rows.count, outputs, w.delta(last).out(r));
  else
    k.derivative[w.layer(last).activation](w.derivative_input(last, r), rows.count, outputs, w.delta(last).out(r));
}

}  // namespace

template <class T>
void forward_backward_from(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows, bool backward,
                           std::size_t bottom) {
  const std::size_t layers = w.layers.size();
  for (std::size_t l = bottom; l < layers; ++l) {
    if (backward) drop_layer_input(w, batch, l, rows, all_panels(w.layer(l - 1)));
    DenseArgs<T> d = {};
    d.x = (backward ? w.layer_input(l) : w.output(l - 1)).rows(rows.first);
    d.rows = rows.count;
    forward_layer(w, l, d, rows.first, all_panels(w.layer(l)));
  }
  output_layer_loss(w, batch, rows, backward);
  if (!backward) return;
  for (std::size_t l = layers - 1; l >= bottom; --l) backward_layer(w, l, rows, all_panels(w.layer(l - 1)));
}

template <class T>
void forward_backward_rows(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows, bool backward) {
  const Rows<T> input = convert_rows_to_scratch(w, batch, rows, {0, batch.samples.x.columns}, backward);
  forward_layer(w, 0, first_layer_args(w, batch, input, rows, backward), rows.first, all_panels(w.layer(0)));
  forward_backward_from(w, batch, rows, backward);
}

template <class T>
std::ptrdiff_t forward_backward(Workspace<T>& w, const Minibatch<T>& batch, int threads) {
  const std::size_t split = layers_split_by_panels(w, batch.rows, threads);
  if (split == 0) {
    split_by_rows(batch.rows, threads, [&](RowSpan rows) { forward_backward_rows(w, batch, rows, true); });
    return 0;
  }
  const RowSpan all = {0, batch.rows};
  if (w.converts(batch.samples.x))
    split_by_rows(batch.rows, threads, [&](RowSpan rows) {
      convert_rows_to_scratch(w, batch, rows, {0, batch.samples.x.columns}, true);
    });
  DenseArgs<T> d = first_layer_args(w, batch, batch.input, all, true);
  for (std::size_t l = 0; l < split; ++l) {
    split_by_panels(w.layer(l).panels(), threads, [&](PanelSpan panels) {
      forward_layer(w, l, d, 0, panels);
      if (l + 1 < split) drop_layer_input(w, batch, l + 1, all, panels);
    });
    d = {};
    d.x = w.layer_input(l + 1).rows();
    d.rows = batch.rows;
  }
  split_by_rows(batch.rows, threads, [&](RowSpan rows) { forward_backward_from(w, batch, rows, true, split); });
  for (std::size_t l = split - 1; l > 0; --l)
    split_by_panels(w.layer(l - 1).panels(), threads, [&](PanelSpan panels) { backward_layer(w, l, all, panels); });
  return std::ptrdiff_t(split);
}

FW_INSTANTIATE(forward_backward)
FW_INSTANTIATE(forward_backward_rows)
FW_INSTANTIATE(forward_backward_from)

}  // namespace fw
