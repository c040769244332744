// What the program makes sure of before anything else, whatever its caller left it.
#pragma once

namespace gpt {

// Descriptors 0 to 2 are open: where one was closed, reading finds nothing and what is written goes
// nowhere, and no file that is opened later can take its number. SIGXFSZ is ignored: beyond
// `ulimit -f` a write fails with EFBIG, like that to a full disk. Usable before main, when nothing
// is initialised yet.
void begin_process();

// For commands that save what they do: output that nobody reads any more (`| head`, a dead `tee`)
// is a failed write, not the end.
void ignore_broken_pipes();

}  // namespace gpt
