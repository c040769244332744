// Several processes of this program on this machine, as torchrun would start them.
#pragma once

#include <string>
#include <vector>

#include "gpt/base/error.h"

namespace gpt {

// Starts `count` processes of this program with `arguments` and the environment of ranks 0 to
// count - 1, passes stop signals on to them, and waits until all have ended. When one fails, says
// which and how, and ends the others: they have 10 seconds to notice for themselves, 20 more to
// obey SIGTERM. If this process dies, they get SIGTERM. Stop signals must be blocked.
// kExitDone if all are done, kExitStopped if they were stopped, else what the first one to fail
// ended with.
ExitCode launch_processes(int count, const std::vector<std::string>& arguments);

}  // namespace gpt
