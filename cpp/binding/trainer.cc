#include "../net/trainer.h"

#include <pybind11/stl.h>

#include <map>

#include "network.h"

namespace fw {
namespace {

struct CoreTrainer : Initialized {
  CoreNetwork* core;
  std::variant<std::unique_ptr<Trainer<float>>, std::unique_ptr<Trainer<double>>> trainer;

  template <class F>
  decltype(auto) visit(F&& f) {
    ready();
    return std::visit([&](auto& p) -> decltype(auto) { return f(*p); }, trainer);
  }
};

std::unique_ptr<CoreTrainer> make(CoreNetwork& core, const std::string& loss,
                                  std::ptrdiff_t batch) {
  expect(batch > 0, "batch: expected a positive number");
  auto t = std::make_unique<CoreTrainer>();
  t->core = &core;
  const int kind = find_loss(loss);
  core.visit([&]<class T>(Network<T>& net) {
    const LossInfo& info = net.table().loss_info[kind];
    expect(!info.needs_softmax || net.softmax(), "loss: expected a softmax output");
    expect(!info.needs_sigmoid || net.layers().back().activation == act_sigmoid,
           "loss: expected a sigmoid output");
    t->trainer = std::make_unique<Trainer<T>>(net, kind, batch);
  });
  return t;
}

template <class T>
typename Trainer<T>::Data data(CoreTrainer& t, const py::array& x, const py::object& labels,
                               const py::object& values, const py::object& weights) {
  auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
  const InputView view = input_view<T>(x, net.layers().front().inputs);
  const std::ptrdiff_t outputs = net.layers().back().outputs;
  typename Trainer<T>::Data d = {
      view,
      {elements<std::int64_t>(labels, view.rows, "labels: expected int64 of shape (rows,)"),
       elements<T>(values, view.rows * outputs, "values: expected shape (rows, outputs)")},
      elements<T>(weights, view.rows, "weights: expected shape (rows,)")};
  expect((d.targets.labels == nullptr) != (d.targets.values == nullptr),
         "targets: expected labels or values");
  return d;
}

py::tuple epoch(CoreTrainer& t, const py::array& x, const py::object& labels,
                const py::object& values, const py::object& weights, const std::string& optimizer,
                const std::map<std::string, double>& hyper, const py::array& memo,
                const py::array& slots, std::optional<std::uint64_t> key, std::uint64_t number,
                const py::function& poll) {
  const auto run = [&]<class T>(Trainer<T>& trainer) {
    auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
    const auto d = data<T>(t, x, labels, values, weights);
    OptimizerState state = {};
    state.kind = find_optimizer(optimizer);
    const OptimizerInfo& info = net.table().optimizer_info[state.kind];
    for (int i = 0; i < info.hyper; ++i) {
      const auto found = hyper.find(info.hyper_names[i]);
      expect(found != hyper.end(), "hyper: expected every hyper-parameter of the optimizer");
      state.hyper[i] = found->second;
    }
    state.memo = writable<double>(memo, kMaxMemo, "memo: expected float64 of shape (2,)");
    T* slot = writable<T>(slots, info.slots * net.packed_size(), "slots: expected (slots, packed)");
    for (int i = 0; i < info.slots; ++i) state.slots[i] = slot + i * net.packed_size();
    ReleaseGil release;
    Gate::Writer writer(t.core->gate);
    return trainer.epoch(d, state, key ? &*key : nullptr, number,
                         [&](std::ptrdiff_t rows, const EpochResult& so_far) {
                           sleep_if_finalizing();
                           py::gil_scoped_acquire acquire;
                           if (PyErr_CheckSignals() != 0) throw py::error_already_set();
                           poll(rows, so_far.loss, so_far.correct);
                           return true;
                         });
  };
  const EpochResult r = t.visit(run);
  return py::make_tuple(r.loss, r.correct, r.rows);
}

double gradients(CoreTrainer& t, const py::array& x, const py::object& labels,
                 const py::object& values, const py::object& weights, const py::array& packed,
                 const py::object& input) {
  return t.visit([&]<class T>(Trainer<T>& trainer) {
    auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
    const auto d = data<T>(t, x, labels, values, weights);
    T* to = writable<T>(packed, net.packed_size(), "packed: expected a flat array");
    T* dx = writable<T>(input, d.x.rows * d.x.columns, "input: expected shape (rows, inputs)");
    ReleaseGil release;
    Gate::Reader reader(t.core->gate);
    return trainer.gradients(d, to, dx);
  });
}

py::tuple evaluate(CoreTrainer& t, const py::array& x, const py::object& labels,
                   const py::object& values, const py::object& weights) {
  const auto run = [&]<class T>(Trainer<T>& trainer) {
    const auto d = data<T>(t, x, labels, values, weights);
    ReleaseGil release;
    Gate::Reader reader(t.core->gate);
    return trainer.evaluate(d);
  };
  const EpochResult r = t.visit(run);
  return py::make_tuple(r.loss, r.correct);
}

}  // namespace

void bind_trainer(py::module_& m) {
  py::class_<CoreTrainer>(m, "CoreTrainer")
      .def(py::init(&make), py::keep_alive<1, 2>(), py::arg("network"), py::arg("loss"),
           py::arg("batch"))
      .def("epoch", &epoch, py::arg("x"), py::arg("labels"), py::arg("values"), py::arg("weights"),
           py::arg("optimizer"), py::arg("hyper"), py::arg("memo"), py::arg("slots"),
           py::arg("key"), py::arg("number"), py::arg("poll"))
      .def("gradients", &gradients, py::arg("x"), py::arg("labels"), py::arg("values"),
           py::arg("weights"), py::arg("packed"), py::arg("input"))
      .def("evaluate", &evaluate, py::arg("x"), py::arg("labels"), py::arg("values"),
           py::arg("weights"));
}

}  // namespace fw
