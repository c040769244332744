#include "gpt/metrics/series.h"

#include <algorithm>
#include <limits>

namespace gpt {

namespace {

void merge(Series::Bucket& into, const Series::Bucket& other) {
  if (other.low.value < into.low.value) into.low = other.low;
  if (other.high.value > into.high.value) into.high = other.high;
  into.sum += other.sum;
  into.count += other.count;
}

}  // namespace

void Series::add(const Point& point) {
  last_ = point;
  ++count_;
  const Bucket one{point, point, point.value, 1};
  if (!buckets_.empty() && buckets_.back().count < bucket_size_) {
    merge(buckets_.back(), one);
    return;
  }
  if (buckets_.size() == most_) {
    std::vector<Bucket> halved;
    halved.reserve(most_);
    for (std::size_t i = 0; i < buckets_.size(); i += 2) {
      halved.push_back(buckets_[i]);
      if (i + 1 < buckets_.size()) merge(halved.back(), buckets_[i + 1]);
    }
    buckets_ = std::move(halved);
    bucket_size_ *= 2;
    if (buckets_.back().count < bucket_size_) {
      merge(buckets_.back(), one);
      return;
    }
  }
  buckets_.push_back(one);
}

double Series::lowest() const {
  double lowest = std::numeric_limits<double>::infinity();
  for (const Bucket& bucket : buckets_) lowest = std::min(lowest, bucket.low.value);
  return lowest;
}

}  // namespace gpt
