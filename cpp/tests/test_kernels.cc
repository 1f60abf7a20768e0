// The layers' kernels on every instruction set that can run here: against plain loops in a wider
// type, by bits against the sum rule spelled out, and by bits against the scalar table.
#include "plain.h"

namespace {

using namespace plain;

constexpr std::ptrdiff_t kRows[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 65, 130};
constexpr std::ptrdiff_t kInputs[] = {1, 15, 16, 17, 31, 63, 64, 65, 129, 200};
constexpr std::ptrdiff_t kOutputs[] = {1, 10, 15, 16, 17, 31, 33, 64};

// A layer's weights, plain and packed.
template <class T>
struct Weights {
  Weights(std::ptrdiff_t inputs, std::ptrdiff_t outputs, Random& random)
      : inputs(inputs), outputs(outputs), plain(std::size_t(inputs * outputs)),
        packed(std::size_t(panels_of(outputs) * inputs * fw::kPanel)),
        bias(std::size_t(panels_of(outputs) * fw::kPanel)) {
    for (std::ptrdiff_t o = 0; o < outputs; ++o) {
      bias[std::size_t(o)] = T(random(-1, 1));
      for (std::ptrdiff_t k = 0; k < inputs; ++k) {
        const T w = T(random(-1, 1) / std::sqrt(double(inputs)));
        plain[std::size_t(o * inputs + k)] = w;
        packed[std::size_t((o / 16 * inputs + k) * 16 + o % 16)] = w;
      }
    }
  }
  T operator()(std::ptrdiff_t o, std::ptrdiff_t k) const {
    return plain[std::size_t(o * inputs + k)];
  }
  std::ptrdiff_t inputs, outputs;
  std::vector<T> plain, packed, bias;
};

// Collects what every table gives for the same case; all must give the scalar one's bits.
template <class T>
class Alike {
 public:
  void add(const std::vector<T>& result) {
    if (first_.empty()) {
      first_ = result;
      return;
    }
    CHECK(result.size() == first_.size());
    CHECK_SAME(result.data(), first_.data(), first_.size());
    std::vector<T> other = result;
    other[other.size() / 2] = other[other.size() / 2] == T(3) ? T(4) : T(3);
    CHECK(!check::same(other.data(), first_.data(), first_.size()));
  }

 private:
  std::vector<T> first_;
};

template <class T>
void dense(std::ptrdiff_t rows, std::ptrdiff_t inputs, std::ptrdiff_t outputs, int activation,
           Layout in, Layout out, bool special) {
  using W = Wide<T>;
  Random random(std::uint64_t(rows * 7 + inputs * 31 + outputs));
  Matrix<T> x(rows, inputs, in);
  x.fill(random, -1, 1);
  if (special) {
    const T some[] = {T(INFINITY), T(-INFINITY), T(NAN), -T(0), T(1e-42), T(3e38)};
    for (std::ptrdiff_t r = 0; r < rows; ++r) x(r, r % inputs) = some[r % 6];
  }
  const Weights<T> w(inputs, outputs, random);
  Alike<T> alike_y, alike_z;
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    Matrix<T> y(rows, outputs, out, true), z(rows, outputs, out, true);
    Matrix<T> alone(rows, outputs, out, true);
    const auto kernel = kernels<T>(*table).dense[activation];
    kernel({x.rows(), {}, T(0), rows, 0, 0, inputs, w.packed.data(), w.bias.data(), outputs, y.out(),
            z.out()});
    // without z, prefetching rows ahead of their use and the weights of a single one
    kernel({x.rows(), {}, T(0), rows, 2, 0, inputs, w.packed.data(), w.bias.data(), outputs,
            alone.out(), {}, true});
    CHECK(y.intact() && z.intact() && alone.intact());
    y.spoil();
    CHECK(!y.intact());
    auto got = y.values(), sums = z.values();
    CHECK_SAME(got.data(), alone.values().data(), got.size());
    alike_y.add(got);
    alike_z.add(sums);
    if (table != fw::available_isas().front()) continue;  // the others have the same bits
    std::vector<T> exact;
    std::vector<W> expected, bound, expected_y, bound_y;
    for (std::ptrdiff_t r = 0; r < rows; ++r)
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        exact.push_back(sum_rule<T>(inputs, [&](std::ptrdiff_t k, T s) {
          return std::fma(x(r, k), w(o, k), s);
        }) + w.bias[std::size_t(o)]);
        W sum = w.bias[std::size_t(o)], size = std::abs(sum);
        for (std::ptrdiff_t k = 0; k < inputs; ++k) {
          sum += W(x(r, k)) * W(w(o, k));
          size += std::abs(W(x(r, k)) * W(w(o, k)));
        }
        expected.push_back(sum);
        bound.push_back(W(std::min<std::ptrdiff_t>(inputs, 64) + 5) * unit<T> * size);
        expected_y.push_back(value(activation, sum));
        bound_y.push_back(W(1.2) * bound.back() + 16 * unit<T> * std::abs(expected_y.back()));
      }
    CHECK_SAME(sums.data(), exact.data(), exact.size());
    if (special) continue;
    CHECK_CLOSE(sums.data(), expected.data(), bound.data(), sums.size());
    CHECK_CLOSE(got.data(), expected_y.data(), bound_y.data(), got.size());
  }
}

