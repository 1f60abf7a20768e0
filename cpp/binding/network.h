// The class that Python sees: a network of either precision behind its gate.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "../net/gate.h"
#include "../net/network.h"
#include "arrays.h"

namespace fw {

int find_activation(const std::string& name);
int find_loss(const std::string& name);
int find_optimizer(const std::string& name);

struct CoreNetwork {
  std::variant<std::unique_ptr<Network<float>>, std::unique_ptr<Network<double>>> net;
  Gate gate;

  template <class F>
  decltype(auto) visit(F&& f) {
    return std::visit([&](auto& p) -> decltype(auto) { return f(*p); }, net);
  }
};

void bind_network(py::module_& m);
void bind_trainer(py::module_& m);

}  // namespace fw
