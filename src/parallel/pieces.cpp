#include "pieces.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace gpt {

namespace {

constexpr std::size_t kUnderWay = 3;

// Some tensors, or one, as one flat tensor.
struct Bucket {
  at::Tensor flat;
  std::vector<at::Tensor> members;  // none where flat is a view
  Wait wait;
};

bool alike(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.device() == b.device();
}

bool follows(const at::Tensor& a, const at::Tensor& b) {
  return alike(a, b) && a.is_contiguous() && b.is_contiguous() &&
         a.storage().data() == b.storage().data() &&
         a.storage_offset() + a.numel() == b.storage_offset();
}

// Tensors that follow each other in memory, joined.
std::vector<at::Tensor> runs_of(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> runs;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.numel() == 0) continue;
    const at::Tensor part = tensor.detach();
    if (runs.empty() || !follows(runs.back(), part)) {
      runs.push_back(part.is_contiguous() ? part.view({-1}) : part);
      continue;
    }
    const at::Tensor& before = runs.back();
    runs.back() = before.as_strided({before.numel() + part.numel()}, {1}, before.storage_offset());
  }
  return runs;
}

Bucket joined(const std::vector<at::Tensor>& members) {
  if (members.size() == 1 && members.front().is_contiguous()) return {members.front(), {}, {}};
  std::vector<at::Tensor> flat;
  for (const at::Tensor& member : members) flat.push_back(member.reshape({-1}));
  return {at::cat(flat), members, {}};
}

void finish(const Bucket& bucket) {
  bucket.wait();
  std::int64_t first = 0;
  for (const at::Tensor& member : bucket.members) {
    member.copy_(bucket.flat.narrow(0, first, member.numel()).view(member.sizes()));
    first += member.numel();
  }
}

// The buckets of a list of tensors, one after the other.
std::vector<std::vector<at::Tensor>> grouped(const std::vector<at::Tensor>& tensors,
                                             std::int64_t bytes) {
  std::vector<std::vector<at::Tensor>> groups;
  std::int64_t in_group = 0;
  for (const at::Tensor& run : runs_of(tensors)) {
    const auto size = static_cast<std::int64_t>(run.nbytes());
    const std::int64_t most = bytes / static_cast<std::int64_t>(run.element_size());
    if (size > bytes && run.is_contiguous()) {
      for (std::int64_t first = 0; first < run.numel(); first += most)
        groups.push_back({run.narrow(0, first, std::min(most, run.numel() - first))});
      in_group = bytes;
      continue;
    }
    if (groups.empty() || in_group + size > bytes || !alike(groups.back().front(), run)) {
      groups.emplace_back();
      in_group = 0;
    }
    groups.back().push_back(run);
    in_group += size;
  }
  return groups;
}

}  // namespace

void in_buckets(const std::vector<at::Tensor>& tensors, std::int64_t bytes,
                const std::function<Wait(at::Tensor bucket)>& move) {
  const at::NoGradGuard no_grad;
  std::deque<Bucket> under_way;
  for (const std::vector<at::Tensor>& group : grouped(tensors, bytes)) {
    if (under_way.size() == kUnderWay) {
      finish(under_way.front());
      under_way.pop_front();
    }
    under_way.push_back(joined(group));
    under_way.back().wait = move(under_way.back().flat);
  }
  for (const Bucket& bucket : under_way) finish(bucket);
}

}  // namespace gpt