// bytes converted as they are loaded give what the same numbers, converted before, give
template <class T>
void dense_bytes(std::ptrdiff_t rows, std::ptrdiff_t inputs, std::ptrdiff_t outputs) {
  Random random(std::uint64_t(rows * 7 + inputs * 31 + outputs));
  const std::ptrdiff_t stride = inputs + 3;
  std::vector<std::uint8_t> bytes(std::size_t(rows * stride));
  for (auto& b : bytes) b = std::uint8_t(random(0, 255.99));
  std::vector<const std::uint8_t*> pointers;
  for (std::ptrdiff_t r = 0; r < rows; ++r) pointers.push_back(bytes.data() + r * stride);
  const T scale = T(1) / T(255);
  Matrix<T> x(rows, inputs, row_major);
  for (std::ptrdiff_t r = 0; r < rows; ++r)
    for (std::ptrdiff_t k = 0; k < inputs; ++k) x(r, k) = T(pointers[std::size_t(r)][k]) * scale;
  const Weights<T> w(inputs, outputs, random);
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    const auto kernel = kernels<T>(*table).dense[fw::act_sigmoid];
    Matrix<T> expected(rows, outputs, row_major, true), y(rows, outputs, row_major, true);
    Matrix<T> pointed(rows, outputs, row_major, true);
    fw::DenseArgs<T> a = {x.rows(), {}, scale, rows, 0, 0, inputs, w.packed.data(), w.bias.data(),
                          outputs, expected.out(), {}};
    kernel(a);
    a.x = {};
    a.bytes = {bytes.data(), nullptr, stride, fw::kPanel};
    a.y = y.out();
    kernel(a);
    a.bytes = {nullptr, pointers.data(), 0, fw::kPanel};
    a.y = pointed.out();
    kernel(a);
    CHECK(y.intact() && pointed.intact());
    auto got = y.values();
    CHECK_SAME(got.data(), expected.values().data(), got.size());
    CHECK_SAME(pointed.values().data(), got.data(), got.size());
    got[0] = std::nextafter(got[0], T(2));
    CHECK(!check::same(got.data(), expected.values().data(), got.size()));
  }
}

