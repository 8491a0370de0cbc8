#include "tools/campaign.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "raft/check.h"

namespace tools {
namespace {

absl::Status Failed(const std::string& file) {
  return absl::UnavailableError(file + ": " + std::strerror(errno));
}

// Adds the records of `text`, one a line, up.
absl::Status MergeLines(const std::string& file, std::string_view text,
                        SweepRecord* sum) {
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string where = file + ":" + std::to_string(line) + ": ";
    const absl::StatusOr<SweepRecord> record = ParseRecord(text.substr(0, end));
    if (!record.ok()) {
      return absl::InvalidArgumentError(where +
                                        std::string(record.status().message()));
    }
    const absl::Status merged = Merge(*record, sum);
    if (!merged.ok()) {
      return absl::FailedPreconditionError(where +
                                           std::string(merged.message()));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& file) {
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t size = read(fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Failed(file);
    if (size == 0) return text;
    text.append(buffer, static_cast<size_t>(size));
  }
}

// A campaign's file, locked.
class File {
 public:
  explicit File(std::string name) : name_(std::move(name)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // What was recorded. A line that was not finished is taken out.
  absl::StatusOr<SweepRecord> Open() {
    fd_ = open(name_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0) return Failed(name_);
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) return Failed(name_);
    absl::StatusOr<std::string> text = ReadAll(fd_, name_);
    if (!text.ok()) return text.status();
    const size_t last = text->rfind('\n');
    const size_t whole = last == std::string::npos ? 0 : last + 1;
    if (whole < text->size()) {
      text->resize(whole);
      if (ftruncate(fd_, static_cast<off_t>(whole)) != 0) return Failed(name_);
    }
    SweepRecord sum;
    const absl::Status status = MergeLines(name_, *text, &sum);
    if (!status.ok()) return status;
    return sum;
  }

  absl::Status Append(const SweepRecord& record) {
    const std::string line = ToJson(record) + "\n";
    const ssize_t size = write(fd_, line.data(), line.size());
    if (size != static_cast<ssize_t>(line.size())) return Failed(name_);
    return fdatasync(fd_) == 0 ? absl::OkStatus() : Failed(name_);
  }

 private:
  const std::string name_;
  int fd_ = -1;
};

}  // namespace

absl::StatusOr<SweepRecord> RunCampaign(
    const CampaignOptions& options, const OnFailure& on_failure,
    const std::function<void(const NumberRange& chunk)>& on_chunk) {
  File file(options.file);
  absl::StatusOr<SweepRecord> sum = file.Open();
  if (!sum.ok()) return sum;
  const SweepRecord mine = RecordOf(options.sweep, {});
  if (!sum->seeds.empty() && (sum->options != mine.options)) {
    return absl::FailedPreconditionError(
        options.file + " is of other options: \"" + sum->options + "\"");
  }
  if (!sum->seeds.empty() && sum->build != mine.build) {
    return absl::FailedPreconditionError(
        options.file + " is of other code: build " + sum->build + ", this is " +
        mine.build);
  }
  const NumberRange wanted{options.sweep.first_seed, options.sweep.last_seed};
  for (const NumberRange& gap : Missing(wanted, sum->seeds)) {
    uint64_t first = gap.first;
    while (true) {
      const uint64_t left = gap.last - first;
      const NumberRange chunk{first, first + std::min(left, options.chunk - 1)};
      SweepOptions sweep = options.sweep;
      sweep.first_seed = chunk.first;
      sweep.last_seed = chunk.last;
      SweepRecord record = mine;
      record.seeds = {chunk};
      record.result = Sweep(sweep, on_failure);
      const absl::Status appended = file.Append(record);
      if (!appended.ok()) return appended;
      CHECK(Merge(record, &*sum).ok());
      if (on_chunk) on_chunk(chunk);
      if (chunk.last == gap.last) break;
      first = chunk.last + 1;
    }
  }
  return sum;
}

absl::StatusOr<SweepRecord> MergeFiles(const std::vector<std::string>& files) {
  SweepRecord sum;
  for (const std::string& file : files) {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return Failed(file);
    const absl::StatusOr<std::string> text = ReadAll(fd, file);
    close(fd);
    if (!text.ok()) return text.status();
    const absl::Status status = MergeLines(file, *text, &sum);
    if (!status.ok()) return status;
  }
  if (sum.seeds.empty()) return absl::InvalidArgumentError("nothing to merge");
  return sum;
}

std::vector<NumberRange> Shard(const NumberRange& seeds, uint64_t index,
                               uint64_t count) {
  CHECK_LT(index, count);
  const auto total =
      static_cast<unsigned __int128>(seeds.last - seeds.first) + 1;
  const auto begin = static_cast<uint64_t>(total * index / count);
  const auto end = static_cast<uint64_t>(total * (index + 1) / count);
  if (begin == end) return {};
  return {{seeds.first + begin, seeds.first + end - 1}};
}

}  // namespace tools
