#include "sim/violation.h"

#include <string>

#include "gtest/gtest.h"

namespace sim {
namespace {

TEST(ViolationsTest, KeepsTheFirst) {
  Violations violations;
  for (int i = 0; i < 100; ++i) {
    violations.Add(Violation::Kind::kLiveness, "rule", std::to_string(i));
  }
  EXPECT_EQ(violations.list().size(), Violations::kKept);
  EXPECT_EQ(violations.list()[0].text, "0");
}

}  // namespace
}  // namespace sim
