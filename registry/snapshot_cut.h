// SnapshotCut: how far a snapshot of the state has been taken.
#ifndef REGISTRY_SNAPSHOT_CUT_H_
#define REGISTRY_SNAPSHOT_CUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/container/btree_set.h"
#include "raft/types.h"
#include "registry/command.h"
#include "registry/state_digest.h"

namespace registry {

// A cursor over the tables of a StateMachine, in the order of Table and of
// their keys. The snapshot is the set of entries that were there at `index`:
// the cursor takes those that it comes to, skips what was made or changed
// since, and of an entry before it that is about to change or go, its old image
// is taken first. So the state goes on, and nothing is copied as a whole.
//
// Which were made or changed since, the entries say themselves: their indexes
// are above `index`. Only of sessions it must be remembered.
struct SnapshotCut {
  enum class Table : uint8_t {
    kRegistries = 0,
    kSessions = 1,  // with their kept replies
    kRegistrations = 2,
    kOver = 3,
  };

  raft::Index index;
  StateDigest digest;  // of the state then
  Table table = Table::kRegistries;
  // The place of the cursor. Everything up to it was taken, or skipped.
  Revision registry;  // kRegistrations: the one that it stands in
  bool in_keys = false;
  std::string key;  // if in_keys: up to (key, revision)
  Revision revision;
  SessionId session;
  absl::btree_set<SessionId> early;  // sessions taken before it came to them

  std::string pending;  // records, written and not taken yet
  size_t taken = 0;     // of them
  uint64_t records = 0;

  // Whether the cursor has passed a registration.
  bool Passed(Revision in, std::string_view at_key, Revision at) const {
    if (table != Table::kRegistrations) return table == Table::kOver;
    if (in != registry) return in < registry;
    return in_keys && std::tie(at_key, at) <=
                          std::tuple<std::string_view, Revision>(key, revision);
  }
  size_t waiting() const { return pending.size() - taken; }
};

}  // namespace registry

#endif  // REGISTRY_SNAPSHOT_CUT_H_
