// CRC-32C (Castagnoli), by instruction where the machine has it, by table
// elsewhere; both give the same value (crc32c_test).
#ifndef RAFT_CRC32C_H_
#define RAFT_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace raft {

// The CRC of `data`, continuing from `crc` (0 to start):
// Crc32c(b, Crc32c(a)) == Crc32c(ab).
uint32_t Crc32c(std::string_view data, uint32_t crc = 0);

// The table implementation, for the test and for machines without SSE 4.2.
uint32_t Crc32cPortable(std::string_view data, uint32_t crc = 0);

}  // namespace raft

#endif  // RAFT_CRC32C_H_
