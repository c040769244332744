#include "gpt/base/error.h"
#include "gpt/parallel/join.h"

#include "backend.h"

namespace gpt {

bool has_nccl() {
  return false;
}

Backend make_nccl(const c10::intrusive_ptr<c10d::Store>&, int, int, const c10::Device&,
                  std::chrono::milliseconds) {
  throw InputError(
      "backend=nccl: this build has no CUDA, and NCCL comes with it; use backend=gloo");
}

}  // namespace gpt
