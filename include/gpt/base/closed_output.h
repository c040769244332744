// Output that nobody reads any more: `gpttrain sample | head`.
#pragma once

#include "gpt/base/error.h"

namespace gpt {

// Ends a command that only prints. It is no failure: the reader has what it wanted.
class ClosedOutput final : public Error {
 public:
  ClosedOutput() : Error("standard output: nobody reads it any more", kExitDone) {}
};

// From now on print_* throw ClosedOutput when the reader of a pipe is gone. Broken pipes must be
// ignored (see ignore_broken_pipes).
void end_when_output_closes();

}  // namespace gpt
