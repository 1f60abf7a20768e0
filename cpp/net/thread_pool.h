// A small pool. Workers start on first use, spin for some microseconds after a job and then sleep;
// each has a share of the tasks to begin with and takes of the others' after that, one by one, so that a
// thread that was not scheduled holds up nobody: the caller does what the workers have not begun.
#pragma once

#include <cstddef>

namespace fw {

using TaskFunction = void (*)(void* context, std::ptrdiff_t task);

// Runs tasks 0 .. tasks-1 on up to `threads` threads, the caller among them, and returns when all
// are done. What a task throws, as for want of memory, is thrown again then, of several the first.
// While another thread has the pool, runs them all itself.
void parallel_for(std::ptrdiff_t tasks, int threads, TaskFunction function, void* context);

// Work too short to wake a worker for is shared while it follows other work closely, so that the workers are
// awake still: whether the last such work, of any thread, was done a short while ago; and that some is done.
bool follows_closely();
void mark_done();

// While n is above 0 no job takes more threads than that, whatever it asks for.
void set_thread_limit(int n);
int thread_limit();

template <class F>
void parallel_for(std::ptrdiff_t tasks, int threads, F& f) {
  parallel_for(
      tasks, threads, [](void* c, std::ptrdiff_t task) { (*static_cast<F*>(c))(task); }, &f);
}

}  // namespace fw
