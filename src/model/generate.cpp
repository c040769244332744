#include "gpt/model/generate.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

namespace gpt {

namespace {

std::int64_t draw(const at::Tensor& logits_1V, const GenerateOptions& options,
                  at::Generator& generator) {
  const std::int64_t known = options.vocabulary > 0 ? options.vocabulary : logits_1V.size(1);
  at::Tensor scaled_1V =
      logits_1V.narrow(1, 0, known).to(at::kCPU, at::kFloat) / options.temperature;
  if (options.top_k > 0) {
    const std::int64_t k = std::min(options.top_k, scaled_1V.size(1));
    const at::Tensor kth = std::get<0>(scaled_1V.topk(k)).narrow(1, k - 1, 1);
    scaled_1V = scaled_1V.masked_fill(scaled_1V < kth, -std::numeric_limits<float>::infinity());
  }
  const at::Tensor p_1V = at::softmax(scaled_1V, -1);
  return at::multinomial(p_1V, 1, /*replacement=*/false, generator).item<std::int64_t>();
}

}  // namespace

void generate(const Gpt& model, std::vector<std::int64_t> prompt, const GenerateOptions& options,
              const c10::Device& device, at::Generator generator,
              const std::function<bool(std::int64_t)>& take) {
  TORCH_CHECK(!prompt.empty(), "generate: the prompt needs at least one token");
  const at::NoGradGuard no_grad;
  for (std::int64_t i = 0; i < options.max_new_tokens; ++i) {
    const std::size_t seen = std::min(prompt.size(), static_cast<std::size_t>(model.block_size()));
    const at::ArrayRef<std::int64_t> window(prompt.data() + prompt.size() - seen, seen);
    const at::Tensor tokens_1T = at::tensor(window, at::kLong).unsqueeze(0).to(device);
    const std::int64_t token = draw(model.next_logits(tokens_1T), options, generator);
    prompt.push_back(token);
    if (!take(token)) return;
  }
}

}  // namespace gpt
