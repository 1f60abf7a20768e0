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

// The data to train or evaluate on, made once in Python. Checked with each use, since arrays may be changed.
struct CoreSamples : Initialized {
  py::array x;
  py::object labels, values, weights, rows;
};

std::unique_ptr<CoreSamples> make_samples(const py::array& x, const py::object& labels, const py::object& values,
                                          const py::object& weights, const py::object& rows) {
  return std::make_unique<CoreSamples>(CoreSamples{{}, x, labels, values, weights, rows});
}

// An optimizer's settings and state, for one call.
struct CoreOptimizer : Initialized {
  std::string name;
  py::dict hyper;
  std::tuple<double, double, double> limits;  // clip_value, clip_norm and l2, 0 for none
  py::array scalar_state, slots;
};

std::unique_ptr<CoreOptimizer> make_optimizer(const std::string& name, const py::dict& hyper,
                                              const std::tuple<double, double, double>& limits,
                                              const py::array& scalar_state, const py::array& slots) {
  return std::make_unique<CoreOptimizer>(CoreOptimizer{{}, name, hyper, limits, scalar_state, slots});
}

template <class T>
Network<T>& network_of(CoreTrainer& t) {
  return *std::get<std::unique_ptr<Network<T>>>(t.core->net);
}

// Checked views of the samples. Row numbers are copied into *index before they are checked, since another thread may
// change them.
template <class T>
Samples<T> views_of(const CoreSamples& samples, const Network<T>& net, std::vector<std::int64_t>* index) {
  samples.ready();
  const InputView view = any_view<T>(samples.x, net.layers().front().inputs);
  const std::ptrdiff_t outputs = net.layers().back().outputs;
  Samples<T> s = {.x = view,
                  .targets = targets<T>(samples.labels, samples.values, view.rows, outputs),
                  .weights = elements<T>(samples.weights, view.rows, "weights: expected shape (rows,)")};
  if (!samples.rows.is_none()) {
    s.count = py::len(samples.rows);
    const auto* given = elements<std::int64_t>(samples.rows, s.count, "rows: expected int64 of shape (rows,)");
    index->assign(given, given + s.count);
    for (const std::int64_t i : *index) expect(i >= 0 && i < view.rows, "rows: expected row numbers of x");
    s.index = index->data();
  }
  return s;
}

