// What a loss of power takes from a SimDisk; the fault model is in sim_disk.h.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "raft/check.h"
#include "raft/digest.h"
#include "sim/sim_disk.h"
#include "sim/sim_disk_internal.h"

namespace sim {

using raft::Mix;

namespace {

enum class Fate : uint64_t { kAll = 0, kNothing = 1, kSubset = 2, kTorn = 3 };

std::string SectorOf(const std::string& image, uint64_t sector) {
  std::string bytes;
  if (sector * kSectorBytes < image.size()) {
    bytes = image.substr(sector * kSectorBytes, kSectorBytes);
  }
  bytes.resize(kSectorBytes, '\0');
  return bytes;
}

void PutSector(std::string* image, uint64_t sector, const std::string& bytes) {
  const uint64_t begin = sector * kSectorBytes;
  if (image->size() < begin + kSectorBytes) {
    image->resize(begin + kSectorBytes, '\0');
  }
  image->replace(begin, kSectorBytes, bytes);
}

uint64_t CountDifferent(const std::string& a, const std::string& b) {
  const size_t common = std::min(a.size(), b.size());
  uint64_t different = std::max(a.size(), b.size()) - common;
  for (size_t i = 0; i < common; ++i) different += a[i] != b[i];
  return different;
}

}  // namespace

void SimDisk::ApplyChange(const Change& change, std::string* image) {
  if (change.data.empty() || image->size() < change.size_after) {
    image->resize(change.size_after, '\0');
  }
  if (!change.data.empty()) {
    image->replace(change.offset, change.data.size(), change.data);
  }
}

// Every version that a changed sector had since the last sync, oldest first.
// The kernel writes whole sectors from its cache whenever it likes, so each of
// them may be the one that the platter holds.
std::string SimDisk::SurvivingSubset(const Inode& inode, uint64_t draw) const {
  std::map<uint64_t, std::vector<std::string>> versions;  // by sector
  std::vector<uint64_t> sizes = {inode.durable.size()};
  std::string image = inode.durable;
  for (const Change& change : inode.unsynced) {
    const uint64_t old_size = image.size();
    ApplyChange(change, &image);
    uint64_t begin = change.offset;
    uint64_t end = change.offset + change.data.size();
    if (change.data.empty()) {  // a shrinking size zeroes what it cuts off
      begin = std::min<uint64_t>(old_size, change.size_after);
      end = old_size;
    }
    for (uint64_t s = begin / kSectorBytes; s * kSectorBytes < end; ++s) {
      auto& list = versions[s];
      if (list.empty()) list.push_back(SectorOf(inode.durable, s));
      list.push_back(SectorOf(image, s));
    }
    if (image.size() != old_size) sizes.push_back(image.size());
  }
  std::string survivor = inode.durable;
  for (const auto& [sector, list] : versions) {
    PutSector(&survivor, sector,
              list[Mix(draw, kSectorVersion, sector) % list.size()]);
  }
  survivor.resize(sizes[Mix(draw, kSizeVersion) % sizes.size()], '\0');
  return survivor;
}

// Everything but the end of the last write is there.
std::string SimDisk::SurvivingTorn(const Inode& inode, uint64_t draw) {
  std::string survivor = inode.durable;
  for (size_t i = 0; i + 1 < inode.unsynced.size(); ++i) {
    ApplyChange(inode.unsynced[i], &survivor);
  }
  Change last = inode.unsynced.back();
  if (last.data.size() < 2) {
    ApplyChange(last, &survivor);
    return survivor;
  }
  const uint64_t kept = 1 + Mix(draw, kTearPoint) % (last.data.size() - 1);
  last.data.resize(kept);
  ApplyChange(last, &survivor);
  const uint64_t tear = last.offset + kept;
  if (tear % kSectorBytes == 0) return survivor;
  ++effects_.sectors_torn;
  if (options_.garbage_in_torn_sectors) {
    std::string noise(kSectorBytes, '\0');
    for (size_t i = 0; i < noise.size(); ++i) {
      noise[i] = static_cast<char>(Mix(draw, kGarbage, i));
    }
    const uint64_t size = survivor.size();
    PutSector(&survivor, tear / kSectorBytes, noise);
    survivor.resize(size);
  }
  return survivor;
}

std::string SimDisk::Surviving(const Inode& inode, uint64_t draw, Loss loss) {
  if (inode.unsynced.empty()) return inode.durable;
  Fate fate = Fate::kAll;
  if (loss == Loss::kEverything) fate = Fate::kNothing;
  if (loss == Loss::kDrawn) fate = static_cast<Fate>(Mix(draw, kFileFate) % 4);
  switch (fate) {
    case Fate::kNothing:
      return inode.durable;
    case Fate::kSubset:
      return SurvivingSubset(inode, draw);
    case Fate::kTorn:
      return SurvivingTorn(inode, draw);
    case Fate::kAll:
      break;
  }
  std::string survivor = inode.durable;
  for (const Change& change : inode.unsynced) ApplyChange(change, &survivor);
  return survivor;
}

void SimDisk::LoseNames(uint64_t draw, Loss loss) {
  const bool folders_in_order = Mix(draw, kFolderFate) % 2 == 0;
  const uint64_t kept_in_order =
      Mix(draw, kNameFate) % (unsynced_names_.size() + 1);
  for (size_t i = 0; i < unsynced_names_.size(); ++i) {
    bool kept = loss == Loss::kNothing;
    if (loss == Loss::kDrawn) {
      // A journal keeps a prefix, a file system without one any subset.
      kept = folders_in_order ? i < kept_in_order
                              : Mix(draw, kNameFate, i + 1) % 2 == 0;
    }
    if (!kept) {
      ++effects_.dir_ops_lost;
      continue;
    }
    const NameChange& change = unsynced_names_[i];
    if (!change.erased.empty()) durable_names_.erase(change.erased);
    if (!change.set.empty()) durable_names_[change.set] = change.inode;
  }
  unsynced_names_.clear();
  names_ = std::move(durable_names_);
  // Whatever lies in a lost folder is lost. Parents sort before children.
  for (auto it = names_.begin(); it != names_.end();) {
    if (FolderExists(FolderOfPath(it->first))) {
      ++it;
    } else {
      ++effects_.dir_ops_lost;
      it = names_.erase(it);
    }
  }
  durable_names_ = names_;
}

void SimDisk::Crash(uint64_t draw, Loss loss) {
  ++effects_.crashes;
  for (auto& [id, inode] : inodes_) {
    inode.durable = Surviving(inode, Mix(draw, id), loss);
    effects_.bytes_lost += CountDifferent(inode.current, inode.durable);
    inode.current = inode.durable;
    inode.unsynced.clear();
  }
  LoseNames(draw, loss);
  Kill();
  cache_cold_ = true;
}

void SimDisk::Kill() {
  dead_ = false;
  ForgetProcess();
}

// ------------------------------------------------------------------- tests

std::vector<std::string> SimDisk::Files() const {
  std::vector<std::string> files;
  for (const auto& [path, inode] : names_) {
    if (inode != kFolder) files.push_back(path);
  }
  return files;
}

std::optional<std::string> SimDisk::Peek(const std::string& path) const {
  const auto it = names_.find(path);
  if (it == names_.end() || it->second == kFolder) return std::nullopt;
  return inodes_.at(it->second).current;
}

void SimDisk::Poke(const std::string& path, uint64_t offset,
                   std::string_view data) {
  const auto it = names_.find(path);
  CHECK(it != names_.end() && it->second != kFolder);
  Inode& inode = inodes_.at(it->second);
  for (std::string* image : {&inode.durable, &inode.current}) {
    if (image->size() < offset + data.size()) {
      image->resize(offset + data.size(), '\0');
    }
    image->replace(offset, data.size(), data);
  }
}

uint64_t SimDisk::StateDigest() const {
  raft::Digest digest;
  for (const Names* names : {&names_, &durable_names_}) {
    digest.AddNumber(names->size());
    for (const auto& [path, inode] : *names) {
      digest.AddText(path);
      digest.AddNumber(inode);
    }
  }
  for (const auto& [id, inode] : inodes_) {
    digest.AddNumber(id);
    digest.AddText(inode.durable);
    // Mostly everything is synced.
    const bool same = inode.current == inode.durable;
    digest.AddNumber(same);
    if (!same) digest.AddText(inode.current);
    digest.AddNumber(inode.unsynced.size());
  }
  return digest.value();
}

}  // namespace sim
