// A curve in bounded memory: however many points come, its spikes stay.
#pragma once

#include <cstdint>
#include <vector>

namespace gpt {

class Series {
 public:
  struct Point {
    std::int64_t iter = 0;
    double hours = 0;  // that the run has run
    double value = 0;
  };
  // Neighbours that are shown as two points, the lowest and the highest.
  struct Bucket {
    Point low, high;
    double sum = 0;  // of the values
    std::int64_t count = 0;
  };

  // At most `most` buckets are kept; a full series merges them in pairs.
  explicit Series(std::size_t most) : most_(most < 2 ? 2 : most) {}

  void add(const Point& point);

  const std::vector<Bucket>& buckets() const { return buckets_; }
  bool exact() const { return bucket_size_ == 1; }  // every point is there
  Point last() const { return last_; }              // of one that has points
  std::int64_t count() const { return count_; }
  double lowest() const;

 private:
  std::size_t most_;
  std::int64_t bucket_size_ = 1, count_ = 0;
  std::vector<Bucket> buckets_;
  Point last_;
};

}  // namespace gpt
