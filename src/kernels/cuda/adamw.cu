// One block per piece of a tensor, all tensors in one launch. Clipping and the loss scale are a
// factor on the gradient, read from the device: gradients are read once and never rewritten.
#include "kernel_math.h"

namespace gpt {

namespace {

constexpr int kThreads = 512;

__global__ void __launch_bounds__(kThreads) square_sums(SquareSumsLaunch args) {
  const ParameterPiece piece = args.pieces[blockIdx.x];
  float sum = 0;
  for (std::int64_t i = threadIdx.x; i < piece.count; i += kThreads)
    sum += piece.gradient[i] * piece.gradient[i];
  const double mine = warp_sum(static_cast<double>(sum));
  __shared__ double warps[kThreads / 32];
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double total = 0;
  for (int warp = 0; warp < kThreads / 32; ++warp) total += warps[warp];
  args.partial[blockIdx.x] = total;
}

struct Rates {
  float learning_rate, beta1, beta2, epsilon, decay, bias1, bias2_root;
};

__device__ Rates rates_of(const AdamWLaunch& args, const ParameterPiece& piece) {
  const double step = *piece.step;
  return {static_cast<float>(args.learning_rate),
          static_cast<float>(args.beta1),
          static_cast<float>(args.beta2),
          static_cast<float>(args.epsilon),
          static_cast<float>(1.0 - args.learning_rate * piece.weight_decay),
          static_cast<float>(1.0 - pow(args.beta1, step)),
          static_cast<float>(sqrt(1.0 - pow(args.beta2, step)))};
}

__device__ void update(float& parameter, float& m, float& v, float g, const Rates& r) {
  m += (1.0f - r.beta1) * (g - m);
  v = r.beta2 * v + (1.0f - r.beta2) * g * g;
  const float step = r.learning_rate * (m / r.bias1) / (sqrt(v) / r.bias2_root + r.epsilon);
  parameter = parameter * r.decay - step;
}

template <int N>
__device__ void update_pack(const ParameterPiece& piece, std::int64_t i, float factor,
                            const Rates& rates) {
  Pack<float, N> p = load<N>(piece.parameter + i), m = load<N>(piece.exp_avg + i),
                 v = load<N>(piece.exp_avg_sq + i);
  const Pack<float, N> g = load<N>(piece.gradient + i);
  for (int k = 0; k < N; ++k)
    update(p.value[k], m.value[k], v.value[k], g.value[k] * factor, rates);
  store(piece.parameter + i, p);
  store(piece.exp_avg + i, m);
  store(piece.exp_avg_sq + i, v);
}

__global__ void __launch_bounds__(kThreads) adamw_pieces(AdamWLaunch args) {
  if (*args.skip != 0.0f) return;
  const ParameterPiece piece = args.pieces[blockIdx.x];
  const float factor = *args.factor;
  // By one thread: consumer cards have two units for doubles in a multiprocessor.
  __shared__ Rates shared;
  if (threadIdx.x == 0) shared = rates_of(args, piece);
  __syncthreads();
  const Rates rates = shared;  // or each store to the piece could have changed it
  const bool wide =
      aligned<float, 4>(piece.parameter, piece.exp_avg, piece.exp_avg_sq, piece.gradient);
  const std::int64_t packed = wide ? piece.count / 4 * 4 : 0;
  for (std::int64_t i = threadIdx.x * 4; i < packed; i += kThreads * 4)
    update_pack<4>(piece, i, factor, rates);
  for (std::int64_t i = packed + threadIdx.x; i < piece.count; i += kThreads)
    update_pack<1>(piece, i, factor, rates);
}

}  // namespace

int launch_square_sums(const SquareSumsLaunch& args, void* stream) {
  if (args.count == 0) return cudaSuccess;
  GPT_LAUNCH(square_sums, dim3(static_cast<unsigned>(args.count)), dim3(kThreads), 0,
             static_cast<cudaStream_t>(stream), args);
  return cudaGetLastError();
}

int launch_adamw(const AdamWLaunch& args, void* stream) {
  if (args.count == 0) return cudaSuccess;
  GPT_LAUNCH(adamw_pieces, dim3(static_cast<unsigned>(args.count)), dim3(kThreads), 0,
             static_cast<cudaStream_t>(stream), args);
  return cudaGetLastError();
}

}  // namespace gpt
