// wal_dump as a process, over directories of real storage: what it shows, what
// it calls damaged, and that it leaves every byte where it was.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/posix_vfs.h"
#include "raft/crc32c.h"
#include "raft/storage/storage.h"
#include "raft/storage/wal_format.h"
#include "tools/child_process.h"

namespace tools {
namespace {

using raft::Bytes;
using raft::Entry;
using raft::EntryKind;
using raft::Index;
using raft::Persist;
using raft::Term;
using raft::storage::StorageOptions;
using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kSample[] = "testdata/wal/v1";
constexpr char kNewest[] = "wal/000000000003.wal";

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Every file below `folder`: when it was changed, its size and checksum.
std::map<std::string, std::string> Contents(const std::string& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& item :
       std::filesystem::recursive_directory_iterator(folder)) {
    const std::string bytes =
        item.is_regular_file() ? ReadFile(item.path()) : std::string();
    contents[item.path()] =
        absl::StrCat(item.last_write_time().time_since_epoch().count(), " ",
                     bytes.size(), " ", raft::Crc32c(bytes));
  }
  return contents;
}

class WalDumpTest : public testing::Test {
 protected:
  // Checks, too, that nothing has changed.
  Ran Run(const std::vector<std::string>& args) {
    const std::string err = folder_.path() + "/stderr";
    std::filesystem::remove(err);
    std::map<std::string, std::string> before;
    if (std::filesystem::exists(dir_)) before = Contents(dir_);
    std::vector<std::string> argv = {"tools/wal_dump"};
    argv.insert(argv.end(), args.begin(), args.end());
    auto child = ChildProcess::Start(argv, {.stderr_path = err});
    EXPECT_TRUE(child.ok()) << child.status();
    Ran ran;
    ran.out = (*child)->ReadOutput();
    ran.code = (*child)->Wait();
    ran.err = ReadFile(err);
    if (std::filesystem::exists(dir_)) {
      EXPECT_EQ(Contents(dir_), before);
    }
    return ran;
  }

  std::unique_ptr<raft::storage::Storage> OpenStorage() {
    auto opened = raft::storage::Open(&disk_, dir_, StorageOptions::Tiny());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return std::move(opened->storage);
  }

  static Entry Command(uint64_t index, uint64_t term,
                       const std::string& payload) {
    return {.index = Index(index),
            .term = Term(term),
            .kind = EntryKind::kCommand,
            .payload = Bytes(payload)};
  }

  // Three segments in dir_: votes, twelve entries, the last two of them
  // replaced in term 3.
  void WriteLog() {
    const raft::storage::Identity identity = {
        .cluster = raft::ClusterId(77),
        .node = {2, 3},
        .initial_voters = {{1, 1}, {2, 3}, {5, 1}}};
    ASSERT_TRUE(raft::storage::Format(&disk_, dir_, identity).ok());
    const auto storage = OpenStorage();
    ASSERT_TRUE(storage->Append({{.term = Term(1), .vote = {5, 1}}}).ok());
    for (uint64_t index = 1; index <= 12; ++index) {
      const Persist persist = {
          .term = Term(1),
          .vote = {5, 1},
          .entries = {Command(index, 1, std::string(3000, 'x'))}};
      ASSERT_TRUE(storage->Append({persist}).ok());
    }
    ASSERT_TRUE(storage
                    ->Append({{.term = Term(3), .vote = {2, 3}},
                              {.term = Term(3),
                               .vote = {2, 3},
                               .truncate_from = Index(11),
                               .entries = {Command(11, 3, "new")}}})
                    .ok());
  }

  // Takes a snapshot up to an entry, which is of `term`.
  void TakeSnapshot(uint64_t index, uint64_t term) {
    auto store = raft::storage::SnapshotStore::Open(
        &disk_, dir_, {.cluster = raft::ClusterId(77), .node = {2, 3}});
    ASSERT_TRUE(store.ok()) << store.status();
    auto writer = (*store)->Create({.index = Index(index),
                                    .term = Term(term),
                                    .digest = {.low = 0xabc},
                                    .origin = {2, 3}},
                                   "voters");
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Append(std::string(5000, 's')).ok());
    ASSERT_TRUE((*writer)->Append("end").ok());
    ASSERT_TRUE((*writer)->Finish().ok());
  }

  std::string PathOf(const std::string& file) { return dir_ + "/" + file; }

