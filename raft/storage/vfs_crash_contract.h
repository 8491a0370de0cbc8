// What a crash may forget, as a table: short sequences of file operations, and
// what may stand in the folder after the power fails right behind each.
//
// The simulated disk is crashed until it has shown every outcome that is
// allowed, and shows no other (sim/vfs_crash_test.cc): if it were kinder than
// the table, the code that stands on it would not be tested; if it were
// crueller, it would be tested for what no disk does. Of a real disk a test
// cannot take the power; what it can show is that the death of a process
// forgets nothing at all, since the page cache belongs to the kernel
// (net/posix_vfs_test.cc). The rest is what POSIX and the file systems promise,
// and it is little: a write is durable by fsync, a name by fsync of its folder,
// a rename replaces as one; of what was not synced any sector may be there, or
// its beginning.
#ifndef RAFT_STORAGE_VFS_CRASH_CONTRACT_H_
#define RAFT_STORAGE_VFS_CRASH_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "raft/storage/vfs.h"

namespace raft::storage {

struct CrashCase {
  std::string name;
  // Made durable, with its name, before: name and content.
  std::vector<std::pair<std::string, std::string>> before;
  // The files lie in the folder `dir`.
  std::function<absl::Status(Vfs* vfs, const std::string& dir)> act;
  // As ShowFolder tells them: regular expressions for all of it. The first is
  // what is there if nothing is forgotten.
  std::vector<std::string> allowed;
};

// A content in short: "512a512b"; a zero byte is "0".
inline std::string ShowContent(const std::string& content) {
  std::string text;
  for (size_t at = 0; at < content.size();) {
    size_t end = at;
    while (end < content.size() && content[end] == content[at]) ++end;
    text += std::to_string(end - at) + (content[at] == 0 ? '0' : content[at]);
    at = end;
  }
  return text.empty() ? "empty" : text;
}

// "f=512a g=3x", in the order of names; "" for an empty folder.
inline std::string ShowFolder(Vfs* vfs, const std::string& dir) {
  const auto names = vfs->List(dir);
  if (!names.ok()) return names.status().ToString();
  std::string text;
  for (const std::string& name : *names) {
    auto file = vfs->Open(dir + "/" + name, OpenMode::kRead);
    std::string content;
    if (!file.ok() || !(*file)->Read(0, 1 << 20, &content).ok()) return "?";
    text += (text.empty() ? "" : " ") + name + "=" + ShowContent(content);
  }
  return text;
}

// Creates, writes and syncs a file; its name is durable after SyncDir.
inline absl::Status WriteSynced(Vfs* vfs, const std::string& path,
                                const std::string& content, bool sync = true) {
  auto file = vfs->Open(path, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->Write(0, content);
  if (status.ok() && sync) status = (*file)->Sync();
  return status;
}

// The folder as it is before `act`: all of it durable.
inline absl::Status MakeDurably(const CrashCase& crash, Vfs* vfs,
                                const std::string& dir) {
  for (const auto& [name, content] : crash.before) {
    absl::Status status = WriteSynced(vfs, dir + "/" + name, content);
    if (!status.ok()) return status;
  }
  return vfs->SyncDir(dir);
}

inline std::vector<CrashCase> CrashCasesOfBytes() {
  const std::string a(1024, 'a');
  const std::string b(1024, 'b');
  const std::string half = b.substr(512);
  // Calls `then` on the file f.
  const auto on_f = [](const std::function<absl::Status(File*)>& then)
      -> std::function<absl::Status(Vfs*, const std::string&)> {
    return [then](Vfs* vfs, const std::string& dir) {
      auto file = vfs->Open(dir + "/f", OpenMode::kReadWrite);
      return file.ok() ? then(file->get()) : file.status();
    };
  };
  return {
      {"a write without a sync: any of its sectors, or their beginnings",
       {{"f", a}},
       on_f([b](File* f) { return f->Write(0, b); }),
       {"f=1024b", "f=1024a", "f=512a512b", "f=512b512a", "f=([0-9]+[ab])+"}},
      {"a write and a sync",
       {{"f", a}},
       on_f([b](File* f) {
         absl::Status status = f->Write(0, b);
         return status.ok() ? f->Sync() : status;
       }),
       {"f=1024b"}},
      {"a longer file without a sync: its size and its bytes",
       {{"f", a}},
       on_f([half](File* f) { return f->Write(1024, half); }),
       {"f=1024a512b", "f=1024a", "f=1024a5120", "f=1024a[0-9]+b[0-9]+0"}},
      {"a shorter file without a sync: also its old size, and zeros there",
       {{"f", a}},
       on_f([](File* f) { return f->Truncate(512); }),
       {"f=512a", "f=1024a", "f=512a5120"}},
      {"room made and synced",
       {{"f", a}},
       on_f([](File* f) {
         absl::Status status = f->Preallocate(2048);
         return status.ok() ? f->Sync() : status;
       }),
       {"f=1024a10240"}},
  };
}

inline std::vector<CrashCase> CrashCasesOfNames() {
  const std::string a(1024, 'a');
  const std::string b(1024, 'b');
  const std::string half = b.substr(512);
  return {
      {"a new file whose folder is not synced",
       {},
       [half](Vfs* vfs, const std::string& dir) {
         return WriteSynced(vfs, dir + "/g", half);
       },
       {"g=512b", ""}},
      {"a new file and its folder",
       {},
       [half](Vfs* vfs, const std::string& dir) {
         absl::Status status = WriteSynced(vfs, dir + "/g", half);
         return status.ok() ? vfs->SyncDir(dir) : status;
       },
       {"g=512b"}},
      {"a new file that is not synced, and its folder that is",
       {},
       [half](Vfs* vfs, const std::string& dir) {
         absl::Status status = WriteSynced(vfs, dir + "/g", half, false);
         return status.ok() ? vfs->SyncDir(dir) : status;
       },
       {"g=512b", "g=empty", "g=5120", "g=[0-9]+b[0-9]+0"}},
      {"a rename over another file: as one, or not at all",
       {{"f", a}, {"g", b}},
       [](Vfs* vfs, const std::string& dir) {
         return vfs->Rename(dir + "/g", dir + "/f");
       },
       {"f=1024b", "f=1024a g=1024b"}},
      {"a rename and its folder",
       {{"f", a}, {"g", b}},
       [](Vfs* vfs, const std::string& dir) {
         absl::Status status = vfs->Rename(dir + "/g", dir + "/f");
         return status.ok() ? vfs->SyncDir(dir) : status;
       },
       {"f=1024b"}},
      {"a file renamed before it was synced",
       {{"f", a}},
       [half](Vfs* vfs, const std::string& dir) {
         absl::Status status = WriteSynced(vfs, dir + "/g", half, false);
         if (status.ok()) status = vfs->Rename(dir + "/g", dir + "/f");
         return status.ok() ? vfs->SyncDir(dir) : status;
       },
       {"f=512b", "f=empty", "f=5120", "f=[0-9]+b[0-9]+0"}},
      {"a removal",
       {{"f", a}},
       [](Vfs* vfs, const std::string& dir) { return vfs->Remove(dir + "/f"); },
       {"", "f=1024a"}},
      {"a removal and its folder",
       {{"f", a}},
       [](Vfs* vfs, const std::string& dir) {
         absl::Status status = vfs->Remove(dir + "/f");
         return status.ok() ? vfs->SyncDir(dir) : status;
       },
       {""}},
      {"two removals: either of them, or both",
       {{"f", a}, {"g", b}},
       [](Vfs* vfs, const std::string& dir) {
         absl::Status status = vfs->Remove(dir + "/f");
         return status.ok() ? vfs->Remove(dir + "/g") : status;
       },
       {"", "f=1024a", "g=1024b", "f=1024a g=1024b"}},
  };
}

inline std::vector<CrashCase> CrashCases() {
  std::vector<CrashCase> all = CrashCasesOfBytes();
  for (const CrashCase& crash : CrashCasesOfNames()) all.push_back(crash);
  return all;
}

}  // namespace raft::storage

#endif  // RAFT_STORAGE_VFS_CRASH_CONTRACT_H_
