// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace copyspec_server {

/// Runs this program with `arguments` in a child process, and again whenever a signal has ended it: llama.cpp aborts
/// the process where it cannot go on, as when a worker dies. SIGINT and SIGTERM are passed on, and the child is not
/// started again then. Returns the exit status of a child that ended by itself.
[[nodiscard]] int supervise(std::vector<std::string> arguments);

}  // namespace copyspec_server
