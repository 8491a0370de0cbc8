// Histogram: counts of durations in buckets of at most 1/64 relative width, in
// fixed memory and integers only, for percentiles.
#ifndef TOOLS_HISTOGRAM_H_
#define TOOLS_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace tools {

class Histogram {
 public:
  void Add(uint64_t value) {
    ++buckets_[BucketOf(value)];
    ++count_;
    sum_ += value;
    max_ = std::max(max_, value);
  }
  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  uint64_t mean() const { return count_ == 0 ? 0 : sum_ / count_; }

  // The largest value of the bucket that holds the value which `per_million`
  // of all values do not exceed (990'000: p99); at most max(). 0 when empty.
  uint64_t Percentile(uint64_t per_million) const {
    if (count_ == 0) return 0;
    // Rounded up: p50 of one value is that value.
    const uint64_t rank =
        std::max<uint64_t>(1, (count_ * per_million + 999'999) / 1'000'000);
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank) return std::min(LargestOf(i), max_);
    }
    return max_;
  }

 private:
  static constexpr int kSubBits = 6;  // 64 buckets to a doubling
  static constexpr uint64_t kSub = uint64_t{1} << kSubBits;
  static constexpr size_t kBuckets = (64 - kSubBits + 1) * kSub;

  // Values below 64 have a bucket each; above, the top seven bits choose.
  static size_t BucketOf(uint64_t value) {
    if (value < kSub) return value;
    const int shift = std::bit_width(value) - kSubBits - 1;
    return (static_cast<size_t>(shift) + 1) * kSub + ((value >> shift) - kSub);
  }
  static uint64_t LargestOf(size_t bucket) {
    if (bucket < kSub) return bucket;
    const uint64_t shift = bucket / kSub - 1;
    const uint64_t first = (kSub + bucket % kSub) << shift;
    return first + ((uint64_t{1} << shift) - 1);
  }

  std::array<uint64_t, kBuckets> buckets_ = {};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace tools

#endif  // TOOLS_HISTOGRAM_H_
