// Writes a generated history to standard output, for trying and measuring
// //tools:lincheck.
//
//   generate_history [--seed=N] [--operations=N] [--clients=N] [--keys=N]
//                    [--open_percent=N] [--expire_percent=N] [--duplicate]
//                    [--plant]
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/checker/history.h"
#include "registry/checker/history_generator.h"

namespace {

using registry::checker::AppendHistoryLine;
using registry::checker::GenerateHistory;
using registry::checker::GeneratorOptions;
using registry::checker::HistoryEntry;
using registry::checker::PlantStaleRead;

bool ParseNumber(std::string_view arg, std::string_view name, uint64_t* out) {
  if (!arg.starts_with(name)) return false;
  arg.remove_prefix(name.size());
  const auto [end, error] =
      std::from_chars(arg.data(), arg.data() + arg.size(), *out);
  return error == std::errc() && end == arg.data() + arg.size();
}

bool Parse(int argc, char** argv, GeneratorOptions* options, bool* plant) {
  const std::pair<std::string_view, uint64_t*> numbers[] = {
      {"--seed=", &options->seed},
      {"--operations=", &options->operations},
      {"--clients=", &options->clients},
      {"--keys=", &options->keys},
      {"--open_percent=", &options->open_percent},
      {"--expire_percent=", &options->expire_percent},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    bool known = arg == "--plant" || arg == "--duplicate";
    if (arg == "--plant") *plant = true;
    if (arg == "--duplicate") {
      options->kind = registry::RegistryKind::kDuplicate;
    }
    for (const auto& [name, number] : numbers) {
      known = known || ParseNumber(arg, name, number);
    }
    if (!known) {
      std::fprintf(stderr, "generate_history: cannot read %s\n", argv[i]);
      return false;
    }
  }
  return options->clients > 0 && options->keys > 0;
}

}  // namespace

int main(int argc, char** argv) {
  GeneratorOptions options;
  options.expire_percent = 0;
  bool plant = false;
  if (!Parse(argc, argv, &options, &plant)) return 2;
  std::vector<HistoryEntry> history = GenerateHistory(options);
  if (plant) {
    const size_t line = PlantStaleRead(options.seed, &history);
    std::fprintf(stderr, "stale read planted in line %zu\n", line);
  }
  std::string text;
  for (const HistoryEntry& entry : history) {
    text.clear();
    AppendHistoryLine(entry, &text);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  return 0;
}
