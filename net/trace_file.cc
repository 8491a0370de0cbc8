#include "net/trace_file.h"

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "raft/crc32c.h"

namespace net {
namespace {

void PutU32(uint32_t n, char* out) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<char>(n >> (8 * i));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TraceFile>> TraceFile::Create(
    const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) {
    const int error = errno;
    const std::string text = absl::StrCat(
        "create ", path, ": ", std::generic_category().message(error));
    if (error == ENOENT) return absl::NotFoundError(text);
    if (error == EACCES) return absl::PermissionDeniedError(text);
    return absl::UnknownError(text);
  }
  std::setvbuf(file, nullptr, _IOFBF, 256 << 10);
  return std::unique_ptr<TraceFile>(new TraceFile(file));
}

TraceFile::~TraceFile() { std::fclose(file_); }

void TraceFile::Append(std::string_view record) {
  if (!ok_) return;
  char header[8];
  PutU32(static_cast<uint32_t>(record.size()), header);
  PutU32(raft::Crc32c(record), header + 4);
  ok_ = std::fwrite(header, sizeof(header), 1, file_) == 1 &&
        std::fwrite(record.data(), 1, record.size(), file_) == record.size();
}

void TraceFile::Flush() {
  if (std::fflush(file_) != 0) ok_ = false;
}

}  // namespace net
