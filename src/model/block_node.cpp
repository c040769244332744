#include "block_node.h"

#include <memory>
#include <utility>

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>

#include "gpt/kernels/ops/autocast.h"
#include "gpt/kernels/ops/layer_norm_epsilon.h"

namespace gpt {

namespace {

at::ScalarType active_type(const at::Tensor& x) {
  const auto device = x.device().type();
  return at::autocast::is_autocast_enabled(device) ? at::autocast::get_autocast_dtype(device)
                                                   : x.scalar_type();
}

// As autograd does: the first gradient becomes .grad(), the others are added to it.
void add_gradient(const at::Tensor& parameter, const at::Tensor& gradient) {
  at::Tensor& sum = parameter.mutable_grad();
  const at::Tensor real = gradient.to(parameter.scalar_type());
  if (sum.defined())
    sum.add_(real);
  else
    sum = real;
}

std::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

// Legend: d is the gradient of whatever was computed last; low: in the compute type.
class BlockPass {
 public:
  BlockPass(const Block& block, const at::Tensor& x_BTC, std::int64_t layer,
            const DropoutState& dropout)
      : block_(block),
        layer_(layer),
        dropout_(dropout),
        type_(active_type(x_BTC)),
        x_BTC_(x_BTC.detach()) {}

  at::Tensor forward(Recompute level) {
    attention();
    at::Tensor z_BTC = mlp_output();
    forget(level);
    return z_BTC;
  }

  // The gradient of x, given that of the block's output.
  at::Tensor backward(const at::Tensor& dz_BTC) {
    const at::Tensor dy_BTC = mlp_backward(dz_BTC);
    return attention_backward(dy_BTC);
  }

 private:
  struct Norm {
    at::Tensor out, mean, rstd;  // out: low
  };

  // Only what costs little or much, by level, is kept.
  void forget(Recompute level) {
    if (level >= Recompute::kGelu) gelu_.reset();
    if (level >= Recompute::kNorm) norm_1_ = norm_2_ = {};
    if (level >= Recompute::kMlp) fc_.reset();
    if (level < Recompute::kBlock) return;
    qkv_.reset();
    attended_.reset();
    y_BTC_.reset();
  }

  Norm norm(const LayerNorm& ln, const at::Tensor& x) const {
    const auto [out, mean, rstd] = at::native_layer_norm(x, ln.weight_C.sizes(), ln.weight_C,
                                                         optional(ln.bias_C), kLayerNormEpsilon);
    return {out.to(type_), mean, rstd};
  }

  at::Tensor linear(const Linear& layer, const at::Tensor& x) const {
    return at::linear(x, layer.weight_OI.to(type_),
                      optional(layer.bias_O.defined() ? layer.bias_O.to(type_) : layer.bias_O));
  }

  // From x to y, the residual after attention. Attention itself keeps what its kernel wants, in a
  // graph of its own.
  void attention() {
    norm_1_ = norm(block_.ln_1, x_BTC_);
    qkv_ = linear(block_.attn.c_attn, norm_1_.out).set_requires_grad(true);
    {
      const at::AutoGradMode grad(true);
      const AutocastGuard autocast(x_BTC_.device().type(), guard_type());
      attended_ = block_.attn.attend(qkv_, layer_, dropout_);
    }
    y_BTC_ = x_BTC_ + apply_dropout(linear(block_.attn.c_proj, attended_.detach()), dropout_,
                                    layer_, kAttentionOutput);
  }

  at::Tensor mlp_output() {
    norm_2_ = norm(block_.ln_2, y_BTC_);
    fc_ = linear(block_.mlp.c_fc, norm_2_.out);
    gelu_ = at::gelu(fc_, block_.mlp.gelu);
    return y_BTC_ + apply_dropout(linear(block_.mlp.c_proj, gelu_), dropout_, layer_, kMlpOutput);
  }

