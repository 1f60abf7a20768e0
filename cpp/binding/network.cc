#include "network.h"

#include <pybind11/stl.h>

#include "../kernels/dispatch.h"

namespace fw {
namespace {

template <class N>
using element_t = std::remove_cv_t<std::remove_pointer_t<decltype(std::declval<N&>().parameters())>>;

std::unique_ptr<CoreNetwork> make(const std::vector<std::ptrdiff_t>& sizes,
                                  const std::vector<std::string>& activations, bool softmax,
                                  bool double_precision, double input_scale,
                                  const std::string& isa, int threads) {
  expect(sizes.size() >= 2 && activations.size() == sizes.size() - 1,
         "sizes: expected one activation for each layer");
  for (std::ptrdiff_t n : sizes) expect(n > 0, "sizes: expected positive numbers");
  std::vector<int> acts;
  for (const std::string& name : activations) acts.push_back(find_activation(name));
  const KernelTable& table = choose_isa(isa);
  const FloatEnvironment environment;
  auto core = std::make_unique<CoreNetwork>();
  if (double_precision)
    core->net =
        std::make_unique<Network<double>>(sizes, acts, softmax, input_scale, table, threads);
  else
    core->net = std::make_unique<Network<float>>(sizes, acts, softmax, input_scale, table, threads);
  return core;
}

const Layer& layer(CoreNetwork& core, std::size_t l) {
  return core.visit([&](auto& net) -> const Layer& {
    if (l >= net.layers().size()) throw py::index_error("expected the index of a layer");
    return net.layers()[l];
  });
}

// With `check`, for x of the network's dtype, returns whether all of x is finite.
bool forward(CoreNetwork& core, const py::array& x, const py::array& out, bool check) {
  return core.visit([&](auto& net) {
    using T = element_t<decltype(net)>;
    const InputView view = input_view<T>(x, net.layers().front().inputs);
    const std::ptrdiff_t outputs = net.layers().back().outputs;
    expect(holds<T>(out) && out.writeable() && aligned(out) && out.ndim() == 2 &&
               out.shape(0) == view.rows && out.shape(1) == outputs &&
               (view.rows == 0 || outputs < 2 ||
                out.strides(1) == std::ptrdiff_t(sizeof(T))) &&
               (view.rows < 2 || out.strides(0) % std::ptrdiff_t(sizeof(T)) == 0),
           "out: expected a writable (rows, outputs) array of the network's dtype");
    auto* to = static_cast<T*>(const_cast<void*>(out.data()));
    const std::ptrdiff_t stride =
        view.rows < 2 ? outputs : out.strides(0) / std::ptrdiff_t(sizeof(T));
    expect(!check || holds<T>(x), "x: expected the network's dtype");
    Work work;
    Access::Reader reader(core.access);
    if (check) return net.forward_finite(view, to, stride);
    net.forward(view, to, stride);
    return true;
  });
}

py::list activations(CoreNetwork& core, const py::array& x) {
  return core.visit([&](auto& net) {
    using T = element_t<decltype(net)>;
    const InputView view = input_view<T>(x, net.layers().front().inputs);
    py::list list;
    std::vector<T*> outs;
    const auto add = [&](std::ptrdiff_t columns) {
      py::array_t<T> a({view.rows, columns});
      outs.push_back(a.mutable_data());
      list.append(std::move(a));
    };
    add(view.columns);
    for (const Layer& l : net.layers()) add(l.outputs);
    Work work;
    Access::Reader reader(core.access);
    net.activations(view, outs.data());
    return list;
  });
}

py::array weights(CoreNetwork& core, std::size_t l, const py::object& packed) {
  const Layer& a = layer(core, l);
  return core.visit([&](auto& net) -> py::array {
    using T = element_t<decltype(net)>;
    py::array_t<T> out({a.outputs, a.inputs});
    const T* from = elements<T>(packed, net.packed_size(), "packed: expected a flat array");
    T* to = out.mutable_data();
    {
      Work work;
      Access::Reader reader(core.access);
      net.unpack_weights(l, from ? from : net.parameters(), to);
    }
    return out;
  });
}

py::array bias(CoreNetwork& core, std::size_t l, const py::object& packed) {
  const Layer& a = layer(core, l);
  return core.visit([&](auto& net) -> py::array {
    using T = element_t<decltype(net)>;
    py::array_t<T> out(a.outputs);
    const T* from = elements<T>(packed, net.packed_size(), "packed: expected a flat array");
    Access::Reader reader(core.access);
    std::copy_n((from ? from : net.parameters()) + a.bias, a.outputs, out.mutable_data());
    return out;
  });
}

// Sets a layer's weights or bias in the parameters or, if given, in `packed`, an array in the same order.
void set(CoreNetwork& core, std::size_t l, const py::object& value, const py::object& packed,
         bool is_bias) {
  const Layer& a = layer(core, l);
  core.visit([&](auto& net) {
    using T = element_t<decltype(net)>;
    const T* from = elements<T>(value, is_bias ? a.outputs : a.outputs * a.inputs,
                                "expected an array of the layer's shape");
    expect(from != nullptr, "expected an array of the layer's shape");
    T* to = writable<T>(packed, net.packed_size(), "packed: expected a flat array");
    if (to) {
      if (is_bias)
        std::copy_n(from, a.outputs, to + a.bias);
      else
        net.pack_weights(l, from, to);
      return;
    }
    Work work;
    Access::Writer writer(core.access);
    if (is_bias)
      net.set_bias(l, from);
    else
      net.set_weights(l, from);
  });
}

void set_parameters(CoreNetwork& core, const py::array& values) {
  core.visit([&](auto& net) {
    using T = element_t<decltype(net)>;
    const T* from = elements<T>(values, net.packed_size(), "values: expected a flat array of the parameters");
    Work work;
    Access::Writer writer(core.access);
    std::copy_n(from, net.packed_size(), net.parameters());
    net.clear_padding(net.parameters());
  });
}

}  // namespace

void bind_network(py::module_& m) {
  py::class_<CoreNetwork>(m, "CoreNetwork")
      .def(py::init(&make), py::arg("sizes"), py::arg("activations"), py::arg("softmax"),
           py::arg("double_precision"), py::arg("input_scale"), py::arg("isa"), py::arg("threads"))
      .def("initialize",
           [](CoreNetwork& core, std::uint64_t key, const std::vector<double>& limits) {
             core.visit([&](auto& net) {
               const FloatEnvironment environment;
               Access::Writer writer(core.access);
               expect(limits.size() == net.layers().size(), "limits: expected one to a layer");
               for (std::size_t l = 0; l < limits.size(); ++l) net.initialize(l, key, limits[l]);
             });
           },
           py::arg("key"), py::arg("limits"))
      .def_property_readonly(
          "isa",
          [](CoreNetwork& c) { return c.visit([](auto& n) { return std::string(n.table().name); }); })
      .def_property_readonly(
          "packed_size", [](CoreNetwork& c) { return c.visit([](auto& n) { return n.packed_size(); }); })
      .def_property(
          "threads", [](CoreNetwork& c) { return c.visit([](auto& n) { return n.threads(); }); },
          [](CoreNetwork& c, int threads) { c.visit([&](auto& n) { n.set_threads(threads); }); })
      .def("parameters",
           [](const py::object& self) {
             return self.cast<CoreNetwork&>().visit([&](auto& net) -> py::array {
               using T = element_t<decltype(net)>;
               return py::array_t<T>(net.packed_size(), net.parameters(), self);
             });
           })
      .def("forward", &forward, py::arg("x"), py::arg("out"), py::arg("check") = false)
      .def("activations", &activations, py::arg("x"))
      .def("weights", &weights, py::arg("layer"), py::arg("packed"))
      .def("bias", &bias, py::arg("layer"), py::arg("packed"))
      .def("set_weights",
           [](CoreNetwork& c, std::size_t l, const py::object& v, const py::object& to) {
             set(c, l, v, to, false);
           },
           py::arg("layer"), py::arg("value"), py::arg("packed"))
      .def("set_bias",
           [](CoreNetwork& c, std::size_t l, const py::object& v, const py::object& to) {
             set(c, l, v, to, true);
           },
           py::arg("layer"), py::arg("value"), py::arg("packed"))
      .def("set_parameters", &set_parameters, py::arg("values"),
           "Set all parameters at once, in their packed order: no reader sees only some of them.")
      .def("clear_padding",
           [](CoreNetwork& core) {
             core.visit([&](auto& net) {
               Access::Writer writer(core.access);
               net.clear_padding(net.parameters());
             });
           },
           "Set the lanes of panels beyond a layer's outputs to 0.")
      .def("finite_parameters",
           [](CoreNetwork& core) {
             return core.visit([&](auto& net) {
               Access::Reader reader(core.access);
               return net.finite_parameters();
             });
           },
           "Whether all weights and biases are finite, whatever the padding holds.")
      .def("begin_fit", [](CoreNetwork& c) {
        c.ready();
        c.access.begin_fit();
      })
      .def("end_fit", [](CoreNetwork& c) {
        c.ready();
        c.access.end_fit();
      });
}

}  // namespace fw
