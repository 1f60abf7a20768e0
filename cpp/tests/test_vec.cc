// The vector operations and the functions made of them. Compiled once per instruction set like the
// kernels (with FW_VEC_HEADER, and then free of std:: templates), and once without as main, which
// runs those that the CPU can and compares their bits.
#include "check.h"

#ifdef FW_VEC_HEADER

#include FW_VEC_HEADER
#include "../kernels/table.h"

namespace fw {
namespace FW_ISA {
namespace {

#include "../kernels/math.inl"
#include "../kernels/activations.inl"

constexpr int kMost = 16;

struct Random {
  std::uint64_t state = 88172645463325252ull;
  double operator()(double from, double to) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return from + (to - from) * double(state >> 11) * 0x1p-53;
  }
};

inline float plain_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double plain_fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float plain_abs(float a) { return __builtin_fabsf(a); }
inline double plain_abs(double a) { return __builtin_fabs(a); }
inline float plain_sqrt(float a) { return __builtin_sqrtf(a); }
inline double plain_sqrt(double a) { return __builtin_sqrt(a); }

// f on vectors against g on each element, by bits, and with one bit planted
template <class T, class F, class G>
void compare(const T (&a)[kMost], const T (&b)[kMost], const T (&c)[kMost], const F& f,
             const G& g, const char* what) {
  constexpr int L = Vec<T>::lanes;
  T out[kMost + 2], expected[kMost];
  out[0] = out[L + 1] = T(77);
  store<T>(out + 1, f(load<T>(a), load<T>(b), load<T>(c)));
  for (int i = 0; i < L; ++i) expected[i] = g(a[i], b[i], c[i]);
  check::report(check::same(out + 1, expected, L), what, __FILE__, __LINE__);
  CHECK(out[0] == T(77) && out[L + 1] == T(77));
  out[1 + L / 2] = out[1 + L / 2] == T(3) ? T(4) : T(3);
  check::report(expected[L / 2] == T(3) || !check::same(out + 1, expected, L), what, __FILE__,
                __LINE__);
}

template <class T>
void operations() {
  Random random;
  for (int round = 0; round < 200; ++round) {
    T a[kMost], b[kMost], c[kMost];
    for (int i = 0; i < kMost; ++i) {
      a[i] = T(random(-2, 2));
      b[i] = T(random(-2, 2));
      c[i] = round % 2 ? -a[i] * b[i] : T(random(-2, 2));  // what only one rounding can tell
    }
    if (round > 150) {
      const T inf = T(__builtin_inf()), tiny = T(sizeof(T) == 4 ? 1e-40 : 1e-310);
      const T special[] = {T(0), -T(0), inf, -inf, T(__builtin_nan("")), tiny, -tiny, T(1)};
      for (int i = 0; i < kMost; ++i) {
        a[i] = special[int(random(0, 8)) % 8];
        b[i] = special[int(random(0, 8)) % 8];
      }
    }
    using W = V<T>;
    compare<T>(a, b, c, [](W x, W, W) { return x; }, [](T x, T, T) { return x; }, "load");
    compare<T>(a, b, c, [](W x, W y, W) { return x + y; }, [](T x, T y, T) { return x + y; }, "+");
    compare<T>(a, b, c, [](W x, W y, W) { return x - y; }, [](T x, T y, T) { return x - y; }, "-");
    compare<T>(a, b, c, [](W x, W y, W) { return x * y; }, [](T x, T y, T) { return x * y; }, "*");
    compare<T>(a, b, c, [](W x, W y, W) { return x / y; }, [](T x, T y, T) { return x / y; }, "/");
    compare<T>(a, b, c, [](W x, W y, W z) { return fma(x, y, z); },
               [](T x, T y, T z) { return plain_fma(x, y, z); }, "fma");
    compare<T>(a, b, c, [](W x, W, W) { return sqrt(x); },
               [](T x, T, T) { return plain_sqrt(x); }, "sqrt");
    compare<T>(a, b, c, [](W x, W y, W) { return x < y ? x : y; },
               [](T x, T y, T) { return x < y ? x : y; }, "<");
    compare<T>(a, b, c, [](W x, W y, W) { return x > y ? x : y; },
               [](T x, T y, T) { return x > y ? x : y; }, ">");
    std::uint8_t bytes[kMost];
    for (int i = 0; i < kMost; ++i) bytes[i] = std::uint8_t(random(0, 255.99));
    const std::uint8_t* byte = bytes;
    compare<T>(a, b, c, [&](W x, W, W) { load_bytes(bytes, x); return x; },
               [&](T, T, T) { return T(*byte++); }, "load_bytes");
    compare<T>(a, b, c, [](W x, W, W) { return abs<T>(x); },
               [](T x, T, T) { return plain_abs(x); }, "abs");
    compare<T>(a, b, c, [](W x, W, W) { return from_bits(bits(x)); }, [](T x, T, T) { return x; },
               "bits");
    compare<T>(a, b, c, [&](W, W, W) { return splat<T>(a[3]); }, [&](T, T, T) { return a[3]; },
               "splat");
    compare<T>(a, b, c, [](W x, W y, W z) { return fma(x, y, z); },
               [](T x, T y, T z) { return plain_fma(x, y, z); }, "fma");
  }
  for (int n = -120; n < 120; ++n) {
    T a[kMost];
    for (int i = 0; i < kMost; ++i) a[i] = T(1);
    store<T>(a, power_of_two<T>(I<T>{} + n));
    CHECK(a[0] == T(__builtin_ldexp(1.0, n)) && a[Vec<T>::lanes - 1] == a[0]);
  }
}

// The functions over [from, to]: within `ulps` of the C library in double, and into the hash.
template <class T, class F, class G>
std::uint64_t function(double from, double to, double ulps, std::uint64_t h, const F& f,
                       const G& g, const char* what) {
  Random random;
  for (int round = 0; round < 400; ++round) {
    T x[kMost], y[kMost];
    for (int i = 0; i < kMost; ++i) x[i] = T(random(from, to));
    for (int i = 0; i < kMost; i += Vec<T>::lanes) store<T>(y + i, f(load<T>(x + i)));
    h = check::hash(y, sizeof(y), h);
    double expected[kMost], bound[kMost];
    const double eps = sizeof(T) == 4 ? 0x1p-23 : 0x1p-52;
    for (int i = 0; i < kMost; ++i) {
      expected[i] = g(double(x[i]));
      const double size = expected[i] < 0 ? -expected[i] : expected[i];
      bound[i] = ulps * eps * size + (sizeof(T) == 4 ? 1e-44 : 1e-322);
    }
    check::report(check::close(y, expected, bound, kMost), what, __FILE__, __LINE__);
    CHECK(check::spoilt_are_refused(y, expected, bound, kMost));
  }
  return h;
}

template <class T>
std::uint64_t functions(std::uint64_t h) {
  using W = V<T>;
  const double low = sizeof(T) == 4 ? -86 : -700, high = -low;
  h = function<T>(low, high, 2, h, [](W x) { return exp<T>(x); },
                  [](double x) { return __builtin_exp(x); }, "exp");
  h = function<T>(-20, 0, 3, h, [](W x) { return expm1_negative<T>(x); },
                  [](double x) { return __builtin_expm1(x); }, "expm1");
  h = function<T>(1, 1e6, 2, h, [](W x) { return log<T>(x); },
                  [](double x) { return __builtin_log(x); }, "log");
  h = function<T>(0, 1, 3, h, [](W x) { return log1p_unit<T>(x); },
                  [](double x) { return __builtin_log1p(x); }, "log1p");
  h = function<T>(-30, 30, 4, h, [](W x) { return logistic<T>(x); },
                  [](double x) { return 1 / (1 + __builtin_exp(-x)); }, "logistic");
  h = function<T>(-10, 10, 4, h, [](W x) { return act::tanh<T>::value(x); },
                  [](double x) { return __builtin_tanh(x); }, "tanh");
  // in double the formula below is itself off further down
  h = function<T>(sizeof(T) == 4 ? -5 : -1, 20, 8, h, [](W x) { return act::gelu<T>::value(x); },
                  [](double x) { return x * __builtin_erfc(-x * 0.70710678118654752440) / 2; },
                  "gelu");
  return h;
}

}  // namespace
}  // namespace FW_ISA
}  // namespace fw

