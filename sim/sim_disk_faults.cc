// What a SimDisk refuses, and what it does to bytes that it had acknowledged;
// the fault model is in sim_disk.h.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "raft/check.h"
#include "raft/digest.h"
#include "sim/sim_disk.h"
#include "sim/sim_disk_internal.h"

namespace sim {

using raft::Mix;
using Kind = FileOperation::Kind;

namespace {

constexpr uint64_t kBitsMax = 8;

bool ChangesTheDisk(Kind kind) {
  constexpr std::array kKinds = {
      Kind::kCreate, Kind::kWrite,  Kind::kPreallocate, Kind::kTruncate,
      Kind::kRename, Kind::kRemove, Kind::kMakeDir};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

std::string Name(Kind kind) { return std::string(ToString(kind)); }

bool IsZero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

OperationClass ClassOf(FileOperation::Kind kind) {
  switch (kind) {
    case Kind::kRead:
      return OperationClass::kRead;
    case Kind::kWrite:
      return OperationClass::kWrite;
    case Kind::kSync:
    case Kind::kSyncDir:
      return OperationClass::kSync;
    default:
      return OperationClass::kOther;
  }
}

std::string_view ToString(OperationClass of) {
  switch (of) {
    case OperationClass::kRead:
      return "read";
    case OperationClass::kWrite:
      return "write";
    case OperationClass::kSync:
      return "sync";
    case OperationClass::kOther:
      return "other";
  }
  return "?";
}

std::string_view ToString(DamageKind kind) {
  switch (kind) {
    case DamageKind::kBitRot:
      return "bit_rot";
    case DamageKind::kLostWrite:
      return "lost_write";
    case DamageKind::kMisdirectedWrite:
      return "misdirected_write";
  }
  return "?";
}

SimDiskEffects& SimDiskEffects::operator+=(const SimDiskEffects& other) {
  std::vector<uint64_t*> sums;  // our own fields, which are not const
  Fields([&sums](const char*, const uint64_t& value) {
    sums.push_back(const_cast<uint64_t*>(&value));
  });
  size_t i = 0;
  other.Fields(
      [&](const char*, const uint64_t& value) { *sums[i++] += value; });
  return *this;
}

// ------------------------------------------------------------------ errors

void SimDisk::FailLater(const DiskError& error) {
  errors_[static_cast<size_t>(error.of)] = error;
}

absl::Status SimDisk::FailureOf(const FileOperation& operation) {
  if (read_only_ && ChangesTheDisk(operation.kind)) {
    return RefuseReadOnly(operation.kind, operation.path);
  }
  std::optional<DiskError>& error =
      errors_[static_cast<size_t>(ClassOf(operation.kind))];
  if (!error.has_value() || error->skip-- > 0) return absl::OkStatus();
  const DiskError::Code code = error->code;
  error.reset();
  const std::string what =
      absl::StrCat(Name(operation.kind), " ", operation.path);
  if (code == DiskError::Code::kFull) {
    CountFull(operation.kind);
    return absl::ResourceExhaustedError(absl::StrCat(what, ": disk full"));
  }
  CountFailure(operation.kind);
  return absl::DataLossError(absl::StrCat(what, ": I/O error"));
}

absl::Status SimDisk::RefuseReadOnly(Kind kind, const std::string& path) {
  ++effects_.read_only;
  CountFailure(kind);
  return absl::PermissionDeniedError(
      absl::StrCat(Name(kind), " ", path, ": read-only file system"));
}

void SimDisk::CountFailure(Kind kind) {
  switch (ClassOf(kind)) {
    case OperationClass::kRead:
      ++effects_.reads_failed;
      return;
    case OperationClass::kWrite:
      ++effects_.writes_failed;
      return;
    case OperationClass::kSync:
      ++effects_.syncs_failed;
      return;
    case OperationClass::kOther:
      ++effects_.others_failed;
      return;
  }
}

void SimDisk::CountFull(Kind kind) {
  ++effects_.full;
  CountFailure(kind);
}

uint64_t SimDisk::bytes_used() const {
  uint64_t used = 0;
  for (const auto& [id, inode] : inodes_) used += inode.current.size();
  return used;
}

// ------------------------------------------------------------------ damage

// Every sector of every file that has a name, in order.
std::vector<SimDisk::Place> SimDisk::Places(bool zeros_too) const {
  std::vector<Place> places;
  std::set<InodeId> seen = {kFolder};
  for (const auto& [path, id] : names_) {
    if (!seen.insert(id).second) continue;
    const std::string_view bytes = inodes_.at(id).durable;
    for (uint64_t at = 0; at < bytes.size(); at += kSectorBytes) {
      if (!zeros_too && IsZero(bytes.substr(at, kSectorBytes))) continue;
      places.push_back({id, at});
    }
  }
  return places;
}

std::string SimDisk::PathOf(InodeId id) const {
  for (const auto& [path, inode] : names_) {
    if (inode == id) return path;
  }
  return "a removed file";
}

// Changes what the platter holds. Whoever has the bytes in its page cache goes
// on seeing those; bytes beyond the file's end are not written.
void SimDisk::Overwrite(InodeId id, uint64_t offset, std::string_view data,
                        bool cached) {
  Inode& inode = inodes_.at(id);
  const auto change = [&](std::string* image) {
    if (offset >= image->size()) return;
    const size_t size = std::min<size_t>(data.size(), image->size() - offset);
    image->replace(offset, size, data.substr(0, size));
  };
  change(&inode.durable);
  if (!cached && inode.unsynced.empty()) change(&inode.current);
}

std::string SimDisk::Damage(DamageKind kind, uint64_t draw) {
  switch (kind) {
    case DamageKind::kBitRot:
      return RotBits(draw);
    case DamageKind::kLostWrite:
      return LoseSyncedWrite(draw);
    case DamageKind::kMisdirectedWrite:
      return MisdirectSyncedWrite(draw);
  }
  return "";
}

std::string SimDisk::RotBits(uint64_t draw) {
  // Most of a young log is zeros that nobody will ever read, and so is most of
  // a sector with a short record.
  const bool anywhere = Mix(draw, kRotPlace) % 8 == 0;
  const std::vector<Place> places = Places(anywhere);
  if (places.empty()) return "";
  const Place place = places[Mix(draw, kRotPlace, 1) % places.size()];
  std::string sector =
      inodes_.at(place.inode).durable.substr(place.offset, kSectorBytes);
  // A burst: a few bits in a row, or one of every byte.
  const uint64_t burst = Mix(draw, kRotBits) % (kBitsMax + 1);
  uint64_t first = Mix(draw, kRotBits, 1) % (sector.size() * 8);
  // From the next byte on that says something.
  while (!anywhere && sector[first / 8] == '\0') {
    first = (first + 8) % (sector.size() * 8);
  }
  const uint64_t bits = burst == 0 ? sector.size() : burst;
  const uint64_t step = burst == 0 ? 8 : 1;
  for (uint64_t i = 0; i < bits; ++i) {
    const uint64_t bit = (first + i * step) % (sector.size() * 8);
    sector[bit / 8] = static_cast<char>(sector[bit / 8] ^ (1 << bit % 8));
  }
  const bool cached = !cache_cold_ && Mix(draw, kRotPlace, 2) % 2 == 0;
  Overwrite(place.inode, place.offset, sector, cached);
  ++effects_.sectors_rotted;
  return absl::StrCat(PathOf(place.inode), ": offset ", place.offset, ": ",
                      bits, " bits");
}

bool SimDisk::LastWriteIsThere() const {
  if (!last_write_.has_value()) return false;
  const auto it = inodes_.find(last_write_->inode);
  return it != inodes_.end() && last_write_->data != last_write_->before &&
         it->second.durable.size() > last_write_->offset &&
         it->second.durable.compare(last_write_->offset,
                                    last_write_->data.size(),
                                    last_write_->data) == 0;
}

std::string SimDisk::LoseSyncedWrite(uint64_t draw) {
  if (!LastWriteIsThere()) return "";
  const SyncedWrite lost = *std::exchange(last_write_, std::nullopt);
  std::string left = lost.before;
  if (Mix(draw, kLostSectors) % 2 == 0) {  // some of its sectors are there
    uint64_t size = 0;
    for (uint64_t at = 0; at < left.size(); at += size) {
      size = std::min<uint64_t>(
          kSectorBytes - (lost.offset + at) % kSectorBytes, left.size() - at);
      if (Mix(draw, kLostSectors, at + 1) % 2 == 0) continue;
      left.replace(at, size, lost.data.substr(at, size));
    }
    if (left == lost.data) left = lost.before;
  }
  Overwrite(lost.inode, lost.offset, left, /*cached=*/!cache_cold_);
  ++effects_.synced_writes_lost;
  return absl::StrCat(PathOf(lost.inode), ": offset ", lost.offset,
                      ": a write of ", lost.data.size(), " bytes");
}

std::string SimDisk::MisdirectSyncedWrite(uint64_t draw) {
  if (!LastWriteIsThere()) return "";
  const uint64_t anywhere = Mix(draw, kMisdirectTo) % 2;
  std::vector<Place> places = Places(anywhere == 0);
  std::erase_if(places, [this](const Place& place) {
    return place.inode == last_write_->inode &&
           place.offset == last_write_->offset;
  });
  if (places.empty()) return "";
  const SyncedWrite write = *std::exchange(last_write_, std::nullopt);
  const Place to = places[Mix(draw, kMisdirectTo, 1) % places.size()];
  const bool cached = !cache_cold_;
  Overwrite(write.inode, write.offset, write.before, cached);
  Overwrite(to.inode, to.offset, write.data, cached);
  ++effects_.writes_misdirected;
  return absl::StrCat(PathOf(write.inode), ": offset ", write.offset,
                      ": a write of ", write.data.size(), " bytes went to ",
                      PathOf(to.inode), ", offset ", to.offset);
}

}  // namespace sim
