// What peers say to each other, as plain values. The wire form is
// raft.proto; codec.h converts. Fields follow the Raft paper's names.
#ifndef RAFT_MESSAGE_H_
#define RAFT_MESSAGE_H_

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "raft/bytes.h"
#include "raft/limits.h"
#include "raft/types.h"

namespace raft {

// FORMAT: stored in the WAL and sent to peers.
enum class EntryKind : uint8_t {
  kNoop = 1,     // a new leader's first entry (thesis 6.4)
  kCommand = 2,  // opaque to raft; the state machine decodes it
  kConfig = 3,   // membership; reserved until membership change exists
};

struct Entry {
  Index index;
  Term term;
  EntryKind kind = EntryKind::kCommand;
  Bytes payload;

  bool operator==(const Entry&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("index", index), f("term", term), f("kind", kind), f("payload", payload);
  }
};

// Names an entry, or the beginning of the log ({0, 0}): two logs that hold the
// same one are equal up to it (Log Matching, thesis 3.5).
struct EntryId {
  Index index;
  Term term;

  bool operator==(const EntryId&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("index", index), f("term", term);
  }
};

// What an entry counts for in every bound on bytes.
inline size_t EntryBytes(const Entry& entry) {
  return entry.payload.size() + kEntryOverheadBytes;
}

// RequestVote, and PreVote (thesis 9.6) when `pre_vote`: then `term` is the
// term that the sender would start, which it has not adopted. `transfer`: the
// leader itself asked the sender to campaign (TimeoutNow), so who still hears
// that leader helps all the same (thesis 4.2.3).
struct VoteRequest {
  static constexpr std::string_view kName = "VoteRequest";
  Term term;
  bool pre_vote = false;
  Index last_index;
  Term last_term;
  bool transfer = false;

  bool operator==(const VoteRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("pre_vote", pre_vote), f("last_index", last_index),
        f("last_term", last_term);
    if (transfer) f("transfer", transfer);  // absent as on the wire
  }
};

// A granted pre-vote carries the term asked for; every other reply carries the
// sender's own term.
struct VoteReply {
  static constexpr std::string_view kName = "VoteReply";
  Term term;
  bool pre_vote = false;
  bool granted = false;

  bool operator==(const VoteReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("pre_vote", pre_vote), f("granted", granted);
  }
};

// AppendEntries with at least one entry, or an empty probe. `round` is the
// leader's newest confirmation round; a reply echoes it, so replication
// confirms leadership for pending reads as a heartbeat does.
struct AppendRequest {
  static constexpr std::string_view kName = "AppendRequest";
  Term term;
  Index prev_index;
  Term prev_term;
  Index commit;  // may exceed what the receiver has; it bounds it itself
  Round round;
  std::vector<Entry> entries;  // contiguous from prev_index + 1

  bool operator==(const AppendRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("prev_index", prev_index), f("prev_term", prev_term),
        f("commit", commit), f("round", round), f("entries", entries);
  }
};

// accepted: `match` = prev_index + entries in the request, never more (CCF
// #6016: acknowledging one's own last index counts a stale suffix).
// refused: `match` is the refused prev_index, and (hint_index, hint_term) the
// newest place that may agree, so repair skips whole terms. `accepted` false
// with term above the leader's means "you are deposed".
struct AppendReply {
  static constexpr std::string_view kName = "AppendReply";
  Term term;
  bool accepted = false;
  Index match;
  Index hint_index;
  Term hint_term;
  Round round;

  bool operator==(const AppendReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("accepted", accepted), f("match", match),
        f("hint_index", hint_index), f("hint_term", hint_term),
        f("round", round);
  }
};

// `commit` never exceeds what the leader knows this follower to hold
// (conformance 5.4): a heartbeat proves nothing about the log. `commit_term` is
// the term of the entry there, 0 for commit 0: a follower that lost what it had
// acknowledged finds out.
struct Heartbeat {
  static constexpr std::string_view kName = "Heartbeat";
  Term term;
  Index commit;
  Term commit_term;
  Round round;