#define NAME__(isa) fw_test_vec_##isa
#define NAME_(isa) NAME__(isa)
extern "C" int NAME_(FW_ISA)(std::uint64_t* hash);
extern "C" int NAME_(FW_ISA)(std::uint64_t* hash) {
  fw::FW_ISA::operations<float>();
  fw::FW_ISA::operations<double>();
  *hash = fw::FW_ISA::functions<double>(fw::FW_ISA::functions<float>(check::kHashStart));
  std::printf("%ld checks, hash %016llx\n", check::checks, (unsigned long long)*hash);
  return check::failures;
}

#else  // main

#include "../kernels/dispatch.h"
#include "../net/float_environment.h"

#define ISA(name, supported) extern "C" int fw_test_vec_##name(std::uint64_t*);
#include "isa_list.inc"
#undef ISA

// of all results of the functions above, on every instruction set
constexpr std::uint64_t kHash = 0x11bbb35b0c4995dd;

int main() {
  const fw::FloatEnvironment environment;
  struct Entry {
    const char* name;
    int (*run)(std::uint64_t*);
  };
  const Entry entries[] = {
#define ISA(name, supported) {#name, fw_test_vec_##name},
#include "isa_list.inc"
#undef ISA
  };
  std::size_t exercised = 0;  // each entry says itself how many checks it made
  for (const fw::KernelTable* table : fw::available_isas()) {
    for (const Entry& e : entries) {
      if (std::strcmp(table->name, e.name) != 0) continue;
      std::printf("exercised: %s: ", e.name);
      std::uint64_t h = 0;
      check::report(e.run(&h) == 0, e.name, __FILE__, __LINE__);
      check::report(h == kHash, "the functions' bits", __FILE__, __LINE__);
      ++exercised;
    }
  }
  CHECK(exercised == fw::available_isas().size() && exercised > 0);
  return check::finish("test_vec");
}

#endif
