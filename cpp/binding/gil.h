// Long work without the GIL, and getting it back when the interpreter may be about to end.
//
// A daemon thread that asks for the GIL while the interpreter finalizes is ended by CPython with
// pthread_exit (before 3.14). That unwinds the stack through pybind11's gil_scoped_release, whose
// destructor may not throw, and so aborts the process. Such a thread is left to sleep here instead,
// as newer CPythons do; should the end begin just after the look, the destructor below lets
// the unwinding through. The thread that finalizes the interpreter still runs Python code, such as
// __del__ methods, and gets the GIL back as always.
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

  // To be called before this thread takes the GIL: sleeps for ever if another thread finalizes the interpreter.
  void sleep_if_finalizing() const {
    while (!finalizes_ && is_finalizing()) std::this_thread::sleep_for(std::chrono::hours(1));
  }

 private:
  const bool finalizes_;
  PyThreadState* state_;
};

}  // namespace fw