  bool operator==(const Heartbeat&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("commit", commit), f("commit_term", commit_term),
        f("round", round);
  }
};

struct HeartbeatReply {
  static constexpr std::string_view kName = "HeartbeatReply";
  Term term;
  Round round;

  bool operator==(const HeartbeatReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("round", round);
  }
};

// A follower asks the leader for a read index (thesis 6.4) on behalf of every
// read that `id` covers. Ids are never reused within a boot; `boot` keeps a
// reply to an earlier life of the asker from answering this one.
struct ReadIndexRequest {
  static constexpr std::string_view kName = "ReadIndexRequest";
  Term term;
  ReadId id;
  uint64_t boot = 0;

  bool operator==(const ReadIndexRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("id", id), f("boot", boot);
  }
};

struct ReadIndexReply {
  static constexpr std::string_view kName = "ReadIndexReply";
  Term term;
  ReadId id;
  uint64_t boot = 0;
  bool ok = false;  // false: not the leader (any more); ask again elsewhere
  Index index;

  bool operator==(const ReadIndexReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("id", id), f("boot", boot), f("ok", ok),
        f("index", index);
  }
};

// The leader of `term` asks its follower to campaign at once (thesis 3.10).
struct TimeoutNow {
  static constexpr std::string_view kName = "TimeoutNow";
  Term term;

  bool operator==(const TimeoutNow&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term);
  }
};

// Where a piece belongs in a snapshot's file (raft/storage/snapshot_format.h,
// SnapshotCursor). All 0: nowhere yet.
struct SnapshotPlace {
  uint64_t offset = 0;
  uint64_t sequence = 0;
  uint32_t checksum = 0;

  bool operator==(const SnapshotPlace&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("offset", offset), f("sequence", sequence), f("checksum", checksum);
  }
};

// Which snapshot: what it covers, and whose bytes they are. Two nodes may have
// written the same state in another order.
struct SnapshotName {
  EntryId last;  // it covers everything up to this entry
  uint64_t digest_high = 0;
  uint64_t digest_low = 0;
  NodeId origin;  // who took it

  bool operator==(const SnapshotName&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("last", last), f("digest_high", digest_high), f("digest_low", digest_low),
        f("origin", origin);
  }
};

// InstallSnapshot (thesis 5.3), one piece of it: an offer first, to which the
// follower answers from where on it wants the rest; then chunks; then the end.
// Raft looks at `term` and `snapshot.last`; the rest is storage's.
struct SnapshotRequest {
  static constexpr std::string_view kName = "SnapshotRequest";
  Term term;
  SnapshotName snapshot;
  Bytes configuration;  // in the offer only
  SnapshotPlace at;     // of the payload; of the offer: nowhere
  uint32_t checksum = 0;
  Bytes payload;  // empty in the offer and in the end
  bool end = false;

  bool operator==(const SnapshotRequest&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("snapshot", snapshot), f("configuration", configuration),
        f("at", at), f("checksum", checksum), f("payload", payload),
        f("end", end);
  }
};

// `at` names the piece that this answers. installed: everything up to `match`
// is durable here, be it by the snapshot or because it was there before. Else:
// the follower waits for the piece at `next`.
struct SnapshotReply {
  static constexpr std::string_view kName = "SnapshotReply";
  Term term;
  EntryId snapshot;
  SnapshotPlace at;
  SnapshotPlace next;
  bool installed = false;
  Index match;

  bool operator==(const SnapshotReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("term", term), f("snapshot", snapshot), f("at", at), f("next", next),
        f("installed", installed), f("match", match);
  }
};

using Message =
    std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, Heartbeat,
                 HeartbeatReply, ReadIndexRequest, ReadIndexReply, TimeoutNow,
                 SnapshotRequest, SnapshotReply>;

inline Term TermOf(const Message& message) {
  return std::visit([](const auto& m) { return m.term; }, message);
}

}  // namespace raft

#endif  // RAFT_MESSAGE_H_
