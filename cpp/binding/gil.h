// Releasing the GIL during long work, also while the interpreter may be finalizing.
//
// If a daemon thread takes the GIL while the interpreter finalizes, CPython before 3.14 ends it with pthread_exit. That
// unwinds the stack through pybind11's gil_scoped_release, whose destructor may not throw, and so aborts the process.
// Here such a thread sleeps for ever instead, as in newer CPythons. If finalization begins just after the check, the
// destructor below lets the unwinding through. The thread that finalizes the interpreter still runs Python code, such
// as __del__ methods, and gets the GIL back as usual.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

namespace fw {

inline bool is_finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

class ReleaseGil {
 public:
  // A thread that holds the GIL while the interpreter finalizes is the one that finalizes it.
  ReleaseGil() : finalizes_(is_finalizing()), state_(PyEval_SaveThread()) {}
  ~ReleaseGil() noexcept(false) {
    sleep_if_finalizing();
    PyEval_RestoreThread(state_);
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

  // Call before this thread takes the GIL: sleeps for ever if another thread finalizes the interpreter.
  void sleep_if_finalizing() const {
    while (!finalizes_ && is_finalizing()) std::this_thread::sleep_for(std::chrono::hours(1));
  }

 private:
  const bool finalizes_;
  PyThreadState* state_;
};

}  // namespace fw
