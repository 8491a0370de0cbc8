// What a checker reports: a value with the name of the rule that was broken.
#ifndef SIM_VIOLATION_H_
#define SIM_VIOLATION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

struct Violation {
  enum class Kind : uint8_t {
    kSafety = 1,
    kLiveness = 2,
    kLinearizability = 3,
    kCrash = 4,  // a node could not start, or the run could not go on
  };
  Kind kind = Kind::kSafety;
  std::string checker;
  std::string text;
};
std::string_view ToString(Violation::Kind kind);

// Collects violations. The first few tell what happened; a broken cluster
// would repeat the rest at every step.
class Violations {
 public:
  static constexpr size_t kKept = 16;
  void Add(Violation::Kind kind, std::string_view checker, std::string text);
  bool empty() const { return list_.empty(); }
  const std::vector<Violation>& list() const { return list_; }

 private:
  std::vector<Violation> list_;
};

}  // namespace sim

#endif  // SIM_VIOLATION_H_
