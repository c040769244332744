// Keys and values of the tokens that a decoder has read, so that none is computed twice.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/TensorOptions.h>

namespace gpt {

struct KvCacheShape {
  std::int64_t layers = 0, batch = 0, heads = 0, capacity = 0, head_width = 0;
};

// Allocated once, for `capacity` tokens of `batch` texts of the same length.
class KvCache {
 public:
  KvCache(const KvCacheShape& shape, const c10::TensorOptions& options);

  std::int64_t length() const { return length_; }  // tokens of each text
  std::int64_t capacity() const { return shape_.capacity; }
  std::int64_t batch() const { return shape_.batch; }

  // Puts the (B,H,T,D) keys and values of T new tokens behind those of `layer` and returns all of
  // them, (B,H,length+T,D), as views. Each layer once, then advance(T).
  std::pair<at::Tensor, at::Tensor> extend(std::int64_t layer, const at::Tensor& k_BHTD,
                                           const at::Tensor& v_BHTD);
  void advance(std::int64_t tokens) { length_ += tokens; }

  // `batch` copies of a cache of one text: a prompt that was read once, continued many times.
  KvCache repeated(std::int64_t batch) const;
  // Only these texts stay, in this order.
  void keep(const std::vector<std::int64_t>& rows);
  void clear();

  // With documents that attention does not cross: where the one that the next token of each text
  // belongs to begins, (B) int64. Undefined: all are at the text's beginning.
  const at::Tensor& document_start_B() const { return document_start_B_; }
  void set_document_start(const at::Tensor& start_B) { document_start_B_ = start_B; }

  // Of a cache whose elements take `element` bytes.
  static std::int64_t bytes(const KvCacheShape& shape, std::int64_t element);

 private:
  KvCacheShape shape_;
  std::int64_t length_ = 0;
  std::vector<at::Tensor> layers_;  // (2,B,H,capacity,D): keys, values
  at::Tensor document_start_B_;
};

}  // namespace gpt
