#include "net/client.h"

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "net/posix_vfs.h"
#include "net/server.h"
#include "raft/storage/storage.h"

namespace net {
namespace {

using raft::Millis;
using registry::CreateRegistry;
using registry::EndSession;
using registry::Error;
using registry::Lookup;
using registry::Register;
using registry::RegistryKind;

// A cluster of one member in this process.
class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string dir =
        testing::TempDir() + "/" +
        testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(dir);
    ServerOptions options;
    options.self = {1, 1};
    options.replica.data_dir = dir;
    options.replica.cluster = raft::ClusterId(77);
    options.replica.members = {{options.self, "127.0.0.1:0", "127.0.0.1:0"}};
    options.replica.storage.segment_bytes = 1 << 20;
    PosixVfs vfs;
    ASSERT_TRUE(
        raft::storage::Format(
            &vfs, dir, {options.replica.cluster, options.self, {options.self}})
            .ok());
    auto server = Server::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    thread_ = std::thread([this] { EXPECT_TRUE(server_->Run().ok()); });
  }
  void TearDown() override {
    if (server_ == nullptr) return;
    server_->Stop();
    thread_.join();
  }

  registry::ClientOptions Options() const {
    registry::ClientOptions options;
    options.endpoints = {server_->client_address()};
    options.deadline = Millis(20'000);
    return options;
  }

  std::unique_ptr<Server> server_;
  std::thread thread_;
};

Register Named(const std::string& key, int64_t value = 1) {
  return Register{.registry = "r", .key = key, .value = value};
}

TEST_F(ClientTest, RegistersAndLooksUp) {
  BlockingClient first({.client = Options()});
  BlockingClient second({.client = Options()});
  ASSERT_EQ(first.Do(CreateRegistry{"r", RegistryKind::kUnique}).error,
            Error::kOk);
  const auto mine = first.Do(Named("k", 22));
  ASSERT_EQ(mine.error, Error::kOk) << mine.detail;
  EXPECT_NE(first.session(), registry::SessionId());
  EXPECT_TRUE(first.SessionAlive());

  const auto refused = second.Do(Named("k", 23));
  EXPECT_EQ(refused.error, Error::kAlreadyRegistered);
  ASSERT_TRUE(refused.current.has_value());
  EXPECT_EQ(refused.current->pid.session, first.session());

  const auto found = second.Read(Lookup{"r", "k"});
  ASSERT_EQ(found.registrations.size(), 1u);
  EXPECT_EQ(std::get<int64_t>(found.registrations[0].value), 22);
  EXPECT_EQ(found.registrations[0].revision, mine.revision);
  EXPECT_EQ(second.Read(Lookup{"r", "other"}).error, Error::kNotFound);

  ASSERT_EQ(first.Do(EndSession{}).error, Error::kOk);
  EXPECT_FALSE(first.SessionAlive());
  EXPECT_EQ(second.Do(Named("k", 23)).error, Error::kOk);
  EXPECT_EQ(first.Do(Named("k2")).error, Error::kSessionExpired);
}

TEST_F(ClientTest, AKilledSessionIsTold) {
  registry::ClientOptions options = Options();
  options.session_ttl = Millis(600);
  std::promise<registry::SessionId> lost;
  BlockingClient first(
      {.client = options, .on_session_lost = [&](registry::SessionId session) {
         lost.set_value(session);
       }});
  BlockingClient second({.client = Options()});
  ASSERT_EQ(first.Do(CreateRegistry{"r", RegistryKind::kUnique}).error,
            Error::kOk);
  const registry::SessionId session = first.session();
  ASSERT_EQ(second.Do(EndSession{session}).error, Error::kOk);
  // The next keep-alive brings the news.
  EXPECT_EQ(lost.get_future().get(), session);
  EXPECT_FALSE(first.SessionAlive());
}

TEST_F(ClientTest, ManyThreadsShareOneClient) {
  BlockingClient client({.client = Options()});
  ASSERT_EQ(client.Do(CreateRegistry{"r", RegistryKind::kUnique}).error,
            Error::kOk);
  std::vector<std::thread> threads;
  std::atomic<int> won = 0;
  std::atomic<int> taken = 0;
  for (uint64_t thread = 1; thread <= 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 50; ++i) {
        // As processes of their own, so that they contend.
        const auto reply = client.Do(Register{.registry = "r",
                                              .key = std::to_string(i),
                                              .value = int64_t{i},
                                              .process = thread});
        won += reply.error == Error::kOk;
        taken += reply.error == Error::kAlreadyRegistered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 50);
  EXPECT_EQ(taken, 150);
}

TEST_F(ClientTest, ManyClientsShareOneLoop) {
  EventLoop loop;
  std::vector<std::unique_ptr<AsyncClient>> clients;
  size_t done = 0;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(std::make_unique<AsyncClient>(&loop, Options()));
  }
  clients[0]->Start(registry::Operation(CreateRegistry{"r"}),
                    [&](const registry::CallResult&) { ++done; });
  loop.RunUntil([&] { return done == 1; });
  size_t won = 0;
  for (const auto& client : clients) {
    for (int i = 0; i < 10; ++i) {
      client->Start(registry::Operation(Named(std::to_string(i))),
                    [&](const registry::CallResult& result) {
                      ++done;
                      won += registry::ErrorOf(result) == Error::kOk;
                    });
    }
  }
  loop.RunUntil([&] { return done == 301; });
  EXPECT_EQ(won, 10u);
}

TEST(ClientWithoutServerTest, IsUnavailableWithinItsDeadline) {
  registry::ClientOptions options;
  // Ports that this process holds but that nobody serves.
  EventLoop loop;
  TcpTransport transport(&loop);
  const auto address =
      transport.Bind("127.0.0.1:0", registry::Listener::kClient);
  ASSERT_TRUE(address.ok());
  options.endpoints = {*address, "not an address", "127.0.0.1:1"};
  BlockingClient client({.client = options});
  const raft::Time start = Now();
  const auto found = client.Read(Lookup{"r", "k"}, Millis(300));
  EXPECT_EQ(found.error, Error::kUnavailable);
  EXPECT_FALSE(found.detail.empty());
  const auto reply = client.Do(Named("k"), Millis(300));
  EXPECT_EQ(reply.error, Error::kUnavailable);
  EXPECT_GE((Now() - start).value(), 600'000);
  EXPECT_LT((Now() - start).value(), 5'000'000);
}

TEST(ClientWithoutServerTest, DestructionAnswersWaitingCalls) {
  registry::ClientOptions options;
  options.endpoints = {"127.0.0.1:1"};
  options.deadline = Millis(600'000);
  registry::CommandReply reply;
  std::promise<registry::CallResult> answer;
  {
    BlockingClient client({.client = options});
    client.Start(
        registry::Operation(Named("k")),
        [&](const registry::CallResult& result) { answer.set_value(result); });
  }
  EXPECT_EQ(registry::ErrorOf(answer.get_future().get()), Error::kUnavailable);
}

}  // namespace
}  // namespace net
