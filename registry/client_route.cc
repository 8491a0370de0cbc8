#include "registry/client_route.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "raft/digest.h"

namespace registry {

ClientRoute::ClientRoute(Options options) : options_(std::move(options)) {
  CHECK(!options_.endpoints.empty());
  CHECK_GT(options_.backoff_min.value(), 0);
  CHECK_GE(options_.backoff_max.value(), options_.backoff_min.value());
  endpoint_ = raft::Mix(options_.seed) % options_.endpoints.size();
}

bool ClientRoute::Ready(raft::Time now) const {
  return state_ == State::kOpen && now >= due_;
}

std::optional<OpenLink> ClientRoute::Dial(raft::Time now, LinkId link) {
  if (state_ != State::kIdle || now < due_) return std::nullopt;
  if (!hint_.empty()) {
    address_ = std::exchange(hint_, {});
  } else {
    const size_t count = options_.endpoints.size();
    // The member just lost comes last.
    if (options_.endpoints[endpoint_] == address_) {
      endpoint_ = (endpoint_ + 1) % count;
    }
    address_ = options_.endpoints[endpoint_];
    endpoint_ = (endpoint_ + 1) % count;
  }
  state_ = State::kDialling;
  link_ = link;
  due_ = now + options_.dial_timeout;
  return OpenLink{link_, address_};
}

bool ClientRoute::DialTimedOut(raft::Time now) const {
  return state_ == State::kDialling && now >= due_;
}

void ClientRoute::OnOpened() {
  CHECK(state_ == State::kDialling);
  state_ = State::kOpen;
  due_ = raft::Time();
  refusals_ = 0;
  if (dead_ == address_) dead_.clear();
}

void ClientRoute::OnAnswered() {
  failures_ = 0;
  refusals_ = 0;
  hints_ = 0;
  dead_.clear();
}

void ClientRoute::OnLost(raft::Time now, bool dead) {
  if (dead) {
    dead_ = address_;
    dead_until_ = now + options_.dial_timeout;
  }
  state_ = State::kIdle;
  link_ = LinkId();
  due_ = now + NextBackoff();
}

bool ClientRoute::HintUsable(raft::Time now, const std::string& address) const {
  const bool dead = address == dead_ && now < dead_until_;
  return !address.empty() && address != address_ && !dead && hints_ < kHintsMax;
}

void ClientRoute::OnHint(raft::Time now, const std::string& address) {
  ++hints_;
  hint_ = address;
  state_ = State::kIdle;
  link_ = LinkId();
  due_ = now;
}

bool ClientRoute::OnRefused(raft::Time now) {
  if (state_ != State::kOpen || now < due_) return false;  // pauses already
  if (++refusals_ >= kRefusalsMax) {
    // The next member's hints deserve a fresh look, the dead one's too: it may
    // have come back.
    dead_.clear();
    hints_ = 0;
    return true;
  }
  due_ = now + NextBackoff();
  return false;
}

raft::Time ClientRoute::NextDeadline(raft::Time now, bool wanted) const {
  switch (state_) {
    case State::kIdle:
      return wanted ? due_ : raft::Time::Never();
    case State::kDialling:
      return due_;
    case State::kOpen:
      return wanted && due_ > now ? due_ : raft::Time::Never();
  }
  return raft::Time::Never();
}

// Doubles every second time: while members elect a leader (some hundred
// milliseconds), the wait after the one that found it ready costs a client less
// than half of the time that has already passed.
raft::Duration ClientRoute::NextBackoff() {
  const uint32_t doublings = std::min<uint32_t>(failures_ / 2, 30);
  ++failures_;
  const int64_t ceiling = std::min(options_.backoff_max.value(),
                                   options_.backoff_min.value() << doublings);
  const uint64_t hash = raft::Mix(options_.seed, ++backoffs_);
  const int64_t floor = (ceiling + 1) / 2;
  return raft::Duration(
      floor +
      static_cast<int64_t>(hash % static_cast<uint64_t>(ceiling - floor + 1)));
}

}  // namespace registry
