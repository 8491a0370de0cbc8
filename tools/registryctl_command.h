// What the commands of registryctl share: flags, exit codes, output.
#ifndef TOOLS_REGISTRYCTL_COMMAND_H_
#define TOOLS_REGISTRYCTL_COMMAND_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/types.h"
#include "registry/client.h"
#include "registry/command.h"
#include "tools/args.h"
#include "tools/json.h"

namespace tools::registryctl {

// Documented in docs/registryctl.md.
enum ExitCode {
  kDone = 0,
  kRefused = 1,     // the operation's own error: not_found, conflict, ...
  kWrongUsage = 2,  // nothing was asked of the cluster
  kNoAnswer = 3,    // unavailable or outcome_unknown
};
ExitCode ExitCodeOf(registry::Error error);

class Invocation;

struct Command {
  std::string_view name;
  std::string_view words;    // "REGISTRY KEY"
  std::string_view summary;  // one line, for the list of commands
  std::string_view notes;    // what its --help says besides; may be empty
  int (*run)(Invocation* invocation);
};

struct Settings {
  std::vector<std::string> endpoints = {"127.0.0.1:7200"};
  std::string output = "table";
  std::optional<raft::Duration> timeout;
  bool help = false;

  void Declare(Flags* flags);
};

// One run of one command. A command declares its flags on top of the global
// ones, then parses:
//
//   int Lookup(Invocation* ctl) {
//     if (auto code = ctl->Parse(2, 2)) return *code;
//     ... ctl->word(0) ...
class Invocation {
 public:
  Invocation(const Command& command, std::vector<std::string> args);
  Invocation(const Invocation&) = delete;
  Invocation& operator=(const Invocation&) = delete;

  Flags& flags() { return flags_; }
  // The exit code, when there is nothing left to do: wrong usage (which was
  // printed) or --help.
  std::optional<int> Parse(size_t words_min, size_t words_max);
  // Prints what is wrong and how it is done; kWrongUsage.
  int Usage(std::string_view problem) const;

  const std::string& word(size_t i) const { return words_[i]; }
  size_t words() const { return words_.size(); }
  bool json() const { return settings_.output == "json"; }
  const std::vector<std::string>& endpoints() const {
    return settings_.endpoints;
  }
  raft::Duration timeout(raft::Duration otherwise = raft::Millis(5000)) const {
    return settings_.timeout.value_or(otherwise);
  }
  // For a client that reads, and for one that writes in a session of `ttl`.
  registry::ClientOptions ReadOptions() const;
  registry::ClientOptions WriteOptions(raft::Duration ttl) const;

  // Prints the failure, as JSON on stdout or as text on stderr; its exit code.
  int Report(
      registry::Error error, std::string_view detail,
      const std::optional<registry::Registration>& holder = std::nullopt) const;
  int Report(const registry::CommandReply& reply) const {
    return Report(reply.error, reply.detail, reply.current);
  }
  int Report(const registry::ReadReply& reply) const {
    return Report(reply.error, reply.detail);
  }

 private:
  const Command& command_;
  std::vector<std::string> args_;
  Settings settings_;
  Flags flags_;
  std::vector<std::string> words_;
};

// ----------------------------------------------------------------- output

// Printable text as it is, other bytes as \xNN: nothing a registry holds may
// play with the terminal.
std::string Shown(std::string_view text);
std::string ShownValue(
    const registry::Value& value);               // text in quotation marks
std::string ShownPid(const registry::Pid& pid);  // "12:0"

// {"session":..,"process":..,"value":..,"revision":..,"modified":..}
void Write(const registry::Registration& registration, JsonWriter* json);
void PrintJson(JsonWriter* json);

// Left-aligned columns, two blanks apart; the first row is the heading.
void PrintTable(const std::vector<std::vector<std::string>>& rows);

// --------------------------------------------------------------- commands

int RunCreate(Invocation* ctl);
int RunRegister(Invocation* ctl);
int RunUnregister(Invocation* ctl);
int RunUpdate(Invocation* ctl);
int RunEndSession(Invocation* ctl);
int RunRegistries(Invocation* ctl);
int RunLookup(Invocation* ctl);
int RunCount(Invocation* ctl);
int RunKeys(Invocation* ctl);
int RunImport(Invocation* ctl);
int RunTransfer(Invocation* ctl);
int RunStatus(Invocation* ctl);

}  // namespace tools::registryctl

#endif  // TOOLS_REGISTRYCTL_COMMAND_H_
