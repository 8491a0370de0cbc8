// Numbers as they lie on disk.
#ifndef RAFT_STORAGE_LITTLE_ENDIAN_H_
#define RAFT_STORAGE_LITTLE_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "raft/types.h"

namespace raft::storage {

static_assert(std::endian::native == std::endian::little,
              "the disk formats are written by memcpy");

template <typename T>
void Put(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
inline void PutZeros(size_t count, std::string* out) {
  out->append(count, '\0');
}
// slot u8, 3 zeros, incarnation u32.
inline void PutNode(NodeId id, std::string* out) {
  Put<uint32_t>(id.slot, out);
  Put<uint32_t>(id.incarnation, out);
}
template <typename T>
void PutAt(size_t offset, T value, std::string* out) {
  std::memcpy(out->data() + offset, &value, sizeof(value));
}

// Requires offset + sizeof(T) <= bytes.size().
template <typename T>
T Get(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}
inline NodeId GetNode(std::string_view bytes, size_t offset) {
  return NodeId{.slot = Get<uint8_t>(bytes, offset),
                .incarnation = Get<uint32_t>(bytes, offset + 4)};
}

}  // namespace raft::storage

#endif  // RAFT_STORAGE_LITTLE_ENDIAN_H_
