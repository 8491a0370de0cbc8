// Strong types for every number that means something. None converts to
// another: a function never takes two bare uint64_t that a caller could swap.
#ifndef RAFT_TYPES_H_
#define RAFT_TYPES_H_

#include <compare>
#include <cstdint>
#include <string>

namespace raft {

// A number with a meaning. `Tag` keeps the meanings apart; arithmetic is only
// with the raw representation (`index + 1`), and the difference of two values
// is raw again.
template <typename Tag, typename Rep = uint64_t>
class StrongNumber {
 public:
  using rep = Rep;
  constexpr StrongNumber() = default;
  constexpr explicit StrongNumber(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const StrongNumber&) const = default;

  constexpr StrongNumber operator+(Rep n) const {
    return StrongNumber(value_ + n);
  }
  constexpr StrongNumber operator-(Rep n) const {
    return StrongNumber(value_ - n);
  }
  constexpr Rep operator-(StrongNumber other) const {
    return value_ - other.value_;
  }
  constexpr StrongNumber& operator++() {
    ++value_;
    return *this;
  }
  constexpr StrongNumber& operator--() {
    --value_;
    return *this;
  }

 private:
  Rep value_ = 0;
};

// Raft term; 0 means "no term yet" (before the first election).
using Term = StrongNumber<struct TermTag>;
// Position in the replicated log, from 1; 0 is the place before the first
// entry. The revision of a write is the index of its entry.
using Index = StrongNumber<struct IndexTag>;
// Names one Persist effect. Tokens of one node are given out in order from 1
// and never reused within a boot; 0 means "nothing needed".
using PersistToken = StrongNumber<struct PersistTokenTag>;
// Leadership-confirmation round of one leader in one term, from 1.
using Round = StrongNumber<struct RoundTag>;
// Names one ReadIndex request inside one node and boot.
using ReadId = StrongNumber<struct ReadIdTag>;
// Identifies a cluster; written into every data directory by `format`.
using ClusterId = StrongNumber<struct ClusterIdTag>;

// A length of time in microseconds.
using Duration = StrongNumber<struct DurationTag, int64_t>;
constexpr Duration Micros(int64_t n) { return Duration(n); }
constexpr Duration Millis(int64_t n) { return Duration(n * 1000); }

// A moment on this node's own monotonic clock (CLOCK_BOOTTIME in production),
// in microseconds. Comparable only within one node and boot; never sent, never
// stored.
class Time {
 public:
  constexpr Time() = default;
  constexpr explicit Time(int64_t us) : us_(us) {}
  constexpr int64_t micros() const { return us_; }
  constexpr auto operator<=>(const Time&) const = default;
  constexpr Time operator+(Duration d) const { return Time(us_ + d.value()); }
  constexpr Duration operator-(Time other) const {
    return Duration(us_ - other.us_);
  }
  // A deadline that never comes.
  static constexpr Time Never() { return Time(INT64_MAX); }

 private:
  int64_t us_ = 0;
};

// A member of the cluster. The slot is its place (1..255; 0 is "nobody"); the
// incarnation tells a disk from the wiped disk that had the slot before it: a
// node whose disk was wiped is another node (architecture decision 10).
struct NodeId {
  uint8_t slot = 0;
  uint32_t incarnation = 0;

  constexpr auto operator<=>(const NodeId&) const = default;
  constexpr bool valid() const { return slot != 0; }
};
inline constexpr NodeId kNobody{};

// "n1" for the first incarnation, "n1.2" for later ones.
inline std::string ToString(NodeId id) {
  if (!id.valid()) return "nobody";
  std::string text = "n" + std::to_string(id.slot);
  if (id.incarnation != 1) text += "." + std::to_string(id.incarnation);
  return text;
}

}  // namespace raft

#endif  // RAFT_TYPES_H_
