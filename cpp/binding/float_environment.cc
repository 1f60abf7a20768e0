// Context managers for Python: OurEnvironment, our floating-point environment for arithmetic outside compiled work, such
// as NumPy's conversion of an argument; and CallersEnvironment, for user code inside. They nest.
#include "../net/float_environment.h"

#include <optional>

#include "../net/convert.h"
#include "network.h"

namespace fw {
namespace {

struct Entered {
  int depth = 0;                   // how many OurEnvironments this thread is in
  FloatEnvironment::Word callers;  // the environment outside of them
};
thread_local Entered g_entered;

struct OurEnvironment {
  void enter() {
    if (g_entered.depth++ == 0) g_entered.callers = FloatEnvironment::read();
    FloatEnvironment::write(FloatEnvironment::kOurs);
  }
  void exit() {
    if (--g_entered.depth == 0) FloatEnvironment::write(g_entered.callers);
  }
};

struct CallersEnvironment {
  std::optional<InCallersEnvironment> within;
  void enter() { within.emplace(); }
  void exit() { within.reset(); }
};

template <class C>
void bind(py::module_& m, const char* name, const char* documentation) {
  py::class_<C>(m, name, documentation)
      .def(py::init<>())
      .def("__enter__", &C::enter)
      .def("__exit__", [](C& c, const py::args&) { c.exit(); });
}

// float64 without gaps as float32: what NumPy's conversion takes longer for than a small network for its answer.
py::object to_float32(const py::array& a) {
  const bool taken = holds<double>(a) && (a.flags() & py::array::c_style) && aligned(a);
  expect(taken, "a: expected an aligned float64 array in C order");
  py::array_t<float> found(std::vector<py::ssize_t>(a.shape(), a.shape() + a.ndim()));
  float* to = found.mutable_data();
  const auto* from = static_cast<const double*>(a.data());
  const FloatEnvironment environment;
  return to_float(from, a.size(), to) ? py::object(found) : py::none();
}

}  // namespace

InCallersEnvironment::InCallersEnvironment() : depth_(g_entered.depth) {
  g_entered.depth = 0;
  if (depth_) FloatEnvironment::write(g_entered.callers);
}

InCallersEnvironment::~InCallersEnvironment() {
  g_entered.depth = depth_;
  if (!depth_) return;
  g_entered.callers = FloatEnvironment::read();
  FloatEnvironment::write(FloatEnvironment::kOurs);
}

void bind_float_environment(py::module_& m) {
  bind<OurEnvironment>(m, "OurEnvironment",
                       "Round to nearest, subnormal numbers flushed to 0, for Python's own arithmetic.");
  bind<CallersEnvironment>(m, "CallersEnvironment",
                           "What the caller had set before OurEnvironment, for code of the user's.");
  m.def("to_float32", &to_float32, py::arg("a"),
        "Return an aligned float64 array in C order as float32; None if it can't hold a number.");
}

}  // namespace fw
