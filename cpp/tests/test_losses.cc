// Softmax, the losses, conversion to panels, the weighted sum and the check for finite numbers, on every instruction
// set that can run here: against plain loops in a wider type and by bits against the scalar table.
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "plain.h"

namespace {

using namespace plain;

constexpr std::ptrdiff_t kSizes[] = {1, 2, 10, 15, 16, 17, 31, 63, 64, 65, 129, 200};

const fw::KernelTable* first() { return fw::available_isas().front(); }

template <class T>
void softmax(std::ptrdiff_t rows, std::ptrdiff_t outputs, Layout layout, bool special) {
  using W = Wide<T>;
  Random random(std::uint64_t(rows * 3 + outputs));
  Matrix<T> z(rows, outputs, row_major), dy(rows, outputs, panel_major);
  z.fill(random, -8, 8);
  dy.fill(random, -1, 1);
  if (special) {
    // no subnormal number: the largest of a row would keep it or not, as the compiler chooses its instructions
    const T some[] = {T(-INFINITY), T(NAN), T(1e30), T(-1e30), std::numeric_limits<T>::min()};
    for (std::ptrdiff_t r = 0; r < rows; ++r) z(r, r % outputs) = some[r % 5];
  }
  std::vector<T> kept_y, kept_d;
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    const fw::Kernels<T>& k = kernels<T>(*table);
    Matrix<T> work(rows, outputs, panel_major, true), y(rows, outputs, layout, true);
    Matrix<T> in_place(rows, outputs, panel_major, true), d(rows, outputs, panel_major, true);
    Matrix<T> sums(1, panels_of(rows) * 16, row_major, true);
    Matrix<T> most(1, panels_of(rows) * 16, row_major, true);
    for (std::ptrdiff_t r = 0; r < rows; ++r)
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        work(r, o) = in_place(r, o) = z(r, o);
        d(r, o) = dy(r, o);
      }
    k.softmax(work.out(), rows, outputs, y.out(), &most(0, 0), &sums(0, 0));
    k.softmax(in_place.out(), rows, outputs, in_place.out(), nullptr, nullptr);
    CHECK(work.intact() && in_place.intact() && in_place.padding_is_zero());
    CHECK_SAME(in_place.values().data(), y.values().data(), std::size_t(rows * outputs));
    CHECK(y.intact() && y.padding_is_zero() && most.intact() && sums.intact());
    auto got = y.values();
    k.softmax_backward(y.rows(), rows, outputs, d.out());
    CHECK(d.intact());
    auto got_d = d.values();
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      got.push_back(most(0, r));
      got.push_back(sums(0, r));
    }
    if (table != first()) {
      CHECK_SAME(got.data(), kept_y.data(), got.size());
      CHECK_SAME(got_d.data(), kept_d.data(), got_d.size());
      continue;
    }
    kept_y = got;
    kept_d = got_d;
    if (special) continue;
    std::vector<W> expected, bound, expected_d, bound_d, rest, bound_rest;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      W top = z(r, 0), total = 0, mean = 0, size = 0;
      for (std::ptrdiff_t o = 0; o < outputs; ++o) top = std::max(top, W(z(r, o)));
      for (std::ptrdiff_t o = 0; o < outputs; ++o) total += std::exp(W(z(r, o)) - top);
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        const W e = std::exp(W(z(r, o)) - top) / total;
        expected.push_back(e);
        // the rounding of z - top, up to 16, moves the exponential by as much
        bound.push_back(unit<T> * e * 110);
        mean += W(y(r, o)) * W(dy(r, o));
        size += std::abs(W(y(r, o)) * W(dy(r, o)));
      }
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        expected_d.push_back(W(y(r, o)) * (W(dy(r, o)) - mean));
        bound_d.push_back(unit<T> * W(y(r, o)) * (70 * size + 4 * std::abs(W(dy(r, o)) - mean)));
      }
      rest.push_back(top);
      rest.push_back(std::log(total));
      bound_rest.push_back(0);
      bound_rest.push_back(unit<T> * (110 + 4 * rest.back()));
    }
    CHECK_CLOSE(got.data(), expected.data(), bound.data(), expected.size());
    CHECK_CLOSE(got_d.data(), expected_d.data(), bound_d.data(), expected_d.size());
    CHECK_CLOSE(got.data() + expected.size(), rest.data(), bound_rest.data(), rest.size());
  }
}

