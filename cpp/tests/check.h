// Shared by the C++ tests: CHECK, and comparisons that also test themselves on planted errors. Static functions only,
// so that files compiled with different flags share no copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace check {

static int failures = 0;
static long checks = 0;

[[maybe_unused]] static bool report(bool ok, const char* what, const char* file, int line) {
  ++checks;
  if (!ok && ++failures <= 20) std::printf("%s:%d: failed: %s\n", file, line, what);
  return ok;
}

[[maybe_unused]] static int finish(const char* name) {
  std::printf("%s: %ld checks, %d failures\n", name, checks, failures);
  return failures ? 1 : 0;
}

// FNV-1a, 64 bits
constexpr std::uint64_t kHashStart = 14695981039346656037ull;
[[maybe_unused]] static std::uint64_t hash(const void* data, std::size_t bytes,
                                           std::uint64_t h = kHashStart) {
  const auto* p = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < bytes; ++i) h = (h ^ p[i]) * 1099511628211ull;
  return h;
}

// The same bits, where any NaN equals any other.
template <class T>
static bool same(const T* a, const T* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    if (std::memcmp(a + i, b + i, sizeof(T)) != 0 && (a[i] == a[i] || b[i] == b[i])) return false;
  return true;
}

// |a - b| <= bound, element by element; a NaN is never close.
template <class T, class W>
static bool close(const T* a, const W* b, const W* bound, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const W d = W(a[i]) - b[i];
    if (!((d < 0 ? -d : d) <= bound[i])) return false;
  }
  return true;
}

// A comparison must also refuse planted errors: one element off by a little more than its bound, a NaN, or two
// elements swapped. `a` is restored.
template <class T, class W>
static bool spoilt_are_refused(T* a, const W* b, const W* bound, std::size_t n) {
  const std::size_t at = n / 2;
  const T kept = a[at];
  const T eps = sizeof(T) == 4 ? T(1.2e-7) : T(2.3e-16);
  const T size = kept < 0 ? -kept : kept;
  a[at] = kept + T(3 * bound[at]) + 4 * eps * size + T(1e-37);
  bool refused = !close(a, b, bound, n);
  a[at] = T(__builtin_nan(""));
  refused = refused && !close(a, b, bound, n);
  a[at] = kept;
  for (std::size_t j = 0; j < n; ++j) {
    const W d = b[j] - b[at];
    if ((d < 0 ? -d : d) <= 2 * (bound[j] + bound[at]) + 4 * W(eps * size)) continue;
    a[at] = a[j];
    a[j] = kept;
    refused = refused && !close(a, b, bound, n);
    a[j] = a[at];
    a[at] = kept;
    break;
  }
  return refused;
}

}  // namespace check

#define CHECK(condition) check::report((condition), #condition, __FILE__, __LINE__)
#define CHECK_SAME(a, b, n)                                                                    \
  check::report(check::same((a), (b), (n)), "the same bits: " #a " and " #b, __FILE__, __LINE__)
#define CHECK_CLOSE(a, b, bound, n)                                                            \
  (check::report(check::close((a), (b), (bound), (n)), "close: " #a " and " #b, __FILE__,      \
                 __LINE__) &&                                                                  \
   check::report(check::spoilt_are_refused((a), (b), (bound), (n)),                            \
                 "a planted error is refused: " #a, __FILE__, __LINE__))
