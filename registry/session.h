// Session: what the replicated state knows of one client: its lease as data,
// the replies kept for its retries, and what its processes hold.
#ifndef REGISTRY_SESSION_H_
#define REGISTRY_SESSION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "registry/command.h"
#include "registry/state_digest.h"

namespace registry {

// A registration seen from its owner. The registry is named by the revision
// that created it.
struct Holding {
  Revision registry;
  std::string key;
  Revision revision;

  bool operator==(const Holding&) const = default;
};

// Orders holdings by (registry, key, revision), and finds a place among them
// without a copy of a key.
struct HoldingOrder {
  using is_transparent = void;
  using Bound = std::tuple<Revision, std::string_view, Revision>;
  static Bound Of(const Holding& h) { return {h.registry, h.key, h.revision}; }
  static const Bound& Of(const Bound& bound) { return bound; }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return Of(a) < Of(b);
  }
};

// A container without rights or clocks. Copyable, deeply.
class Session {
 public:
  using Holdings = absl::btree_set<Holding, HoldingOrder>;

  Session(std::string nonce, raft::Duration ttl)
      : nonce_(std::move(nonce)), ttl_(ttl) {}

  const std::string& nonce() const { return nonce_; }
  // Data for the leader's expiry; 0 is a permanent session.
  raft::Duration ttl() const { return ttl_; }

  // ---- exactly once (thesis 6.3)

  // Every sequence below it is answered and forgotten; starts at 0, never
  // falls.
  Sequence low_water() const { return low_water_; }
  // The reply kept under `sequence`, or nullptr.
  const CommandReply* FindReply(Sequence sequence) const;
  // Requires a sequence in [low_water, low_water + kReplyWindow) that has no
  // reply yet. `digest` is the reply's share of the state digest.
  void KeepReply(Sequence sequence, const CommandReply& reply,
                 const StateDigest& digest);
  // Raises the low water mark (a lower one is ignored) and forgets the replies
  // below it. Returns the sum of their digests.
  StateDigest RaiseLowWater(Sequence mark);
  // Calls f(Sequence, const CommandReply&, const StateDigest&) in order.
  template <typename F>
  void ForEachReply(F&& f) const {
    for (const auto& [sequence, kept] : replies_) {
      f(sequence, kept.reply, kept.digest);
    }
  }

  // ---- the reverse index: what each process holds

  // Requires that the holding is not there (Add) or is there (Remove).
  void AddHolding(uint64_t process, Holding holding);
  void RemoveHolding(uint64_t process, const Holding& holding);
  // What `process` holds under one key of a registry, in order of revision.
  std::vector<Revision> RevisionsUnder(uint64_t process, Revision registry,
                                       std::string_view key) const;
  // Removes and returns all that one process holds, in order of (registry,
  // key, revision).
  Holdings TakeHoldings(uint64_t process);
  // Calls f(process) for each process that holds something, in order.
  template <typename F>
  void ForEachProcess(F&& f) const {
    for (const auto& [process, holdings] : processes_) f(process);
  }
  // Calls f(key) for each holding of `process` in `registry` whose key is
  // after `after` (from the first if null), repeats included, in byte order,
  // until f returns false.
  template <typename F>
  void ForEachKeyAfter(uint64_t process, Revision registry,
                       const std::string* after, F&& f) const {
    const auto found = processes_.find(process);
    if (found == processes_.end()) return;
    // Revisions are at least 1: no holding is equal to a bound made here.
    const Bound bound = after == nullptr
                            ? Bound(registry, "", Revision(0))
                            : Bound(registry, *after, Revision(UINT64_MAX));
    for (auto it = found->second.lower_bound(bound);
         it != found->second.end() && it->registry == registry; ++it) {
      if (!f(it->key)) return;
    }
  }

 private:
  using Bound = HoldingOrder::Bound;
  struct KeptReply {
    CommandReply reply;
    StateDigest digest;
  };

  std::string nonce_;
  raft::Duration ttl_;
  Sequence low_water_;
  absl::btree_map<Sequence, KeptReply> replies_;
  absl::btree_map<uint64_t, Holdings> processes_;  // none of them empty
};

}  // namespace registry

#endif  // REGISTRY_SESSION_H_
