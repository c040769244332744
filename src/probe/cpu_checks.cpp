// The CPU's kernels for this processor's instructions, against ATen: odd sizes, so that the rests
// of vectors and panels are there.
#include <cmath>

#include <ATen/ATen.h>

#include "gpt/base/strings.h"
#include "gpt/kernels/cpu/parameter_update.h"
#include "gpt/kernels/cpu/row_kernels.h"
#include "gpt/kernels/gemm/gemm.h"
#include "gpt/kernels/gemm/gemm_backend.h"
#include "gpt/kernels/gemm/skinny_gemm.h"
#include "gpt/kernels/ops/muon_update.h"
#include "gpt/probe/checks.h"

#include "muon_check.h"

namespace gpt {

namespace {

using Outputs = std::vector<at::Tensor>;

constexpr double kCpuLimit = 1e-5;
constexpr std::int64_t kWidth = 333;

float* data_of(const at::Tensor& x) {
  return x.mutable_data_ptr<float>();
}

at::Tensor normals(at::IntArrayRef sizes) {
  return at::empty(sizes, at::kFloat).normal_();
}

KernelTwins row_norm_check() {
  const at::Tensor x = normals({kWidth}), gamma = normals({kWidth}), beta = normals({kWidth}),
                   dy = normals({kWidth});
  const auto ours = [=] {
    const at::Tensor y = at::empty_like(x), stats = at::empty({2}), dx = at::zeros_like(x),
                     dgamma = at::zeros_like(x), dbeta = at::zeros_like(x);
    const RowKernels& rows = row_kernels();
    rows.norm(data_of(x), data_of(gamma), data_of(beta), kWidth, data_of(stats),
              {.f32 = data_of(y)});
    rows.norm_backward(data_of(dy), data_of(x), data_of(stats), data_of(gamma), kWidth, data_of(dx),
                       data_of(dgamma), data_of(dbeta));
    return Outputs{y, dx, dgamma, dbeta};
  };
  const auto plain = [=] {
    const auto [y, mean, rstd] =
        at::native_layer_norm(x.view({1, kWidth}), {kWidth}, gamma, beta, 1e-5);
    const auto [dx, dgamma, dbeta] =
        at::native_layer_norm_backward(dy.view({1, kWidth}), x.view({1, kWidth}), {kWidth}, mean,
                                       rstd, gamma, beta, {true, true, true});
    return Outputs{y.view(-1), dx.view(-1), dgamma, dbeta};
  };
  return {ours, plain};
}

KernelTwins row_gelu_check(bool tanh) {
  const at::Tensor u = normals({kWidth}) * 3, dy = normals({kWidth});
  const auto ours = [=] {
    const at::Tensor sum = u.clone(), y = at::empty_like(u), du = at::empty_like(u);
    row_kernels().gelu(data_of(sum), nullptr, kWidth, tanh, nullptr, {.f32 = data_of(y)});
    row_kernels().gelu_backward(data_of(dy), data_of(u), nullptr, kWidth, tanh,
                                {.f32 = data_of(du)});
    return Outputs{y, du};
  };
  const auto plain = [=] {
    const char* name = tanh ? "tanh" : "none";
    return Outputs{at::gelu(u, name), at::gelu_backward(dy, u, name)};
  };
  return {ours, plain};
}

KernelTwins row_softmax_check() {
  const at::Tensor s = normals({kWidth}) * 20, logits = normals({kWidth}) * 5;
  constexpr std::int64_t kTarget = 17;
  const auto ours = [=] {
    const at::Tensor p = s.clone(), d = logits.clone();
    const float lse = row_kernels().softmax(data_of(p), kWidth, kWidth, 0.25f, nullptr);
    const at::Tensor gradient = at::empty_like(d);
    const float loss =
        row_kernels().cross_entropy(data_of(d), kWidth, kTarget, 0.5f, {.f32 = data_of(gradient)});
    return Outputs{p, at::full({1}, lse), at::full({1}, loss), gradient};
  };
  const auto plain = [=] {
    at::Tensor gradient = at::softmax(logits, 0);
    const at::Tensor loss = -at::log_softmax(logits, 0)[kTarget];
    gradient[kTarget] -= 1.0;
    return Outputs{at::softmax(s * 0.25, 0), at::logsumexp(s * 0.25, 0).view({1}), loss.view({1}),
                   gradient * 0.5};
  };
  return {ours, plain};
}

KernelTwins cpu_adamw_check() {
  const UpdateRates rates{.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};
  const UpdatedParameter one{normals({kWidth}),          normals({kWidth}),  normals({kWidth}),
                             normals({kWidth}).square(), at::full({}, 3.0f), 0.1};
  const auto ours = [=] {
    const UpdatedParameter copy{one.parameter.clone(),  one.gradient,     one.exp_avg.clone(),
                                one.exp_avg_sq.clone(), one.step.clone(), one.weight_decay};
    cpu_adamw({copy}, rates, at::full({}, 0.5f), at::zeros({}));
    return Outputs{copy.parameter, copy.exp_avg, copy.exp_avg_sq,
                   cpu_gradient_norm({one.gradient}).view({1})};
  };
  const auto plain = [=] {
    const at::Tensor g = one.gradient * 0.5;
    const at::Tensor m = rates.beta1 * one.exp_avg + (1 - rates.beta1) * g,
                     v = rates.beta2 * one.exp_avg_sq + (1 - rates.beta2) * g.square();
    const at::Tensor step = m / (1 - std::pow(rates.beta1, 3)) /
                            ((v / (1 - std::pow(rates.beta2, 3))).sqrt() + rates.epsilon);
    return Outputs{
        one.parameter * (1 - rates.learning_rate * one.weight_decay) - rates.learning_rate * step,
        m, v, one.gradient.norm().view({1})};
  };
  return {ours, plain};
}

enum class GemmForm { kNt, kNn, kTn };

// By the native backend or, null, by MKL.
template <class T>
at::Tensor product_of(const NativeGemm<T>* native, GemmForm form, const at::Tensor& a,
                      const at::Tensor& b, GemmShape size) {
  const at::Tensor c = at::empty({size.M, size.N}, at::kFloat);
  const auto* a_data = static_cast<const T*>(a.const_data_ptr());
  const auto* b_data = static_cast<const T*>(b.const_data_ptr());
  const MutF32 out{data_of(c), size.N};
  const Matrix<const T> left{a_data, a.size(1)}, right{b_data, b.size(1)};
  if (!native) {
    if (form == GemmForm::kNt) gemm_nt(size, left, right, out, Into::kReplace);
    if (form == GemmForm::kNn) gemm_nn(size, left, right, out, Into::kReplace);
    if (form == GemmForm::kTn) gemm_tn(size, left, right, out, Into::kReplace);
    return c;
  }
  const at::Tensor workspace = at::empty({native->workspace_bytes(size)}, at::kByte);
  native->multiply(size, {a_data, a.size(1), form != GemmForm::kTn},
                   {b_data, b.size(1), form == GemmForm::kNt}, {}, out, Into::kReplace,
                   workspace.mutable_data_ptr<std::uint8_t>());
  return c;
}

template <class T>
KernelTwins gemm_twins(const NativeGemm<T>* native, GemmForm form) {
  const GemmShape size{150, 333, 401};
  const at::ScalarType type = sizeof(T) == sizeof(float) ? at::kFloat : at::kBFloat16;
  const bool tn = form == GemmForm::kTn, nt = form == GemmForm::kNt;
  const at::Tensor
      a = normals(tn ? at::IntArrayRef{size.K, size.M} : at::IntArrayRef{size.M, size.K}).to(type),
      b = normals(nt ? at::IntArrayRef{size.N, size.K} : at::IntArrayRef{size.K, size.N}).to(type);
  const auto plain = [=] {
    const at::Tensor left = a.to(at::kDouble), right = b.to(at::kDouble);
    return Outputs{at::mm(tn ? left.t() : left, nt ? right.t() : right)};
  };
  return {[=] { return Outputs{product_of(native, form, a, b, size)}; }, plain};
}

template <class T>
KernelCheck gemm_check(const NativeGemm<T>* native, const std::string& name, GemmForm form) {
  constexpr const char* kForms[] = {"nt", "nn", "tn"};
  return {concat("GEMM of ", name, ", ", kForms[static_cast<std::size_t>(form)]), kCpuLimit,
          [=] { return gemm_twins<T>(native, form); }};
}

KernelTwins skinny_check(at::ScalarType type) {
  const at::Tensor x_NI = normals({3, 401}), weight_OI = normals({333, 401}).to(type),
                   bias_O = normals({333});
  return {[=] { return Outputs{skinny_linear(x_NI, weight_OI, bias_O)}; },
          [=] { return Outputs{at::linear(x_NI, weight_OI.to(at::kFloat), bias_O)}; }};
}

}  // namespace

std::vector<KernelCheck> cpu_kernel_checks() {
  std::vector<KernelCheck> checks{
      {"row norm", kCpuLimit, row_norm_check},
      {"row gelu", kCpuLimit, [] { return row_gelu_check(false); }},
      {"row gelu, tanh", kCpuLimit, [] { return row_gelu_check(true); }},
      {"row softmax and cross-entropy", kCpuLimit, row_softmax_check},
      {"adamw", kCpuLimit, cpu_adamw_check}};
  const GemmBackend* backend = gemm_backend();
  for (const GemmForm form : {GemmForm::kNt, GemmForm::kNn, GemmForm::kTn}) {
    checks.push_back(gemm_check<float>(nullptr, "MKL, float32", form));
    checks.push_back(gemm_check<Bf16>(nullptr, "MKL, bfloat16", form));
    if (!backend) continue;
    checks.push_back(gemm_check<float>(&backend->f32, concat(backend->name, ", float32"), form));
    checks.push_back(gemm_check<Bf16>(&backend->bf16, concat(backend->name, ", bfloat16"), form));
  }
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
    checks.push_back(
        {concat("skinny GEMM, ", type), kCpuLimit, [=] { return skinny_check(type); }});
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
    if (muon_type(at::kCPU, type) == type)
      checks.push_back(muon_check(concat("muon, ", type), 83, at::kCPU, type));
  return checks;
}

}  // namespace gpt