  void Poke(const std::string& file, uint64_t offset,
            const std::string& bytes) {
    std::fstream out(PathOf(file),
                     std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(static_cast<std::streamoff>(offset));
    out << bytes;
    ASSERT_TRUE(out.good());
  }

  // Where the newest segment's records end, by its own bytes.
  uint64_t EndOfNewest() {
    const std::string bytes = ReadFile(PathOf(kNewest));
    const size_t last = bytes.find_last_not_of('\0');
    return raft::storage::RoundUp(last + 1, StorageOptions::Tiny().block_bytes);
  }

  TemporaryFolder folder_{"wal-dump-test-"};
  const std::string dir_ = folder_.path() + "/n2";
  net::PosixVfs disk_;
};

TEST_F(WalDumpTest, ShowsTheSample) {
  const Ran ran = Run({"--entries", kSample});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(
      ran.out,
      "directory testdata/wal/v1\n"
      "identity cluster 193, node n1, incarnation 1, voters n1 n2 n3\n"
      "\n"
      "SEGMENT               SEQUENCE  FIRST_INDEX  FIRST_RECORD  TERM  VOTE  "
      "RECORDS  BATCHES  USED   END  FILE  RECOVERY  ENDS\n"
      "wal/000000000001.wal         1            1             1     0  -     "
      "      3        2   440  1536  1536  accept    clean\n"
      "wal/000000000002.wal         2            4             4     2  n2.4  "
      "      2        2  1048  2048  2048  accept    clean\n"
      "wal/000000000003.wal         3            5             6     5  -     "
      "      1        1   208  1024  2048  cut       broken at 1024 (9 "
      "bytes)\n"
      "\n"
      "wal/000000000001.wal offset 512 record 1 batch 1 term 1 vote n1\n"
      "wal/000000000001.wal offset 1024 record 2 batch 2 term 1 vote n1 "
      "entries 1..3\n"
      "  entry 1 term 1 noop 0 bytes crc32c 00000000\n"
      "  entry 2 term 1 command 12 bytes crc32c 0d9cff3a\n"
      "  entry 3 term 1 command 7 bytes crc32c ea14ac7e\n"
      "wal/000000000001.wal offset 1176 record 3 batch 2 term 2 vote n2.4\n"
      "wal/000000000002.wal offset 512 record 4 batch 1 term 2 vote n2.4 "
      "truncate_from 2 entries 2..3\n"
      "  entry 2 term 2 noop 0 bytes crc32c 00000000\n"
      "  entry 3 term 2 command 700 bytes crc32c 30362e41\n"
      "wal/000000000002.wal offset 1536 record 5 batch 2 term 5 vote - "
      "entries 4..4\n"
      "  entry 4 term 5 config 6 bytes crc32c abba1e78\n"
      "wal/000000000003.wal offset 512 record 6 batch 1 term 5 vote n3\n"
      "\n"
      "log term 5, vote n3, last index 4 of term 5, 6 records, 9 torn bytes\n"
      "sound; recovery would cut wal/000000000003.wal: offset 1024: 9 torn "
      "bytes of a batch that was never acknowledged: the log ends here\n");
}

TEST_F(WalDumpTest, ShowsTheSampleAsJson) {
  const Ran ran = Run({"--output=json", kSample});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const std::string verdict =
      R"("verdict":{"sound":true,"recovery":"cut",)"
      R"("file":"wal/000000000003.wal","offset":1024,)"
      R"("why":"9 torn bytes of a batch that was never acknowledged: the log )"
      R"(ends here","what_to_do":null}})"
      "\n";
  EXPECT_EQ(
      ran.out,
      R"({"directory":"testdata/wal/v1","identity":{"cluster":193,"node":1,)"
      R"("incarnation":1,"voters":["n1","n2","n3"]},"segments":[)"
      R"({"file":"wal/000000000001.wal","sequence":1,"file_bytes":1536,)"
      R"("first_index":1,"first_record":1,"term":0,"vote":null,"records":3,)"
      R"("batches":2,"bytes_used":440,"end":1536,"tail":"clean",)"
      R"("torn_bytes":0,"ends":"clean","recovery":"accept"},)"
      R"({"file":"wal/000000000002.wal","sequence":2,"file_bytes":2048,)"
      R"("first_index":4,"first_record":4,"term":2,"vote":"n2.4",)"
      R"("records":2,"batches":2,"bytes_used":1048,"end":2048,)"
      R"("tail":"clean","torn_bytes":0,"ends":"clean","recovery":"accept"},)"
      R"({"file":"wal/000000000003.wal","sequence":3,"file_bytes":2048,)"
      R"("first_index":5,"first_record":6,"term":5,"vote":null,"records":1,)"
      R"("batches":1,"bytes_used":208,"end":1024,"tail":"broken",)"
      R"j("torn_bytes":9,"ends":"broken at 1024 (9 bytes)",)j"
      R"("recovery":"cut"}],"snapshots":[],"log":{"base_index":0,)"
      R"("base_term":0,"term":5,"vote":"n3","last_index":4,"last_term":5,)"
      R"("records":6,"torn_bytes":9},)" +
          verdict);
  EXPECT_EQ(Run({"--output=json", "--verify", kSample}).out,
            R"({"directory":"testdata/wal/v1",)" + verdict);
  EXPECT_THAT(
      Run({"--output=json", "--entries", kSample}).out,
      HasSubstr(R"("log_records":[{"offset":512,"record":4,"batch":1,)"
                R"("term":2,"vote":"n2.4","truncate_from":2,"entries":[)"
                R"({"index":2,"term":2,"kind":"noop","bytes":0,)"
                R"("crc32c":"00000000"},)"));
}