  // Each result goes as soon as it has been used, and comes as late as it can.
  at::Tensor mlp_backward(const at::Tensor& dz_BTC) {
    if (!y_BTC_.defined()) attention();
    if (!fc_.defined()) {
      norm_2_ = norm(block_.ln_2, y_BTC_);
      fc_ = linear(block_.mlp.c_fc, norm_2_.out);
    }
    if (!gelu_.defined()) gelu_ = at::gelu(fc_, block_.mlp.gelu);
    at::Tensor d = apply_dropout(dz_BTC.to(type_), dropout_, layer_, kMlpOutput);
    d = linear_backward(block_.mlp.c_proj, std::exchange(gelu_, {}), d);
    d = at::gelu_backward(d, std::exchange(fc_, {}), block_.mlp.gelu);
    if (!norm_2_.out.defined()) norm_2_ = norm(block_.ln_2, y_BTC_);
    d = linear_backward(block_.mlp.c_fc, std::exchange(norm_2_.out, {}), d);
    return norm_backward(block_.ln_2, std::exchange(y_BTC_, {}), norm_2_, d).add_(dz_BTC);
  }

  at::Tensor attention_backward(const at::Tensor& dy_BTC) {
    at::Tensor d = apply_dropout(dy_BTC.to(type_), dropout_, layer_, kAttentionOutput);
    d = linear_backward(block_.attn.c_proj, attended_.detach(), d);
    d = torch::autograd::grad({std::exchange(attended_, {})}, {std::exchange(qkv_, {})},
                              {std::exchange(d, {})})[0];
    if (!norm_1_.out.defined()) norm_1_ = norm(block_.ln_1, x_BTC_);
    d = linear_backward(block_.attn.c_attn, std::exchange(norm_1_.out, {}), d);
    return norm_backward(block_.ln_1, std::exchange(x_BTC_, {}), norm_1_, d).add_(dy_BTC);
  }

  at::Tensor linear_backward(const Linear& layer, const at::Tensor& x_BTI,
                             const at::Tensor& dy_BTO) const {
    const at::Tensor x_NI = x_BTI.flatten(0, 1), dy_NO = dy_BTO.flatten(0, 1);
    add_gradient(layer.weight_OI, at::mm(dy_NO.t(), x_NI));
    if (layer.bias_O.defined()) add_gradient(layer.bias_O, dy_NO.sum(0));
    return at::mm(dy_NO, layer.weight_OI.to(type_)).view(x_BTI.sizes());
  }

  at::Tensor norm_backward(const LayerNorm& ln, const at::Tensor& x, const Norm& kept,
                           const at::Tensor& d) const {
    const bool bias = ln.bias_C.defined();
    auto [dx, dweight, dbias] = at::native_layer_norm_backward(
        d.to(x.scalar_type()), x, ln.weight_C.sizes(), kept.mean, kept.rstd, ln.weight_C,
        optional(ln.bias_C), {true, true, bias});
    add_gradient(ln.weight_C, dweight);
    if (bias) add_gradient(ln.bias_C, dbias);
    return dx;
  }

  // What AutocastGuard understands: float32 for no autocast at all.
  at::ScalarType guard_type() const { return type_ == x_BTC_.scalar_type() ? at::kFloat : type_; }

  const Block& block_;
  const std::int64_t layer_;
  const DropoutState dropout_;
  const at::ScalarType type_;
  at::Tensor x_BTC_, qkv_, attended_, y_BTC_, fc_, gelu_;
  Norm norm_1_, norm_2_;
};

struct BlockBackward : torch::autograd::Node {
  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    TORCH_CHECK(pass, "the backward of a block runs once");
    const auto once = std::move(pass);
    const at::NoGradGuard no_grad;
    const at::Tensor dz_BTC = std::exchange(gradients.at(0), {});
    return {once->backward(dz_BTC)};
  }
  void release_variables() override { pass.reset(); }
  std::string name() const override { return "BlockBackward"; }

  std::unique_ptr<BlockPass> pass;
};

}  // namespace

at::Tensor block_node(const Block& block, const at::Tensor& x_BTC, std::int64_t layer,
                      const DropoutState& dropout, Recompute level) {
  auto pass = std::make_unique<BlockPass>(block, x_BTC, layer, dropout);
  at::Tensor out_BTC;
  {
    const at::NoGradGuard no_grad;
    out_BTC = pass->forward(level);
  }
  if (!at::GradMode::is_enabled() || !x_BTC.requires_grad()) return out_BTC;
  const auto node = std::shared_ptr<BlockBackward>(new BlockBackward, torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(x_BTC));
  node->pass = std::move(pass);
  torch::autograd::create_gradient_edge(out_BTC, node);
  return out_BTC;
}

}  // namespace gpt
