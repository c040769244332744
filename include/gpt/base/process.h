// What the program makes sure of before anything else, whatever its caller left it.
#pragma once

#include <string>

namespace gpt {

// Descriptors 0 to 2 are open: where one was closed, reading finds nothing and what is written goes
// nowhere, and no file that is opened later can take its number. SIGXFSZ is ignored: beyond
// `ulimit -f` a write fails with EFBIG, like that to a full disk. Usable before main, when nothing
// is initialised yet.
void begin_process();

// Output that nobody reads any more (`| head`, a dead `tee`) is a failed write, not the end: for
// commands that save what they do, and for others see closed_output.h.
void ignore_broken_pipes();

// What `ulimit` leaves a process is looked at before the libraries are initialised: LibTorch's
// initialisers end in a crash or an uncaught exception where stack or address space run out.

// Gives the stack, also of threads that start later, what it needs where the hard limit allows it.
// Ends the process with one line on stderr and exit code 1 where the stack or the address space is
// too small to begin with, and from now on also where an exception of an initialiser or of a thread
// is caught by nobody. Usable before main, when nothing is initialised yet.
void require_process_limits();

// "", or for errors about memory: how small the address space is, and what to do about it.
std::string address_space_note();

}  // namespace gpt
