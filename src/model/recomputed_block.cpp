#include "recomputed_block.h"

#include <memory>
#include <utility>

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>

#include "gpt/kernels/ops/autocast.h"

namespace gpt {

namespace {

// The type that autocast computes in; float32, as AutocastGuard takes it, for no autocast at all.
at::ScalarType autocast_type(c10::DeviceType device) {
  return at::autocast::is_autocast_enabled(device) ? at::autocast::get_autocast_dtype(device)
                                                   : at::kFloat;
}

// Autocast keeps the copies that it makes of weights until its guard ends. No later operation
// wants those of a forward pass that records nothing.
class WithoutAutocastCache {
 public:
  WithoutAutocastCache() : was_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~WithoutAutocastCache() { at::autocast::set_autocast_cache_enabled(was_); }
  WithoutAutocastCache(const WithoutAutocastCache&) = delete;
  WithoutAutocastCache& operator=(const WithoutAutocastCache&) = delete;

 private:
  bool was_;
};

struct RecomputedBlock : torch::autograd::Node {
  RecomputedBlock(const Block& of, const at::Tensor& x, std::int64_t of_layer,
                  const DropoutState& of_dropout, const at::Tensor& of_mask_B1TT)
      : block(of),
        x_BTC(x.detach()),
        layer(of_layer),
        dropout(of_dropout),
        mask_B1TT(of_mask_B1TT),
        type(autocast_type(x.device().type())) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    TORCH_CHECK(x_BTC.defined(), "the backward of a block runs once");
    const at::Tensor dz_BTC = std::exchange(gradients.at(0), {});
    const at::Tensor x = std::exchange(x_BTC, {}).set_requires_grad(true);
    torch::autograd::backward({run_again(x)}, {dz_BTC});
    return {std::exchange(x.mutable_grad(), {})};
  }
  void release_variables() override { x_BTC.reset(); }
  std::string name() const override { return "RecomputedBlock"; }

  at::Tensor run_again(const at::Tensor& x) const {
    const at::AutoGradMode grad(true);
    const AutocastGuard autocast(x.device().type(), type);
    return block(x, layer, dropout, mask_B1TT);
  }

  const Block& block;
  at::Tensor x_BTC;
  std::int64_t layer;
  DropoutState dropout;
  at::Tensor mask_B1TT;
  at::ScalarType type;
};

}  // namespace

at::Tensor recomputed_block(const Block& block, const at::Tensor& x_BTC, std::int64_t layer,
                            const DropoutState& dropout, const at::Tensor& mask_B1TT) {
  at::Tensor out_BTC;
  {
    const at::NoGradGuard no_grad;
    const WithoutAutocastCache no_cache;
    out_BTC = block(x_BTC, layer, dropout, mask_B1TT);
  }
  if (!at::GradMode::is_enabled() || !x_BTC.requires_grad()) return out_BTC;
  const auto node = std::shared_ptr<RecomputedBlock>(
      new RecomputedBlock(block, x_BTC, layer, dropout, mask_B1TT), torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(x_BTC));
  torch::autograd::create_gradient_edge(out_BTC, node);
  return out_BTC;
}

}  // namespace gpt
