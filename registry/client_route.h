// ClientRoute: which member a client is linked to, and when it may dial again.
// One route holds at most one link. A part of the pure client machine.
#ifndef REGISTRY_CLIENT_ROUTE_H_
#define REGISTRY_CLIENT_ROUTE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/types.h"

namespace registry {

// Names a link of one client, from 1, never reused.
using LinkId = raft::StrongNumber<struct LinkIdTag>;

// Dial; answered by LinkOpened or LinkClosed.
struct OpenLink {
  static constexpr std::string_view kName = "OpenLink";
  LinkId link;
  std::string address;
  bool operator==(const OpenLink&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("link", link), f("address", address);
  }
};
// Close, whatever is queued; no LinkClosed follows.
struct CloseLink {
  static constexpr std::string_view kName = "CloseLink";
  LinkId link;
  bool operator==(const CloseLink&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("link", link);
  }
};

// The dialling rule: start at an endpoint chosen by the seed; follow a leader's
// hint at once; after any failure take the next endpoint and wait, twice as
// long each time, jittered by a hash (a thousand clients of a dead member must
// not come back together). Only an answer, not an accepted connection, ends
// the growth: a member that accepts and closes is not hammered. Dials without
// an answer between them are therefore bounded by backoff_min / 2 apart, hints
// by kHintsMax in a row.
class ClientRoute {
 public:
  static constexpr uint32_t kHintsMax = 3;
  // Refusals in a row after which another member is tried.
  static constexpr uint32_t kRefusalsMax = 3;

  struct Options {
    std::vector<std::string> endpoints;
    uint64_t seed = 0;
    raft::Duration backoff_min;
    raft::Duration backoff_max;
    raft::Duration dial_timeout;
  };

  explicit ClientRoute(Options options);

  // Open and not pausing: requests may be sent.
  bool Ready(raft::Time now) const;
  // The link being dialled or open; 0 when there is none.
  LinkId link() const { return link_; }
  // Of the link, or of the last one.
  const std::string& address() const { return address_; }

  // The next dial, if one is due; takes `link` as its id.
  std::optional<OpenLink> Dial(raft::Time now, LinkId link);
  // Dialling has taken too long: the caller closes the link and calls OnLost.
  bool DialTimedOut(raft::Time now) const;

  void OnOpened();
  // An answer that got work done: the member is the right one.
  void OnAnswered();
  // The link is gone or given up; the next endpoint follows after a back-off.
  // `dead`: because it failed, not because its member refused.
  void OnLost(raft::Time now, bool dead);
  // Whether to follow a member's hint: not to itself, not to a member that was
  // just found dead (followers name a dead leader until they elect another),
  // and not in circles. A member counts as dead for as long as a dial to it
  // could take: whoever is named later was elected since, or is back. (A client
  // that stayed away from the new leader lost its session: simulate
  // --profile=process, a crash loop.)
  bool HintUsable(raft::Time now, const std::string& address) const;
  // Follows it. The link is gone (the caller closed it).
  void OnHint(raft::Time now, const std::string& address);
  // The member refused for now: pause. True when it refused so often that the
  // caller should close the link and call OnLost.
  bool OnRefused(raft::Time now);

  // When something here becomes due: a dial, a dial's timeout, a pause's end.
  raft::Time NextDeadline(raft::Time now, bool wanted) const;

 private:
  enum class State : uint8_t { kIdle, kDialling, kOpen };

  raft::Duration NextBackoff();

  Options options_;
  State state_ = State::kIdle;
  LinkId link_;
  std::string address_;
  size_t endpoint_ = 0;    // the next one of the rotation
  std::string hint_;       // dialled before the rotation goes on; may be empty
  std::string dead_;       // the address whose link failed last ...
  raft::Time dead_until_;  // ... believed until then
  raft::Time due_;  // kIdle: not before; kDialling: timeout; kOpen: pause's end
  uint32_t failures_ = 0;  // since the last answer
  uint32_t refusals_ = 0;  // on this link, since its last answer
  uint32_t hints_ = 0;     // since the last answer
  uint64_t backoffs_ = 0;  // ever: the jitter's counter
};

}  // namespace registry

#endif  // REGISTRY_CLIENT_ROUTE_H_
