// The module: its functions, and the list of bindings.
#include <pybind11/stl.h>

#include "../kernels/dispatch.h"
#include "../net/thread_pool.h"
#include "network.h"

namespace fw {
namespace {

const std::vector<std::string> kActivationNames = {
#define ACT(name) #name,
#include "../kernels/registry.def"
};
const std::vector<std::string> kLossNames = {
#define LOSS(name) #name,
#include "../kernels/registry.def"
};
const std::vector<std::string> kOptimizerNames = {
#define OPT(name) #name,
#include "../kernels/registry.def"
};

int find(const std::vector<std::string>& names, const std::string& name, const char* what) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return int(i);
  throw std::invalid_argument(std::string(what) + ": '" + name + "' is unknown");
}

}  // namespace

int find_activation(const std::string& name) { return find(kActivationNames, name, "activation"); }
int find_loss(const std::string& name) { return find(kLossNames, name, "loss"); }
int find_optimizer(const std::string& name) { return find(kOptimizerNames, name, "optimizer"); }

}  // namespace fw

// For threadpoolctl, which recognises a library by its symbols and calls them: see support/threadpoolctl.py.
extern "C" {
[[gnu::visibility("default")]] void featherweight_set_thread_limit(int n) { fw::set_thread_limit(n); }
[[gnu::visibility("default")]] int featherweight_thread_limit() { return fw::thread_limit(); }
}

// The function that Python calls is below: before Python 3.12 pybind11's own would hang in a subinterpreter.
#define PyInit__core make_core_module
PYBIND11_MODULE(_core, m) {
  using namespace fw;
  py::detail::npy_api::get();  // imports NumPy now: in a late __del__, as the interpreter ends, imports fail
  m.attr("__version__") = FW_STRING(FW_VERSION);
  m.def("activations", [] { return py::tuple(py::cast(kActivationNames)); });
  m.def("losses", [] { return py::tuple(py::cast(kLossNames)); });
  m.def("optimizers", [] { return py::tuple(py::cast(kOptimizerNames)); });
  m.def("optimizer_slots", [](const std::string& name) {
    return choose_isa("").optimizer_info[find_optimizer(name)].slots;
  }, py::arg("name"));
  m.def("isas", [] {
    std::vector<std::string> names;
    for (const KernelTable* t : available_isas()) names.emplace_back(t->name);
    return py::tuple(py::cast(names));
  });
  m.def("check_isa", [](const std::string& name) { return std::string(choose_isa(name).name); },
        py::arg("name"));
  m.def("build_info", [] {
    py::dict d;
#if defined(__clang__)
    d["compiler"] = "Clang " __clang_version__;
#else
    d["compiler"] = "GCC " __VERSION__;
#endif
    d["build_type"] = FW_BUILD_TYPE;
    d["pybind11"] = FW_STRING(PYBIND11_VERSION_MAJOR) "." FW_STRING(PYBIND11_VERSION_MINOR);
    std::string isas;
    for (const std::string& name : built_isas()) isas += (isas.empty() ? "" : " ") + name;
    d["built_isas"] = isas;
    return d;
  });
  bind_float_environment(m);
  bind_peak(m);
  bind_network(m);
  bind_forward_call(m);
  bind_trainer(m);
}
#undef PyInit__core

extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return make_core_module();
  PyErr_SetString(PyExc_ImportError, "featherweight: expected the main interpreter, found a subinterpreter");
  return nullptr;
}
