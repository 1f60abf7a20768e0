// The second phase of a step: dW, db and the optimizer.
#pragma once

#include <cstddef>

#include "minibatch.h"
#include "workspace.h"

namespace fw {

struct OptimizerState {
  int kind;                        // opt_...
  double hyper[kMaxHyper];         // in the order of OptimizerInfo::hyper_names
  // Owned by the caller, so that they outlive a call: scalars kept from step to step, and arrays packed like the
  // parameters.
  double* scalar_state;
  void* slots[kMaxSlots];
  const double* hyper_by_step = nullptr;  // kMaxHyper hyper-parameters for each step of a pass, or null
  // 0 for none: the largest absolute value of a gradient element, the largest norm of a gradient, and the L2
  // coefficient: l2 / 2 times the sum of the weights' squares (without the biases) is added to the loss.
  double clip_value = 0, clip_norm = 0, l2 = 0;
  // True if the whole gradient must be known before the first update. Clipping by value alone is done element by
  // element, but not before L2 is added.
  bool needs_full_gradient() const { return clip_norm > 0 || (clip_value > 0 && l2 != 0); }
};

// One step's scalars, for weights and for biases, to which L2 doesn't apply.
template <class T>
struct UpdateScalars {
  StepScalars<T> weights, biases;
};

// Inputs [first_input, end_input) of panels [panel, panel + kPanelPair) of a layer's weights; with first_input 0,
// their biases, too.
struct WeightTile {
  std::size_t layer;
  std::ptrdiff_t panel, first_input, end_input;
};

// Advances the optimizer's scalars by a step, number `step` of the pass.
template <class T>
UpdateScalars<T> prepare_update(const Workspace<T>& w, const OptimizerState& optimizer, std::ptrdiff_t step);
// Sums the gradient tile by tile and updates the parameters at once.
template <class T>
void update_parameters(Workspace<T>& w, const Minibatch<T>& batch, const OptimizerState& optimizer,
                       const UpdateScalars<T>& scalars, int threads);
// One tile of it.
template <class T>
void update_tile(Workspace<T>& w, const Minibatch<T>& batch, const OptimizerState& optimizer,
                 const UpdateScalars<T>& scalars, const WeightTile& tile);
// Sums the gradient into `packed`, a block like the parameters, and nothing else.
template <class T>
void sum_gradient(Workspace<T>& w, const Minibatch<T>& batch, T* packed, int threads);
// Updates the parameters with a packed gradient, which is clipped, and L2 added to it, in place.
template <class T>
void apply_gradient(Workspace<T>& w, T* gradient, const OptimizerState& optimizer, const UpdateScalars<T>& scalars);

// The L2 penalty: what it adds to the loss.
template <class T>
double l2_penalty(Workspace<T>& w, const OptimizerState& optimizer);
// The same, given the sums of squares of the first layer's weights below and above its half_boundary.
template <class T>
double l2_penalty_of(Workspace<T>& w, const OptimizerState& optimizer, double lower, double upper);
// The sum of squares of inputs [first, end) of layer l's weights.
template <class T>
double sum_of_squares(Workspace<T>& w, std::size_t l, std::ptrdiff_t first, std::ptrdiff_t end);
// The input at which the second half of the first layer's sums begins.
template <class T>
std::ptrdiff_t half_boundary(const Workspace<T>& w) {
  const std::ptrdiff_t inputs = w.layer(0).inputs;
  return std::min(inputs, first_half(blocks_of(inputs)) * kBlock);
}

}  // namespace fw
