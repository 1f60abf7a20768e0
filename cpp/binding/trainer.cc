#include "../net/trainer.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <tuple>

#include "../net/philox.h"
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

std::unique_ptr<CoreTrainer> make(CoreNetwork& core, const std::string& loss, std::ptrdiff_t batch,
                                  double parameter, double smoothing, const std::vector<double>& weights) {
  expect(batch > 0, "batch: expected a positive number");
  const FloatEnvironment environment;
  auto t = std::make_unique<CoreTrainer>();
  t->core = &core;
  const int kind = find_loss(loss);
  core.visit([&]<class T>(Network<T>& net) {
    const LossInfo& info = net.table().loss_info[kind];
    const int last = net.softmax() ? kActivations : net.layers().back().activation;
    const int needed[] = {last, kActivations, act_sigmoid, act_exp};
    expect(last == needed[info.output], "loss: expected the output that it goes with");
    const std::ptrdiff_t outputs = net.layers().back().outputs;
    expect(weights.empty() || std::ptrdiff_t(weights.size()) == outputs, "weights: expected one for each output");
    const double to = info.output == needs_softmax ? 1.0 / double(outputs) : 0.5;
    t->trainer = std::make_unique<Trainer<T>>(
        net, LossOptions{kind, parameter, smoothing, to, weights}, batch);
  });
  return t;
}

// The rows' numbers are copied before they are checked, since another thread may change them.
template <class T>
Samples<T> samples_of(CoreTrainer& t, const py::array& x, const py::object& labels,
                               const py::object& values, const py::object& weights, const py::object& rows,
                               std::vector<std::int64_t>* index) {
  auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
  const InputView view = any_view<T>(x, net.layers().front().inputs);
  const std::ptrdiff_t outputs = net.layers().back().outputs;
  Samples<T> d = {
      view,
      targets<T>(labels, values, view.rows, outputs),
      elements<T>(weights, view.rows, "weights: expected shape (rows,)")};
  if (!rows.is_none()) {
    d.count = py::len(rows);
    const auto* given = elements<std::int64_t>(rows, d.count, "rows: expected int64 of shape (rows,)");
    index->assign(given, given + d.count);
    for (const std::int64_t i : *index) expect(i >= 0 && i < view.rows, "rows: expected row numbers of x");
    d.index = index->data();
  }
  return d;
}

// Clipping by value and by norm, and the penalty on the weights' squares: 0 for none.
using Limits = std::tuple<double, double, double>;

// Each hyper-parameter is a number or, for each step of the pass, an array of them: then all are laid out by
// step, and the state points to what is returned.
[[nodiscard]] std::vector<double> hyper_parameters(const OptimizerInfo& info, const py::dict& given, std::ptrdiff_t steps,
                                     OptimizerState* state) {
  std::vector<double> by_step;
  for (int i = 0; i < info.hyper; ++i) {
    expect(given.contains(info.hyper_names[i]), "hyper: expected every hyper-parameter of the optimizer");
    const py::object value = given[info.hyper_names[i]];
    if (py::isinstance<py::array>(value))
      by_step.resize(std::size_t(steps * kMaxHyper));
    else
      state->hyper[i] = value.cast<double>();
  }
  if (by_step.empty()) return by_step;
  for (int i = 0; i < info.hyper; ++i) {
    const py::object value = given[info.hyper_names[i]];
    const double* each = nullptr;
    if (py::isinstance<py::array>(value))
      each = elements<double>(value, steps, "hyper: expected float64 of shape (steps,)");
    for (std::ptrdiff_t s = 0; s < steps; ++s)
      by_step[std::size_t(s * kMaxHyper + i)] = each ? each[s] : state->hyper[i];
  }
  state->hyper_by_step = by_step.data();
  return by_step;
}

template <class T>
OptimizerState optimizer_state(const Network<T>& net, const std::string& name, const py::array& memo,
                               const py::array& slots) {
  OptimizerState state = {};
  state.kind = find_optimizer(name);
  const int n = net.table().optimizer_info[state.kind].slots;
  state.scalar_state = writable<double>(memo, kMaxScalarState, "memo: expected float64 of shape (2,)");
  T* slot = writable<T>(slots, n * net.packed_size(), "slots: expected (slots, packed)");
  for (int i = 0; i < n; ++i) state.slots[i] = slot + i * net.packed_size();
  return state;
}

