// A hint to the CPU inside a loop that spins until another thread has done something.
#pragma once

namespace fw {

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace fw
