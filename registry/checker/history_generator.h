// Histories that are correct because they are made by really doing every
// operation on the Model, at a random moment between its call and its return.
// For tests of the checkers, and for measuring them.
#ifndef REGISTRY_CHECKER_HISTORY_GENERATOR_H_
#define REGISTRY_CHECKER_HISTORY_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "registry/checker/history.h"
#include "registry/command.h"

namespace registry::checker {

struct GeneratorOptions {
  uint64_t seed = 0;
  size_t clients = 8;  // each one call at a time
  size_t keys = 4;
  size_t operations = 1000;
  RegistryKind kind = RegistryKind::kUnique;
  // Of a hundred: reads; calls that are never answered (half of those take
  // effect, some of them long after); and calls before which the client's
  // session is expired. The rest are writes.
  uint64_t read_percent = 60;
  uint64_t open_percent = 5;
  uint64_t expire_percent = 1;
};

// In the order of the calls. Written texts are unique; every entry has what a
// real client would record.
std::vector<HistoryEntry> GenerateHistory(const GeneratorOptions& options);

// Makes one lookup answer with what an earlier one was told and what had
// certainly been overwritten before the later one was called. Returns its line,
// from 1, or 0 if the history has no such place.
size_t PlantStaleRead(uint64_t seed, std::vector<HistoryEntry>* history);

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_HISTORY_GENERATOR_H_