void check_signals() {
  const InCallersEnvironment callers;  // which OurEnvironment of Python's may have left
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

py::tuple epoch(CoreTrainer& t, const py::array& x, const py::object& labels,
                const py::object& values, const py::object& weights, const std::string& optimizer,
                const py::dict& hyper, const Limits& limits, const py::array& memo,
                const py::array& slots, std::optional<std::uint64_t> key, std::uint64_t number,
                const py::function& poll, const py::array& seen, const py::object& rows, bool every_step,
                std::ptrdiff_t position) {
  const auto run = [&]<class T>(Trainer<T>& trainer) {
    auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
    std::vector<std::int64_t> index;
    const auto d = samples_of<T>(t, x, labels, values, weights, rows, &index);
    std::int64_t* done = writable<std::int64_t>(seen, 1, "seen: expected int64 of shape (1,)");
    OptimizerState state = optimizer_state(net, optimizer, memo, slots);
    const OptimizerInfo& info = net.table().optimizer_info[state.kind];
    const std::vector<double> by_step =
        hyper_parameters(info, hyper, ceil_div(d.rows(), trainer.batch()), &state);
    std::tie(state.clip_value, state.clip_norm, state.l2) = limits;
    Work work;
    Access::Writer writer(t.core->access);
    const EpochResult r = trainer.epoch(d, state, key ? &*key : nullptr, number,
                         [&](std::ptrdiff_t rows, const EpochResult& so_far) {
                           *done = rows;
                           const Work::Python python(work);
                           check_signals();
                           return !poll(rows, so_far.loss, so_far.correct).cast<bool>();
                         }, every_step, position);
    return std::pair(r, r.invalid ? std::optional(trainer.sentence(r.invalid)) : std::nullopt);
  };
  const auto [r, invalid] = t.visit(run);
  return py::make_tuple(r.loss, r.correct, r.rows, r.failed, r.weight, r.penalty, invalid);
}

constexpr std::ptrdiff_t kColumns = 4;  // of epochs()' results

// Several epochs in one crossing. Results get a row for each, even if something is thrown later: loss, rows read
// rightly, rows, seconds; `seen` is how many epochs, and how many rows of the one in hand; `good` has the parameters
// after the last epoch whose loss and parameters were all finite. poll(epochs done, rows of the next, loss, read
// rightly) is called now and then, and ends it by returning true. Returns the step of the last epoch whose loss
// wasn't finite, or 0, and what of its data had changed so that nothing can be trained on it, or None.
std::pair<std::ptrdiff_t, std::optional<std::string>> epochs(CoreTrainer& t, const py::array& x, const py::object& labels, const py::object& values,
                      const py::object& weights, const std::string& optimizer, const py::dict& hyper,
                      const Limits& limits, const py::array& memo, const py::array& slots,
                      std::optional<std::uint64_t> key, std::uint64_t number, std::ptrdiff_t count,
                      const py::function& poll, const py::array& seen, const py::array& results,
                      const py::array& good, const py::object& rows) {
  return t.visit([&]<class T>(Trainer<T>& trainer) -> std::pair<std::ptrdiff_t, std::optional<std::string>> {
    using Clock = std::chrono::steady_clock;
    auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
    std::vector<std::int64_t> index;
    const auto d = samples_of<T>(t, x, labels, values, weights, rows, &index);
    std::int64_t* done = writable<std::int64_t>(seen, 2, "seen: expected int64 of shape (2,)");
    double* found = writable<double>(results, count * kColumns, "results: expected float64 of shape (count, 4)");
    T* kept = writable<T>(good, net.packed_size(), "good: expected a flat array");
    OptimizerState state = optimizer_state(net, optimizer, memo, slots);
    [[maybe_unused]] const std::vector<double> by_step =
        hyper_parameters(net.table().optimizer_info[state.kind], hyper,
                         ceil_div(d.rows(), trainer.batch()), &state);
    std::tie(state.clip_value, state.clip_norm, state.l2) = limits;
    Work work;
    Access::Writer writer(t.core->access);
    bool stop = false;
    const auto ask = [&](std::ptrdiff_t in_hand, const EpochResult& so_far) {
      done[1] = in_hand;
      const Work::Python python(work);
      check_signals();
      stop = poll(done[0], in_hand, so_far.loss, so_far.correct).template cast<bool>();
      return !stop;
    };
    auto polled = Clock::now();
    while (done[0] < count && !stop) {
      const auto begin = Clock::now();
      done[1] = 0;
      const EpochResult r = trainer.epoch(d, state, key ? &*key : nullptr, number + std::uint64_t(done[0]), ask);
      const auto end = Clock::now();
      const double row[kColumns] = {r.loss, double(r.correct), double(r.rows),
                                    std::chrono::duration<double>(end - begin).count()};
      std::copy_n(row, kColumns, found + done[0] * kColumns);
      ++done[0];
      done[1] = 0;
      if (r.invalid) return {r.failed, trainer.sentence(r.invalid)};
      if (d.weights && r.weight == 0 && r.rows == d.rows())
        return {1, "sample_weight: expected a weight above 0, found only zeros: the array was changed while in use"};
      if (r.failed) return {r.failed, std::nullopt};
      if (!net.finite_parameters()) break;
      std::copy_n(net.parameters(), net.packed_size(), kept);
      if (end - polled > kPollInterval && !stop) {
        ask(0, r);
        polled = end;
      }
    }
    return {0, std::nullopt};
  });
}

py::tuple gradients(CoreTrainer& t, const py::array& x, const py::object& labels,
                 const py::object& values, const py::object& weights, const py::array& packed,
                 const py::object& input) {
  return t.visit([&]<class T>(Trainer<T>& trainer) {
    auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
    const auto d = samples_of<T>(t, x, labels, values, weights, py::none(), nullptr);
    expect(d.x.rows <= trainer.batch(), "x: expected no more rows than the trainer's batch");
    T* to = writable<T>(packed, net.packed_size(), "packed: expected a flat array");
    T* dx = writable<T>(input, d.x.rows * d.x.columns, "input: expected shape (rows, inputs)");
    std::ptrdiff_t correct = 0;
    double loss = 0;
    {
      Work work;
      Access::Reader reader(t.core->access);
      loss = trainer.gradients(d, to, dx, &correct);
    }
    return py::make_tuple(loss, correct);
  });
}

// The gradients of parameters and input from dy, that of a loss with respect to the outputs.
void backward(CoreTrainer& t, const py::array& x, const py::array& dy, const py::array& packed,
              const py::object& input) {
  t.visit([&]<class T>(Trainer<T>& trainer) {
    auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
    const InputView view = input_view<T>(x, net.layers().front().inputs);
    expect(view.rows <= trainer.batch(), "x: expected no more rows than the trainer's batch");
    const T* upstream = elements<T>(dy, view.rows * net.layers().back().outputs,
                                    "dy: expected shape (rows, outputs)");
    T* to = writable<T>(packed, net.packed_size(), "packed: expected a flat array");
    T* dx = writable<T>(input, view.rows * view.columns, "input: expected shape (rows, inputs)");
    Work work;
    Access::Reader reader(t.core->access);
    trainer.gradients({view, {nullptr, nullptr, upstream}, nullptr}, to, dx);
  });
}

// One step of an optimizer with a gradient from anywhere, in the packed order, changed on the way.
void optimizer_step(CoreNetwork& core, const std::string& optimizer, const py::dict& hyper,
                    const Limits& limits, const py::array& memo, const py::array& slots,
                    const py::array& gradient) {
  core.visit([&]<class T>(Network<T>& net) {
    OptimizerState state = optimizer_state(net, optimizer, memo, slots);
    const std::vector<double> by_step =
        hyper_parameters(net.table().optimizer_info[state.kind], hyper, 1, &state);
    std::tie(state.clip_value, state.clip_norm, state.l2) = limits;
    T* g = writable<T>(gradient, net.packed_size(), "gradient: expected a flat array");
    Work work;
    Access::Writer writer(core.access);
    Trainer<T>(net, loss_mse, 1).apply(g, state);
  });
}

void drop(CoreTrainer& t, const std::vector<double>& rates, std::uint64_t key) {
  t.visit([&]<class T>(Trainer<T>& trainer) {
    const auto& net = *std::get<std::unique_ptr<Network<T>>>(t.core->net);
    expect(rates.size() == net.layers().size(), "rates: expected one for each layer");
    for (const double r : rates) expect(r >= 0 && r < 1, "rates: expected numbers in [0, 1)");
    trainer.set_dropout(rates, key);
  });
}

void count_rows(CoreTrainer& t) {
  t.visit([](auto& trainer) { trainer.count_rows(); });
}

py::array_t<std::int64_t> shuffled(const py::array_t<std::int64_t, py::array::c_style>& rows, std::uint64_t key,
                                   std::uint64_t stream) {
  py::array_t<std::int64_t> found(rows.size());
  std::int64_t* to = found.mutable_data();
  std::copy_n(rows.data(), rows.size(), to);
  Philox(key).shuffle(kStreamSplit + stream, to, rows.size());
  return found;
}

py::tuple evaluate(CoreTrainer& t, const py::array& x, const py::object& labels,
                   const py::object& values, const py::object& weights, const py::object& rows) {
  const auto run = [&]<class T>(Trainer<T>& trainer) {
    std::vector<std::int64_t> index;
    const auto d = samples_of<T>(t, x, labels, values, weights, rows, &index);
    Work work;
    Access::Reader reader(t.core->access);
    return trainer.evaluate(d, [&] {
      Access::Pause pause(t.core->access);
      const Work::Python python(work);
      check_signals();
    });
  };
  const EpochResult r = t.visit(run);
  return py::make_tuple(r.loss, r.correct);
}

}  // namespace

