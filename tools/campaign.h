// A campaign: a sweep in chunks, each recorded in a file as soon as it is done,
// so that the same command goes on where it was stopped. The file has a record
// (sweep_record.h) a line, appended with one write.
#ifndef TOOLS_CAMPAIGN_H_
#define TOOLS_CAMPAIGN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/sweep_record.h"

namespace tools {

struct CampaignOptions {
  SweepOptions sweep;
  std::string file;
  uint64_t chunk = 1000;  // seeds
};

// Runs the seeds that the file does not have yet; what the whole file adds up
// to, other seeds of it included. `on_chunk` is told of every chunk that was
// run here. FailedPrecondition if the file is of other options or other code;
// Unavailable if another process writes to it, or it cannot be written.
absl::StatusOr<SweepRecord> RunCampaign(
    const CampaignOptions& options, const OnFailure& on_failure,
    const std::function<void(const NumberRange& chunk)>& on_chunk);

// What the files add up to. Errors name the file.
absl::StatusOr<SweepRecord> MergeFiles(const std::vector<std::string>& files);

// Part `index` (from 0) of `count` of the seeds, which may be empty.
std::vector<NumberRange> Shard(const NumberRange& seeds, uint64_t index,
                               uint64_t count);

}  // namespace tools

#endif  // TOOLS_CAMPAIGN_H_
