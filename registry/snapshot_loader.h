// SnapshotLoader: a state out of the bytes of StateMachine::TakeSlice.
//
// FORMAT: records, each a length (u32, little-endian) and a
// wire::SnapshotRecord (registry.proto): the head first, the end last, and
// between them each entry of the state once, in any order. A snapshot is a set:
// two replicas may write the same state as different bytes, and what makes it
// the same is the digest.
#ifndef REGISTRY_SNAPSHOT_LOADER_H_
#define REGISTRY_SNAPSHOT_LOADER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "registry/command.h"
#include "registry/state_machine.h"

namespace registry {

namespace wire {
class SnapshotEnd;
class SnapshotHead;
class SnapshotRegistration;
class SnapshotRegistry;
class SnapshotReplyKept;
class SnapshotSession;
}  // namespace wire

inline constexpr uint32_t kSnapshotStateVersion = 1;
inline constexpr size_t kSnapshotLengthBytes = 4;
// A kept reply holds two values at most; a registration one, and a key.
inline constexpr size_t kSnapshotRecordBytesMax = 256 << 10;
static_assert(kSnapshotRecordBytesMax > 3 * kValueBytesMax + 2 * kKeyBytesMax);

class SnapshotLoader {
 public:
  // The next bytes, in any pieces. DataLoss, with the reason and the number of
  // the record: these bytes are of no state. FailedPrecondition: of a newer
  // version. After an error nothing more is taken.
  absl::Status Add(std::string_view bytes);

  // The state, at the snapshot's index. DataLoss unless it is whole and has the
  // digest that the head says. Once.
  absl::StatusOr<StateMachine> Finish();

 private:
  struct Loose {
    Revision registry;
    std::string key;
    Registration registration;
  };
  struct LooseReply {
    SessionId session;
    Sequence sequence;
    CommandReply reply;
  };

  absl::Status OnRecord(std::string_view bytes);
  absl::Status On(const wire::SnapshotHead& head);
  absl::Status On(wire::SnapshotRegistry* registry);
  absl::Status On(wire::SnapshotRegistration* registration);
  absl::Status On(wire::SnapshotSession* session);
  absl::Status On(wire::SnapshotReplyKept* kept);
  absl::Status On(const wire::SnapshotEnd& end);
  absl::Status Place(Loose registration);
  absl::Status Place(LooseReply reply);
  absl::Status ConnectOwners();
  absl::Status Wrong(std::string_view why) const;

  std::string rest_;  // of a record that has not come whole
  uint64_t records_ = 0;
  bool ended_ = false;
  absl::Status failed_;
  StateMachine state_;
  StateDigest digest_;  // as it must come out
  // What came before that to which it belongs.
  std::vector<Loose> loose_;
  std::vector<LooseReply> loose_replies_;
};

}  // namespace registry

#endif  // REGISTRY_SNAPSHOT_LOADER_H_
