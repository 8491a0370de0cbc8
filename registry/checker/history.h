// A history: what clients asked, when, and what they were told. Written by the
// simulator and by load on a real cluster, one JSON object a line; read by
// //tools:lincheck. It holds nothing that a client does not see.
//
//   {"client":3,"op":"register","session":12,"sequence":4,"registry":"r",
//    "key":"k","value":"v","call_ns":1000,"return_ns":2000,
//    "result":{"error":"ok","revision":17,"current":{...}}}
//
// (on one line). A call whose outcome is not known has null for return_ns and
// for result: it may have taken effect at any time after its call, or never.
// The members of each object are listed in README.md.
#ifndef REGISTRY_CHECKER_HISTORY_H_
#define REGISTRY_CHECKER_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "registry/command.h"
#include "registry/protocol.h"

namespace registry::checker {

// What was asked. A keep-alive is part of a history because its answer tells
// that a session was alive, or that it had ended.
using HistoryOperation =
    std::variant<Operation, ReadOperation, KeepAliveRequest>;

// What was answered: CommandReply to an Operation, ReadReply to a
// ReadOperation, KeepAliveReply to a keep-alive. A request that failed as such
// (`unavailable`, `not_leader`, ...: certainly not done) is a Failure.
using HistoryResult =
    std::variant<CommandReply, ReadReply, KeepAliveReply, Failure>;

// The error inside any result; kOk if it has none.
Error ErrorOf(const HistoryResult& result);

// One call. `return_ns` and `result` are both there or both absent; absent
// means that the outcome is unknown (also for `outcome_unknown` answers).
struct HistoryEntry {
  static constexpr std::string_view kName = "HistoryEntry";
  uint64_t client = 0;
  // Of a command: the session and sequence that it was sent under. 0 if it was
  // never sent, or has none (OpenSession, reads). A command with an unknown
  // outcome must have its session.
  SessionId session;
  Sequence sequence;
  HistoryOperation operation;
  int64_t call_ns = 0;
  std::optional<int64_t> return_ns;
  std::optional<HistoryResult> result;

  bool operator==(const HistoryEntry&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("client", client), f("session", session), f("sequence", sequence),
        f("operation", operation), f("call_ns", call_ns),
        f("return_ns", return_ns), f("result", result);
  }
};

// "register", "lookup", ...: the name of an operation in a history.
std::string_view OperationName(const HistoryOperation& operation);

// Appends one line, with its newline. Text is any bytes: one outside of
// printable ASCII is written as \u00XX, which any JSON reader accepts and
// which stands for that one byte.
void AppendHistoryLine(const HistoryEntry& entry, std::string* out);

// Parses one line (without its newline). InvalidArgument says what is wrong
// and at which byte. Members may come in any order; unknown ones are refused.
// Bytes outside of ASCII are taken as they are; \u0100 and above as UTF-8.
absl::Status ParseHistoryLine(std::string_view line, HistoryEntry* entry);

// Calls `visit` for each line of `in` in order, empty ones excepted. Stops at
// the first error, of the format or of `visit`, and names its line.
using HistoryVisitor =
    std::function<absl::Status(size_t line, HistoryEntry&& entry)>;
absl::Status ReadHistory(std::istream* in, const HistoryVisitor& visit);

// Collects the calls of a run. Not thread-safe. Times need not be unique, but
// must come from one clock: a call that begins at the nanosecond at which
// another returned is taken as concurrent with it.
class HistoryRecorder {
 public:
  // Names a call of this recorder.
  using CallNumber = size_t;

  CallNumber Called(uint64_t client, HistoryOperation operation,
                    int64_t call_ns);
  // As soon as it is known (at the first sending).
  void SentAs(CallNumber call, SessionId session, Sequence sequence);
  // Exactly once for a call at most. `outcome_unknown`, and `compacted` for a
  // command, leave the call open.
  void Returned(CallNumber call, HistoryResult result, int64_t return_ns);

  // All calls in the order of Called(); those without an answer are open.
  const std::vector<HistoryEntry>& entries() const { return entries_; }

 private:
  std::vector<HistoryEntry> entries_;
};

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_HISTORY_H_
