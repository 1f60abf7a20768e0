// Giving up the GIL during long work, and getting it back when the interpreter may be about to end.
//
// A daemon thread that asks for the GIL while the interpreter finalizes is ended by CPython with
// pthread_exit (before 3.14). That unwinds the stack through pybind11's gil_scoped_release, whose
// destructor may not throw, and so aborts the process. Such a thread is left to sleep here instead,
// as newer CPythons do; should the end begin just after the look, the destructor below lets
// the unwinding through.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

namespace fw {

inline void sleep_if_finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  const bool ending = Py_IsFinalizing();
#else
  const bool ending = _Py_IsFinalizing();
#endif
  while (ending) std::this_thread::sleep_for(std::chrono::hours(1));
}

class ReleaseGil {
 public:
  ReleaseGil() : state_(PyEval_SaveThread()) {}
  ~ReleaseGil() noexcept(false) {
    sleep_if_finalizing();
    PyEval_RestoreThread(state_);
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace fw
