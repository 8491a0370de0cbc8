// registryctl: talks to a registry cluster from the command line.
// docs/registryctl.md is its manual.
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tools/registryctl_command.h"

namespace tools::registryctl {
namespace {

constexpr Command kCommands[] = {
    {"create", "NAME --kind=unique|duplicate", "create a registry",
     "A registry that stands with the same kind is left as it is.", RunCreate},
    {"registries", "", "list all registries", "", RunRegistries},
    {"register", "REGISTRY KEY VALUE (--hold | --ttl=TIME)",
     "register a key for this command's own session",
     "A registration lives as long as its session. --hold keeps the session\n"
     "alive until Ctrl-C, and then ends it; --ttl alone leaves it to run out.",
     RunRegister},
    {"unregister", "REGISTRY KEY --force", "remove whoever holds a key",
     "This command's own session holds nothing, so without --force the answer\n"
     "is not_owner, with the holder's name.",
     RunUnregister},
    {"lookup", "REGISTRY KEY", "show who holds a key, and the value", "",
     RunLookup},
    {"count", "REGISTRY [KEY]", "count registrations", "", RunCount},
    {"keys", "REGISTRY [--process=SESSION:LOCAL]", "list keys, in byte order",
     "Reads pages of 1,000; each page is exact at a revision of its own.",
     RunKeys},
    {"update", "REGISTRY KEY (--set=VALUE | --add=NUMBER)",
     "change the value of whoever holds a key",
     "One atomic step, whoever the owner is; revision and owner stay.",
     RunUpdate},
    {"import", "FILE", "register each line of a file, to stay",
     "Lines are {\"registry\": ..., \"key\": ..., \"value\": ...}. They belong "
     "to a\n"
     "permanent session of this run, which end-session removes again. Running "
     "it\n"
     "again after an interruption is safe: what is there is left alone.",
     RunImport},
    {"end-session", "SESSION", "end a session and all its registrations", "",
     RunEndSession},
    {"transfer", "[NODE]", "hand leadership to a node",
     "Without NODE, to the one that the leader thinks best. Done when another\n"
     "leads, or NODE leads already; no write is lost, those of the moment "
     "wait.",
     RunTransfer},
    {"status", "", "ask every endpoint how it does", "", RunStatus},
};

std::vector<std::string> CommandNames() {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  return names;
}

const Command* Find(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

int PrintHelp() {
  Settings settings;
  Flags flags;
  settings.Declare(&flags);
  std::printf(
      "registryctl: talks to a registry cluster\n\n"
      "  registryctl [FLAGS] COMMAND ...\n\n"
      "Commands (registryctl COMMAND --help tells more):\n");
  for (const Command& command : kCommands) {
    std::printf("  %-14s%s\n", std::string(command.name).c_str(),
                std::string(command.summary).c_str());
  }
  std::printf(
      "\nFlags, before or after the command:\n%s\n"
      "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 unavailable or outcome "
      "unknown\n",
      flags.Help().c_str());
  return kDone;
}

int Fail(std::string_view problem) {
  std::fprintf(stderr, "registryctl: %s\n       registryctl --help\n",
               std::string(problem).c_str());
  return kWrongUsage;
}

int Main(std::vector<std::string> args) {
  // Flags before the command are the global ones; they are read here only to
  // find the command, and again together with the command's own.
  Settings settings;
  Flags flags;
  settings.Declare(&flags);
  const auto rest = flags.Parse(args, /*stop_at_word=*/true);
  if (!rest.ok()) return Fail(std::string(rest.status().message()));
  if (settings.help || (!rest->empty() && rest->front() == "help")) {
    if (rest->size() < 2) return PrintHelp();
    args = {rest->at(1), "--help"};
  } else if (rest->empty()) {
    return Fail("no command");
  } else {
    // The command first, then every flag.
    const size_t before = args.size() - rest->size();
    std::rotate(args.begin(), args.begin() + static_cast<ptrdiff_t>(before),
                args.begin() + static_cast<ptrdiff_t>(before) + 1);
  }
  const std::string name = args.front();
  args.erase(args.begin());
  const Command* command = Find(name);
  if (command == nullptr) {
    return Fail("unknown command " + Shown(name) +
                Hint("", name, CommandNames()));
  }
  Invocation invocation(*command, std::move(args));
  return command->run(&invocation);
}

}  // namespace
}  // namespace tools::registryctl

int main(int argc, char** argv) {
  return tools::registryctl::Main(
      std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
}
