// What `ulimit` leaves a process, looked at before the libraries are initialised: LibTorch's
// initialisers end in a crash or an uncaught exception where stack or address space run out.
#pragma once

#include <string>

namespace gpt {

// Gives the stack, also of threads that start later, what it needs where the hard limit allows it.
// Ends the process with one line on stderr and exit code 1 where the stack or the address space is
// too small to begin with, and from now on also where an exception of an initialiser or of a thread
// is caught by nobody. Usable before main, when nothing is initialised yet.
void require_process_limits();

// "", or for errors about memory: how small the address space is, and what to do about it.
std::string address_space_note();

}  // namespace gpt
