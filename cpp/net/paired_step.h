// Paired steps: two threads on each step of a network dominated by its first layer. They split that layer by its
// inputs, at the boundary between the two halves of its sums, in the forward pass and in dW, so that each half of the
// weights stays in one core's cache. The threads meet once per step, to exchange their halves of the sums. Both do the
// rest of the step, which is less, on copies of their own; the second thread's copy is discarded in the end. What is
// computed, and in which order, is the same as with one thread.
#pragma once

#include "step.h"

namespace fw {

// Memory that the second thread needs, allocated whether or not it gets to run now.
template <class T>
void reserve_peer(Workspace<T>& peer, const InputView& x, const OptimizerState& optimizer);

// Takes steps of the pass: by itself until a second thread has come, then paired, until the pass ends or waiting for
// each other costs more than pairing gains. Steps may be left for the caller.
template <class T>
void run_paired_steps(Workspace<T>& w, Workspace<T>& peer, Pass<T>* pass, const OptimizerState& optimizer);

}  // namespace fw
