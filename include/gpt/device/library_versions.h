// The versions of the libraries that this process has loaded.
#pragma once

#include <string>

namespace gpt {

// "" where a library is not loaded, as cuDNN, cuBLAS and NCCL in a CPU-only build. CUDA's runtime
// is there too: LibTorch's CPU library loads it.
struct LibraryVersions {
  std::string libtorch;        // that the program was compiled with
  std::string cuda;            // CUDA's runtime
  std::string cudnn;           // loaded
  std::string cudnn_compiled;  // that LibTorch was compiled with
  std::string cublas;
  std::string nccl;            // loaded
  std::string nccl_compiled;   // that LibTorch was compiled with
  std::string cpu_capability;  // what LibTorch's own CPU kernels use: "AVX512"
};
LibraryVersions library_versions();

// 13000 -> "13.0", as CUDA's runtime and driver count.
std::string cuda_version_text(int version);

}  // namespace gpt
