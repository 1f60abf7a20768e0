// How a layer's panels are split among threads.
#pragma once

#include <cstddef>

#include "../kernels/table.h"

namespace fw {

constexpr std::ptrdiff_t kPanelPair = 2;  // two adjacent panels, which are updated together

// The first panel of thread t's part of a layer, a whole number of panel pairs. The forward and backward pass and
// the update use the same parts, so that each thread finds its weights in its own core's cache.
inline std::ptrdiff_t first_panel(std::ptrdiff_t panels, std::ptrdiff_t t, int threads) {
  return t == threads ? panels : ceil_div(panels, kPanelPair) * t / threads * kPanelPair;
}

}  // namespace fw
