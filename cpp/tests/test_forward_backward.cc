// Wide layers split by panels among threads in training: the same bits as with one thread.
#include <cstring>

#include "check.h"
#include "epochs.h"

namespace {

using epochs::go_on;
using epochs::Run;
using epochs::same;
using epochs::Setup;

// The widths are no multiples of a panel and split unevenly among 2 and 3 threads; the layer of 17 is too narrow.
// The last minibatch is so short that it is split by rows.
Setup setup(bool bytes, int optimizer, bool weighted, std::vector<int> activations) {
  activations.insert(activations.end(), {fw::act_sigmoid, fw::act_identity});
  return {{150, 300, 277, 17, 10}, activations, bytes, 2 * 128 + 13, 128, optimizer, weighted};
}

// `layers` layers are split by panels in each of two steps.
template <class T>
void same_bits(const char* isa, const Setup& s, std::ptrdiff_t layers = 2) {
  epochs::Case<T> one(s);
  const bool slowest = !std::strcmp(isa, "scalar");
  const std::ptrdiff_t rows = slowest ? s.batch : 0, steps = slowest ? 1 : 2;
  const Run<T> a = one.run(1, 1, go_on, isa, !slowest, rows);
  CHECK(a.split == 0 && a.paired == 0);
  for (int threads : {2, 3}) {
    const Run<T> b = one.run(threads, 1, go_on, isa, !slowest, rows);
    CHECK(b.split == layers * steps && b.paired == 0);
    CHECK(same(a, b));
    if (slowest) break;
  }
  Setup other = s;  // a difference would be seen
  other.penalty += 0.01;
  CHECK(!same(a.parameters, epochs::Case<T>(other).run(2, 1, go_on, isa, !slowest, rows).parameters));
}

template <class T>
void all(const char* isa) {
  const bool slowest = !std::strcmp(isa, "scalar");
  Setup s = setup(false, fw::opt_adam, false, {fw::act_relu, fw::act_tanh});
  s.dropped = {0.1, 0.2, 0.5, 0.25};
  same_bits<T>(isa, s);
  if (slowest) return;
  s = setup(false, fw::opt_sgd, false, {fw::act_relu, fw::act_tanh, fw::act_relu});
  s.sizes = {150, 415, 277, 333, 17, 10};
  s.dropped = {0, 0.1, 0.2, 0, 0.5};
  s.batch = 97;
  s.rows = 2 * 97 - 1;  // the last minibatch, though short, is split by panels, too
  same_bits<T>(isa, s, 3);
  same_bits<T>(isa, setup(true, fw::opt_momentum, true, {fw::act_gelu, fw::act_silu}));
  s = setup(true, fw::opt_adam, false, {fw::act_sigmoid, fw::act_softplus});
  s.clip_norm = 0.01;
  s.penalty = 0.1;
  same_bits<T>(isa, s);
}

// Split by rows: with too many rows, too few panels, or too little work.
void choices() {
  Setup s = setup(false, fw::opt_sgd, false, {fw::act_relu, fw::act_relu});
  s.rows = s.batch = 400;
  CHECK(epochs::Case<float>(s).run(2, 1, go_on, "", false).split == 0);
  s.rows = s.batch = 16;
  CHECK(epochs::Case<float>(s).run(2, 1, go_on, "", false).split == 0);
  s.rows = s.batch = 128;
  CHECK(epochs::Case<float>(s).run(10, 1, go_on, "", false).split == 0);
  CHECK(epochs::Case<float>(s).run(2, 1, go_on, "", false).split == 2);
  // a cheap layer is split by panels before a costly one, and by rows after one
  const std::vector<std::ptrdiff_t> light[] = {{11, 300, 277, 17, 10}, {150, 300, 70, 17, 10}};
  for (const auto& sizes : light) {
    s.sizes = sizes;
    epochs::Case<float> one(s);
    const Run<float> a = one.run(1, 1, go_on, "", false), b = one.run(2, 1, go_on, "", false);
    CHECK(a.split == 0 && b.split == (sizes[0] == 11 ? 2 : 1) && b.paired == 0);
    CHECK(same(a, b));
  }
}

}  // namespace

int main() {
  const fw::FloatEnvironment environment;
  for (const fw::KernelTable* table : fw::available_isas()) {
    all<float>(table->name);
    all<double>(table->name);
  }
  choices();
  return check::finish("test_forward_backward");
}