// Each hyper-parameter is a number or an array with a number for each step of the pass. If there are arrays, all
// hyper-parameters are laid out by step, in the returned memory that the state refers to.
[[nodiscard]] std::vector<double> hyper_parameters(const OptimizerInfo& info, const py::dict& given,
                                                   std::ptrdiff_t steps, OptimizerState* state) {
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

// The optimizer's checked state, with the memory that it refers to.
template <class T>
struct CheckedOptimizer {
  OptimizerState state = {};
  std::vector<double> hyper_by_step;

  CheckedOptimizer(const CoreOptimizer& optimizer, const Network<T>& net, std::ptrdiff_t steps) {
    optimizer.ready();
    state.kind = find_optimizer(optimizer.name);
    const OptimizerInfo& info = net.table().optimizer_info[state.kind];
    state.scalar_state =
        writable<double>(optimizer.scalar_state, kMaxScalarState, "memo: expected float64 of shape (2,)");
    T* slots = writable<T>(optimizer.slots, info.slots * net.packed_size(), "slots: expected (slots, packed)");
    for (int i = 0; i < info.slots; ++i) state.slots[i] = slots + i * net.packed_size();
    hyper_by_step = hyper_parameters(info, optimizer.hyper, steps, &state);
    std::tie(state.clip_value, state.clip_norm, state.l2) = optimizer.limits;
  }
};

void check_signals() {
  const InCallersEnvironment callers;  // which OurEnvironment of Python's may have left
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

py::tuple epoch(CoreTrainer& t, const CoreSamples& given, const CoreOptimizer& optimizer,
                std::optional<std::uint64_t> key, std::uint64_t number, const py::function& poll, const py::array& seen,
                bool every_step, std::ptrdiff_t position) {
  const auto run = [&]<class T>(Trainer<T>& trainer) {
    auto& net = network_of<T>(t);
    std::vector<std::int64_t> index;
    const Samples<T> samples = views_of(given, net, &index);
    std::int64_t* done = writable<std::int64_t>(seen, 1, "seen: expected int64 of shape (1,)");
    const CheckedOptimizer<T> checked(optimizer, net, ceil_div(samples.rows(), trainer.batch()));
    Work work;
    Access::Writer writer(t.core->access);
    const auto ask = [&](std::ptrdiff_t rows, const EpochResult& so_far) {
      *done = rows;
      const Work::Python python(work);
      check_signals();
      return !poll(rows, so_far.loss, so_far.correct).template cast<bool>();
    };
    const EpochResult r =
        trainer.epoch(samples, checked.state, key ? &*key : nullptr, number, ask, every_step, position);
    return std::pair(r, r.invalid ? std::optional(trainer.sentence(r.invalid)) : std::nullopt);
  };
  const auto [r, invalid] = t.visit(run);
  return py::make_tuple(r.loss, r.correct, r.rows, r.failed, r.weight, r.penalty, invalid);
}

constexpr std::ptrdiff_t kResultColumns = 4;  // of epochs(): loss, rows classified correctly, rows, seconds

using EpochsResult = std::pair<std::ptrdiff_t, std::optional<std::string>>;

// Several epochs in one call. `results` gets a row for each, even if something is thrown later. `seen` is the number of
// epochs done, and of rows of the current one. `good` gets the parameters after the last epoch whose loss and
// parameters were all finite. poll(epochs done, rows of the current one, loss, correct) is called every kPollInterval
// and stops training by returning true. Returns the step of the last epoch whose loss wasn't finite or whose data were
// invalid, or 0; and the sentence about invalid data, or None.
EpochsResult epochs(CoreTrainer& t, const CoreSamples& given, const CoreOptimizer& optimizer,
                    std::optional<std::uint64_t> key, std::uint64_t number, std::ptrdiff_t count,
                    const py::function& poll, const py::array& seen, const py::array& results, const py::array& good) {
  return t.visit([&]<class T>(Trainer<T>& trainer) -> EpochsResult {
    using Clock = std::chrono::steady_clock;
    auto& net = network_of<T>(t);
    std::vector<std::int64_t> index;
    const Samples<T> samples = views_of(given, net, &index);
    std::int64_t* done = writable<std::int64_t>(seen, 2, "seen: expected int64 of shape (2,)");
    double* rows_of_results =
        writable<double>(results, count * kResultColumns, "results: expected float64 of shape (count, 4)");
    T* kept = writable<T>(good, net.packed_size(), "good: expected a flat array");
    const CheckedOptimizer<T> checked(optimizer, net, ceil_div(samples.rows(), trainer.batch()));
    Work work;
    Access::Writer writer(t.core->access);
    bool stop = false;
    const auto ask = [&](std::ptrdiff_t rows, const EpochResult& so_far) {
      done[1] = rows;
      const Work::Python python(work);
      check_signals();
      stop = poll(done[0], rows, so_far.loss, so_far.correct).template cast<bool>();
      return !stop;
    };
    auto polled = Clock::now();
    while (done[0] < count && !stop) {
      const auto begin = Clock::now();
      done[1] = 0;
      const EpochResult r =
          trainer.epoch(samples, checked.state, key ? &*key : nullptr, number + std::uint64_t(done[0]), ask);
      const auto end = Clock::now();
      const double row[kResultColumns] = {r.loss, double(r.correct), double(r.rows),
                                          std::chrono::duration<double>(end - begin).count()};
      std::copy_n(row, kResultColumns, rows_of_results + done[0] * kResultColumns);
      ++done[0];
      done[1] = 0;
      if (r.invalid) return {r.failed, trainer.sentence(r.invalid)};
      if (samples.weights && r.weight == 0 && r.rows == samples.rows())
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

py::tuple gradients(CoreTrainer& t, const CoreSamples& given, const py::array& packed, const py::object& input) {
  return t.visit([&]<class T>(Trainer<T>& trainer) {
    auto& net = network_of<T>(t);
    given.ready();
    expect(given.rows.is_none(), "samples: expected all rows of x");
    const Samples<T> samples = views_of<T>(given, net, nullptr);
    const InputView& x = samples.x;
    expect(x.rows <= trainer.batch(), "x: expected no more rows than the trainer's batch");
    T* to = writable<T>(packed, net.packed_size(), "packed: expected a flat array");
    T* dx = writable<T>(input, x.rows * x.columns, "input: expected shape (rows, inputs)");
    std::ptrdiff_t correct = 0;
    double loss = 0;
    {
      Work work;
      Access::Reader reader(t.core->access);
      loss = trainer.gradients(samples, to, dx, &correct);
    }
    return py::make_tuple(loss, correct);
  });
}

// The gradients of parameters and input from dy, that of a loss with respect to the outputs.
void backward(CoreTrainer& t, const py::array& x, const py::array& dy, const py::array& packed,
              const py::object& input) {
  t.visit([&]<class T>(Trainer<T>& trainer) {
    auto& net = network_of<T>(t);
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

// One optimizer step with a packed gradient, which is clipped, and L2 added to it, in place.
void optimizer_step(CoreNetwork& core, const CoreOptimizer& optimizer, const py::array& gradient) {
  core.visit([&]<class T>(Network<T>& net) {
    const CheckedOptimizer<T> checked(optimizer, net, 1);
    T* g = writable<T>(gradient, net.packed_size(), "gradient: expected a flat array");
    Work work;
    Access::Writer writer(core.access);
    Trainer<T>(net, loss_mse, 1).apply(g, checked.state);
  });
}

void drop(CoreTrainer& t, const std::vector<double>& rates, std::uint64_t key) {
  t.visit([&]<class T>(Trainer<T>& trainer) {
    const auto& net = network_of<T>(t);
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

py::tuple evaluate(CoreTrainer& t, const CoreSamples& given) {
  const auto run = [&]<class T>(Trainer<T>& trainer) {
    std::vector<std::int64_t> index;
    const Samples<T> samples = views_of(given, network_of<T>(t), &index);
    Work work;
    Access::Reader reader(t.core->access);
    return trainer.evaluate(samples, [&] {
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
  py::class_<CoreSamples>(m, "CoreSamples", "Inputs, labels or values, row weights, and which rows of them.")
      .def(py::init(&make_samples), py::arg("x"), py::arg("labels"), py::arg("values"), py::arg("weights"),
           py::arg("rows") = py::none());
  py::class_<CoreOptimizer>(m, "CoreOptimizer", "An optimizer's settings and state for one call.")
      .def(py::init(&make_optimizer), py::arg("name"), py::arg("hyper"), py::arg("limits"), py::arg("scalar_state"),
           py::arg("slots"));
  py::class_<CoreTrainer>(m, "CoreTrainer")
      .def(py::init(&make), py::keep_alive<1, 2>(), py::arg("network"), py::arg("loss"), py::arg("batch"),
           py::arg("parameter") = 0.0, py::arg("smoothing") = 0.0, py::arg("output_weights") = std::vector<double>())
      .def("drop", &drop, py::arg("rates"), py::arg("key"))
      .def("count_rows", &count_rows)
      .def("epoch", &epoch, py::arg("samples"), py::arg("optimizer"), py::kw_only(), py::arg("key"),
           py::arg("number"), py::arg("poll"), py::arg("seen"), py::arg("every_step") = false,
           py::arg("position") = 0)
      .def("epochs", &epochs, py::arg("samples"), py::arg("optimizer"), py::kw_only(), py::arg("key"),
           py::arg("number"), py::arg("count"), py::arg("poll"), py::arg("seen"), py::arg("results"),
           py::arg("good"))
      .def("gradients", &gradients, py::arg("samples"), py::arg("packed"), py::arg("input"))
      .def("backward", &backward, py::arg("x"), py::arg("dy"), py::arg("packed"), py::arg("input"))
      .def("evaluate", &evaluate, py::arg("samples"));
  m.def("shuffled", &shuffled, py::arg("rows"), py::arg("key"), py::arg("stream"),
        "Return row numbers in the order of one of the generator's streams.");
  m.def("optimizer_step", &optimizer_step, py::arg("network"), py::arg("optimizer"), py::arg("gradient"));
}

}  // namespace fw
