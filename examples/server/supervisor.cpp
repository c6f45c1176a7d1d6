// SPDX-License-Identifier: MIT
#include "supervisor.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "copyspec/core/error.hpp"

namespace copyspec_server {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int const number : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&set, number);
  return set;
}

// Only what is allowed after a fork.
[[noreturn]] void become(std::vector<char*> const& arguments, sigset_t const& signals, pid_t parent) {
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  // A terminal sends its signals to a whole group; the child gets those that are passed on.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent) execv("/proc/self/exe", arguments.data());
  _exit(127);
}

pid_t start(std::vector<std::string>& arguments, sigset_t const& signals) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t const parent = getpid();
  pid_t const child = fork();
  if (child < 0)
    copyspec::raise_error(copyspec::ErrorCode::engine, fmt::format("cannot start a process: {}", std::strerror(errno)));
  if (child == 0) become(pointers, signals, parent);
  return child;
}

// Passes signals on until the child has ended. Returns its status, as waitpid has it.
int wait_for(pid_t child, sigset_t const& signals, bool& stopping) {
  for (;;) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) return status;
    int number = 0;
    sigwait(&signals, &number);
    if (number == SIGCHLD) continue;
    stopping = true;
    kill(child, number);
  }
}

}  // namespace

int supervise(std::vector<std::string> arguments) {
  sigset_t const signals = watched_signals();
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  // So that an abort of llama.cpp takes no longer than it must.
  setenv("GGML_NO_BACKTRACE", "1", 0);
  bool stopping = false;
  for (auto pause = 250ms;; pause = std::min(2 * pause, 5000ms)) {
    Clock::time_point const begin = Clock::now();
    int const status = wait_for(start(arguments, signals), signals, stopping);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (stopping) return EXIT_FAILURE;
    if (Clock::now() - begin > 30s) pause = 250ms;
    std::string const line =
        fmt::format("the server ended by signal {}, and starts again in {} ms\n", WTERMSIG(status), pause.count());
    std::fputs(line.c_str(), stderr);
    timespec const left{.tv_sec = pause.count() / 1000, .tv_nsec = pause.count() % 1000 * 1000000};
    sigset_t stops = signals;
    sigdelset(&stops, SIGCHLD);
    if (sigtimedwait(&stops, nullptr, &left) > 0) return EXIT_FAILURE;
  }
}

}  // namespace copyspec_server