template <class T>
void dense_backward(std::ptrdiff_t rows, std::ptrdiff_t inputs, std::ptrdiff_t outputs,
                    int activation) {
  using W = Wide<T>;
  Random random(std::uint64_t(rows * 5 + inputs * 3 + outputs));
  Matrix<T> dz(rows, outputs, panel_major), below(rows, inputs, panel_major);
  dz.fill(random, -1, 1);
  const bool from_z = kernels<T>(*fw::available_isas().front()).derivative_from_z[activation];
  below.fill(random, from_z ? -4 : least_output(activation), from_z ? 4 : 0.99);
  const Weights<T> w(inputs, outputs, random);
  for (const Layout out : {panel_major, row_major, row_major_loose}) {
    Alike<T> alike, alike_derivative;
    for (const fw::KernelTable* table : fw::available_isas()) {
      exercised(table);
      const fw::Kernels<T>& k = kernels<T>(*table);
      Matrix<T> dx(rows, inputs, out, true), d(rows, inputs, panel_major, true);
      k.dense_backward[activation]({dz.rows(), rows, outputs, w.packed.data(), inputs,
                                    dx.out(), below.rows()});
      CHECK(dx.intact());
      auto got = dx.values();
      alike.add(got);
      // the derivative alone, over the same sums
      Matrix<T> ones(rows, inputs, panel_major);
      k.dense_backward[fw::act_identity]({dz.rows(), rows, outputs, w.packed.data(), inputs,
                                          d.out(), ones.rows()});
      std::vector<T> exact, sums = d.values();
      for (std::ptrdiff_t r = 0; r < rows; ++r)
        for (std::ptrdiff_t i = 0; i < inputs; ++i)
          exact.push_back(sum_rule<T>(outputs, [&](std::ptrdiff_t o, T s) {
            return std::fma(dz(r, o), w(o, i), s);
          }));
      CHECK_SAME(sums.data(), exact.data(), exact.size());
      k.derivative[activation](below.rows(), rows, inputs, d.out());
      CHECK(d.intact());
      CHECK_SAME(d.values().data(), got.data(), got.size());
      if (table != fw::available_isas().front()) continue;
      std::vector<W> expected, bound;
      for (std::ptrdiff_t r = 0; r < rows; ++r)
        for (std::ptrdiff_t i = 0; i < inputs; ++i) {
          W sum = 0, size = 0;
          for (std::ptrdiff_t o = 0; o < outputs; ++o) {
            sum += W(dz(r, o)) * W(w(o, i));
            size += std::abs(W(dz(r, o)) * W(w(o, i)));
          }
          const W s = slope(activation, W(below(r, i)));
          expected.push_back(sum * s);
          bound.push_back(unit<T> * (W(70) * size * std::abs(s) + 16 * std::abs(sum)));
        }
      CHECK_CLOSE(got.data(), expected.data(), bound.data(), got.size());
    }
  }
}

// dW and db over panels [panel, panel + panels) and inputs [first, last), and the updates with them
template <class T>
void gradients(std::ptrdiff_t rows, std::ptrdiff_t inputs, std::ptrdiff_t outputs, Layout in,
               std::ptrdiff_t panel, std::ptrdiff_t panels, std::ptrdiff_t first,
               std::ptrdiff_t last) {
  using W = Wide<T>;
  Random random(std::uint64_t(rows + inputs * 3 + outputs * 5));
  Matrix<T> x(rows, inputs, in), dz(rows, outputs, panel_major);
  x.fill(random, -1, 1);
  dz.fill(random, -1, 1);
  const T untouched = T(-12345.75);
  const std::size_t size = std::size_t(panels_of(outputs) * inputs * 16), bias = size;
  const std::size_t whole = size + std::size_t(panels_of(outputs) * 16);
  Alike<T> alike[1 + fw::kOptimizers];
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    const fw::Kernels<T>& k = kernels<T>(*table);
    std::vector<T> g(whole, untouched), exact(whole, untouched);
    fw::GradientArgs<T> a = {};
    a.x = x.rows();
    a.dz = dz.rows();
    a.rows = rows;
    a.inputs = inputs;
    a.panel = panel;
    a.panels = panels;
    a.first_input = first;
    a.end_input = last;
    a.gradient = g.data();
    a.gradient_bias = g.data() + bias;
    k.dense_gradient(a);
    alike[0].add(g);
    // some rows at a time: any number of whole blocks
    for (const std::ptrdiff_t part : {std::ptrdiff_t(64), std::ptrdiff_t(128), (rows + 63) / 64 * 64}) {
      std::vector<T> again(whole, untouched), half(whole, untouched);
      fw::GradientArgs<T> b = a;
      b.gradient = again.data();
      b.gradient_bias = again.data() + bias;
      b.second_half = half.data();
      b.second_half_bias = half.data() + bias;
      b.blocks = (rows + 63) / 64;
      for (std::ptrdiff_t from = 0; from < rows; from += part) {
        b.block = from / 64;
        b.rows = std::min(part, rows - from);
        b.x = a.x;
        if (b.x.pointers) b.x.pointers += from;
        else b.x.base += from * b.x.row_stride;
        b.dz.base = a.dz.base + from * 16;
        k.dense_gradient(b);
      }
      CHECK_SAME(again.data(), g.data(), whole);
    }
    std::vector<T> got;
    std::vector<W> expected, bound;
    for (std::ptrdiff_t o = panel * 16; o < (panel + panels) * 16; ++o) {
      const auto d = [&](std::ptrdiff_t r) { return o < outputs ? dz(r, o) : T(0); };
      for (std::ptrdiff_t i = first; i < last; ++i) {
        const std::size_t at = std::size_t((o / 16 * inputs + i) * 16 + o % 16);
        exact[at] = sum_rule<T>(rows, [&](std::ptrdiff_t r, T s) {
          return std::fma(x(r, i), d(r), s);
        });
        got.push_back(g[at]);
        expected.push_back(0);
        bound.push_back(unit<T>);
        for (std::ptrdiff_t r = 0; r < rows; ++r) {
          expected.back() += W(x(r, i)) * W(d(r));
          bound.back() += 70 * unit<T> * std::abs(W(x(r, i)) * W(d(r)));
        }
      }
      if (first == 0)
        exact[bias + std::size_t(o)] =
            sum_rule<T>(rows, [&](std::ptrdiff_t r, T s) { return s + d(r); });
    }
    CHECK_SAME(g.data(), exact.data(), whole);  // and nothing beside
    CHECK_CLOSE(got.data(), expected.data(), bound.data(), got.size());
    // the update in the tile is the update of the stored gradient
    for (int o = 0; o < fw::kOptimizers; ++o) {
      std::vector<T> one(whole * 4, T(0.25)), two(whole * 4, T(0.25));
      double scalar_state[fw::kMaxScalarState] = {1, 1};
      const double hyper[fw::kMaxHyper] = {0.1, 0.01, 0.9, 0.99, 1e-8};
      for (int step = 0; step < 2; ++step) {
        fw::StepScalars<T> s;
        k.prepare[o](hyper, scalar_state, &s);
        std::vector<T> limited = g;
        if (step == 1) {
          s.clip_value = T(0.5);
          k.clip(limited.data(), std::ptrdiff_t(whole), s.clip_value);
        }
        a.weights = one.data();
        a.bias = one.data() + bias;
        for (int i = 0; i < fw::kMaxSlots; ++i) {
          a.slots[i] = one.data() + whole * std::size_t(1 + i);
          a.slots_bias[i] = a.slots[i] + bias;
        }
        a.step = a.step_bias = &s;
        k.dense_update[o](a);
        for (std::size_t at = 0; at < whole; at += 16) {
          if (exact[at] == untouched) continue;
          T* slots[] = {two.data() + whole + at, two.data() + 2 * whole + at, two.data() + 3 * whole + at};
          k.update[o](two.data() + at, limited.data() + at, slots, 16, s);
        }
        CHECK_SAME(one.data(), two.data(), one.size());
      }
      alike[1 + o].add(one);
    }
  }
}