TEST_F(WalDumpTest, ShowsALogOfSeveralSegmentsWhileItIsLocked) {
  WriteLog();
  const auto storage =
      OpenStorage();  // which moves the last batch to segment 4
  const Ran ran = Run({"--entries", dir_});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(
      ran.out,
      AllOf(HasSubstr("cluster 77, node n2, incarnation 3, voters n1 "
                      "n2.3 n5\n"),
            ContainsRegex("wal/000000000003.wal +3 +9 +10 +1 +n5 +4 +4 "),
            ContainsRegex("wal/000000000004.wal +4 +13 +14 +1 +n5 +2 +1 "),
            HasSubstr("truncate_from 11 entries 11..11\n  entry 11 "
                      "term 3 command 3 bytes crc32c "),
            HasSubstr("\nlog term 3, vote n2.3, last index 11 of term "
                      "3, 15 records, 0 torn bytes\n"),
            EndsWith("\nsound\n"), Not(HasSubstr("xxx"))));
  EXPECT_EQ(Run({"--verify", dir_}).out, "sound\n");
}

TEST_F(WalDumpTest, SaysThatATornTailWouldBeCut) {
  WriteLog();
  const uint64_t end = EndOfNewest();
  Poke(kNewest, end, "WREC and no more");
  const Ran ran = Run({"--verify", dir_});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, absl::StrCat("sound; recovery would cut ", kNewest,
                                  ": offset ", end,
                                  ": 16 torn bytes of a batch that was never "
                                  "acknowledged: the log ends here\n"));
  // As recovery then does.
  const auto opened = raft::storage::Open(&disk_, dir_, StorageOptions::Tiny());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->recovered.torn_bytes_cut, 16u);
  EXPECT_EQ(opened->recovered.records, 15u);
}

TEST_F(WalDumpTest, SaysThatAnUnfinishedBatchWouldBeCut) {
  WriteLog();
  const uint64_t end = EndOfNewest();
  const uint64_t second = end - StorageOptions::Tiny().block_bytes +
                          raft::storage::kRecordHeaderBytes;
  Poke(kNewest, second, std::string(end - second, '\0'));
  const Ran ran = Run({dir_});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(
      ran.out,
      AllOf(HasSubstr(absl::StrCat("cut       unfinished batch at ", second)),
            HasSubstr("last index 12 of term 1, 14 records, 0 torn bytes\n"),
            HasSubstr(absl::StrCat("sound; recovery would cut ", kNewest,
                                   ": offset ", second, ": "))));
}

