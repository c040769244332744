#include "gpt/sampling/kv_cache.h"

#include <ATen/ATen.h>

namespace gpt {

KvCache::KvCache(const KvCacheShape& shape, const c10::TensorOptions& options) : shape_(shape) {
  for (std::int64_t layer = 0; layer < shape.layers; ++layer)
    layers_.push_back(
        at::empty({2, shape.batch, shape.heads, shape.capacity, shape.head_width}, options));
}

std::pair<at::Tensor, at::Tensor> KvCache::extend(std::int64_t layer, const at::Tensor& k_BHTD,
                                                  const at::Tensor& v_BHTD) {
  const std::int64_t tokens = k_BHTD.size(2);
  TORCH_CHECK(length_ + tokens <= capacity(), "a cache for ", capacity(), " tokens holds ", length_,
              "; ", tokens, " more do not fit");
  const at::Tensor& both = layers_[static_cast<std::size_t>(layer)];
  const at::Tensor k = both[0], v = both[1];
  k.narrow(2, length_, tokens).copy_(k_BHTD);
  v.narrow(2, length_, tokens).copy_(v_BHTD);
  return {k.narrow(2, 0, length_ + tokens), v.narrow(2, 0, length_ + tokens)};
}

KvCache KvCache::repeated(std::int64_t batch) const {
  TORCH_CHECK(shape_.batch == 1, "only a cache of one text can be repeated");
  KvCacheShape shape = shape_;
  shape.batch = batch;
  KvCache copy(shape, layers_.empty() ? at::TensorOptions() : layers_[0].options());
  copy.length_ = length_;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer)
    copy.layers_[layer].narrow(3, 0, length_).copy_(layers_[layer].narrow(3, 0, length_));
  if (document_start_B_.defined()) copy.document_start_B_ = document_start_B_.repeat({batch});
  return copy;
}

void KvCache::keep(const std::vector<std::int64_t>& rows) {
  const at::Tensor rows_K = at::tensor(rows, at::kLong);
  for (at::Tensor& layer : layers_) layer = layer.index_select(1, rows_K.to(layer.device()));
  if (document_start_B_.defined())
    document_start_B_ = document_start_B_.index_select(0, rows_K.to(document_start_B_.device()));
  shape_.batch = static_cast<std::int64_t>(rows.size());
}

void KvCache::clear() {
  length_ = 0;
  document_start_B_ = at::Tensor();
}

std::int64_t KvCache::bytes(const KvCacheShape& shape, std::int64_t element) {
  return 2 * shape.layers * shape.batch * shape.heads * shape.capacity * shape.head_width * element;
}

}  // namespace gpt
