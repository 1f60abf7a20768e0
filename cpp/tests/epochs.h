// Epochs of a small network on generated rows, with all their results: for tests that several threads give the same
// bits as one.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

#include "../kernels/dispatch.h"
#include "../net/trainer.h"

namespace epochs {

using fw::EpochResult;

template <class T>
struct Run {
  std::vector<T> parameters, state;
  double scalar_state[2] = {1, 1};
  std::vector<EpochResult> results;
  std::ptrdiff_t paired = 0, split = 0;  // paired steps; layers split by panels, over all steps
  bool threw = false;
};

struct Setup {
  std::vector<std::ptrdiff_t> sizes;
  std::vector<int> activations;  // the last is identity: softmax follows
  bool bytes;
  std::ptrdiff_t rows, batch;
  int optimizer;
  bool weighted;
  double penalty = 0, clip_norm = 0;
  std::vector<double> dropped = {};  // a rate for each layer, or none
};

template <class T>
class Case {
 public:
  explicit Case(const Setup& setup) : setup_(setup) {
    std::uint32_t s = 1;
    const auto next = [&] { return (s = s * 1664525u + 1013904223u) >> 24; };
    const std::ptrdiff_t rows = setup.rows, numbers = rows * setup.sizes.front();
    for (std::ptrdiff_t i = 0; i < numbers; ++i) u_.push_back(std::uint8_t(next()));
    for (std::uint8_t v : u_) x_.push_back(T(v) / 255);
    for (std::ptrdiff_t i = 0; i < rows; ++i) labels_.push_back(next() % setup.sizes.back());
    // some minibatches have a total weight of 0
    for (std::ptrdiff_t i = 0; i < rows; ++i) weights_.push_back(i / setup.batch % 3 == 1 ? 0 : T(next()));
  }

  // Runs `epochs` epochs on the first `rows` rows, or until poll(network, rows, result so far) throws.
  template <class Poll>
  Run<T> run(int threads, int epochs, const Poll& poll, const char* isa, bool shuffle,
             std::ptrdiff_t rows = 0, bool every_step = false) {
    Run<T> r;
    const std::ptrdiff_t inputs = setup_.sizes.front();
    fw::Network<T> net(setup_.sizes, setup_.activations, true, setup_.bytes ? 1 / 255. : 1, fw::choose_isa(isa),
                       threads);
    for (std::size_t l = 0; l < net.layers().size(); ++l) net.initialize(l, 7, 0.1);
    fw::Trainer<T> trainer(net, fw::loss_cross_entropy, setup_.batch);
    if (!setup_.dropped.empty()) trainer.set_dropout(setup_.dropped, 11);
    if (setup_.penalty && setup_.weighted) trainer.count_rows();
    r.state.assign(std::size_t(2 * net.packed_size()), T(0));
    fw::OptimizerState o = {setup_.optimizer, {0.01, 0.001, 0.9, 0.999, 1e-8}, r.scalar_state,
                            {r.state.data(), r.state.data() + net.packed_size()}};
    o.l2 = setup_.penalty;
    o.clip_norm = setup_.clip_norm;
    const void* x = setup_.bytes ? static_cast<const void*>(u_.data()) : x_.data();
    const fw::Samples<T> data = {{x, setup_.bytes, rows ? rows : setup_.rows, inputs, inputs},
                                                {labels_.data(), nullptr},
                                                setup_.weighted ? weights_.data() : nullptr};
    const std::uint64_t key = 5;
    try {
      for (int e = 0; e < epochs; ++e) {
        r.results.push_back(trainer.epoch(data, o, shuffle ? &key : nullptr, std::uint64_t(e),
                                          [&](std::ptrdiff_t done, const EpochResult& so_far) {
                                            return poll(net, done, so_far);
                                          }, every_step));
      }
    } catch (const std::runtime_error&) {
      r.threw = true;
    } catch (const std::bad_alloc&) {
      r.threw = true;
    }
    r.paired = trainer.counts().paired_steps;
    r.split = trainer.counts().layers_split_by_panels;
    r.parameters.assign(net.parameters(), net.parameters() + net.packed_size());
    return r;
  }

 private:
  Setup setup_;
  std::vector<std::uint8_t> u_;
  std::vector<T> x_, weights_;
  std::vector<std::int64_t> labels_;
};

const auto go_on = [](auto&, std::ptrdiff_t, const EpochResult&) { return true; };

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Whether all results of two runs are the same.
template <class T>
bool same(const Run<T>& a, const Run<T>& b) {
  if (a.results.size() != b.results.size()) return false;
  for (std::size_t e = 0; e < a.results.size(); ++e) {
    const EpochResult &x = a.results[e], &y = b.results[e];
    if (x.loss != y.loss || x.penalty != y.penalty || x.correct != y.correct || x.rows != y.rows) return false;
  }
  return same(a.parameters, b.parameters) && same(a.state, b.state) && a.scalar_state[0] == b.scalar_state[0] &&
         a.scalar_state[1] == b.scalar_state[1];
}

}  // namespace epochs
