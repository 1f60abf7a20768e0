// What a forked child has to say, for tests of what survives a fork.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>

namespace check {

// Whether body() holds in a child.
template <class Body>
bool holds_in_child(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // one who waits for threads that the child doesn't have would wait forever
    _exit(body() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status == 0;
}

}  // namespace check
#endif
