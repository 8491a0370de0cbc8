#include "registry/checker/facts.h"

#include <algorithm>
#include <tuple>

namespace registry::checker {
namespace {

std::string Line(size_t line) { return "line " + std::to_string(line); }

void Raise(Moment moment, Moment* latest) {
  if (latest->line == 0 || moment.ns > latest->ns) *latest = moment;
}
void Lower(Moment moment, Moment* earliest) {
  if (earliest->line == 0 || moment.ns < earliest->ns) *earliest = moment;
}

}  // namespace

// ------------------------------------------------------------------ sessions

void SessionFacts::Opened(SessionId session, bool permanent) {
  // Asked for a nonce again, it keeps its first ttl: told both, take neither.
  Facts& facts = facts_[session.value()];
  (permanent ? facts.permanent : facts.leased) = true;
}

void SessionFacts::Alive(SessionId session, Moment call) {
  Raise(call, &facts_[session.value()].alive);
}

void SessionFacts::Ended(SessionId session, Moment returned) {
  Lower(returned, &facts_[session.value()].ended);
}

void SessionFacts::EndAsked(SessionId session, int64_t call_ns) {
  Facts& facts = facts_[session.value()];
  facts.asked_ns = std::min(facts.asked_ns, call_ns);
}

void SessionFacts::EndDone(SessionId session, int64_t call_ns, Moment returned,
                           uint64_t index) {
  EndAsked(session, call_ns);
  Ended(session, returned);
  Facts& facts = facts_[session.value()];
  if (facts.done.has_value()) {
    ended_twice_ = "session " + std::to_string(session.value()) +
                   " was ended twice, by " + Line(facts.done->line) + " and " +
                   Line(returned.line);
  }
  facts.done = SessionEnd{true, call_ns, returned.ns, index, returned.line};
}

SessionEnd SessionFacts::EndOf(SessionId session) const {
  const auto found = facts_.find(session.value());
  if (found == facts_.end()) return {.possible = true};
  const Facts& facts = found->second;
  SessionEnd end;
  end.possible = true;
  if (facts.done.has_value()) {
    end = *facts.done;
  } else if (facts.permanent && !facts.leased && facts.ended.line == 0) {
    end.possible = facts.asked_ns != kNever;
    end.call_ns = facts.asked_ns;
  }
  if (facts.alive.line != 0) {
    end.call_ns = std::max(end.call_ns, facts.alive.ns);
  }
  end.return_ns = facts.ended.ns;
  return end;
}

std::optional<std::string> SessionFacts::Contradiction() const {
  if (ended_twice_.has_value()) return ended_twice_;
  // The lowest line, so that the text does not depend on the map's order.
  std::optional<std::string> text;
  size_t lowest = SIZE_MAX;
  for (const auto& [session, facts] : facts_) {
    if (facts.alive.line == 0 || facts.ended.line == 0) continue;
    if (facts.alive.ns <= facts.ended.ns || facts.alive.line >= lowest) {
      continue;
    }
    lowest = facts.alive.line;
    text = "session " + std::to_string(session) +
           " had ended by the return of " + Line(facts.ended.line) +
           ", but what " + Line(facts.alive.line) +
           " asked for after that was answered as if it were open";
  }
  return text;
}

// ---------------------------------------------------------------- registries

void RegistryFacts::CreateAsked(const std::string& name, int64_t call_ns) {
  Facts& facts = facts_[name];
  facts.create_ns = std::min(facts.create_ns, call_ns);
}

void RegistryFacts::Stands(const std::string& name, Moment returned) {
  Lower(returned, &facts_[name].stands);
}

void RegistryFacts::Missing(const std::string& name, Moment call) {
  Raise(call, &facts_[name].missing);
}

void RegistryFacts::KindTold(const std::string& name, RegistryKind kind,
                             size_t line) {
  Facts& facts = facts_[name];
  if (facts.told.has_value() && *facts.told != kind) {
    two_kinds_ = "registry '" + name + "': " + Line(line) +
                 " tells another kind than an answer before it";
  }
  facts.told = kind;
}

void RegistryFacts::KindShown(const std::string& name, RegistryKind kind) {
  Facts& facts = facts_[name];
  (kind == RegistryKind::kUnique ? facts.shown_unique : facts.shown_duplicate) =
      true;
}

std::optional<RegistryKind> RegistryFacts::KindOf(
    const std::string& name) const {
  const auto found = facts_.find(name);
  if (found == facts_.end()) return std::nullopt;
  const Facts& facts = found->second;
  if (facts.told.has_value()) return facts.told;
  if (facts.shown_unique == facts.shown_duplicate) return std::nullopt;
  return facts.shown_unique ? RegistryKind::kUnique : RegistryKind::kDuplicate;
}

std::optional<std::string> RegistryFacts::Contradiction() const {
  if (two_kinds_.has_value()) return two_kinds_;
  for (const auto& [name, facts] : facts_) {
    if (facts.stands.line == 0) continue;
    if (facts.missing.line != 0 && facts.missing.ns > facts.stands.ns) {
      return "registry '" + name + "' stood when " + Line(facts.stands.line) +
             " returned, but " + Line(facts.missing.line) +
             ", called after that, was told that there is none";
    }
    // Without a creation in the history it may have stood from the start.
    if (facts.create_ns != kNever && facts.create_ns > facts.stands.ns) {
      return "registry '" + name + "' stood when " + Line(facts.stands.line) +
             " returned, before anybody asked for it";
    }
  }
  return std::nullopt;
}

// ----------------------------------------------------------------- revisions

void RevisionFacts::Answered(uint64_t index, bool read, int64_t call_ns,
                             Moment returned) {
  if (index != 0) answers_.push_back({index, read, call_ns, returned});
}

std::optional<std::string> RevisionFacts::Contradiction() {
  std::sort(answers_.begin(), answers_.end(),
            [](const Answer& a, const Answer& b) {
              return std::tuple(a.index, a.read, a.call_ns, a.returned.line) <
                     std::tuple(b.index, b.read, b.call_ns, b.returned.line);
            });
  const Answer* before = nullptr;
  const Answer* last_called = nullptr;
  for (const Answer& answer : answers_) {
    const auto revision = [](const Answer& a) {
      return " (revision " + std::to_string(a.index) + ")";
    };
    if (before != nullptr && !answer.read && !before->read &&
        before->index == answer.index) {
      return Line(before->returned.line) + " and " +
             Line(answer.returned.line) + " are two commands" +
             revision(answer);
    }
    if (last_called != nullptr && answer.returned.ns < last_called->call_ns) {
      return Line(last_called->returned.line) + revision(*last_called) +
             " was called after " + Line(answer.returned.line) +
             revision(answer) +
             " had returned, but comes before it in the order of revisions";
    }
    if (last_called == nullptr || answer.call_ns > last_called->call_ns) {
      last_called = &answer;
    }
    before = &answer;
  }
  return std::nullopt;
}

}  // namespace registry::checker
