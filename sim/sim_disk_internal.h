// Shared by sim_disk.cc and sim_disk_crash.cc only.
#ifndef SIM_SIM_DISK_INTERNAL_H_
#define SIM_SIM_DISK_INTERNAL_H_

#include <cstdint>
#include <string>

namespace sim {

// Draws are keyed by purpose, so that one more draw of one kind moves no other.
// FORMAT: seeds depend on the numbers.
enum DiskDraw : uint64_t {
  kFileFate = 1,
  kSectorVersion = 2,
  kSizeVersion = 3,
  kTearPoint = 4,
  kGarbage = 5,
  kFolderFate = 6,
  kNameFate = 7,
  kFailedWrite = 8,
  kFailedSync = 9,
  kRotPlace = 10,
  kRotBits = 11,
  kLostSectors = 12,
  kMisdirectTo = 13,
};

inline std::string FolderOfPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace sim

#endif  // SIM_SIM_DISK_INTERNAL_H_
