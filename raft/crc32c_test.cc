#include "raft/crc32c.h"

#include <string>

#include "gtest/gtest.h"
#include "raft/digest.h"

namespace raft {
namespace {

// The check value of the CRC catalogue for CRC-32C, and RFC 3720 B.4's zeros.
TEST(Crc32cTest, KnownValues) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32cPortable("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, InstructionAgreesWithTableAndContinues) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(Crc32c(text), Crc32cPortable(text)) << i;
    const size_t cut = text.size() / 3;
    EXPECT_EQ(Crc32c(text.substr(cut), Crc32c(text.substr(0, cut))),
              Crc32c(text));
    text.push_back(static_cast<char>(Mix(i)));
  }
}

}  // namespace
}  // namespace raft
