// Each thread decides four neighbours, the four words of one Philox block.
#include "kernel_math.h"

namespace gpt {

namespace {

constexpr int kThreads = 256;

// kWhole: quads are whole and at multiples of their size, and travel as one.
template <class T, bool kWhole>
__global__ void __launch_bounds__(kThreads)
    drop_quads(const T* in, T* out, const std::int64_t* sequence, std::int64_t rows,
               std::int64_t size, DropoutStream stream) {
  using R = Real<T>;
  const std::int64_t quads = (size + 3) / 4;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  const auto kept = [&](T x) {
    return static_cast<T>(static_cast<R>(x) * static_cast<R>(stream.scale));
  };
  for (std::int64_t q = blockIdx.x * static_cast<std::int64_t>(kThreads) + threadIdx.x;
       q < rows * quads; q += step) {
    const std::int64_t row = q / quads, quad = q % quads, first = row * size + quad * 4;
    const PhiloxBlock words = dropout_words(stream, static_cast<std::uint64_t>(quad),
                                            static_cast<std::uint32_t>(sequence[row]));
    if constexpr (kWhole) {
      Pack<T, 4> pack = load<4>(in + first);
      for (int k = 0; k < 4; ++k)
        pack.value[k] =
            words.word[k] < stream.threshold ? static_cast<T>(0.0f) : kept(pack.value[k]);
      store(out + first, pack);
    } else {
      for (int k = 0; k < 4 && quad * 4 + k < size; ++k)
        out[first + k] =
            words.word[k] < stream.threshold ? static_cast<T>(0.0f) : kept(in[first + k]);
    }
  }
}

template <class T>
int launch(const DropoutLaunch& args, cudaStream_t stream) {
  const std::int64_t quads = args.rows * ((args.size + 3) / 4);
  if (quads == 0) return cudaSuccess;
  const bool whole = args.size % 4 == 0 && aligned<T, 4>(args.in, args.out);
  const auto kernel = whole ? drop_quads<T, true> : drop_quads<T, false>;
  GPT_LAUNCH(kernel, dim3(blocks_for(quads, kThreads, 65535)), dim3(kThreads), 0, stream,
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
