// Command-line flags for the tools: typed, bound to variables, each with one
// line of help; an unknown flag is refused with the closest known one.
#ifndef TOOLS_ARGS_H_
#define TOOLS_ARGS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/types.h"

namespace tools {

// The candidate that `word` is a likely misspelling of: fewest edits (insert,
// delete, replace, swap of neighbours), at most a third of its length, the
// first of equals. nullopt if none is close.
std::optional<std::string> Closest(std::string_view word,
                                   const std::vector<std::string>& candidates);
// "", or " (did you mean --endpoints?)" for the closest of `candidates`.
std::string Hint(std::string_view prefix, std::string_view word,
                 const std::vector<std::string>& candidates);

// "250us", "100ms", "10s", "5m", "1h"; a bare number is refused, as nobody can
// tell what it counts. Not negative.
absl::StatusOr<raft::Duration> ParseDuration(std::string_view text);
// Decimal, with an optional sign, all of the text.
absl::StatusOr<int64_t> ParseInteger(std::string_view text);
// "1", or "1.2" for the second incarnation; also as nodes are printed: "n1".
absl::StatusOr<raft::NodeId> ParseNode(std::string_view text);
// Whole numbers, both ends included.
struct NumberRange {
  uint64_t first = 0;
  uint64_t last = 0;
  bool operator==(const NumberRange&) const = default;
};
// "FROM..TO", which rises from 0 or more.
absl::StatusOr<NumberRange> ParseNumberRange(std::string_view text);
// "a,b,c"; empty parts are refused.
absl::StatusOr<std::vector<std::string>> ParseList(std::string_view text);

// A set of flags. Variables must outlive it; their values at declaration are
// the defaults. Names are without dashes.
//
//   Flags flags;
//   flags.Text("endpoints", &endpoints, "HOST:PORT,...", "members to ask");
//   flags.Switch("hold", &hold, "keep the session alive until Ctrl-C");
//   auto words = flags.Parse(args);  // the arguments that are no flags
class Flags {
 public:
  // Sets the flag from its text; the error says what is wrong with the text.
  using Setter = std::function<absl::Status(std::string_view)>;

  void Text(std::string name, std::string* value, std::string placeholder,
            std::string help);
  void Text(std::string name, std::optional<std::string>* value,
            std::string placeholder, std::string help);
  void Number(std::string name, int64_t* value, int64_t min, int64_t max,
              std::string placeholder, std::string help);
  void Number(std::string name, std::optional<int64_t>* value, int64_t min,
              int64_t max, std::string placeholder, std::string help);
  void Time(std::string name, raft::Duration* value, std::string placeholder,
            std::string help);
  void Time(std::string name, std::optional<raft::Duration>* value,
            std::string placeholder, std::string help);
  void List(std::string name, std::vector<std::string>* value,
            std::string placeholder, std::string help);
  // One of `choices`.
  void Choice(std::string name, std::string* value,
              std::vector<std::string> choices, std::string help);
  // --name, or --name=true and --name=false.
  void Switch(std::string name, bool* value, std::string help);
  void Add(std::string name, Setter setter, std::string placeholder,
           std::string help);

  // Reads "--name=value" and "--name value" (a switch takes no second word),
  // and returns the other words in order. "--" ends the flags. With
  // `stop_at_word`, everything from the first such word on is returned as it
  // stands, flags included. InvalidArgument for a flag that is unknown, given
  // twice, or whose value does not fit.
  absl::StatusOr<std::vector<std::string>> Parse(
      const std::vector<std::string>& args, bool stop_at_word = false) const;

  // One key of a config file. Errors are those of Parse.
  absl::Status Set(std::string_view name, std::string_view value) const;

  // One indented line a flag: "  --timeout=TIME      give up after TIME (5s)".
  std::string Help() const;
  std::vector<std::string> Names() const;

 private:
  struct Flag {
    std::string name;
    std::string placeholder;  // empty: a switch
    std::string help;
    Setter setter;
  };
  const Flag* Find(std::string_view name) const;
  absl::Status Unknown(std::string_view name) const;

  std::vector<Flag> flags_;  // in order of declaration
};

}  // namespace tools

#endif  // TOOLS_ARGS_H_