void bind_trainer(py::module_& m) {
  py::class_<CoreTrainer>(m, "CoreTrainer")
      .def(py::init(&make), py::keep_alive<1, 2>(), py::arg("network"), py::arg("loss"),
           py::arg("batch"), py::arg("parameter") = 0.0, py::arg("smoothing") = 0.0,
           py::arg("output_weights") = std::vector<double>())
      .def("drop", &drop, py::arg("rates"), py::arg("key"))
      .def("count_rows", &count_rows)
      .def("epoch", &epoch, py::arg("x"), py::arg("labels"), py::arg("values"), py::arg("weights"),
           py::arg("optimizer"), py::arg("hyper"), py::arg("limits"), py::arg("memo"), py::arg("slots"),
           py::arg("key"), py::arg("number"), py::arg("poll"), py::arg("seen"), py::arg("rows") = py::none(),
           py::arg("every_step") = false, py::arg("position") = 0)
      .def("epochs", &epochs, py::arg("x"), py::arg("labels"), py::arg("values"), py::arg("weights"),
           py::arg("optimizer"), py::arg("hyper"), py::arg("limits"), py::arg("memo"), py::arg("slots"),
           py::arg("key"), py::arg("number"), py::arg("count"), py::arg("poll"), py::arg("seen"),
           py::arg("results"), py::arg("good"), py::arg("rows") = py::none())
      .def("gradients", &gradients, py::arg("x"), py::arg("labels"), py::arg("values"),
           py::arg("weights"), py::arg("packed"), py::arg("input"))
      .def("backward", &backward, py::arg("x"), py::arg("dy"), py::arg("packed"), py::arg("input"))
      .def("evaluate", &evaluate, py::arg("x"), py::arg("labels"), py::arg("values"),
           py::arg("weights"), py::arg("rows") = py::none());
  m.def("shuffled", &shuffled, py::arg("rows"), py::arg("key"), py::arg("stream"),
        "Return row numbers in the order of one of the generator's streams.");
  m.def("optimizer_step", &optimizer_step, py::arg("network"), py::arg("optimizer"), py::arg("hyper"),
        py::arg("limits"), py::arg("memo"), py::arg("slots"), py::arg("gradient"));
}

}  // namespace fw
