// The class that Python sees: a network of either precision and its lock.
#pragma once

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>

#include "../net/float_environment.h"
#include "../net/access.h"
#include "../net/network.h"
#include "arrays.h"
#include "gil.h"

namespace fw {

int find_activation(const std::string& name);
int find_loss(const std::string& name);
int find_optimizer(const std::string& name);

// An object whose __init__ never ran has memory from its class's operator new, and nothing else. For classes derived
// from this one that memory is zero, so that ready() can detect it.
struct Initialized {
  static void* operator new(std::size_t n) {
    void* p = ::operator new(n);
    std::memset(p, 0, n);
    return p;
  }
  static void operator delete(void* p) { ::operator delete(p); }
  void ready() const {
    if (!made) throw std::runtime_error("expected an object whose __init__ has run");
  }
  bool made = true;
};

struct CoreNetwork : Initialized {
  std::variant<std::unique_ptr<Network<float>>, std::unique_ptr<Network<double>>> net;
  Access access;

  template <class F>
  decltype(auto) visit(F&& f) {
    ready();
    return std::visit([&](auto& p) -> decltype(auto) { return f(*p); }, net);
  }
};

// Restores what this thread had set before OurEnvironment, if it is inside one.
class InCallersEnvironment {
 public:
  InCallersEnvironment();
  ~InCallersEnvironment();
  InCallersEnvironment(const InCallersEnvironment&) = delete;
  InCallersEnvironment& operator=(const InCallersEnvironment&) = delete;

 private:
  int depth_;
};

// Held during compiled work: our floating-point environment, and no GIL.
class Work {
 public:
  // Held during Python code in between: with the GIL, in the caller's floating-point environment.
  class Python {
   public:
    explicit Python(Work& work) : left_((work.release_.sleep_if_finalizing(), work.environment_)) {}

   private:
    FloatEnvironment::Left left_;
    py::gil_scoped_acquire acquire_;
  };

 private:
  FloatEnvironment environment_;
  ReleaseGil release_;
};

void bind_float_environment(py::module_& m);
void bind_peak(py::module_& m);
void bind_network(py::module_& m);
void bind_forward_call(py::module_& m);
void bind_trainer(py::module_& m);

}  // namespace fw
