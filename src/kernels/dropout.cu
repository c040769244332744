// Each thread decides four neighbours, the four words of one Philox block.
#include "kernel_math.h"

namespace gpt {

namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void drop_quads(const T* in, T* out, const std::int64_t* sequence, std::int64_t rows,
                           std::int64_t size, DropoutStream stream) {
  using R = Real<T>;
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
                   : static_cast<T>(static_cast<R>(in[i]) * static_cast<R>(stream.scale));
    }
  }
}

template <class T>
int launch(const DropoutLaunch& args, cudaStream_t stream) {
  const std::int64_t quads = args.rows * ((args.size + 3) / 4);
  if (quads == 0) return cudaSuccess;
  GPT_LAUNCH(drop_quads<T>, dim3(blocks_for(quads, kThreads, 65535)), dim3(kThreads), 0, stream,
             static_cast<const T*>(args.in), static_cast<T*>(args.out), args.sequence, args.rows,
             args.size, args.stream);
  return cudaGetLastError();
}

}  // namespace

int launch_dropout(const DropoutLaunch& args, void* stream) {
  return for_type(args.type, [&](auto* null) {
    return launch<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
