// The inputs and outputs of raft::Raft, as plain values (copyable, comparable,
// printable, hashable). Raft is below registry::Node, which is below the host;
// the ordering promises made here are what the whole system stands on.
#ifndef RAFT_RAFT_IO_H_
#define RAFT_RAFT_IO_H_

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "raft/bytes.h"
#include "raft/message.h"
#include "raft/types.h"

namespace raft {

// ---------------------------------------------------------------- inputs

// The host's clock. Stepped before the inputs that arrived with it, so that a
// node back from a pause learns the time before it answers anything.
struct Tick {
  static constexpr std::string_view kName = "Tick";
  Time now;
  bool operator==(const Tick&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("now", now);
  }
};

// A message of an authenticated peer of this cluster.
struct Receive {
  static constexpr std::string_view kName = "Receive";
  NodeId from;
  Message message;
  bool operator==(const Receive&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("from", from), f("message", message);
  }
};

// Everything in Persist{token} (and all earlier tokens) is durable.
struct PersistDone {
  static constexpr std::string_view kName = "PersistDone";
  PersistToken token;
  bool operator==(const PersistDone&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("token", token);
  }
};

// Appends commands at the leader; answered at once by Proposed or
// ProposalRefused, never by both.
struct Propose {
  static constexpr std::string_view kName = "Propose";
  std::vector<Bytes> payloads;
  bool operator==(const Propose&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("payloads", payloads);
  }
};

// Asks for an index that is safe to read at (thesis 6.4); answered by
// ReadReady or ReadFailed, eventually and once. Ids rise within a boot.
struct ReadIndex {
  static constexpr std::string_view kName = "ReadIndex";
  ReadId id;
  bool operator==(const ReadIndex&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("id", id);
  }
};

// Hands leadership over (thesis 3.10): to `to`, or, kNobody, to the reachable
// voter with the longest log known. Answered at once by TransferBegun or
// TransferRefused. The leader then refuses proposals until another leads, or
// until an election timeout has passed. A second one replaces the first, if it
// names another target; else the first one's time runs on.
struct TransferLeadership {
  static constexpr std::string_view kName = "TransferLeadership";
  NodeId to;
  bool operator==(const TransferLeadership&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("to", to);
  }
};

// The state up to `snapshot`, which is applied, is durable as a snapshot that
// can be sent. Entries up to `forget`, at most snapshot.index, need not be kept
// (those of the leader's own log are what slightly slow followers live on).
struct SnapshotTaken {
  static constexpr std::string_view kName = "SnapshotTaken";
  EntryId snapshot;
  Index forget;
  bool operator==(const SnapshotTaken&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("snapshot", snapshot), f("forget", forget);
  }
};

// The answer to ReadSnapshot: the piece to send, without its term. Failed: it
// will be asked for again, when the follower is heard of.
struct SnapshotRead {
  static constexpr std::string_view kName = "SnapshotRead";
  NodeId to;
  bool failed = false;
  SnapshotRequest piece;
  bool operator==(const SnapshotRead&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("to", to), f("failed", failed), f("piece", piece);
  }
};

// The answer to StoreSnapshot, unless that piece was the last of its snapshot:
// the piece at `at` was stored or refused, and that at `next` is waited for.
struct SnapshotStored {
  static constexpr std::string_view kName = "SnapshotStored";
  NodeId from;
  EntryId snapshot;
  SnapshotPlace at;
  SnapshotPlace next;
  bool operator==(const SnapshotStored&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("from", from), f("snapshot", snapshot), f("at", at), f("next", next);
  }
};

// The answer to StoreSnapshot if that was the last piece: the snapshot is whole
// and durable. Answered at once by SnapshotInstalled, if it is needed still.
struct SnapshotReceived {
  static constexpr std::string_view kName = "SnapshotReceived";
  NodeId from;
  EntryId snapshot;
  SnapshotPlace at;
  bool operator==(const SnapshotReceived&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("from", from), f("snapshot", snapshot), f("at", at);
  }
};

// The transport saw a connection with `peer` close: a hint, not a fact. A
// follower whose leader's connection closed stops being sticky and pre-votes
// after a short hash jitter; a leader stops streaming blindly to that peer.
struct PeerClosed {
  static constexpr std::string_view kName = "PeerClosed";
  NodeId peer;
  bool operator==(const PeerClosed&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("peer", peer);
  }
};

// The end of one loop turn. Everything that the turn changed leaves as one
// Persist and at most a few messages per peer: batching is here, once.
struct Flush {
  static constexpr std::string_view kName = "Flush";
  bool operator==(const Flush&) const = default;
  template <typename F>
  void Fields(F&&) const {}
};

using Input = std::variant<Tick, Receive, PersistDone, Propose, ReadIndex,
                           PeerClosed, Flush, TransferLeadership, SnapshotTaken,
                           SnapshotRead, SnapshotStored, SnapshotReceived>;

// --------------------------------------------------------------- outputs

// To be made durable: hard state, then removal of every entry from
// `truncate_from` on (0: none), then `entries`; all or nothing. Persists run
// in token order. Losing one is a crash.
//
// With a `base`: a snapshot that covers everything up to it is durable already,
// and takes the place of the whole log, which goes on after it.
struct Persist {
  static constexpr std::string_view kName = "Persist";
  PersistToken token;
  Term term;
  NodeId vote;          // kNobody: none in this term
  Index truncate_from;  // 0: nothing is removed
  std::vector<Entry> entries;
  EntryId base;  // {0, 0}: none; then truncate_from is 0
  bool operator==(const Persist&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("token", token), f("term", term), f("vote", vote),
        f("truncate_from", truncate_from), f("entries", entries);
    if (base != EntryId()) f("base", base);
  }
};

// Safe to send the moment it is seen: Raft held it back until whatever it
// depends on was durable. May be lost, delayed, doubled, reordered.
struct Send {
  static constexpr std::string_view kName = "Send";
  NodeId to;
  Message message;
  bool operator==(const Send&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("to", to), f("message", message);
  }
};

// The proposal's entries stand at [first, first + count) of this leader's log.
// Not committed: another leader may overwrite them.
struct Proposed {
  static constexpr std::string_view kName = "Proposed";
  Index first;
  uint64_t count = 0;
  Term term;
  bool operator==(const Proposed&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("first", first), f("count", count), f("term", term);
  }
};

enum class RefusalReason : uint8_t {
  kNotLeader = 1,
  kOverloaded = 2,
  kTransferring = 3,  // a proposal, while leadership is handed over
  // A transfer to itself, to no voter, to nobody there, or to one that needs a
  // snapshot first.
  kNoTarget = 4,
};
std::string_view ToString(RefusalReason reason);

// Nothing of the proposal entered the log: a definite failure.
struct ProposalRefused {
  static constexpr std::string_view kName = "ProposalRefused";
  RefusalReason reason = RefusalReason::kNotLeader;
  bool operator==(const ProposalRefused&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("reason", reason);
  }
};

// The leader is handing over to `to`. Whether that one wins, RoleChanged tells.
struct TransferBegun {
  static constexpr std::string_view kName = "TransferBegun";
  NodeId to;
  bool operator==(const TransferBegun&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("to", to);
  }
};

// Nothing was begun, and a transfer that was under way goes on.
struct TransferRefused {
  static constexpr std::string_view kName = "TransferRefused";
  RefusalReason reason = RefusalReason::kNotLeader;
  bool operator==(const TransferRefused&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("reason", reason);
  }
};

// Every entry up to `through` is committed; apply them in order. Read them
// through Raft::entry().
struct Committed {
  static constexpr std::string_view kName = "Committed";
  Index through;
  bool operator==(const Committed&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("through", through);
  }
};

// Read the piece at `at` of `snapshot` for follower `to`; answered by
// SnapshotRead, eventually. Nowhere: the offer. A snapshot that is not there
// any more is answered for by the offer of the newest.
struct ReadSnapshot {
  static constexpr std::string_view kName = "ReadSnapshot";
  NodeId to;
  EntryId snapshot;
  SnapshotPlace at;
  bool operator==(const ReadSnapshot&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("to", to), f("snapshot", snapshot), f("at", at);
  }
};

// Store a piece of a snapshot from the leader; answered by SnapshotStored or
// SnapshotReceived, or never: the leader asks again.
struct StoreSnapshot {
  static constexpr std::string_view kName = "StoreSnapshot";
  NodeId from;
  SnapshotRequest piece;
  bool operator==(const StoreSnapshot&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("from", from), f("piece", piece);
  }
};

// The state is that of the snapshot now: everything up to it is committed, and
// the log goes on after it. Comes before any Committed of what follows.
struct SnapshotInstalled {
  static constexpr std::string_view kName = "SnapshotInstalled";
  EntryId snapshot;
  bool operator==(const SnapshotInstalled&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("snapshot", snapshot);
  }
};

// A read that waited under `id` is linearizable once `index` is applied here.
struct ReadReady {
  static constexpr std::string_view kName = "ReadReady";
  ReadId id;
  Index index;
  bool operator==(const ReadReady&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("id", id), f("index", index);
  }
};

// No read index could be had (no leader, or leadership lost): ask again, or
// answer `unavailable`. Never an empty result.
struct ReadFailed {
  static constexpr std::string_view kName = "ReadFailed";
  ReadId id;
  bool operator==(const ReadFailed&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("id", id);
  }
};

enum class Role : uint8_t {
  kFollower = 0,
  kPreCandidate = 1,
  kCandidate = 2,
  kLeader = 3,
};
std::string_view ToString(Role role);

// Role, term or known leader changed. `leader` is kNobody when unknown.
struct RoleChanged {
  static constexpr std::string_view kName = "RoleChanged";
  Role role = Role::kFollower;
  Term term;
  NodeId leader;
  bool operator==(const RoleChanged&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("role", role), f("term", term), f("leader", leader);
  }
};

// Rare situations that a sweep must have seen ("sometimes" assertions): a test
// that never gets there says nothing about the code that stands there. The list
// is append-only, and numbers are never given twice. To remove one needs the
// argument, in the commit, that the situation cannot happen any more; that a
// sweep does not reach it is no argument, but a hole in the sweep.
enum class ProbeId : uint8_t {
  kTruncatedSuffix = 1,            // a follower removed conflicting entries
  kTruncatedTwoOrMore = 2,         // ... at least two of them
  kVoteWaitedForPersist = 3,       // a vote reply was held until durable
  kAckWaitedForPersist = 4,        // an append ack was held until durable
  kLeaderSteppedDownByQuorum = 5,  // check-quorum
  kPreVoteRefusedSticky = 6,       // a live leader protected from disruption
  kReadWaitedForTermCommit = 7,    // ReadIndex before the term's first commit
  kCommitWaitedForOwnTerm = 8,  // an older term's entry not committed by count
  kWindowFull = 9,              // flow control stopped an append
  kStaleRoundIgnored = 10,      // a confirmation of an older round came late
  kPeerClosedElection = 11,     // the closed-connection hint started one
  kCommittedBeforeOwnPersist = 12,  // followers alone made the quorum
  kVoteOfEarlierLife = 13,    // asked in a term in which an earlier life voted
  kVoteRefusedStaleLog = 14,  // a real vote, refused for the log alone
  kVoteGrantedShorterLog = 15,  // the later last term won over the longer log
  kVoteReplyTooLate = 16,       // a grant of a term that its candidate has left
  kElectionTimedOut = 17,   // split, or unanswered: the candidate tries again
  kElectionLost = 18,       // a majority refused a real vote
  kPreVoteWonLater = 19,    // ... at the second attempt in a term or later
  kCandidateFellBack = 20,  // a (pre-)candidate heard the leader of its term
  kDeposedByReply = 21,     // a leader learned of a later term from an answer
  kDeposedBeforeTermCommit = 22,   // ... with no-op uncommitted (figure 8)
  kDeposedWhilePersisting = 23,    // ... own entries not durable yet
  kDeposedWithReads = 24,          // reads failed because leadership was lost
  kDeposedWithCommands = 25,       // clients were answered outcome_unknown
  kTruncatedWhilePersisting = 26,  // A-B-A: on its way to the disk
  kAppendKnown = 27,               // doubled or late; removes nothing behind it
  kAppendTooLate = 28,             // of a term that is over; refused
  kAckTooLate = 29,      // of an earlier term than its leader's; ignored
  kRefusalTooLate = 30,  // a refusal that is older than what was learned since
  kAskedAgain = 31,      // unacknowledged appends may be lost: asked for them
  kCommitByHeartbeat = 32,  // a follower learned the commit without an append
  kReadReplyOfEarlierLife = 33,    // asked for by this node before it died
  kForwardedReadExpired = 34,      // no leader answered a follower in time
  kSessionOverBeforeCommand = 35,  // ended with its command in the log
  kRepeatAnsweredFromKept = 36,    // a command came twice, and was applied once
  kRepeatAnsweredCompacted = 37,   // ... and its reply was forgotten already
  kKeepAliveWaitedForExpiry = 38,  // a sign of life met the expiry on its way
};
// The list ends here; a sweep keeps what it saw as the bits of one number.
inline constexpr ProbeId kLastProbeId = ProbeId::kKeepAliveWaitedForExpiry;
static_assert(static_cast<int>(kLastProbeId) < 64);
std::string_view ToString(ProbeId id);

struct Probe {
  static constexpr std::string_view kName = "Probe";
  ProbeId id = ProbeId::kTruncatedSuffix;
  bool operator==(const Probe&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("id", id);
  }
};

// This node has acknowledged the entry (index, term) and does not have it: its
// disk did not keep what it had synced. Others may count on this copy in vain.
// The host stops the node at once; the operator brings it back as a new
// incarnation (the world failed, so this is no CHECK; and no error that a next
// step could get over).
struct Halt {
  static constexpr std::string_view kName = "Halt";
  Index index;
  Term term;
  bool operator==(const Halt&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("index", index), f("term", term);
  }
};

using Output = std::variant<Persist, Send, Proposed, ProposalRefused, Committed,
                            ReadReady, ReadFailed, RoleChanged, Probe, Halt,
                            TransferBegun, TransferRefused, ReadSnapshot,
                            StoreSnapshot, SnapshotInstalled>;
using Outputs = std::vector<Output>;

}  // namespace raft

#endif  // RAFT_RAFT_IO_H_
