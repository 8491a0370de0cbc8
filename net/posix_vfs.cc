#include "net/posix_vfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace net {
namespace {

using raft::storage::File;
using raft::storage::OpenMode;

// For a read of more, the file is asked first how long it is.
constexpr size_t kReadAtOnceBytes = 1 << 20;

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
      return absl::StatusCode::kResourceExhausted;
    case EIO:
      return absl::StatusCode::kDataLoss;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    default:
      return absl::StatusCode::kUnknown;
  }
}

absl::Status Failed(const char* call, const std::string& path, int error) {
  return absl::Status(CodeOf(error),
                      absl::StrCat(call, " ", path, ": ",
                                   std::generic_category().message(error)));
}

// Repeats a call that a signal interrupted.
template <typename Call>
auto Retrying(const Call& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Owns a descriptor. Errors of close are not looked at: whatever had to be
// durable was synced before.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class PosixFile : public File {
 public:
  PosixFile(std::string path, Descriptor fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  absl::Status Write(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const ssize_t n = Retrying([&] {
        return pwrite(fd_.get(), data.data(), data.size(),
                      static_cast<off_t>(offset));
      });
      if (n < 0) return Failed("write", path_, errno);
      if (n == 0) return Failed("write", path_, ENOSPC);
      offset += static_cast<uint64_t>(n);
      data.remove_prefix(static_cast<size_t>(n));
    }
    return absl::OkStatus();
  }

  absl::Status Read(uint64_t offset, size_t size, std::string* out) override {
    if (size > kReadAtOnceBytes) {
      struct stat info;
      if (fstat(fd_.get(), &info) != 0) return Failed("stat", path_, errno);
      const auto end = static_cast<uint64_t>(info.st_size);
      size = std::min<uint64_t>(size, end - std::min(end, offset));
    }
    out->resize(size);
    size_t filled = 0;
    while (filled < size) {
      const ssize_t n = Retrying([&] {
        return pread(fd_.get(), out->data() + filled, size - filled,
                     static_cast<off_t>(offset + filled));
      });
      if (n < 0) {
        const int error = errno;
        out->clear();
        return Failed("read", path_, error);
      }
      if (n == 0) break;  // end of file
      filled += static_cast<size_t>(n);
    }
    out->resize(filled);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    // No retry on EINTR either: Linux does not interrupt fdatasync, and any
    // failure at all means that the state of the dirty pages is unknown.
    if (fdatasync(fd_.get()) != 0) return Failed("fdatasync", path_, errno);
    return absl::OkStatus();
  }

  absl::Status Preallocate(uint64_t size) override {
    if (size == 0) return absl::OkStatus();
    int error;  // posix_fallocate returns it and leaves errno alone
    do {
      error = posix_fallocate(fd_.get(), 0, static_cast<off_t>(size));
    } while (error == EINTR);
    if (error != 0) return Failed("fallocate", path_, error);
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    if (Retrying([&] {
          return ftruncate(fd_.get(), static_cast<off_t>(size));
        }) != 0) {
      return Failed("truncate", path_, errno);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    struct stat info;
    if (fstat(fd_.get(), &info) != 0) return Failed("stat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  const std::string path_;
  const Descriptor fd_;
};

class PosixLock : public raft::storage::Vfs::Lock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  const Descriptor fd_;  // closing it releases the lock
};

absl::StatusOr<Descriptor> OpenFolder(const std::string& path) {
  Descriptor fd(Retrying(
      [&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (fd.get() < 0) return Failed("open folder", path, errno);
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<File>> PosixVfs::Open(const std::string& path,
                                                     OpenMode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::kRead:
      flags |= O_RDONLY;
      break;
    case OpenMode::kReadWrite:
      flags |= O_RDWR;
      break;
    case OpenMode::kCreate:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  Descriptor fd(Retrying([&] { return open(path.c_str(), flags, 0640); }));
  if (fd.get() < 0) return Failed("open", path, errno);
  return std::make_unique<PosixFile>(path, std::move(fd));
}

absl::Status PosixVfs::Rename(const std::string& from, const std::string& to) {
  if (FolderOf(from) != FolderOf(to)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rename ", from, " to ", to, ": not in one folder"));
  }
  // rename(2) moves folders too.
  struct stat info;
  if (lstat(from.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return absl::UnknownError(absl::StrCat("rename ", from, ": is a folder"));
  }
  if (rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    return Failed("rename", absl::StrCat(from, " to ", to), error);
  }
  return absl::OkStatus();
}

absl::Status PosixVfs::Remove(const std::string& path) {
  if (unlink(path.c_str()) != 0) return Failed("remove", path, errno);
  return absl::OkStatus();
}

absl::Status PosixVfs::MakeDir(const std::string& path) {
  if (mkdir(path.c_str(), 0750) == 0) return absl::OkStatus();
  const int error = errno;
  struct stat info;
  if (error == EEXIST && stat(path.c_str(), &info) == 0 &&
      S_ISDIR(info.st_mode)) {
    return absl::OkStatus();
  }
  return Failed("mkdir", path, error);
}

absl::StatusOr<std::vector<std::string>> PosixVfs::List(
    const std::string& path) {
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return Failed("list", path, errno);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(dir);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  const int error = errno;
  closedir(dir);
  if (error != 0) return Failed("list", path, error);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status PosixVfs::SyncDir(const std::string& path) {
  absl::StatusOr<Descriptor> fd = OpenFolder(path);
  if (!fd.ok()) return fd.status();
  if (fsync(fd->get()) != 0) return Failed("fsync folder", path, errno);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<PosixVfs::Lock>> PosixVfs::LockDir(
    const std::string& path) {
  absl::StatusOr<Descriptor> fd = OpenFolder(path);
  if (!fd.ok()) return fd.status();
  if (Retrying([&] { return flock(fd->get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat("lock ", path, ": another process has it"));
    }
    return Failed("lock", path, errno);
  }
  return std::make_unique<PosixLock>(*std::move(fd));
}

}  // namespace net
