// The floating-point environment of all our computation, whatever the caller has set: round to nearest, subnormal
// inputs and results count as 0, no exception is trapped. Otherwise a subnormal number costs some CPUs a hundred cycles,
// and results depend on what other libraries have set in this thread.
//
// Hold a FloatEnvironment while calling functions of another translation unit: within one function the compiler may
// move arithmetic across the change.
#pragma once

#include <cstdint>

namespace fw {

class FloatEnvironment {
 public:
  // This thread's control register, and the value that we set.
#if defined(__x86_64__)
  using Word = unsigned;
  static constexpr Word kControl = 0xFFC0;  // MXCSR without its status flags
  static constexpr Word kOurs = 0x9FC0;     // FTZ, DAZ, all exceptions masked, to nearest
  static Word read() { return __builtin_ia32_stmxcsr(); }
  static void write(Word word) { __builtin_ia32_ldmxcsr(word); }
#elif defined(__aarch64__)
  using Word = std::uint64_t;
  static constexpr Word kControl = ~Word(0);
  static constexpr Word kOurs = Word(1) << 24;  // FPCR.FZ alone
  static Word read() {
    Word word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word) : : "memory");
    return word;
  }
  static void write(Word word) { __asm__ volatile("msr fpcr, %0" : : "r"(word) : "memory"); }
#else  // subnormal numbers are kept: their results may differ from those of other machines
  using Word = unsigned;
  static constexpr Word kControl = 0, kOurs = 0;
  static Word read() { return 0; }
  static void write(Word) {}
#endif

  FloatEnvironment() : saved_(read()) { write(kOurs); }  // without a comparison, which would wait for the read
  ~FloatEnvironment() { write(saved_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

  // Restores the caller's environment while the caller's code runs. If that code changes the environment, for
  // instance by loading a library built with -ffast-math, the change is kept for the caller.
  class Left {
   public:
    explicit Left(FloatEnvironment& environment) : environment_(environment) { write(environment.saved_); }
    ~Left() {
      environment_.saved_ = read();
      write(kOurs);
    }
    Left(const Left&) = delete;
    Left& operator=(const Left&) = delete;

   private:
    FloatEnvironment& environment_;
  };

 private:
  Word saved_;
};

}  // namespace fw