template <class T>
void loss(int which, std::ptrdiff_t rows, std::ptrdiff_t outputs, bool weighted) {
  using W = Wide<T>;
  const T parameter = T(0.75);  // huber's delta, quantile's level, poisson's deviance
  Random random(std::uint64_t(rows * 3 + outputs));
  Matrix<T> z(rows, outputs, panel_major), y(rows, outputs, panel_major);
  Matrix<T> t(rows, outputs, panel_major);
  z.fill(random, -4, 4);
  t.fill(random, 0, 1);
  const std::size_t padded = std::size_t(panels_of(rows) * 16);
  std::vector<T> most(padded), sums(padded), scale(padded);
  for (auto& s : scale) s = T(random(0.1, 1));
  const fw::LossInfo info = first()->loss_info[which];
  for (std::ptrdiff_t r = 0; r < rows; ++r)
    for (std::ptrdiff_t o = 0; o < outputs; ++o)
      y(r, o) = info.output == fw::needs_sigmoid ? T(value(fw::act_sigmoid, W(z(r, o))))
                : info.output == fw::needs_exp ? T(std::exp(W(z(r, o))))
                                               : z(r, o);
  if (info.output == fw::needs_softmax)
    kernels<T>(*first()).softmax(y.out(), rows, outputs, y.out(), most.data(), sums.data());
  std::vector<T> by_output(std::size_t(panels_of(outputs) * 16), T(0));
  for (std::ptrdiff_t o = 0; o < outputs; ++o) by_output[std::size_t(o)] = weighted ? T(o % 3) : T(1);
  std::vector<T> kept;
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    const std::ptrdiff_t room = panels_of(rows) * 16;
    Matrix<T> losses(1, room, row_major, true), only(1, room, row_major, true);
    Matrix<T> hits(1, room, row_major, true);
    Matrix<T> dz(rows, outputs, panel_major, true);
    const bool s = info.output == fw::needs_softmax;
    const auto kernel = kernels<T>(*table).loss[which];
    fw::LossArgs<T> a = {z.rows(), y.rows(), t.rows(), rows, outputs, s ? most.data() : nullptr,
                         s ? sums.data() : nullptr, scale.data(), &losses(0, 0),
                         &hits(0, 0), dz.out(), parameter, weighted ? by_output.data() : nullptr};
    kernel(a);
    a.dz = {};
    a.row_loss = &only(0, 0);
    kernel(a);
    CHECK(losses.intact() && only.intact() && hits.intact() && dz.intact() && dz.padding_is_zero());
    CHECK_SAME(only.values().data(), losses.values().data(), std::size_t(rows));
    auto got = losses.values();
    got.resize(std::size_t(rows));
    const auto gradient = dz.values();
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      std::ptrdiff_t best = 0, right = 0;
      for (std::ptrdiff_t o = 1; o < outputs; ++o) {
        if (y(r, o) > y(r, best)) best = o;
        if (t(r, o) > t(r, right)) right = o;
      }
      const bool hit = outputs == 1 ? (y(r, 0) > T(0.5)) == (t(r, 0) > T(0.5)) : best == right;
      CHECK(hits(0, r) == T(hit));
    }
    got.insert(got.end(), gradient.begin(), gradient.end());
    if (table != first()) {
      CHECK_SAME(got.data(), kept.data(), got.size());
      continue;
    }
    kept = got;
    std::vector<W> expected, bound;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      W total = 0, size = 0, top = z(r, 0), e = 0;
      for (std::ptrdiff_t o = 0; o < outputs; ++o) top = std::max(top, W(z(r, o)));
      for (std::ptrdiff_t o = 0; o < outputs; ++o) e += std::exp(W(z(r, o)) - top);
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        const W zo = z(r, o), to = t(r, o), d = W(y(r, o)) - to;
        W term = 0;
        if (which == fw::loss_mse) term = d * d / W(outputs);
        if (which == fw::loss_cross_entropy) term = to * (std::log(e) + top - zo);
        if (which == fw::loss_binary_cross_entropy)
          term = (std::log1p(std::exp(zo)) - zo * to) / W(outputs);
        const W a = std::abs(d), p = parameter;
        if (which == fw::loss_huber) term = (a <= p ? d * d / 2 : p * (a - p / 2)) / W(outputs);
        if (which == fw::loss_quantile) term = (d < 0 ? p : 1 - p) * a / W(outputs);
        const W own = to > 0 ? to * std::log(to) - to : 0;
        if (which == fw::loss_poisson) term = (W(y(r, o)) - to * zo + own) / W(outputs);
        term *= W(by_output[std::size_t(o)]);
        total += term;
        size += std::abs(term) + (which == fw::loss_mse ? 0 : 8 * to) + 4 / W(outputs) + std::abs(W(y(r, o))) / W(outputs);
      }
      expected.push_back(total);
      bound.push_back(unit<T> * 80 * size);
    }
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      W all = 0;
      for (std::ptrdiff_t o = 0; o < outputs; ++o) all += W(t(r, o));
      for (std::ptrdiff_t o = 0; o < outputs; ++o) {
        const W yo = y(r, o), to = t(r, o), s = scale[std::size_t(r)];
        W d = 0;
        if (which == fw::loss_mse) d = 2 * (yo - to) * s / W(outputs);
        if (which == fw::loss_cross_entropy) d = (yo * all - to) * s;
        if (which == fw::loss_binary_cross_entropy || which == fw::loss_poisson) d = (yo - to) * s / W(outputs);
        const W e = yo - to, p = parameter;
        if (which == fw::loss_huber) d = std::min(std::max(e, -p), p) * s / W(outputs);
        if (which == fw::loss_quantile) d = (e > 0 ? 1 - p : e < 0 ? -p : 0) * s / W(outputs);
        d *= W(by_output[std::size_t(o)]);
        expected.push_back(d);
        bound.push_back(unit<T> * (6 * std::abs(d) + 70 * s * std::abs(yo * all)));
      }
    }
    CHECK_CLOSE(got.data(), expected.data(), bound.data(), got.size());
  }
}

