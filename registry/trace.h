// Node traces: what one replica was fed at its ports (bytes, time, disk
// completions, connections), with a digest of what its node did in each step.
// registryd --record writes one; replay.h runs it again and names the first
// step that went another way.
//
// FORMAT of a file: records one behind the other, each
//
//   u32 length   bytes of the record         (little-endian)
//   u32 crc32c   of the record
//   a wire::TraceRecord (trace.proto)
//
// A process that was killed leaves a cut-off last record, which is not an
// error. A TraceSink gets the record alone; the file's owner adds the rest.
#ifndef REGISTRY_TRACE_H_
#define REGISTRY_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/storage/storage.h"
#include "registry/node_io.h"
#include "registry/ports.h"
#include "registry/protocol.h"
#include "registry/snapshot_worker.h"
#include "registry/trace.pb.h"

namespace registry {

inline constexpr uint32_t kTraceVersion = 1;

// Appends one record as a trace file holds it.
void AppendTraceRecord(std::string_view record, std::string* file);

// The digest of one step, as the trace keeps it.
uint64_t StepDigest(const Event& event, const Effects& effects);
// The digest of what storage gave back.
uint64_t RecoveredDigest(const raft::storage::Recovered& recovered);

// The event of a job of the bulk lane, but for a state, which `state_bytes`
// becomes. DataLoss: the record makes no sense.
absl::StatusOr<BulkResult> BulkResultOf(const wire::TraceBulkDone& done,
                                        std::string_view state_bytes,
                                        size_t leases_per_check);

// Writes the records of one replica's life, in the order of the calls.
class TraceWriter {
 public:
  // `sink` must outlive this.
  explicit TraceWriter(TraceSink* sink) : sink_(sink) {}

  // First: everything that the replica is made of. The caller fills in the
  // options; what storage gave back and its digest are added here, and the
  // bytes of the state that the snapshot holds.
  void Begin(wire::TraceHeader header,
             const raft::storage::Recovered& recovered,
             std::string_view state_bytes);

  void Time(raft::Time now);
  void Accepted(ConnectionId connection, Listener listener);
  void Opened(ConnectionId connection);
  void Bytes(ConnectionId connection, std::string_view bytes);
  void Closed(ConnectionId connection);
  void DiskDone(uint64_t job, const absl::Status& status);
  void BulkDone(uint64_t job, const absl::Status& status,
                const BulkResult& result);
  void TurnEnd();
  void HandOver(raft::NodeId to);

  void Connected(ConnectionId connection);
  void Queued(size_t bytes);
  void Step(const Event& event, const Effects& effects);

 private:
  void Append();
  void AppendState(std::string_view bytes);

  TraceSink* const sink_;
  wire::TraceRecord record_;  // scratch, with its allocations
  std::string bytes_;         // scratch
};

// Reads the records of a file, which must outlive it.
class TraceReader {
 public:
  explicit TraceReader(std::string_view file) : file_(file) {}

  // The next record; false at the end of the file or at a cut-off last record.
  // DataLoss, with the offset, for a damaged one.
  absl::StatusOr<bool> Next(wire::TraceRecord* record);

  size_t offset() const { return offset_; }  // of the next record
  // After Next returned false: bytes of a record that was cut off.
  size_t cut_off_bytes() const { return file_.size() - offset_; }

 private:
  std::string_view file_;
  size_t offset_ = 0;
};

}  // namespace registry

#endif  // REGISTRY_TRACE_H_
