// What the tests of the checkers share.
#ifndef SIM_CHECKER_TEST_SUPPORT_H_
#define SIM_CHECKER_TEST_SUPPORT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/raft_io.h"
#include "raft/types.h"
#include "sim/log_checkers.h"
#include "sim/violation.h"

namespace sim {

constexpr raft::NodeId kN1{1, 1};
constexpr raft::NodeId kN2{2, 1};
constexpr raft::NodeId kN3{3, 1};

// The name of the one rule that was broken; "" for none.
inline std::string Broken(const Violations& violations) {
  if (violations.empty()) return "";
  EXPECT_EQ(violations.list().size(), 1u);
  EXPECT_EQ(violations.list()[0].kind, Violation::Kind::kSafety);
  EXPECT_FALSE(violations.list()[0].text.empty());
  return violations.list()[0].checker;
}

inline raft::Entry MakeEntry(uint64_t index, uint64_t term,
                             std::string payload = "x") {
  return {.index = raft::Index(index),
          .term = raft::Term(term),
          .kind = raft::EntryKind::kCommand,
          .payload = raft::Bytes(std::move(payload))};
}
inline std::vector<Mark> Marks(const std::vector<raft::Entry>& entries) {
  std::vector<Mark> marks;
  uint64_t chain = 0;
  for (const raft::Entry& entry : entries) {
    marks.push_back(NextMark(chain, entry));
    chain = marks.back().chain;
  }
  return marks;
}

}  // namespace sim

#endif  // SIM_CHECKER_TEST_SUPPORT_H_
