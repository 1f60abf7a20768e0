// The first phase of a step: forward pass, loss, and the gradients dz down to the first layer.
#pragma once

#include "minibatch.h"
#include "workspace.h"

namespace fw {

// All rows of a minibatch, by `threads` threads. Returns how many layers were split by panels instead of by rows.
template <class T>
std::ptrdiff_t forward_backward(Workspace<T>& w, const Minibatch<T>& batch, int threads);
// Some rows, by this thread: the forward pass and the loss, and the backward pass if `backward`.
template <class T>
void forward_backward_rows(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows, bool backward);
// The same for the layers from `bottom` > 0 on, whose input has been computed.
template <class T>
void forward_backward_from(Workspace<T>& w, const Minibatch<T>& batch, RowSpan rows, bool backward,
                           std::size_t bottom = 1);

}  // namespace fw
