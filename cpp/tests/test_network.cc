// Network and Trainer without Python: rows alone and in batches, threads and instruction sets, all
// by bits; ten steps that learn; and hashes that are the same on every machine.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "../net/trainer.h"
#include "plain.h"

namespace {

// On every instruction set, thread count and architecture: [float, double]. If the numerical
// contract or these nets change on purpose, the failing test prints the new ones.
constexpr std::uint64_t kForwardHash[] = {0xd374bfb8aa14555a, 0x495f29cf88f45022};
constexpr std::uint64_t kTrainingHash[] = {0xb62fa94e1f301be3, 0xfdf6072c601c9913};

using Sizes = std::vector<std::ptrdiff_t>;

template <class T>
struct Net : fw::Network<T> {
  Net(const Sizes& sizes, const std::vector<int>& activations, bool softmax,
      const fw::KernelTable& table, int threads, double scale = 1)
      : fw::Network<T>(sizes, activations, softmax, scale, table, threads) {
    for (std::size_t l = 0; l + 1 < sizes.size(); ++l)
      this->initialize(l, 42, 2.0 / double(sizes[l] + 3));
  }
};

std::vector<std::uint8_t> bytes(std::size_t n) {
  std::vector<std::uint8_t> v(n);
  std::uint32_t s = 12345;
  for (auto& b : v) b = std::uint8_t((s = s * 1664525u + 1013904223u) >> 24);
  return v;
}

template <class T>
std::vector<T> values(std::size_t n) {
  const auto from = bytes(n);
  std::vector<T> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = T(from[i]) / 128 - 1;
  return v;
}

template <class T>
fw::InputView view(const std::vector<T>& v, std::ptrdiff_t rows, std::ptrdiff_t columns) {
  return {v.data(), sizeof(T) == 1, rows, columns, columns};
}

const Sizes kSizes = {37, 50, 17, 10};
const std::vector<int> kActivations = {fw::act_gelu, fw::act_tanh, fw::act_identity};

template <class T>
std::vector<T> forward(const fw::Network<T>& net, const fw::InputView& x) {
  const std::ptrdiff_t outputs = net.layers().back().outputs;
  std::vector<T> y(std::size_t(x.rows * outputs), T(-7));
  net.forward(x, y.data(), outputs);
  return y;
}

template <class T>
std::uint64_t forward_alike(const fw::KernelTable& table) {
  constexpr std::ptrdiff_t rows = 150;
  const auto x = values<T>(std::size_t(rows * kSizes[0]));
  const Net<T> net(kSizes, kActivations, true, table, 1);
  const auto all = forward(net, view(x, rows, kSizes[0]));
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const auto one = forward(net, {x.data() + r * kSizes[0], false, 1, kSizes[0], kSizes[0]});
    CHECK_SAME(one.data(), all.data() + r * 10, 10);
    if (r) CHECK(!check::same(one.data(), all.data() + (r - 1) * 10, 10));  // not any row will do
  }
  // the rows' gaps, and what lies beside the output, are left alone
  std::vector<T> wide(std::size_t(rows * 13 + 1), T(-7));
  net.forward(view(x, rows, kSizes[0]), wide.data(), 13);
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    CHECK_SAME(wide.data() + r * 13, all.data() + r * 10, 10);
    for (int j = 10; j < 13; ++j) CHECK(wide[std::size_t(r * 13 + j)] == T(-7));
  }
  // every layer's activations end in the same
  std::vector<std::vector<T>> outs;
  std::vector<T*> pointers;
  for (std::ptrdiff_t n : kSizes) outs.emplace_back(std::size_t(rows * n));
  for (auto& o : outs) pointers.push_back(o.data());
  net.activations(view(x, rows, kSizes[0]), pointers.data());
  CHECK_SAME(outs.front().data(), x.data(), x.size());
  CHECK_SAME(outs.back().data(), all.data(), all.size());
  // weights out and in again
  Net<T> copy(kSizes, kActivations, true, table, 1);
  for (std::size_t l = 0; l < net.layers().size(); ++l) {
    const fw::Layer& a = net.layers()[l];
    std::vector<T> w(std::size_t(a.inputs * a.outputs)), b(std::size_t(a.outputs));
    net.get_weights(l, w.data());
    net.get_bias(l, b.data());
    copy.set_weights(l, w.data());
    copy.set_bias(l, b.data());
  }
  CHECK_SAME(copy.parameters(), net.parameters(), std::size_t(net.packed_size()));
  // uint8 as it is
  const auto u = bytes(std::size_t(rows * kSizes[0]));
  std::vector<T> scaled(u.begin(), u.end());
  for (T& v : scaled) v *= T(1.0 / 255);
  const Net<T> scaling(kSizes, kActivations, true, table, 1, 1.0 / 255);
  const auto from_bytes = forward(scaling, view(u, rows, kSizes[0]));
  CHECK_SAME(from_bytes.data(), forward(net, view(scaled, rows, kSizes[0])).data(),
             from_bytes.size());
  CHECK(forward(net, view(x, 0, kSizes[0])).empty());
  return check::hash(all.data(), all.size() * sizeof(T));
}

