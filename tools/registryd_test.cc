// registryd as a process: what it refuses and how it says so, what bad bytes do
// to it (nothing), how it stops. Real processes, sockets and files.
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
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
#include "net/address.h"
#include "raft/frame.h"
#include "tools/child_process.h"
#include "tools/local_cluster.h"

namespace tools {
namespace {

using registry::CallResult;
using registry::CommandReply;
using registry::Error;
using registry::ReadReply;
using registry::StatusReply;
using testing::HasSubstr;
using testing::Not;

constexpr char kRegistryd[] = "tools/registryd";  // in the runfiles

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// A run to its end.
struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

// A blocking connection for bytes that no client would send.
class RawConnection {
 public:
  explicit RawConnection(const std::string& address)
      : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(net::ParseAddress(address)->port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    const timeval patience{.tv_sec = 20};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~RawConnection() { close(fd_); }
  void Send(const std::string& bytes) {
    // The other side may close in the middle, as it should.
    (void)!send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void EndOfStream() { shutdown(fd_, SHUT_WR); }
  // Reads to the end; false when none comes.
  bool IsClosedByOther() {
    char buffer[4096];
    ssize_t size;
    do {
      size = recv(fd_, buffer, sizeof(buffer), 0);
    } while (size > 0);
    return size == 0 || errno == ECONNRESET;
  }

 private:
  int fd_;
};

class RegistrydTest : public testing::Test {
 protected:
  Ran Run(const std::vector<std::string>& args) {
    const std::string err = folder_.path() + "/stderr";
    std::filesystem::remove(err);
    std::vector<std::string> argv = {kRegistryd};
    argv.insert(argv.end(), args.begin(), args.end());
    auto child = ChildProcess::Start(argv, {.stderr_path = err});
    EXPECT_TRUE(child.ok()) << child.status();
    Ran ran;
    ran.out = (*child)->ReadOutput();
    ran.code = (*child)->Wait();
    ran.err = ReadFile(err);
    return ran;
  }

  void MakeCluster(size_t nodes, std::vector<std::string> flags = {}) {
    auto cluster = LocalCluster::Create({.registryd = kRegistryd,
                                         .folder = folder_.path(),
                                         .nodes = nodes,
                                         .flags = std::move(flags)});
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
  }
  void StartCluster(size_t nodes) {
    MakeCluster(nodes);
    const absl::Status started = cluster_->StartAll();
    ASSERT_TRUE(started.ok()) << started;
  }

  // What it says when it is started again with `flags` after its own.
  Ran RunNode(size_t node, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> args = cluster_->Command(node);
    args.erase(args.begin());
    for (const std::string& flag : flags) {
      const std::string key = flag.substr(0, flag.find('=') + 1);
      std::erase_if(
          args, [&](const std::string& arg) { return arg.starts_with(key); });
      args.push_back(flag);
    }
    return Run(args);
  }

  registry::ClientOptions Options() {
    registry::ClientOptions options;
    options.endpoints = cluster_->endpoints();
    options.session_ttl = raft::Duration(0);
    options.deadline = raft::Millis(20'000);
    return options;
  }
  CallResult Call(net::AsyncClient* client, registry::CallBody body) {
    return Await(&loop_, client, std::move(body));
  }
  Error Create(net::AsyncClient* client) {
    return ErrorOf(Call(client, registry::Operation(registry::CreateRegistry{
                                    .registry = "services"})));
  }
  CallResult Register(net::AsyncClient* client, const std::string& key,
                      int64_t value) {
    return Call(client,
                registry::Operation(registry::Register{
                    .registry = "services", .key = key, .value = value}));
  }
  Error LookUp(net::AsyncClient* client, const std::string& key) {
    return ErrorOf(Call(
        client, registry::ReadOperation(registry::Lookup{"services", key})));
  }
  StatusReply Status(size_t node) {
    net::AsyncClient client(&loop_,
                            net::OneMember(cluster_->client_address(node)));
    const CallResult result = Call(&client, registry::StatusRequest{});
    const auto* status = std::get_if<StatusReply>(&result);
    EXPECT_NE(status, nullptr) << ToString(ErrorOf(result));
    return status == nullptr ? StatusReply() : *status;
  }
  uint64_t Refused(size_t node) {
    uint64_t sum = 0;
    for (const auto& [name, count] : Status(node).counters) {
      if (name.starts_with("frames_refused.")) sum += count;
    }
    return sum;
  }

  TemporaryFolder folder_{"registryd-test"};
  net::EventLoop loop_;
  std::unique_ptr<LocalCluster> cluster_;
};

// ---------------------------------------------------------- configuration

TEST_F(RegistrydTest, AnUnknownKeyIsRefusedWithAHint) {
  const Ran flag = Run({"--electoin_ms=100"});
  EXPECT_EQ(flag.code, 2);
  EXPECT_THAT(flag.err, HasSubstr("electoin_ms"));
  EXPECT_THAT(flag.err, HasSubstr("election_ms"));

  const std::string path = folder_.path() + "/registryd.conf";
  std::ofstream(path) << "# a comment\n\nnode = 1\nhearbeat_ms = 50\n";
  const Ran file = Run({"--config=" + path});
  EXPECT_EQ(file.code, 2);
  EXPECT_THAT(file.err, HasSubstr(path + ":4"));
  EXPECT_THAT(file.err, HasSubstr("heartbeat_ms"));
}

TEST_F(RegistrydTest, ValuesThatMakeNoSenseAreRefused) {
  const std::string cluster = "--cluster=1=127.0.0.1:7101/127.0.0.1:7201";
  const std::vector<std::string> good = {"--data_dir=/nowhere", "--node=1",
                                         "--cluster_token=t", cluster};
  const std::map<std::string, std::string> bad_and_said = {
      {"--node=0", "node"},
      {"--node=256", "node"},
      {"--node=2", "not in cluster"},
      {"--cluster=1=127.0.0.1:7101", "PEER_ADDRESS/CLIENT_ADDRESS"},
      {"--cluster=1=a:1/a:2,1=b:1/b:2", "twice"},
      {"--cluster=1=a:1/a:99999", "port"},
      {"--heartbeat_ms=fast", "heartbeat_ms"},
      {"--heartbeat_ms=0", "heartbeat_ms"},
      {"--election_ms=100", "three times"},
      {"--log_level=loud", "log_level"},
      {"stray", "stray"},
  };
  for (const auto& [bad, said] : bad_and_said) {
    std::vector<std::string> args = good;
    std::erase_if(args, [&](const std::string& arg) {
      return arg.substr(0, arg.find('=')) == bad.substr(0, bad.find('='));
    });
    args.push_back(bad);
    const Ran ran = Run(args);
    EXPECT_EQ(ran.code, 2) << bad << ": " << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(said)) << bad;
  }
  // Each of the four is needed.
  for (size_t i = 0; i < good.size(); ++i) {
    std::vector<std::string> args = good;
    args.erase(args.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_EQ(Run(args).code, 2) << "without " << good[i];
  }
}

TEST_F(RegistrydTest, TheEffectiveConfigIsAConfigFile) {
  const std::string path = folder_.path() + "/registryd.conf";
  std::ofstream(path) << "data_dir = /nowhere\n  node=2\r\n"
                         "cluster_token = a = b\n"
                         "cluster = 2.3=b:1/b:2, 1=a:1/a:2\n"
                         "election_ms = 400\n";
  const Ran first = Run({"--config=" + path, "--election_ms=500", "--node=2.3",
                         "--print-effective-config"});
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("election_ms = 500\n"));
  EXPECT_THAT(first.out, HasSubstr("cluster_token = a = b\n"));
  EXPECT_THAT(first.out, HasSubstr("cluster = 1=a:1/a:2,2.3=b:1/b:2\n"));
  std::ofstream(path, std::ios::trunc) << first.out;
  const Ran second = Run({"--config=" + path, "--print-effective-config"});
  EXPECT_EQ(second.out, first.out);
}

TEST_F(RegistrydTest, WithoutAFlagItIsAClusterOfItsOwn) {
  setenv("XDG_DATA_HOME", folder_.path().c_str(), 1);
  for (int life = 0; life < 2; ++life) {
    auto child = ChildProcess::Start(
        {kRegistryd}, {.stderr_path = folder_.path() + "/stderr"});
    ASSERT_TRUE(child.ok());
    const auto data = (*child)->WaitForLine("  data ", raft::Millis(20'000));
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(*data, HasSubstr(folder_.path()));
    const auto ready = (*child)->WaitForLine("ready ", raft::Millis(20'000));
    ASSERT_TRUE(ready.ok()) << ready.status();
    const size_t at = ready->find("client=") + 7;
    registry::ClientOptions options;
    options.endpoints = {ready->substr(at, ready->find(' ', at) - at)};
    options.session_ttl = raft::Duration(0);
    options.deadline = raft::Millis(20'000);
    net::AsyncClient client(&loop_, options);
    EXPECT_EQ(Create(&client), Error::kOk);
    if (life == 0) Register(&client, "kept", 1);
    EXPECT_EQ(LookUp(&client, "kept"), Error::kOk);
    (*child)->Signal(SIGINT);
    EXPECT_EQ((*child)->Wait(), 0);
  }
}

TEST_F(RegistrydTest, ALeaseBeyondItsBoundIsRefused) {
  MakeCluster(1, {"--session_ttl_ms=5000"});
  ASSERT_TRUE(cluster_->StartAll().ok());
  for (const int64_t ttl_ms : {5000, 5001}) {
    registry::ClientOptions options = Options();
    options.session_ttl = raft::Millis(ttl_ms);
    options.deadline = raft::Millis(2000);
    net::AsyncClient client(&loop_, options);
    const CallResult result = Call(
        &client,
        registry::Operation(registry::CreateRegistry{.registry = "services"}));
    EXPECT_EQ(ErrorOf(result), ttl_ms == 5000 ? Error::kOk : Error::kInvalid);
  }
}

// --------------------------------------------------------- data directory

TEST_F(RegistrydTest, AnUnformattedDirectoryIsRefusedWithTheCommand) {
  MakeCluster(1);
  const std::string other = folder_.path() + "/empty";
  std::filesystem::create_directory(other);
  const Ran ran = RunNode(0, {"--data_dir=" + other});
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.err, HasSubstr("registryd format --data_dir=" + other));
  EXPECT_THAT(ran.out, Not(HasSubstr("ready")));
  EXPECT_TRUE(std::filesystem::is_empty(other));
}

TEST_F(RegistrydTest, AForeignDirectoryIsRefused) {
  MakeCluster(3);
  const Ran cluster = RunNode(0, {"--cluster_token=another"});
  EXPECT_EQ(cluster.code, 3);
  EXPECT_THAT(cluster.err, HasSubstr("cluster"));
  const Ran node = RunNode(0, {"--node=2"});
  EXPECT_EQ(node.code, 3);
  EXPECT_THAT(node.err, HasSubstr("n1"));
  EXPECT_EQ(RunNode(0, {"--data_dir=" + cluster_->data_dir(1)}).code, 3);
  // Formatting it again does not help either.
  std::vector<std::string> format = cluster_->Command(0);
  format[0] = "format";
  EXPECT_EQ(Run(format).code, 3);
}

TEST_F(RegistrydTest, ADirectoryInUseIsRefused) {
  StartCluster(1);
  const Ran ran =
      RunNode(0, {"--peer_listen=127.0.0.1:0", "--client_listen=127.0.0.1:0"});
  EXPECT_EQ(ran.code, 3) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr(cluster_->data_dir(0)));
  EXPECT_TRUE(cluster_->running(0));
}

TEST_F(RegistrydTest, AnAddressInUseIsNamed) {
  StartCluster(1);
  const Ran ran = RunNode(0);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr(cluster_->peer_address(0)));
}

TEST_F(RegistrydTest, DamageInTheMiddleOfTheLogIsRefusedAndLeftAlone) {
  StartCluster(1);
  {
    net::AsyncClient client(&loop_, Options());
    ASSERT_EQ(Create(&client), Error::kOk);
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(ErrorOf(Register(&client, absl::StrCat("needle", i), i)),
                Error::kOk);
    }
  }
  EXPECT_EQ(cluster_->Terminate(0), 0);
  std::string wal;
  for (const auto& entry :
       std::filesystem::directory_iterator(cluster_->data_dir(0) + "/wal")) {
    if (ReadFile(entry.path()).find("needle7") != std::string::npos) {
      wal = entry.path();
    }
  }
  ASSERT_FALSE(wal.empty());
  std::string bytes = ReadFile(wal);
  bytes[bytes.find("needle7")] ^= 1;
  std::ofstream(wal, std::ios::binary) << bytes;

  const Ran ran = RunNode(0);
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.err, HasSubstr(std::filesystem::path(wal).filename()));
  EXPECT_THAT(ran.err, HasSubstr("offset"));
  EXPECT_THAT(ran.err, HasSubstr("registryd format"));
  EXPECT_EQ(ReadFile(wal), bytes) << "it was tampered with";
}

// --------------------------------------------------------------- bad bytes

TEST_F(RegistrydTest, GarbageClosesItsConnectionAndHarmsNothingElse) {
  StartCluster(1);
  net::AsyncClient client(&loop_, Options());
  ASSERT_EQ(Create(&client), Error::kOk);
  ASSERT_EQ(ErrorOf(Register(&client, "before", 1)), Error::kOk);

  std::string huge(raft::kFrameHeaderBytes, '\0');
  huge[0] = huge[1] = huge[2] = huge[3] = '\xff';  // a length of 4 GiB
  std::string wrong_first_frame, damaged;
  raft::AppendFrame(raft::FrameType::kClientRequest, "not a hello",
                    &wrong_first_frame);
  raft::AppendFrame(raft::FrameType::kHello, "a hello of nonsense", &damaged);
  std::string bad_checksum = damaged;
  bad_checksum.back() ^= 1;
  const std::string garbage[] = {
      "GET / HTTP/1.1\r\nHost: registry\r\n\r\n",
      std::string(1 << 20, '\xa5'),
      std::string(100, '\0'),
      huge,
      wrong_first_frame,
      damaged,
      bad_checksum,
  };
  uint64_t refused = Refused(0);
  for (const std::string& address :
       {cluster_->peer_address(0), cluster_->client_address(0)}) {
    for (const std::string& bytes : garbage) {
      RawConnection raw(address);
      raw.Send(bytes);
      EXPECT_TRUE(raw.IsClosedByOther());
      const uint64_t now = Refused(0);
      EXPECT_EQ(now, refused + 1) << "not counted";
      refused = now;
    }
    // Cut off, and a connection that says nothing: closed by the other side.
    RawConnection cut(address);
    cut.Send(damaged.substr(0, damaged.size() / 2));
    cut.EndOfStream();
    EXPECT_TRUE(cut.IsClosedByOther());
    RawConnection silent(address);
    EXPECT_TRUE(silent.IsClosedByOther());
  }
  ASSERT_TRUE(cluster_->running(0));
  EXPECT_EQ(LookUp(&client, "before"), Error::kOk);
  EXPECT_EQ(ErrorOf(Register(&client, "after", 2)), Error::kOk);
}

// ------------------------------------------------------------------- stops

TEST_F(RegistrydTest, SigtermUnderLoadLosesNothing) {
  StartCluster(1);
  std::map<std::string, registry::Revision> acknowledged;
  {
    net::AsyncClient client(&loop_, Options());
    ASSERT_EQ(Create(&client), Error::kOk);
    size_t started = 0;
    std::function<void()> next = [&] {
      const std::string key = absl::StrCat("key", started++);
      client.Start(
          registry::Operation(registry::Register{
              .registry = "services", .key = key, .value = int64_t{1}}),
          [&, key](const CallResult& result) {
            const auto* reply = std::get_if<CommandReply>(&result);
            if (reply == nullptr || reply->error != Error::kOk) return;
            acknowledged[key] = reply->revision;
            next();
          });
    };
    for (int i = 0; i < 16; ++i) next();
    loop_.RunUntil([&] { return acknowledged.size() >= 500; });
    EXPECT_EQ(cluster_->Terminate(0), 0);
    loop_.Turn(net::Now());  // what was answered while it stopped
  }
  ASSERT_TRUE(cluster_->Start(0).ok());
  net::AsyncClient reader(&loop_, Options());
  for (const auto& [key, revision] : acknowledged) {
    const CallResult result = Call(
        &reader, registry::ReadOperation(registry::Lookup{"services", key}));
    const auto* reply = std::get_if<ReadReply>(&result);
    ASSERT_NE(reply, nullptr);
    ASSERT_EQ(reply->registrations.size(), 1u) << key << " is lost";
    EXPECT_EQ(reply->registrations[0].revision, revision);
  }
}

// Its followers need not notice by themselves that it is gone.
TEST_F(RegistrydTest, ALeaderThatStopsHandsOver) {
  StartCluster(3);
  net::AsyncClient client(&loop_, Options());
  ASSERT_EQ(Create(&client), Error::kOk);
  const StatusReply before = Status(0);
  const size_t leader = before.leader.slot - size_t{1};
  EXPECT_EQ(cluster_->Terminate(leader), 0);
  const std::string said = ReadFile(cluster_->log_path(leader));
  EXPECT_THAT(said, HasSubstr("hands over to"));
  EXPECT_THAT(
      said, HasSubstr(absl::StrCat("in term ", before.term.value() + 1, "\n")));
  ASSERT_EQ(ErrorOf(Register(&client, "after", 1)), Error::kOk);
  const StatusReply after = Status(leader == 0 ? 1 : 0);
  EXPECT_NE(after.leader, before.leader);
  EXPECT_EQ(after.term, before.term + 1);
}

// ----------------------------------------------------------------- reading

TEST_F(RegistrydTest, ReadsNeverEnterTheLogAndShareTheirRounds) {
  StartCluster(3);
  net::AsyncClient client(&loop_, Options());
  ASSERT_EQ(Create(&client), Error::kOk);
  ASSERT_EQ(ErrorOf(Register(&client, "read", 1)), Error::kOk);
  const auto totals = [this] {
    uint64_t last_index = 0, rounds = 0;
    for (size_t node = 0; node < 3; ++node) {
      const StatusReply status = Status(node);
      last_index = std::max(last_index, status.last_index.value());
      for (const auto& [name, count] : status.counters) {
        if (name == "read_rounds") rounds += count;
      }
    }
    return std::pair(last_index, rounds);
  };
  const auto [index_before, rounds_before] = totals();
  constexpr int kReads = 1000;
  int found = 0;
  for (int i = 0; i < kReads; ++i) {
    client.Start(registry::ReadOperation(registry::Lookup{"services", "read"}),
                 [&](const CallResult& result) {
                   if (ErrorOf(result) == Error::kOk) ++found;
                 });
  }
  loop_.RunUntil([&] { return client.unfinished() == 0; });
  const auto [index_after, rounds_after] = totals();
  EXPECT_EQ(found, kReads);
  EXPECT_EQ(index_after, index_before);
  EXPECT_GT(rounds_after, rounds_before);
  EXPECT_LT(rounds_after - rounds_before, uint64_t{kReads});
}

TEST_F(RegistrydTest, WithoutAQuorumAReadIsUnavailableNeverNotFound) {
  StartCluster(3);
  {
    net::AsyncClient client(&loop_, Options());
    ASSERT_EQ(Create(&client), Error::kOk);
    ASSERT_EQ(ErrorOf(Register(&client, "there", 1)), Error::kOk);
  }
  cluster_->Kill(1);
  cluster_->Kill(2);
  registry::ClientOptions options = Options();
  options.open_session = false;
  options.deadline = raft::Millis(1500);
  net::AsyncClient client(&loop_, options);
  const raft::Time begun = net::Now();
  EXPECT_EQ(LookUp(&client, "there"), Error::kUnavailable);
  EXPECT_LT(net::Now() - begun, raft::Millis(3000));
}

}  // namespace
}  // namespace tools
