#include "workspace.h"

namespace fw {

template <class T>
Workspace<T>::Workspace(const Objective<T>& objective, std::ptrdiff_t batch)
    : objective(objective), batch(batch), capacity(panels_of(batch) * kPanel), layers(network().layers().size()) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const std::size_t size = Panels<T>::size(capacity, layer(l).outputs);
    layers[l].output.reserve(size);
    layers[l].delta.reserve(size);
    // the losses read the output layer's z; so does a derivative that is a function of z
    if (l + 1 == layers.size() || kernels().derivative_from_z[layer(l).activation]) layers[l].sum.reserve(size);
  }
  reserve_dropout();
  const Layer& last = network().layers().back();
  targets.reserve(Panels<T>::size(capacity, last.outputs));
  for (Buffer<T>* b : {&row_loss, &row_correct, &row_scale, &row_weight, &row_max, &log_sum})
    b->reserve(std::size_t(capacity));
  row_pointers.reserve(std::size_t(2 * capacity));
  task_ends.reserve(std::size_t(std::max(1, network().threads())) * layers.size());
  const std::vector<double>& weights = objective.loss.output_weights;
  if (weights.empty()) return;
  const std::ptrdiff_t padded = last.panels() * kPanel;
  T* to = output_weights.reserve(std::size_t(padded));
  std::fill_n(to, padded, T(0));
  std::copy(weights.begin(), weights.end(), to);
}

template <class T>
void Workspace<T>::reserve_dropout() {
  for (std::size_t l = 1; l < layers.size(); ++l)
    if (objective.drops(l)) {
      const std::size_t size = Panels<T>::size(capacity, layer(l).inputs);
      layers[l].dropped.reserve(size);
      layers[l].dropout_factor.reserve(size);
    }
}

template struct Workspace<float>;
template struct Workspace<double>;

}  // namespace fw