// wide enough for several threads to pay off
template <class T>
void threads_alike(const fw::KernelTable& table) {
  const Sizes sizes = {300, 270, 40, 5};
  constexpr std::ptrdiff_t rows = 200;
  const auto x = values<T>(std::size_t(rows * sizes[0]));
  std::vector<std::int64_t> labels(rows);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = std::int64_t(i * i % 5);
  std::vector<T> kept[3];
  int worth = 1;
  for (int threads : {1, 3}) {
    Net<T> net(sizes, {fw::act_silu, fw::act_sigmoid, fw::act_identity}, true, table, threads);
    worth = net.threads_for(rows, 1);
    std::vector<T> result[3] = {forward(net, view(x, rows, sizes[0])),
                                std::vector<T>(std::size_t(net.packed_size())), {}};
    fw::Trainer<T> trainer(net, fw::loss_cross_entropy, rows);
    std::vector<T> dx(x.size());
    trainer.gradients({view(x, rows, sizes[0]), {labels.data(), nullptr}, nullptr},
                      result[1].data(), dx.data());
    result[1].insert(result[1].end(), dx.begin(), dx.end());
    double scalar_state[fw::kMaxScalarState] = {1, 1};
    std::vector<T> state(std::size_t(net.packed_size()));
    fw::OptimizerState optimizer = {fw::opt_momentum, {0.1, 1e-4, 0.9}, scalar_state, {state.data()}};
    const std::uint64_t key = 5;
    trainer.epoch({view(x, rows, sizes[0]), {labels.data(), nullptr}, nullptr}, optimizer, &key, 0,
                  [](std::ptrdiff_t, const fw::EpochResult&) { return true; });
    result[2].assign(net.parameters(), net.parameters() + net.packed_size());
    for (int i = 0; i < 3; ++i) {
      if (threads > 1) CHECK_SAME(result[i].data(), kept[i].data(), kept[i].size());
      kept[i] = result[i];
    }
  }
  CHECK(worth > 1);  // or one thread was compared with itself
}

// Ten steps of each optimizer: the loss falls; the parameters' padding stays 0.
// Returns the golden hash, of the first losses and optimizers, and that of the others.
template <class T>
std::array<std::uint64_t, 2> ten_steps(const fw::KernelTable& table) {
  constexpr std::ptrdiff_t rows = 80, batch = 8;
  const auto x = values<T>(std::size_t(rows * kSizes[0]));
  std::vector<std::int64_t> labels(rows);
  std::vector<T> targets(rows * 10), weights(rows);
  for (std::size_t r = 0; r < std::size_t(rows); ++r) {
    labels[r] = x[r * 37] > 0 ? 3 : 7;
    for (std::size_t o = 0; o < 10; ++o) targets[r * 10 + o] = T(o) == T(labels[r]) ? T(1) : T(0);
    weights[r] = T(1 + r % 3);
  }
  std::array<std::uint64_t, 2> hashes = {check::kHashStart, check::kHashStart};
  for (int loss = 0; loss < fw::kLosses; ++loss) {
    for (int kind = 0; kind < fw::kOptimizers; ++kind) {
      const bool softmax = loss == fw::loss_cross_entropy;
      auto activations = kActivations;
      if (!softmax) activations.back() = loss == fw::loss_poisson ? fw::act_exp : fw::act_sigmoid;
      Net<T> net(kSizes, activations, softmax, table, 1);
      const fw::OptimizerInfo& info = table.optimizer_info[kind];
      double scalar_state[fw::kMaxScalarState] = {1, 1};
      std::vector<T> slots[fw::kMaxSlots];
      fw::OptimizerState optimizer = {kind, {}, scalar_state, {}};
      for (int i = 0; i < info.hyper; ++i) {
        const char* name = info.hyper_names[i];
        const auto is = [&](const char* other) { return std::strcmp(name, other) == 0; };
        const double lr = kind > fw::opt_adamw ? 3e-4 : kind >= fw::opt_adam ? 0.01 : 0.05;
        optimizer.hyper[i] = is("lr") ? lr : is("weight_decay") ? 1e-4 : is("eps") ? 1e-8
                             : is("beta2") || is("alpha") ? 0.999 : 0.9;
      }
      for (int s = 0; s < info.slots; ++s) {
        slots[s].assign(std::size_t(net.packed_size()), T(0));
        optimizer.slots[s] = slots[s].data();
      }
      fw::Trainer<T> trainer(net, fw::LossOptions{loss, 0.6}, batch);
      const bool by_label = softmax && kind % 2;
      const fw::Samples<T> data = {
          view(x, rows, kSizes[0]),
          {by_label ? labels.data() : nullptr, by_label ? nullptr : targets.data()},
          kind == fw::opt_sgd ? weights.data() : nullptr};
      const double before = trainer.evaluate(data).loss;
      const std::uint64_t key = 7;
      const auto go_on = [](std::ptrdiff_t, const fw::EpochResult&) { return true; };
      const auto result = trainer.epoch(data, optimizer, &key, 0, go_on);
      const double after = trainer.evaluate(data).loss;
      CHECK(result.rows == rows && result.finite);
      CHECK(after < before);
      CHECK(!(before < before));  // without a step the loss doesn't fall
      for (const fw::Layer& a : net.layers())
        for (std::ptrdiff_t o = a.outputs; o < a.panels() * fw::kPanel; ++o) {
          const std::ptrdiff_t p = o / fw::kPanel, j = o % fw::kPanel;
          CHECK(net.parameters()[a.bias + o] == T(0));
          for (std::ptrdiff_t k = 0; k < a.inputs; ++k)
            CHECK(net.parameters()[a.weights + (p * a.inputs + k) * fw::kPanel + j] == T(0));
        }
      std::uint64_t& h = hashes[loss > fw::loss_binary_cross_entropy || kind > fw::opt_adam];
      h = check::hash(net.parameters(), std::size_t(net.packed_size()) * sizeof(T), h);
      h = check::hash(&after, sizeof(after), h);
    }
  }
  return hashes;
}

