// StateMachine: the replicated state of all registries and sessions. Apply
// looks at its arguments and nothing else (architecture decision 6): no clock,
// no liveness question, no node identity. Copyable, deeply.
//
// What every command and read means, and what it answers, is API.md.
#ifndef REGISTRY_STATE_MACHINE_H_
#define REGISTRY_STATE_MACHINE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "registry/command.h"
#include "registry/registry.h"
#include "registry/session.h"
#include "registry/snapshot_cut.h"
#include "registry/state_digest.h"

namespace registry {

// A session that an entry opened or ended.
struct SessionChange {
  static constexpr std::string_view kName = "SessionChange";
  SessionId session;
  raft::Duration ttl;   // 0: a permanent session
  bool opened = false;  // false: ended or expired
  bool operator==(const SessionChange&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("session", session), f("ttl", ttl), f("opened", opened);
  }
};

// Why the last command was not executed. For checkers and tests; not part of
// the state.
enum class NotExecuted : uint8_t {
  kNo = 0,  // it was, or it was invalid
  kSessionOver,
  kRepeated,  // answered by the reply kept
  kCompacted,
};

class StateMachine {
 public:
  // Applies the command entry at `index`, which must follow applied() (a
  // gap or a second time is our bug, not the client's: CHECK). An undecodable
  // payload answers kInvalid and changes nothing, on every replica alike: no
  // entry can poison the log.
  CommandReply Apply(raft::Index index, std::string_view payload);
  CommandReply Apply(raft::Index index, const Command& command);
  // An entry without a command: the no-op of a new leader.
  void ApplyNoop(raft::Index index);

  // Answers from the state at applied(); whether that is recent enough is the
  // caller's question (ReadIndex).
  ReadReply Read(const ReadOperation& operation) const;

  raft::Index applied() const { return applied_; }
  NotExecuted not_executed() const { return not_executed_; }
  StateDigest digest() const { return digest_; }
  // The digest from nothing, O(state): equal to digest() or we are wrong.
  StateDigest RecomputeDigest() const;

  // ---- snapshots (architecture decision 9)

  // From here on the state as it is now, at applied(), can be taken slice by
  // slice while further commands are applied. Requires !snapshotting().
  void BeginSnapshot();
  bool snapshotting() const { return cut_.has_value(); }
  // Of the snapshot. Requires snapshotting().
  raft::Index snapshot_index() const { return cut_->index; }
  StateDigest snapshot_digest() const { return cut_->digest; }
  // Appends its next bytes to *out, at most `bytes_max`; what they are, and how
  // they become a state again: snapshot_loader.h. False when these were the
  // last; then snapshotting() is over. Requires snapshotting(). O(bytes).
  bool TakeSlice(size_t bytes_max, std::string* out);
  void AbandonSnapshot() { cut_.reset(); }

  bool HasSession(SessionId session) const {
    return sessions_.contains(session);
  }
  // Calls f(SessionId, raft::Duration ttl) for each leased session (ttl > 0)
  // in id order. O(sessions): for a new leader, not for every tick.
  template <typename F>
  void ForEachLeasedSession(F&& f) const {
    for (const auto& [id, session] : sessions_) {
      if (session.ttl() > raft::Duration(0)) f(id, session.ttl());
    }
  }
  // Sessions opened and ended by the entries since the last call, in order, so
  // that the node need not scan. Not part of the state or its digest.
  std::vector<SessionChange> TakeSessionChanges();

  uint64_t session_count() const { return sessions_.size(); }
  uint64_t registration_count() const { return registrations_; }

 private:
  // Where a command stands: its entry, and on whose behalf it acts.
  struct Context {
    raft::Index index;
    SessionId session;
  };

  void Advance(raft::Index index);
  CommandReply ApplyDecoded(raft::Index index, Command&& command);
  CommandReply ApplyOnce(raft::Index index, Command&& command);

  CommandReply Execute(const Context& at, Operation&& operation);
  CommandReply Decide(const Context& at, OpenSession&& operation);
  CommandReply Decide(const Context& at, EndSession&& operation);
  CommandReply Decide(const Context& at, ExpireSessions&& operation);
  CommandReply Decide(const Context& at, CreateRegistry&& operation);
  CommandReply Decide(const Context& at, Register&& operation);
  CommandReply Decide(const Context& at, Unregister&& operation);
  CommandReply Decide(const Context& at, UpdateValue&& operation);
  CommandReply Decide(const Context& at, EndProcess&& operation);

  ReadReply Answer(const Lookup& operation) const;
  ReadReply Answer(const Count& operation) const;
  ReadReply Answer(const Keys& operation) const;
  ReadReply Answer(const ListRegistries& operation) const;

  Registry* FindRegistry(std::string_view name);
  const Registry* FindRegistry(std::string_view name) const;

  // The only mutators of registrations: each keeps the registry, the owner's
  // reverse index, the count and the digest in step.
  void AddRegistration(Registry* registry, std::string_view key,
                       const Registration& registration);
  void RemoveRegistration(Registry* registry, std::string_view key, Pid pid,
                          Revision revision);
  void ChangeValue(Registry* registry, std::string_view key, Revision revision,
                   Value value, Revision modified);
  // RemoveRegistration without the owner's reverse index.
  void DropFromRegistry(Registry* registry, std::string_view key,
                        Revision revision);
  uint64_t RemoveProcess(Session* session, uint64_t process);

  void AddSession(SessionId id, OpenSession&& operation);
  // Ends an open session and all it holds; returns how many registrations.
  uint64_t RemoveSession(SessionId id);
  void KeepReply(SessionId id, Session* session, Sequence sequence,
                 const CommandReply& reply);
  void RaiseLowWater(SessionId id, Session* session, Sequence mark);

  // state_machine_snapshot.cc. The first two before an entry of the state is
  // changed or removed.
  void CutRegistration(const Registry& registry, std::string_view key,
                       const Registration& registration);
  void CutSession(SessionId id, const Session& session);
  void EmitSession(SessionId id, const Session& session);
  void WalkOn(size_t bytes_wanted);
  void WalkRegistrations(size_t bytes_wanted);

  raft::Index applied_;
  absl::btree_map<SessionId, Session> sessions_;
  absl::btree_map<std::string, SessionId, std::less<>> session_of_nonce_;
  absl::btree_map<Revision, Registry> registries_;  // by creation
  absl::btree_map<std::string, Revision, std::less<>> registry_of_name_;
  uint64_t registrations_ = 0;
  NotExecuted not_executed_ = NotExecuted::kNo;
  StateDigest digest_;
  std::vector<SessionChange> session_changes_;
  std::optional<SnapshotCut> cut_;  // not part of the state

  friend class SnapshotLoader;
};

}  // namespace registry

#endif  // REGISTRY_STATE_MACHINE_H_
