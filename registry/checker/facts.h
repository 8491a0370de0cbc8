// What a history tells about things that reach over keys: how long sessions
// lived, since when registries stand, and what order the revisions claim.
// Simple rules over time; no search.
#ifndef REGISTRY_CHECKER_FACTS_H_
#define REGISTRY_CHECKER_FACTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "registry/checker/key_model.h"
#include "registry/command.h"

namespace registry::checker {

// A moment and the line that tells of it. Line 0: nothing tells.
struct Moment {
  int64_t ns = 0;
  size_t line = 0;
};

// When the end of a session may have taken effect.
struct SessionEnd {
  bool possible = false;
  int64_t call_ns = INT64_MIN;
  int64_t return_ns = kNever;  // it has ended by then; kNever: or never
  uint64_t index = 0;          // of the entry that did it, if known
  size_t line = 0;             // of the EndSession that did it, if known
};

class SessionFacts {
 public:
  // A permanent session ends only if somebody asks for it; others, and those
  // whose opening is not in the history, also by themselves.
  void Opened(SessionId session, bool permanent);
  // An answer that only an open session gets was asked for at `call`.
  void Alive(SessionId session, Moment call);
  // An answer tells, at `returned`, that the session has ended.
  void Ended(SessionId session, Moment returned);
  // Somebody asked for its end.
  void EndAsked(SessionId session, int64_t call_ns);
  // ... and was told that it was this that ended it.
  void EndDone(SessionId session, int64_t call_ns, Moment returned,
               uint64_t index);

  SessionEnd EndOf(SessionId session) const;
  // A session that was alive after its end, if there is one.
  std::optional<std::string> Contradiction() const;

 private:
  struct Facts {
    bool permanent = false;
    bool leased = false;
    Moment alive;                // the latest
    Moment ended{.ns = kNever};  // the earliest
    int64_t asked_ns = kNever;   // the earliest
    std::optional<SessionEnd> done;
  };
  std::unordered_map<uint64_t, Facts> facts_;
  std::optional<std::string> ended_twice_;
};

class RegistryFacts {
 public:
  // Somebody asked for its creation, and may have been answered.
  void CreateAsked(const std::string& name, int64_t call_ns);
  // An answer shows that it stands, or that it did not.
  void Stands(const std::string& name, Moment returned);
  void Missing(const std::string& name, Moment call);
  // An answer tells its kind / could only be given by one of this kind.
  void KindTold(const std::string& name, RegistryKind kind, size_t line);
  void KindShown(const std::string& name, RegistryKind kind);

  // nullopt if nothing tells, or if what was shown disagrees.
  std::optional<RegistryKind> KindOf(const std::string& name) const;
  std::optional<std::string> Contradiction() const;

 private:
  struct Facts {
    int64_t create_ns = kNever;   // the earliest asked
    Moment stands{.ns = kNever};  // the earliest
    Moment missing;               // the latest
    std::optional<RegistryKind> told;
    bool shown_unique = false;
    bool shown_duplicate = false;
  };
  std::map<std::string, Facts> facts_;
  std::optional<std::string> two_kinds_;
};

// The order that revisions claim, over all keys.
class RevisionFacts {
 public:
  void Answered(uint64_t index, bool read, int64_t call_ns, Moment returned);
  std::optional<std::string> Contradiction();

 private:
  struct Answer {
    uint64_t index = 0;
    bool read = false;
    int64_t call_ns = 0;
    Moment returned;
  };
  std::vector<Answer> answers_;
};

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_FACTS_H_
