// LibTorch without oneDNN for the time that an object lives. oneDNN takes working memory from the
// allocator of CPU tensors, and how much depends on the processor: none with AVX2, with AVX-512 up
// to that of the result in float32, other amounts with bf16 instructions and AMX. Who measures what
// an engine's own tensors take does without it.
#pragma once

#include <ATen/Context.h>

namespace gpt::testing {

class WithoutOneDnn {
 public:
  WithoutOneDnn() { at::globalContext().setUserEnabledMkldnn(false); }
  ~WithoutOneDnn() { at::globalContext().setUserEnabledMkldnn(before_); }
  WithoutOneDnn(const WithoutOneDnn&) = delete;
  WithoutOneDnn& operator=(const WithoutOneDnn&) = delete;

 private:
  const bool before_ = at::globalContext().userEnabledMkldnn();
};

}  // namespace gpt::testing