TEST_F(WalDumpTest, NamesTheByteThatIsDamaged) {
  WriteLog();
  constexpr char kDamaged[] = "wal/000000000002.wal";
  Poke(kDamaged, 512 + 3584 + 1000, "y");  // in its second batch
  const Ran ran = Run({dir_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(
      ran.out,
      AllOf(ContainsRegex("000002.wal .* 1 +1 .* refuse +broken at 4096 "),
            ContainsRegex("000003.wal .* - +not read\n"),
            HasSubstr("\nlog as far as it was read: term 1, vote n5, last "
                      "index 5 of term 1, 6 records"),
            HasSubstr("\nrecovery refuses this directory: "
                      "wal/000000000002.wal: offset 4096: a damaged record, in "
                      "bytes that were durable\n"),
            HasSubstr("registryd format --data_dir=" + dir_ +
                      " --node=2 --incarnation=4 ")));
  // In recovery's words.
  const auto opened = raft::storage::Open(&disk_, dir_, StorageOptions::Tiny());
  EXPECT_THAT(std::string(opened.status().message()),
              StartsWith(PathOf(kDamaged) +
                         ": offset 4096: a damaged record, in bytes that were "
                         "durable. This copy"));
  EXPECT_THAT(Run({"--output=json", "--verify", dir_}).out,
              HasSubstr(R"("sound":false,"recovery":"refuse",)"
                        R"("file":"wal/000000000002.wal","offset":4096,"why":)"
                        R"("a damaged record, in bytes that were durable",)"
                        R"("what_to_do":"This copy is not trusted)"));
}

TEST_F(WalDumpTest, NamesWhatIsDamagedAroundTheRecords) {
  WriteLog();
  Poke(kNewest, 100, "y");
  Ran ran = Run({dir_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("refuse    the segment header is "
                                       "damaged\n"),
                             HasSubstr("000003.wal: offset 0: ")));

  std::filesystem::remove(PathOf("wal/000000000002.wal"));
  ran = Run({"--verify", dir_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("wal/000000000002.wal: offset 0: this segment "
                                 "is missing\n"));

  Poke("identity", 40, "y");
  ran = Run({dir_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("identity: offset 0: the identity is damaged\n"),
                    HasSubstr("--incarnation=4 ")));
}

TEST_F(WalDumpTest, TellsAnotherVersionAndAnotherNodeFromDamage) {
  WriteLog();
  const std::string own = ReadFile(PathOf("identity"));
  Poke("identity", 0, ReadFile(absl::StrCat(kSample, "/identity")));
  Ran ran = Run({"--verify", dir_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("put the right files together\n"));
  Poke("identity", 0, own);

  std::string header = ReadFile(PathOf(kNewest)).substr(0, 128);
  header[8] = 2;  // the version; then the checksum, which does not cover itself
  const uint32_t checksum =
      raft::Crc32c(header.substr(16), raft::Crc32c(header.substr(0, 12)));
  std::memcpy(header.data() + 12, &checksum, sizeof(checksum));
  Poke(kNewest, 0, header);
  ran = Run({"--verify", dir_});
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.out,
            absl::StrCat("recovery refuses this directory: ", kNewest,
                         ": offset 0: format version 2; this program reads "
                         "1\n"));
}

constexpr char kSnapshotOf9[] = "snapshots/snapshot-00000000000000000009";

// A log that has lost its beginning to a snapshot.
TEST_F(WalDumpTest, ShowsSnapshotsAndWhatTheyStandFor) {
  WriteLog();
  TakeSnapshot(9, 1);
  ASSERT_TRUE(OpenStorage()->Release(Index(9)).ok());
  ASSERT_FALSE(std::filesystem::exists(PathOf("wal/000000000001.wal")));
  const Ran ran = Run({dir_});
  EXPECT_EQ(ran.code, 0) << ran.err << ran.out;
  EXPECT_THAT(ran.out, HasSubstr(kSnapshotOf9));
  EXPECT_THAT(ran.out,
              ContainsRegex("9 +1  n2\\.3 +2 +5003 .*abc  verified\n"));
  EXPECT_THAT(ran.out,
              ContainsRegex("a snapshot stands for everything up to index "
                            "[6-9] of term 1\n"));
  EXPECT_THAT(ran.out, EndsWith("sound\n"));
  const Ran json = Run({"--output=json", dir_});
  EXPECT_THAT(json.out,
              AllOf(HasSubstr(R"("index":9,"term":1,"digest":")"),
                    HasSubstr(R"("taken_by":"n2.3","configuration_bytes":6,)"
                              R"("chunks":2,"payload_bytes":5003,)"
                              R"("unfinished":false,"damage":null)")));
}

TEST_F(WalDumpTest, NamesTheByteOfASnapshotThatIsDamaged) {
  WriteLog();
  TakeSnapshot(9, 1);
  Poke(kSnapshotOf9, 1000, "?");
  // The log holds everything: recovery does without it.
  const Ran whole = Run({"--verify", dir_});
  EXPECT_EQ(whole.code, 0) << whole.out;
  EXPECT_THAT(whole.out, HasSubstr("recovery would do without"));
  EXPECT_THAT(Run({dir_}).out, HasSubstr("damaged at 134: "));
  // It does not any more.
  ASSERT_TRUE(std::filesystem::remove(PathOf("wal/000000000001.wal")));
  const Ran ran = Run({dir_});
  EXPECT_EQ(ran.code, 1) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr(kSnapshotOf9));
}

TEST_F(WalDumpTest, RefusesALogThatNothingCoversTheBeginningOf) {
  WriteLog();
  ASSERT_TRUE(std::filesystem::remove(PathOf("wal/000000000001.wal")));
  const Ran ran = Run({dir_});
  EXPECT_EQ(ran.code, 1) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("no snapshot covers what was before"));
}

TEST_F(WalDumpTest, RefusesWhatIsNoDataDirectory) {
  Ran ran = Run({dir_});
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.err, HasSubstr("No such file"));
  std::filesystem::create_directory(dir_);
  ran = Run({dir_});
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "wal_dump: " + dir_ +
                         ": is not formatted: it has no identity file\n");
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
}

TEST_F(WalDumpTest, RefusesWrongUsage) {
  const Ran ran = Run({"--entires", kSample});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("did you mean --entries?"));
  EXPECT_EQ(Run({}).code, 2);
  EXPECT_EQ(Run({kSample, kSample}).code, 2);
  EXPECT_EQ(Run({"--verify", "--entries", kSample}).code, 2);
  const Ran help = Run({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("--verify"), HasSubstr("Exit codes")));
}

}  // namespace
}  // namespace tools