template <class T>
void all() {
  int turn = 0;
  const Layout ins[] = {row_major, panel_major, by_pointers, row_major_loose};
  const Layout outs[] = {row_major, panel_major, row_major_loose};
  for (std::ptrdiff_t rows : kRows)
    for (std::ptrdiff_t inputs : kInputs)
      for (std::ptrdiff_t outputs : kOutputs) {
        ++turn;
        dense<T>(rows, inputs, outputs, turn % fw::kActivations, ins[turn / 3 % 4], outs[turn % 3],
                 false);
        if (turn % 3 == 0) dense_bytes<T>(rows, inputs, outputs);
        if (turn % 4 == 0) dense_backward<T>(rows, outputs, inputs, turn / 4 % fw::kActivations);
      }
  for (int activation = 0; activation < fw::kActivations; ++activation)
    for (std::ptrdiff_t rows : {1, 2, 31}) {
      for (const Layout in : ins) dense<T>(rows, 70, 26, activation, in, row_major, false);
      dense<T>(rows, 65, 10, activation, row_major, panel_major, true);
      dense<T>(rows, 5, 17, activation, panel_major, row_major_loose, true);
      dense_backward<T>(rows, 26, 70, activation);
    }
  for (std::ptrdiff_t rows : {1, 2, 17, 63, 64, 65, 129, 200})
    for (std::ptrdiff_t inputs : {1, 15, 17, 31, 65})
      for (std::ptrdiff_t outputs : {1, 10, 17, 33})
        gradients<T>(rows, inputs, outputs, ins[++turn % 4], 0, panels_of(outputs), 0, inputs);
  gradients<T>(33, 50, 70, row_major, 1, 3, 0, 50);
  gradients<T>(33, 50, 70, row_major, 4, 1, 16, 41);
  gradients<T>(33, 50, 70, panel_major, 0, 2, 32, 50);
}

}  // namespace

int main() {
  const fw::FloatEnvironment environment;
  all<float>();
  all<double>();
  return finish("test_kernels");
}
