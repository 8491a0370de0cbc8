// wal_dump: shows and verifies a node's data directory, and changes nothing.
//
//   wal_dump [--output=table|json] [--entries] [--verify] DIRECTORY
//
// The reading and the verdict are recovery's own (raft/storage/FORMAT.md): what
// it says is what registryd would say at its next start.
//
// Exit codes: 0 sound, also with a tail that recovery would cut; 1 refused by
// recovery; 2 usage; 3 not a data directory, or one that cannot be read here.
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "net/posix_vfs.h"
#include "tools/args.h"
#include "tools/caller_path.h"
#include "tools/json.h"
#include "tools/wal_report.h"

namespace tools {
namespace {

using raft::storage::SegmentEnd;
using raft::storage::Tail;
using raft::storage::Verdict;

constexpr int kSound = 0;
constexpr int kDamaged = 1;
constexpr int kWrongUsage = 2;
constexpr int kUnreadable = 3;

// ------------------------------------------------------------------- words

std::string KindText(raft::EntryKind kind) {
  switch (kind) {
    case raft::EntryKind::kNoop:
      return "noop";
    case raft::EntryKind::kCommand:
      return "command";
    case raft::EntryKind::kConfig:
      return "config";
  }
  return absl::StrCat("kind ", static_cast<int>(kind));
}

std::string VoteText(raft::NodeId vote) {
  return vote.valid() ? ToString(vote) : "-";
}

std::string_view TailWord(Tail tail) {
  switch (tail) {
    case Tail::kEnd:
      return "clean";
    case Tail::kUnfinishedBatch:
      return "unfinished_batch";
    case Tail::kBroken:
      return "broken";
    case Tail::kContradiction:
      return "contradiction";
  }
  return "?";
}

std::string TailText(const SegmentEnd& end) {
  switch (end.tail) {
    case Tail::kEnd:
      return "clean";
    case Tail::kUnfinishedBatch:
      return absl::StrCat("unfinished batch at ", end.offset);
    case Tail::kBroken:
      return absl::StrCat("broken at ", end.offset, " (", end.torn_bytes,
                          " bytes)");
    case Tail::kContradiction:
      return absl::StrCat("contradiction at ", end.offset, ": ", end.why);
  }
  return "?";
}

bool IsRefused(const WalReport& report, const SegmentReport& segment) {
  return report.refusal.has_value() && report.refusal->file == segment.file;
}

// What recovery does with a segment's end; "" when it does not come there.
std::string RecoveryText(const WalReport& report,
                         const SegmentReport& segment) {
  if (IsRefused(report, segment)) return "refuse";
  if (!segment.verdict.has_value()) return "";
  switch (*segment.verdict) {
    case Verdict::kAccept:
      return "accept";
    case Verdict::kCut:
      return "cut";
    case Verdict::kRefuse:
    case Verdict::kImpossible:
      break;
  }
  return "refuse";
}

std::string EndText(const SegmentReport& segment) {
  if (segment.end.has_value()) return TailText(*segment.end);
  if (segment.header.ok()) return "not read";
  return std::string(segment.header.status().message());
}

int ExitCode(const WalReport& report) {
  if (!report.refusal.has_value()) return kSound;
  return report.refusal->other_version ? kUnreadable : kDamaged;
}

// The segment whose end recovery would cut, if it is so.
const SegmentReport* CutSegment(const WalReport& report) {
  if (report.refusal.has_value() || report.segments.empty()) return nullptr;
  const SegmentReport& last = report.segments.back();
  return last.verdict == Verdict::kCut ? &last : nullptr;
}

std::string WhyCut(const SegmentEnd& end) {
  return absl::StrCat(end.torn_bytes,
                      " torn bytes of a batch that was never acknowledged: the "
                      "log ends here");
}

// -------------------------------------------------------------------- text

void PrintVerdict(const WalReport& report) {
  if (report.refusal.has_value()) {
    const Refusal& refusal = *report.refusal;
    absl::PrintF("recovery refuses this directory: %s: offset %d: %s\n",
                 refusal.file, refusal.offset, refusal.why);
    if (!refusal.what_to_do.empty()) absl::PrintF("%s.\n", refusal.what_to_do);
    if (!refusal.other_version) {
      absl::PrintF(
          "A copy that was made while the node ran proves nothing: look at "
          "another one first.\n");
    }
  } else if (const SegmentReport* cut = CutSegment(report)) {
    absl::PrintF("sound; recovery would cut %s: offset %d: %s\n", cut->file,
                 cut->end->offset, WhyCut(*cut->end));
  } else {
    absl::PrintF("sound\n");
  }
  for (const std::string& text : report.passed_over) {
    absl::PrintF("recovery would do without %s\n", text);
  }
}

// Words stand left in their columns, numbers right.
void PrintColumns(const std::vector<std::vector<std::string>>& rows,
                  const std::vector<bool>& numbers) {
  std::vector<size_t> widths(numbers.size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += numbers[i] ? padding + row[i] : row[i] + padding;
      line += "  ";
    }
    line.resize(line.find_last_not_of(' ') + 1);
    absl::PrintF("%s\n", line);
  }
}

void PrintSegments(const WalReport& report) {
  std::vector<std::vector<std::string>> rows = {
      {"SEGMENT", "SEQUENCE", "FIRST_INDEX", "FIRST_RECORD", "TERM", "VOTE",
       "RECORDS", "BATCHES", "USED", "END", "FILE", "RECOVERY", "ENDS"}};
  for (const SegmentReport& segment : report.segments) {
    std::vector<std::string> row = {segment.file,
                                    absl::StrCat(segment.sequence)};
    if (segment.header.ok()) {
      const raft::storage::WalState& state = segment.header->state;
      row.push_back(absl::StrCat(state.last_index.value() + 1));
      row.push_back(absl::StrCat(state.next_record));
      row.push_back(absl::StrCat(state.term.value()));
      row.push_back(VoteText(state.vote));
    } else {
      row.insert(row.end(), 4, "-");
    }
    if (segment.end.has_value()) {
      row.push_back(absl::StrCat(segment.end->records));
      row.push_back(absl::StrCat(segment.end->batches));
      row.push_back(absl::StrCat(segment.bytes_used));
      row.push_back(absl::StrCat(segment.end->offset));
    } else {
      row.insert(row.end(), 4, "-");
    }
    row.push_back(absl::StrCat(segment.file_bytes));
    const std::string recovery = RecoveryText(report, segment);
    row.push_back(recovery.empty() ? "-" : recovery);
    row.push_back(EndText(segment));
    rows.push_back(std::move(row));
  }
  PrintColumns(rows, {false, true, true, true, true, false, true, true, true,
                      true, true, false, false});
}

std::string DigestText(const raft::storage::SnapshotDigest& digest) {
  return absl::StrFormat("%016x%016x", digest.high, digest.low);
}

// "verified", or what is wrong.
std::string StateText(const SnapshotReport& snapshot) {
  if (snapshot.unfinished) return "unfinished";
  if (!snapshot.damage.has_value()) return "verified";
  return absl::StrCat("damaged at ", snapshot.damage->offset, ": ",
                      snapshot.damage->why);
}

void PrintSnapshots(const WalReport& report) {
  if (report.snapshots.empty()) return;
  std::vector<std::vector<std::string>> rows = {
      {"SNAPSHOT", "INDEX", "TERM", "TAKEN_BY", "CHUNKS", "PAYLOAD", "FILE",
       "DIGEST", "STATE"}};
  for (const SnapshotReport& snapshot : report.snapshots) {
    std::vector<std::string> row = {snapshot.file};
    std::string digest = "-";
    if (snapshot.header.ok()) {
      const raft::storage::SnapshotId& id = snapshot.header->id;
      row.push_back(absl::StrCat(id.index.value()));
      row.push_back(absl::StrCat(id.term.value()));
      row.push_back(ToString(id.origin));
      digest = DigestText(id.digest);
    } else {
      row.insert(row.end(), 3, "-");
    }
    row.push_back(absl::StrCat(snapshot.chunks));
    row.push_back(absl::StrCat(snapshot.payload_bytes));
    row.push_back(absl::StrCat(snapshot.file_bytes));
    row.push_back(digest);
    row.push_back(StateText(snapshot));
    rows.push_back(std::move(row));
  }
  PrintColumns(rows,
               {false, true, true, false, true, true, true, false, false});
  absl::PrintF("\n");
}

void PrintRecords(const SegmentReport& segment) {
  for (const RecordReport& record : segment.records) {
    const raft::storage::RecordHeader& header = record.header;
    absl::PrintF("%s offset %d record %d batch %d term %d vote %s",
                 segment.file, record.offset, header.number, record.batch,
                 header.term.value(), VoteText(header.vote));
    if (header.truncate_from != raft::Index(0)) {
      absl::PrintF(" truncate_from %d", header.truncate_from.value());
    }
    if (!record.entries.empty()) {
      absl::PrintF(" entries %d..%d", record.entries.front().index.value(),
                   record.entries.back().index.value());
    }
    absl::PrintF("\n");
    for (const EntryReport& entry : record.entries) {
      absl::PrintF("  entry %d term %d %s %d bytes crc32c %08x\n",
                   entry.index.value(), entry.term.value(),
                   KindText(entry.kind), entry.bytes, entry.crc32c);
    }
  }
}

void PrintTable(const WalReport& report, bool entries) {
  absl::PrintF("directory %s\n", report.directory);
  if (report.identity.has_value()) {
    absl::PrintF("identity cluster %d, node n%d, incarnation %d, voters",
                 report.identity->cluster.value(), report.identity->node.slot,
                 report.identity->node.incarnation);
    for (const raft::NodeId voter : report.identity->initial_voters) {
      absl::PrintF(" %s", ToString(voter));
    }
    absl::PrintF("\n\n");
  } else {
    absl::PrintF("identity unknown\n\n");
  }
  PrintSegments(report);
  absl::PrintF("\n");
  if (entries) {
    for (const SegmentReport& segment : report.segments) PrintRecords(segment);
    absl::PrintF("\n");
  }
  PrintSnapshots(report);
  if (report.base.index != raft::Index(0)) {
    absl::PrintF("a snapshot stands for everything up to index %d of term %d\n",
                 report.base.index.value(), report.base.term.value());
  }
  absl::PrintF(
      "log%s term %d, vote %s, last index %d of term %d, %d records, %d torn "
      "bytes\n",
      report.refusal.has_value() ? " as far as it was read:" : "",
      report.state.term.value(), VoteText(report.state.vote),
      report.state.last_index.value(), report.last_term.value(), report.records,
      report.torn_bytes);
  PrintVerdict(report);
}

// -------------------------------------------------------------------- JSON

void WriteVote(raft::NodeId vote, JsonWriter* json) {
  json->Key("vote");
  vote.valid() ? json->Text(ToString(vote)) : json->Null();
}

void WriteNulls(const std::vector<std::string_view>& keys, JsonWriter* json) {
  for (const std::string_view key : keys) json->Key(key).Null();
}

void WriteVerdict(const WalReport& report, JsonWriter* json) {
  const SegmentReport* cut = CutSegment(report);
  json->Key("verdict").BeginObject();
  json->Key("sound").Bool(!report.refusal.has_value());
  json->Key("recovery")
      .Text(report.refusal.has_value() ? "refuse"
            : cut != nullptr           ? "cut"
                                       : "accept");
  if (report.refusal.has_value()) {
    const Refusal& refusal = *report.refusal;
    json->Key("file").Text(refusal.file);
    json->Key("offset").Unsigned(refusal.offset);
    json->Key("why").Text(refusal.why);
    json->Key("what_to_do").Text(refusal.what_to_do);
  } else if (cut != nullptr) {
    json->Key("file").Text(cut->file);
    json->Key("offset").Unsigned(cut->end->offset);
    json->Key("why").Text(WhyCut(*cut->end));
    WriteNulls({"what_to_do"}, json);
  } else {
    WriteNulls({"file", "offset", "why", "what_to_do"}, json);
  }
  json->EndObject();
}

void WriteRecords(const SegmentReport& segment, JsonWriter* json) {
  json->Key("log_records").BeginArray();
  for (const RecordReport& record : segment.records) {
    json->BeginObject();
    json->Key("offset").Unsigned(record.offset);
    json->Key("record").Unsigned(record.header.number);
    json->Key("batch").Unsigned(record.batch);
    json->Key("term").Unsigned(record.header.term.value());
    WriteVote(record.header.vote, json);
    json->Key("truncate_from").Unsigned(record.header.truncate_from.value());
    json->Key("entries").BeginArray();
    for (const EntryReport& entry : record.entries) {
      json->BeginObject();
      json->Key("index").Unsigned(entry.index.value());
      json->Key("term").Unsigned(entry.term.value());
      json->Key("kind").Text(KindText(entry.kind));
      json->Key("bytes").Unsigned(entry.bytes);
      json->Key("crc32c").Text(absl::StrFormat("%08x", entry.crc32c));
      json->EndObject();
    }
    json->EndArray().EndObject();
  }
  json->EndArray();
}

void WriteSegment(const WalReport& report, const SegmentReport& segment,
                  bool entries, JsonWriter* json) {
  json->BeginObject();
  json->Key("file").Text(segment.file);
  json->Key("sequence").Unsigned(segment.sequence);
  json->Key("file_bytes").Unsigned(segment.file_bytes);
  if (segment.header.ok()) {
    const raft::storage::WalState& state = segment.header->state;
    json->Key("first_index").Unsigned(state.last_index.value() + 1);
    json->Key("first_record").Unsigned(state.next_record);
    json->Key("term").Unsigned(state.term.value());
    WriteVote(state.vote, json);
  } else {
    WriteNulls({"first_index", "first_record", "term", "vote"}, json);
  }
  if (segment.end.has_value()) {
    json->Key("records").Unsigned(segment.end->records);
    json->Key("batches").Unsigned(segment.end->batches);
    json->Key("bytes_used").Unsigned(segment.bytes_used);
    json->Key("end").Unsigned(segment.end->offset);
    json->Key("tail").Text(TailWord(segment.end->tail));
    json->Key("torn_bytes").Unsigned(segment.end->torn_bytes);
  } else {
    WriteNulls(
        {"records", "batches", "bytes_used", "end", "tail", "torn_bytes"},
        json);
  }
  json->Key("ends").Text(EndText(segment));
  const std::string recovery = RecoveryText(report, segment);
  json->Key("recovery");
  recovery.empty() ? json->Null() : json->Text(recovery);
  if (entries) WriteRecords(segment, json);
  json->EndObject();
}

void WriteSnapshot(const SnapshotReport& snapshot, JsonWriter* json) {
  json->BeginObject();
  json->Key("file").Text(snapshot.file);
  json->Key("file_bytes").Unsigned(snapshot.file_bytes);
  if (snapshot.header.ok()) {
    const raft::storage::SnapshotId& id = snapshot.header->id;
    json->Key("index").Unsigned(id.index.value());
    json->Key("term").Unsigned(id.term.value());
    json->Key("digest").Text(DigestText(id.digest));
    json->Key("taken_by").Text(ToString(id.origin));
    json->Key("configuration_bytes")
        .Unsigned(snapshot.header->configuration.size());
  } else {
    WriteNulls({"index", "term", "digest", "taken_by", "configuration_bytes"},
               json);
  }
  json->Key("chunks").Unsigned(snapshot.chunks);
  json->Key("payload_bytes").Unsigned(snapshot.payload_bytes);
  json->Key("unfinished").Bool(snapshot.unfinished);
  json->Key("damage");
  if (snapshot.damage.has_value()) {
    json->BeginObject();
    json->Key("offset").Unsigned(snapshot.damage->offset);
    json->Key("why").Text(snapshot.damage->why);
    json->EndObject();
  } else {
    json->Null();
  }
  json->EndObject();
}

void WriteIdentity(const WalReport& report, JsonWriter* json) {
  json->Key("identity");
  if (!report.identity.has_value()) {
    json->Null();
    return;
  }
  json->BeginObject();
  json->Key("cluster").Unsigned(report.identity->cluster.value());
  json->Key("node").Unsigned(report.identity->node.slot);
  json->Key("incarnation").Unsigned(report.identity->node.incarnation);
  json->Key("voters").BeginArray();
  for (const raft::NodeId voter : report.identity->initial_voters) {
    json->Text(ToString(voter));
  }
  json->EndArray().EndObject();
}

void PrintJson(const WalReport& report, bool entries, bool verify) {
  JsonWriter json;
  json.BeginObject();
  json.Key("directory").Text(report.directory);
  if (!verify) {
    WriteIdentity(report, &json);
    json.Key("segments").BeginArray();
    for (const SegmentReport& segment : report.segments) {
      WriteSegment(report, segment, entries, &json);
    }
    json.EndArray();
    json.Key("snapshots").BeginArray();
    for (const SnapshotReport& snapshot : report.snapshots) {
      WriteSnapshot(snapshot, &json);
    }
    json.EndArray();
    json.Key("log").BeginObject();
    json.Key("base_index").Unsigned(report.base.index.value());
    json.Key("base_term").Unsigned(report.base.term.value());
    json.Key("term").Unsigned(report.state.term.value());
    WriteVote(report.state.vote, &json);
    json.Key("last_index").Unsigned(report.state.last_index.value());
    json.Key("last_term").Unsigned(report.last_term.value());
    json.Key("records").Unsigned(report.records);
    json.Key("torn_bytes").Unsigned(report.torn_bytes);
    json.EndObject();
  }
  WriteVerdict(report, &json);
  json.EndObject();
  absl::PrintF("%s\n", json.Take());
}

// -------------------------------------------------------------------- main

int Fail(int code, const std::string& problem) {
  absl::FPrintF(stderr, "wal_dump: %s\n", problem);
  if (code == kWrongUsage) absl::FPrintF(stderr, "          wal_dump --help\n");
  return code;
}

int PrintHelp(const Flags& flags) {
  absl::PrintF(
      "wal_dump: shows and verifies a node's data directory\n\n"
      "  wal_dump [FLAGS] DIRECTORY\n\n"
      "It only reads, takes no lock, and says what registryd would say at its\n"
      "next start. Of a directory that a node is using, make a copy, and do\n"
      "not believe in damage before a second one has it too: files of a copy\n"
      "are not of one moment.\n\n"
      "Flags:\n%s\n"
      "Exit codes: 0 sound, also with a torn tail that recovery would cut; 1\n"
      "damaged, recovery refuses it; 2 wrong usage; 3 not a data directory, "
      "or\n"
      "it cannot be read (also: it is of another format version)\n",
      flags.Help());
  return kSound;
}

int Main(const std::vector<std::string>& args) {
  std::string output = "table";
  bool entries = false;
  bool verify = false;
  bool help = false;
  Flags flags;
  flags.Choice("output", &output, {"table", "json"}, "how to print");
  flags.Switch("entries", &entries, "every record and entry, without payloads");
  flags.Switch("verify", &verify, "only the verdict");
  flags.Switch("help", &help, "this text");
  const absl::StatusOr<std::vector<std::string>> words = flags.Parse(args);
  if (!words.ok()) {
    return Fail(kWrongUsage, std::string(words.status().message()));
  }
  if (help) return PrintHelp(flags);
  if (words->size() != 1) return Fail(kWrongUsage, "one directory is wanted");
  if (entries && verify) {
    return Fail(kWrongUsage, "--verify shows no entries");
  }

  std::string directory = CallerPath(words->front());
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  net::PosixVfs disk;
  const absl::StatusOr<WalReport> report =
      ReadDataDirectory(&disk, directory, entries);
  if (!report.ok()) {
    return Fail(kUnreadable, std::string(report.status().message()));
  }
  if (output == "json") {
    PrintJson(*report, entries, verify);
  } else if (verify) {
    PrintVerdict(*report);
  } else {
    PrintTable(*report, entries);
  }
  return ExitCode(*report);
}

}  // namespace
}  // namespace tools

int main(int argc, char** argv) {
  return tools::Main(
      std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
}
