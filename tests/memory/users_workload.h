// The design's user: GPT-2 124M, batch 64 x 1024, bfloat16 on CUDA.
#pragma once

#include "gpt/memory/workload.h"

namespace gpt::testing {

inline Workload users_workload(EngineKind engine) {
  Workload workload;
  workload.layers = 12, workload.heads = 12, workload.width = 768;
  workload.block = 1024, workload.vocab = 50304;
  workload.batch = 64;
  workload.type_bytes = 2;
  workload.cuda = true;
  workload.engine = engine;
  return workload;
}

}  // namespace gpt::testing