template <class T, class S>
void to_panels(std::ptrdiff_t rows, std::ptrdiff_t inputs, Layout in) {
  Random random(3);
  Matrix<S> x(rows, inputs, in);
  x.fill(random, 0, 255);
  const T scale = T(1.0 / 255);
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    Matrix<T> out(rows, inputs, panel_major, true);
    if constexpr (sizeof(S) == 1)
      kernels<T>(*table).to_panels_u8(x.rows(), rows, inputs, scale, out.out());
    else
      kernels<T>(*table).to_panels(x.rows(), rows, inputs, scale, out.out());
    CHECK(out.intact() && out.padding_is_zero());
    std::vector<T> expected;
    for (S v : x.values()) expected.push_back(T(v) * scale);
    auto got = out.values();
    CHECK_SAME(got.data(), expected.data(), got.size());
    got.back() += 1;
    CHECK(!check::same(got.data(), expected.data(), got.size()));
  }
}

template <class T>
void sum(std::ptrdiff_t n) {
  Random random{std::uint64_t(n)};
  Matrix<T> values(1, n, row_major), weights(1, n, row_major);
  values.fill(random, -1, 1);
  weights.fill(random, 0, 1);
  const T plain = sum_rule<T>(n, [&](std::ptrdiff_t i, T s) { return s + values(0, i); });
  const T weighted = sum_rule<T>(
      n, [&](std::ptrdiff_t i, T s) { return std::fma(weights(0, i), values(0, i), s); });
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    const auto kernel = kernels<T>(*table).sum;
    CHECK(kernel(&values(0, 0), nullptr, n) == plain);
    CHECK(kernel(&values(0, 0), &weights(0, 0), n) == weighted);
    CHECK(kernel(&values(0, 0), nullptr, 0) == T(0));
    values(0, n / 2) += 1;
    CHECK(kernel(&values(0, 0), nullptr, n) != plain);
    values(0, n / 2) -= 1;
    values(0, n / 2) = T(NAN);
    CHECK(kernel(&values(0, 0), nullptr, n) != plain);
    values = Matrix<T>(1, n, row_major);
    Random again{std::uint64_t(n)};
    values.fill(again, -1, 1);
  }
}

template <class T>
void finite(std::ptrdiff_t n) {
  Random random{std::uint64_t(n)};
  std::vector<T> x(n, T(0));
  for (T& v : x) v = T(random(-1, 1)) * std::numeric_limits<T>::max();
  for (const fw::KernelTable* table : fw::available_isas()) {
    exercised(table);
    const auto kernel = kernels<T>(*table).all_finite;
    CHECK(kernel(x.data(), n) && kernel(x.data(), 0));
    for (std::ptrdiff_t i = 0; i < n; ++i)
      for (const T bad : {T(NAN), T(INFINITY), -T(INFINITY)}) {
        const T good = std::exchange(x[std::size_t(i)], bad);
        CHECK(!kernel(x.data(), n) && kernel(x.data(), i));
        x[std::size_t(i)] = good;
      }
  }
}

template <class T>
void all() {
  for (std::ptrdiff_t rows : {1, 3, 16, 17, 31})
    for (std::ptrdiff_t n : kSizes) {
      for (const Layout layout : {row_major, row_major_loose, panel_major}) {
        softmax<T>(rows, n, layout, false);
        softmax<T>(rows, n, layout, true);
      }
      for (int which = 0; which < fw::kLosses; ++which)
        for (const bool weighted : {false, true}) loss<T>(which, rows, n, weighted);
      for (const Layout layout : {row_major, row_major_loose, panel_major, by_pointers}) {
        to_panels<T, std::uint8_t>(rows, n, layout);
        to_panels<T, T>(rows, n, layout);
      }
    }
  for (std::ptrdiff_t n : kSizes) sum<T>(n);
  for (std::ptrdiff_t n : {1, 15, 63, 64, 65, 127, 128, 129, 255, 257}) finite<T>(n);
}

}  // namespace

int main() {
  const fw::FloatEnvironment environment;
  all<float>();
  all<double>();
  return finish("test_losses");
}
