// Our own fused multiply-add against the CPU's instruction, by bits: random numbers chosen so that sums cancel, lie
// half-way between two numbers or near the smallest normal one, and all triples of special ones; with subnormal
// numbers kept and flushed. The argument is how many random triples, of each type and environment.
#include <cstdint>
#include <cstdlib>

#include "../kernels/dispatch.h"
#include "../net/float_environment.h"
#include "check.h"

namespace {

#include "../kernels/soft_fma.inl"

#if defined(__x86_64__)
#define FW_HARDWARE [[gnu::target("fma")]]
#else
#define FW_HARDWARE
#endif
// Every instruction set but the first, scalar, has it.
bool has_instruction() { return fw::available_isas().size() > 1; }
FW_HARDWARE [[gnu::noinline]] float hardware(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
FW_HARDWARE [[gnu::noinline]] double hardware(double a, double b, double c) { return __builtin_fma(a, b, c); }

template <class T> struct Format;
template <> struct Format<float> {
  using Word = std::uint32_t;
  static constexpr int fraction = 23, bias = 127;
};
template <> struct Format<double> {
  using Word = std::uint64_t;
  static constexpr int fraction = 52, bias = 1023;
};
template <class T>
T from_word(typename Format<T>::Word word) { return __builtin_bit_cast(T, word); }
template <class T>
typename Format<T>::Word to_word(T x) { return __builtin_bit_cast(typename Format<T>::Word, x); }

#if defined(__x86_64__)
constexpr long kTriples = 10000000;
#else
constexpr long kTriples = 1000000;  // under an emulator
#endif

struct Random {
  std::uint64_t state;
  std::uint64_t operator()() {  // xorshift64*
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 2685821657736338717ull;
  }
};

// Of either sign; often with few bits, or all of them, or all but one, set.
template <class T>
T number(Random& random, int exponent) {
  using F = Format<T>;
  const typename F::Word ones = (typename F::Word(1) << F::fraction) - 1;
  typename F::Word fraction = typename F::Word(random()) & ones;
  const std::uint64_t kind = random();
  if (kind % 4 == 1) fraction &= ones << (kind / 4 % F::fraction);
  if (kind % 4 == 2) fraction |= ones >> (kind / 4 % F::fraction);
  if (kind % 8 == 7) fraction = ones ^ (typename F::Word(1) << (kind / 8 % F::fraction));  // all ones but one bit
  if (exponent < 0) exponent = 0;
  if (exponent > 2 * F::bias) exponent = 2 * F::bias;
  const auto sign = typename F::Word(kind >> 63) << (8 * sizeof(T) - 1);
  return from_word<T>(sign | typename F::Word(exponent) << F::fraction | fraction);
}

// Arm flushes what is subnormal before it is rounded, x86, which ours follows, what is so afterwards. That may differ
// in one result alone, the smallest normal number.
template <class T>
bool is_known_difference(T found, T expected) {
#if defined(__aarch64__)
  using F = Format<T>;
  const auto one = typename F::Word(1);
  return (to_word(found) ^ to_word(expected)) == one << F::fraction && (to_word(expected) << 1) == 0;
#else
  static_cast<void>(found);
  static_cast<void>(expected);
  return false;
#endif
}

template <class T>
bool agrees(T a, T b, T c) {
  static int shown = 0;
  const T found = soft_fma(a, b, c), expected = hardware(a, b, c);
  if (to_word(found) == to_word(expected) || (found != found && expected != expected)) return true;
  if (is_known_difference(found, expected)) return true;
  if (++shown < 10)
    std::printf("fma(%a, %a, %a): expected %a, found %a\n", double(a), double(b), double(c), double(expected),
                double(found));
  return false;
}

template <class T>
void random_triples(long n, std::uint64_t seed) {
  using F = Format<T>;
  Random random{seed};
  long wrong = 0;
  for (long i = 0; i < n; ++i) {
    const std::uint64_t kind = random();
    const int ea = int(random() % (2 * F::bias + 1));
    // the product's exponent: anywhere; around 1; around that of the smallest normal number, or of the largest
    const int wanted[] = {int(random() % (2 * F::bias + 1)), F::bias, 1, 2 * F::bias};
    const int product = wanted[kind % 4] + int(kind / 4 % 5) - 2;
    const T a = number<T>(random, ea), b = number<T>(random, product - ea + F::bias);
    T c = number<T>(random, product + int(kind / 64 % (2 * F::fraction + 8)) - F::fraction - 4);
    if (kind / 8192 % 4 == 0) c = -(a * b);                                   // what is left is the product's error
    if (kind / 8192 % 4 == 1) c = from_word<T>(to_word(a * b) ^ (kind >> 63 ? 1 : 2));
    wrong += !agrees(a, b, c);
  }
  CHECK(wrong == 0);
  check::checks += n;
}

template <class T>
void special_triples() {
  using F = Format<T>;
  using W = typename F::Word;
  const W ones = (W(1) << F::fraction) - 1, infinity = (W(1) << (8 * sizeof(T) - 1 - F::fraction)) - 1;
  const W one = W(F::bias) << F::fraction;
  const W words[] = {
      0, 1, 2, 3, ones / 2, ones / 2 + 1, ones - 1, ones,                                // 0, subnormal
      ones + 1, ones + 2, ones + 3, 2 * ones, 2 * ones + 1, 2 * ones + 2,                // the smallest normal ones
      W(F::bias - F::fraction) << F::fraction, W(F::bias - F::fraction - 1) << F::fraction,
      W(F::bias - F::fraction - 2) << F::fraction, one - 2, one - 1, one, one + 1, one + 2, one + ones,
      (one + (W(1) << F::fraction)), W(F::bias / 2) << F::fraction, (W(F::bias / 2) << F::fraction) + ones,
      W(F::bias / 2 + 1) << F::fraction, W(F::bias + F::bias / 2) << F::fraction,
      (W(F::bias + F::bias / 2) << F::fraction) + 1, (W(F::bias + F::bias / 2) << F::fraction) + ones,
      (infinity << F::fraction) - 2, (infinity << F::fraction) - 1, infinity << F::fraction,  // the largest, infinity
      (infinity << F::fraction) + 1, (infinity << F::fraction) | (ones / 2 + 1)};             // NaN
  const W sign = W(1) << (8 * sizeof(T) - 1);
  constexpr int n = sizeof(words) / sizeof(W);
  long wrong = 0;
  for (int i = 0; i < 2 * n; ++i)
    for (int j = 0; j < 2 * n; ++j)
      for (int k = 0; k < 2 * n; ++k)
        wrong += !agrees(from_word<T>(words[i % n] | (i < n ? 0 : sign)), from_word<T>(words[j % n] | (j < n ? 0 : sign)),
                         from_word<T>(words[k % n] | (k < n ? 0 : sign)));
  CHECK(wrong == 0);
  check::checks += 8L * n * n * n;
}

// The twin: what rounds twice differs from the instruction.
float rounded_twice(float a, float b, float c) { return float(double(a) * double(b) + double(c)); }

void planted() {
  const float a = 0.9474001f, b = 4.639901e-7f, c = -0.24325085f;  // newlib's fmaf gives be7916a2
  CHECK(to_word(soft_fma(a, b, c)) == 0xbe7916a3u && to_word(hardware(a, b, c)) == 0xbe7916a3u);
  CHECK(to_word(rounded_twice(a, b, c)) == 0xbe7916a2u);
}

template <class T>
void all(long n) {
  special_triples<T>();
  random_triples<T>(n, 88172645463325252ull + sizeof(T));
}

}  // namespace

int main(int argc, char** argv) {
  const long n = argc > 1 ? std::atol(argv[1]) : kTriples;
  if (!has_instruction()) {
    std::printf("test_soft_fma: skipped: this CPU has no fused multiply-add to compare with\n");
    return 0;
  }
  planted();
  const volatile double smallest = 4.9406564584124654e-324;
  CHECK(smallest != 0);
  all<float>(n);
  all<double>(n);
  {
    const fw::FloatEnvironment environment;
    CHECK(smallest == 0);
    all<float>(n);
    all<double>(n);
  }
  return check::finish("test_soft_fma");
}
