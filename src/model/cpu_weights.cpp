#include "cpu_weights.h"

#include <iterator>

#include <ATen/ATen.h>

#include "gpt/device/thread_pool.h"
#include "gpt/model/cpu_shape.h"

namespace gpt {

namespace {

// Every piece begins on a cache line.
std::int64_t rounded(std::int64_t size) {
  return (size + 15) / 16 * 16;
}

// In the order of kBlockParameters.
constexpr CpuWeight CpuLayerWeights::*kLayerWeights[] = {
    &CpuLayerWeights::norm1,    &CpuLayerWeights::norm1_bias, &CpuLayerWeights::qkv,
    &CpuLayerWeights::qkv_bias, &CpuLayerWeights::proj,       &CpuLayerWeights::proj_bias,
    &CpuLayerWeights::norm2,    &CpuLayerWeights::norm2_bias, &CpuLayerWeights::fc,
    &CpuLayerWeights::fc_bias,  &CpuLayerWeights::proj2,      &CpuLayerWeights::proj2_bias,
};
static_assert(std::size(kLayerWeights) == std::size(kBlockParameters));

}  // namespace

CpuWeights::CpuWeights(const Gpt& model, bool low) : model_(model) {
  lay_out();
  if (low) low_ = at::empty({vectors_begin_}, at::kBFloat16);
  const auto next_of = [&](ParameterRole role) {
    const bool there = at_ < model.table().size() && model.table()[at_].role == role;
    return there ? next() : CpuWeight{};
  };
  wte = next();
  wpe = next();
  layers.resize(static_cast<std::size_t>(model.layers()));
  for (CpuLayerWeights& layer : layers)
    for (std::size_t i = 0; i < std::size(kBlockParameters); ++i)
      layer.*kLayerWeights[i] = next_of(kBlockParameters[i].role);
  norm_f = next();
  norm_f_bias = next_of(ParameterRole::kNormBias);
  const std::int64_t C = model.table().front().shape[1];
  packable_.push_back({model.vocab_size(), C, &wte});
  for (CpuLayerWeights& layer : layers)
    for (std::size_t i = 0; i < std::size(kBlockParameters); ++i)
      if (const BlockParameter& p = kBlockParameters[i]; is_gemm_weight(p.role))
        packable_.push_back({p.rows * C, p.columns * C, &(layer.*kLayerWeights[i])});
}

bool CpuWeights::keep_packed(std::int64_t bytes) {
  if (bytes == (packed_.defined() ? packed_.numel() : 0)) return false;
  packed_ = at::Tensor();
  for (const Packable& matrix : packable_)
    matrix.weight->packed_forward = matrix.weight->packed_backward = nullptr;
  if (bytes == 0) return false;
  packed_ = at::empty({bytes}, at::kByte);
  if (low_.defined())
    place_packed(*native_gemm<Bf16>());
  else
    place_packed(*native_gemm<float>());
  return true;
}

template <class T>
void CpuWeights::each_packed(const NativeGemm<T>& native, const auto& visit) const {
  unsigned char* at = packed_.mutable_data_ptr<std::uint8_t>();
  for (const Packable& matrix : packable_) {
    unsigned char* const forward = at;
    unsigned char* const backward = at + native.packed_bytes(matrix.rows, matrix.columns);
    at = backward + native.packed_bytes(matrix.columns, matrix.rows);
    visit(matrix, forward, backward);
  }
}

template <class T>
void CpuWeights::place_packed(const NativeGemm<T>& native) {
  each_packed(native, [](const Packable& matrix, unsigned char* forward, unsigned char* backward) {
    matrix.weight->packed_forward = forward;
    matrix.weight->packed_backward = backward;
  });
}

void CpuWeights::lay_out() {
  pieces_.resize(model_.parameters().size());
  for (const bool matrices : {true, false}) {
    if (!matrices) vectors_begin_ = size_;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const at::Tensor& tensor = model_.parameters()[i].tensor;
      if ((tensor.dim() >= 2) != matrices) continue;
      pieces_[i] = {size_, matrices ? size_ : -1};
      size_ += rounded(tensor.numel());
    }
  }
}

CpuWeight CpuWeights::next() {
  const at::Tensor& tensor = model_.parameters()[at_].tensor;
  const Piece& piece = pieces_[at_++];
  CpuWeight weight{.f32 = tensor.const_data_ptr<float>(), .gradient = piece.gradient};
  if (low_.defined() && piece.low >= 0)
    weight.bf16 = static_cast<const Bf16*>(low_.const_data_ptr()) + piece.low;
  return weight;
}

void CpuWeights::refresh() {
  if (low_.defined()) copy_low();
  if (!packed_.defined()) return;
  if (low_.defined())
    pack(*native_gemm<Bf16>(), &CpuWeight::bf16);
  else
    pack(*native_gemm<float>(), &CpuWeight::f32);
}

void CpuWeights::copy_low() {
  ThreadPool& workers = thread_pool();
  workers.run([&](int rank) {
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      if (pieces_[i].low < 0) continue;
      const at::Tensor& tensor = model_.parameters()[i].tensor;
      const auto [begin, end] = workers.partition(tensor.numel(), rank, 16);
      Bf16* to = static_cast<Bf16*>(low_.mutable_data_ptr()) + pieces_[i].low;
      row_kernels().to_operand(tensor.const_data_ptr<float>() + begin, end - begin,
                               {.bf16 = to + begin});
    }
  });
}

template <class T>
void CpuWeights::pack(const NativeGemm<T>& native, const T* CpuWeight::*from) {
  ThreadPool& workers = thread_pool();
  workers.run([&](int rank) {
    each_packed(native,
                [&](const Packable& matrix, unsigned char* forward, unsigned char* backward) {
                  const auto& [rows, columns, weight] = matrix;
                  const T* data = weight->*from;
                  const auto [top, bottom] = workers.partition(rows, rank, native.panel_columns);
                  native.pack_b({data, columns, true}, top, bottom, rows, columns, forward);
                  const auto [left, right] = workers.partition(columns, rank, native.panel_columns);
                  native.pack_b({data, columns, false}, left, right, columns, rows, backward);
                });
  });
}

void CpuWeights::attach_gradients(const at::Tensor& flat) const {
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const at::Tensor& tensor = model_.parameters()[i].tensor;
    tensor.mutable_grad() =
        flat.narrow(0, pieces_[i].gradient, tensor.numel()).view(tensor.sizes());
  }
}

bool CpuWeights::gradients_attached(const at::Tensor& flat) const {
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const at::Tensor& gradient = model_.parameters()[i].tensor.grad();
    if (!gradient.defined() ||
        gradient.const_data_ptr<float>() != flat.const_data_ptr<float>() + pieces_[i].gradient)
      return false;
  }
  return true;
}

}  // namespace gpt
