// The design's user: GPT-2 124M, batch 64 x 1024, bfloat16 on CUDA.
#pragma once

#include "gpt/memory/problem.h"

namespace gpt::testing {

inline Problem users_problem(EngineKind engine) {
  Problem problem;
  problem.layers = 12, problem.heads = 12, problem.width = 768;
  problem.block = 1024, problem.vocab = 50304;
  problem.batch = 64;
  problem.type_bytes = 2;
  problem.cuda = true;
  problem.engine = engine;
  return problem;
}

}  // namespace gpt::testing
