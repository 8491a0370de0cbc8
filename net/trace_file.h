// TraceFile: registry::TraceSink into a file of length-prefixed records.
#ifndef NET_TRACE_FILE_H_
#define NET_TRACE_FILE_H_

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "registry/ports.h"

namespace net {

// FORMAT: each record is u32 length, u32 crc32c of the record (both
// little-endian), then the record's bytes. A reader stops at the first record
// that is cut off or damaged: the tail of a process that was killed.
//
// Writes go to the page cache through a buffer and are never synced: a trace
// must not cost the node what it records. Not thread-safe.
class TraceFile : public registry::TraceSink {
 public:
  // Creates `path`, replacing what was there. PermissionDenied, NotFound (the
  // folder) or Unknown, naming the path.
  static absl::StatusOr<std::unique_ptr<TraceFile>> Create(
      const std::string& path);
  ~TraceFile() override;

  void Append(std::string_view record) override;
  void Flush();

  // False once a write failed (a full disk): recording has ended, the node
  // goes on.
  bool ok() const { return ok_; }

 private:
  explicit TraceFile(FILE* file) : file_(file) {}
  FILE* const file_;
  bool ok_ = true;
};

}  // namespace net

#endif  // NET_TRACE_FILE_H_
