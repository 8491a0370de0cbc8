#include "registry/checker/apply_order_checker.h"

#include <algorithm>
#include <variant>

#include "raft/check.h"
#include "raft/digest.h"

namespace registry::checker {
namespace {

std::string Number(raft::Index index) { return std::to_string(index.value()); }

Violation Differs(const std::string& what, const std::string& given,
                  const std::string& expected) {
  return what + " was answered " + given + ", the model says " + expected;
}

bool EndsOwnSession(const Command& command) {
  const auto* end = std::get_if<EndSession>(&command.operation);
  return end != nullptr &&
         (end->target == SessionId(0) || end->target == command.session);
}

}  // namespace

Violation ApplyOrderChecker::Applied(raft::Index index, const Command* command,
                                     const CommandReply* reply) {
  if (index <= applied_) {
    return "entry " + Number(index) + " was applied after entry " +
           Number(applied_);
  }
  applied_ = index;
  if (command == nullptr) return std::nullopt;
  const CommandReply expected = model_.Apply(index, *command);
  if (reply != nullptr && *reply != expected) {
    return Differs(
        "entry " + Number(index) + ", " + raft::Describe(*command) + ",",
        raft::Describe(*reply), raft::Describe(expected));
  }
  NoteEnds(index, *command);
  if (const auto* open = std::get_if<OpenSession>(&command->operation);
      open != nullptr && expected.error == Error::kOk) {
    opened_.try_emplace(expected.session, OpenedSession{open->nonce, {}});
  }
  if (command->session == SessionId(0)) return std::nullopt;
  return Enter(index, *command, expected);
}

void ApplyOrderChecker::NoteEnds(raft::Index index, const Command& command) {
  const auto note = [&](SessionId session) {
    const auto found = opened_.find(session);
    if (found != opened_.end() && !found->second.ended.has_value() &&
        !model_.HasSession(session)) {
      found->second.ended = index;
    }
  };
  if (const auto* end = std::get_if<EndSession>(&command.operation)) {
    note(end->target == SessionId(0) ? command.session : end->target);
  } else if (const auto* ends =
                 std::get_if<ExpireSessions>(&command.operation)) {
    for (const SessionId session : ends->sessions) note(session);
  }
}

Violation ApplyOrderChecker::Enter(raft::Index index, const Command& command,
                                   const CommandReply& reply) {
  const CommandName name{command.session, command.sequence};
  const auto [found, fresh] = entries_.try_emplace(name);
  Entries& entries = found->second;
  const uint64_t digest = raft::DigestOf(command.operation);
  if (fresh) {
    entries.operation_digest = digest;
  } else if (entries.operation_digest != digest) {
    return "entry " + Number(index) + " gives the name of another command to " +
           raft::Describe(command);
  }
  const bool refused = reply.error == Error::kSessionExpired ||
                       reply.error == Error::kCompacted ||
                       RefusedByLimits(command).has_value();
  if (refused) {
    entries.replies.emplace(index, reply);
  } else if (entries.effective == raft::Index(0)) {
    entries.effective = index;
    entries.replies.emplace(index, reply);
    if (not_done_.contains(name)) {
      return "entry " + Number(index) + " did " + raft::Describe(command) +
             ", of which the client was told that it is not done";
    }
  }
  return std::nullopt;
}

void ApplyOrderChecker::Called(CallNumber call) {
  CHECK(floors_.try_emplace(call, acknowledged_).second);
}

void ApplyOrderChecker::Abandoned(CallNumber call) { FloorOf(call); }

raft::Index ApplyOrderChecker::FloorOf(CallNumber call) {
  const auto found = floors_.find(call);
  CHECK(found != floors_.end());
  const raft::Index floor = found->second;
  floors_.erase(found);
  return floor;
}

// A command must come after everything that was shown before it was called.
Violation ApplyOrderChecker::Acknowledge(raft::Index floor, raft::Index index,
                                         const std::string& what) {
  if (index <= floor) {
    return what + " took place at " + Number(index) +
           ", but was called after an answer had shown " + Number(floor);
  }
  acknowledged_ = std::max(acknowledged_, index);
  return std::nullopt;
}

Violation ApplyOrderChecker::CommandReturned(CallNumber call,
                                             const Command& command,
                                             const CommandReply& reply) {
  const raft::Index floor = FloorOf(call);
  ++judged_;
  // Refused by the client or a member, before any log.
  if (reply.revision == Revision(0)) {
    const auto refused = RefusedByLimits(command);
    if (refused.has_value() && *refused == reply) return JudgeNotDone(command);
  }
  if (const auto* open = std::get_if<OpenSession>(&command.operation)) {
    return JudgeOpenSession(floor, *open, reply);
  }
  // The answer to the end of one's own session goes with the session: a retry
  // finds the session gone, which means the same.
  if (EndsOwnSession(command) && reply.error == Error::kSessionExpired) {
    return JudgeEndOfOwnSession(command);
  }
  if (reply.error == Error::kSessionExpired) {
    if (Violation violation = JudgeNotDone(command)) return violation;
  }
  const std::string what = raft::Describe(command);
  const auto found = entries_.find({command.session, command.sequence});
  if (found == entries_.end()) {
    return what + " was answered " + raft::Describe(reply) +
           ", but no entry of it was ever applied";
  }
  for (const auto& [index, expected] : found->second.replies) {
    if (expected == reply) return Acknowledge(floor, index, what);
  }
  return Differs(what, raft::Describe(reply),
                 raft::Describe(found->second.replies.begin()->second));
}

Violation ApplyOrderChecker::JudgeEndOfOwnSession(const Command& command) {
  const auto found = opened_.find(command.session);
  if (found == opened_.end() || !found->second.ended.has_value()) {
    return "the client was told that " + raft::Describe(command) +
           " finds its session expired, but nothing ended it";
  }
  acknowledged_ = std::max(acknowledged_, *found->second.ended);
  return std::nullopt;
}

Violation ApplyOrderChecker::JudgeOpenSession(raft::Index floor,
                                              const OpenSession& operation,
                                              const CommandReply& reply) {
  const std::string what = raft::Describe(operation);
  const auto found = opened_.find(reply.session);
  if (found == opened_.end() || found->second.nonce != operation.nonce) {
    return what + " was answered " + raft::Describe(reply) +
           ", but no entry opened this session for this nonce";
  }
  CommandReply expected;
  expected.session = reply.session;
  expected.revision = Revision(reply.session.value());
  if (reply != expected) {
    return Differs(what, raft::Describe(reply), raft::Describe(expected));
  }
  // An older session is an answer as long as it was open during the call.
  if (found->second.ended.has_value() && *found->second.ended <= floor) {
    return what + " was answered with a session that had ended at " +
           Number(*found->second.ended) +
           ", but was called after an answer had shown " + Number(floor);
  }
  acknowledged_ = std::max(acknowledged_, expected.revision);
  return std::nullopt;
}

Violation ApplyOrderChecker::ReadReturned(CallNumber call,
                                          const ReadOperation& operation,
                                          const ReadReply& reply) {
  const raft::Index floor = FloorOf(call);
  ++judged_;
  const std::string what = raft::Describe(operation);
  if (reply.revision == Revision(0)) {  // refused before any state was read
    const auto refused = RefusedByLimits(operation);
    if (refused.has_value() && *refused == reply) return std::nullopt;
  }
  if (reply.revision < floor) {
    return "stale: " + what + " was answered as of " + Number(reply.revision) +
           ", but was called after an answer had shown " + Number(floor);
  }
  if (reply.revision > applied_) {
    return what + " was answered as of " + Number(reply.revision) +
           ", but nothing beyond " + Number(applied_) + " was ever applied";
  }
  if (reply.revision < model_.forgotten()) {
    return what + " was answered as of " + Number(reply.revision) +
           ", which the checker was told to forget";
  }
  const ReadReply expected = model_.Read(operation, reply.revision);
  if (reply != expected) {
    return Differs(what, raft::Describe(reply), raft::Describe(expected));
  }
  acknowledged_ = std::max(acknowledged_, reply.revision);
  return std::nullopt;
}

Violation ApplyOrderChecker::NotDone(CallNumber call, const Command& command) {
  FloorOf(call);
  ++judged_;
  return JudgeNotDone(command);
}

Violation ApplyOrderChecker::JudgeNotDone(const Command& command) {
  // Never sent, or outside of sessions: nothing in the log could be named.
  if (command.session == SessionId(0)) return std::nullopt;
  const CommandName name{command.session, command.sequence};
  not_done_.insert(name);
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.effective == raft::Index(0)) {
    return std::nullopt;
  }
  return "the client was told that " + raft::Describe(command) +
         " is not done, but entry " + Number(found->second.effective) +
         " did it";
}

}  // namespace registry::checker
