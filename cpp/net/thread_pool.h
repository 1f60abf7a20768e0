// A small thread pool. Workers start on first use, spin for some microseconds after a job and then sleep. Each thread
// begins with its own part of the tasks and then takes tasks of the others, one by one, so that a worker without a
// core delays nobody: the caller does what the workers have not begun.
#pragma once

#include <cstddef>

namespace fw {

using TaskFunction = void (*)(void* context, std::ptrdiff_t task);

// Runs tasks 0 .. tasks-1 on up to `threads` threads, including the caller, and returns when all are done. Then the
// first exception of a task, if any, is thrown again. If another thread uses the pool, the caller runs all tasks.
void parallel_for(std::ptrdiff_t tasks, int threads, TaskFunction function, void* context);

// Work too short to wake a sleeping worker is split only while workers still spin after the previous such work:
// true if note_completion was called, by any thread, within the last 50 microseconds.
bool workers_still_spinning();
void note_completion();

// If n is above 0, no job gets more threads than that.
void set_thread_limit(int n);
int thread_limit();

template <class F>
void parallel_for(std::ptrdiff_t tasks, int threads, F& f) {
  parallel_for(
      tasks, threads, [](void* c, std::ptrdiff_t task) { (*static_cast<F*>(c))(task); }, &f);
}

}  // namespace fw
