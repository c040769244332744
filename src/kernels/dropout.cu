// Each thread decides four neighbours, the four words of one Philox block.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "launch.h"

namespace gpt {

namespace {

constexpr int kThreads = 256;

template <class T>
struct Arithmetic {
  using Type = float;
};
template <>
struct Arithmetic<double> {
  using Type = double;
};

template <class T>
__global__ void drop_quads(const T* in, T* out, const std::int64_t* sequence, std::int64_t rows,
                           std::int64_t size, DropoutStream stream) {
  using Real = typename Arithmetic<T>::Type;
  const std::int64_t quads = (size + 3) / 4;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t q = blockIdx.x * static_cast<std::int64_t>(kThreads) + threadIdx.x;
       q < rows * quads; q += step) {
    const std::int64_t row = q / quads, quad = q % quads;
    const PhiloxBlock words = dropout_words(stream, static_cast<std::uint64_t>(quad),
                                            static_cast<std::uint32_t>(sequence[row]));
    for (int k = 0; k < 4 && quad * 4 + k < size; ++k) {
      const std::int64_t i = row * size + quad * 4 + k;
      out[i] = words.word[k] < stream.threshold
                   ? static_cast<T>(0.0f)
                   : static_cast<T>(static_cast<Real>(in[i]) * static_cast<Real>(stream.scale));
    }
  }
}

template <class T>
int launch(const DropoutLaunch& args, cudaStream_t stream) {
  const std::int64_t quads = args.rows * ((args.size + 3) / 4);
  if (quads == 0) return cudaSuccess;
  const std::int64_t wanted = (quads + kThreads - 1) / kThreads;
  const auto blocks = static_cast<unsigned>(wanted < 65535 ? wanted : 65535);
  drop_quads<T><<<blocks, kThreads, 0, stream>>>(static_cast<const T*>(args.in),
                                                 static_cast<T*>(args.out), args.sequence,
                                                 args.rows, args.size, args.stream);
  return cudaGetLastError();
}

}  // namespace

int launch_dropout(const DropoutLaunch& args, void* stream) {
  const auto s = static_cast<cudaStream_t>(stream);
  switch (args.type) {
    case Float::kFloat32:
      return launch<float>(args, s);
    case Float::kFloat64:
      return launch<double>(args, s);
    case Float::kBFloat16:
      return launch<__nv_bfloat16>(args, s);
    case Float::kFloat16:
      return launch<__half>(args, s);
  }
  return cudaErrorInvalidValue;
}

}  // namespace gpt