template <class T>
void all(const fw::KernelTable& table) {
  constexpr int which = sizeof(T) == 4 ? 0 : 1;
  static std::uint64_t others = 0;
  const std::uint64_t forward_hash = forward_alike<T>(table);
  const auto [training_hash, rest] = ten_steps<T>(table);
  const char* type = which ? "double" : "float";
  std::printf("%s, %s: forward %016llx, training %016llx\n", table.name, type,
              (unsigned long long)forward_hash, (unsigned long long)training_hash);
  CHECK(forward_hash == kForwardHash[which]);
  CHECK(training_hash == kTrainingHash[which]);
  if (!others) others = rest;
  CHECK(rest == others);
  threads_alike<T>(table);
}

// An upstream gradient gives the same gradients whatever the trainer's loss.
void upstream() {
  const fw::KernelTable& table = *fw::available_isas().back();
  const auto x = values<float>(9 * 37), dy = values<float>(9 * 10);
  std::vector<float> found[2], dx(9 * 37);
  Net<float> net(kSizes, kActivations, true, table, 1);
  for (int loss : {fw::loss_mse, fw::loss_cross_entropy}) {
    auto& packed = found[loss == fw::loss_mse];
    packed.resize(std::size_t(net.packed_size()));
    fw::Trainer<float>(net, loss, 9).gradients({view(x, 9, kSizes[0]), {nullptr, nullptr, dy.data()}, nullptr},
                                               packed.data(), dx.data());
  }
  CHECK_SAME(found[0].data(), found[1].data(), found[0].size());
  CHECK(std::any_of(found[0].begin(), found[0].end(), [](float v) { return v != 0; }));
}

// A single row of a wide network is split among threads while such calls follow each other closely: the same bits.
void wide_rows() {
  const fw::KernelTable& table = *fw::available_isas().back();
  const Sizes sizes = {601, 530, 97, 10};
  const std::vector<int> acts = {fw::act_tanh, fw::act_relu, fw::act_identity};
  Net<float> one(sizes, acts, false, table, 1), two(sizes, acts, false, table, 2);
  std::vector<float> x(601, 0.25f), bias(530);
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = float(i % 37) / 64;
  for (Net<float>* net : {&one, &two})
    for (std::size_t l = 0; l < 3; ++l) net->set_bias(l, bias.data());
  const fw::InputView view = {x.data(), false, 1, 601, 601};
  std::vector<float> expected(10), y(10);
  one.forward(view, expected.data(), 10);
  CHECK(one.row_threads() == 1);
  bool split = false;
  for (int i = 0; i < 1000 && !split; ++i) {  // with few free cores some calls are far apart
    two.forward(view, y.data(), 10);
    split = two.row_threads() == 2;
    two.forward(view, y.data(), 10);
    CHECK(std::memcmp(y.data(), expected.data(), 10 * sizeof(float)) == 0);
  }
  CHECK(split);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(two.row_threads() == 1);
  CHECK(Net<float>({60, 53, 10}, {fw::act_tanh, fw::act_identity}, false, table, 2).row_threads() == 1);
}

}  // namespace

int main() {
  const fw::FloatEnvironment environment;
  upstream();
  wide_rows();
  for (const fw::KernelTable* table : fw::available_isas()) {
    plain::exercised(table);
    all<float>(*table);
    all<double>(*table);
  }
  return plain::finish("test_network");
}
