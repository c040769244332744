#include "gpt/kernels/vector_kernels.h"

#include "vector_table.h"

namespace gpt {

std::vector<const VectorKernels*> runnable_vector_kernels() {
  __builtin_cpu_init();
  std::vector<const VectorKernels*> list{&kVectorGeneric};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) list.push_back(&kVectorAvx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    list.push_back(&kVectorAvx512);
  return list;
}

const VectorKernels& vector_kernels() {
  static const VectorKernels& best = *runnable_vector_kernels().back();
  return best;
}

}  // namespace gpt
