// registryctl as a process, against a real cluster: what it prints and how it
// exits, with a quorum and without one.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/event_loop.h"
#include "tools/child_process.h"
#include "tools/local_cluster.h"

namespace tools {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kDone = 0;
constexpr int kRefused = 1;
constexpr int kUnavailable = 3;

struct Ran {
  int code = 0;
  std::string out;
  raft::Duration took;
};

class RegistryctlTest : public testing::Test {
 protected:
  void SetUp() override {
    auto cluster = LocalCluster::Create(
        {.registryd = "tools/registryd", .folder = folder_.path()});
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    ASSERT_TRUE(cluster_->StartAll().ok());
  }

  Ran Run(const std::vector<std::string>& words,
          const std::string& timeout = "20s") {
    std::vector<std::string> argv = {
        "tools/registryctl",
        absl::StrCat("--endpoints=", absl::StrJoin(cluster_->endpoints(), ",")),
        "--output=json", absl::StrCat("--timeout=", timeout)};
    argv.insert(argv.end(), words.begin(), words.end());
    const std::string errors = folder_.path() + "/stderr";
    const raft::Time begun = net::Now();
    auto child = ChildProcess::Start(argv, {.stderr_path = errors});
    EXPECT_TRUE(child.ok()) << child.status();
    Ran ran;
    ran.out = (*child)->ReadOutput();
    ran.code = (*child)->Wait();
    ran.took = net::Now() - begun;
    return ran;
  }

  TemporaryFolder folder_{"registryctl-test-"};
  std::unique_ptr<LocalCluster> cluster_;
};

TEST_F(RegistryctlTest, TellsTheThreeKindsOfAnswerApart) {
  EXPECT_EQ(Run({"create", "services", "--kind=unique"}).code, kDone);
  EXPECT_EQ(Run({"create", "services", "--kind=duplicate"}).code, kRefused);
  const Ran registered =
      Run({"register", "services", "http", "80", "--ttl=60s"});
  EXPECT_EQ(registered.code, kDone) << registered.out;
  const Ran found = Run({"lookup", "services", "http"});
  EXPECT_EQ(found.code, kDone);
  EXPECT_THAT(found.out, HasSubstr("80"));
  const Ran taken = Run({"register", "services", "http", "81", "--ttl=60s"});
  EXPECT_EQ(taken.code, kRefused);
  EXPECT_THAT(taken.out, HasSubstr("already_registered"));
  const Ran missing = Run({"lookup", "services", "gopher"});
  EXPECT_EQ(missing.code, kRefused);
  EXPECT_THAT(missing.out, HasSubstr("not_found"));
  EXPECT_THAT(Run({"count", "services"}).out, HasSubstr("1"));
  EXPECT_THAT(Run({"keys", "services"}).out, HasSubstr("http"));

  // Leadership goes where it is told to, and nothing is lost on the way.
  for (const std::string node : {"2", "n3", "1"}) {
    const std::string name = "n" + node.substr(node.size() - 1);
    const Ran moved = Run({"transfer", node});
    EXPECT_EQ(moved.code, kDone) << moved.out;
    EXPECT_EQ(moved.out, "{\"leader\":\"" + name + "\"}\n");
    EXPECT_EQ(Run({"lookup", "services", "http"}).code, kDone);
    EXPECT_EQ(Run({"transfer", node}).out, moved.out);  // it leads already
  }
  const Ran chosen = Run({"transfer"});
  EXPECT_EQ(chosen.code, kDone);
  EXPECT_THAT(chosen.out, Not(HasSubstr("n1")));
  const Ran nobody = Run({"transfer", "4"});
  EXPECT_EQ(nobody.code, kRefused);
  EXPECT_THAT(nobody.out, HasSubstr("n4 is no voter"));

  // The seed's worst lie: without a quorum every one of these was "no such
  // name" or an empty list. It is `unavailable`, before the deadline is long
  // gone, whatever is asked.
  cluster_->Kill(0);
  cluster_->Kill(1);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{
           {"lookup", "services", "http"},
           {"lookup", "services", "gopher"},
           {"count", "services"},
           {"keys", "services"},
           {"registries"},
           {"create", "other", "--kind=unique"}}) {
    const Ran ran = Run(words, "1s");
    SCOPED_TRACE(absl::StrCat(absl::StrJoin(words, " "), ": ", ran.out));
    EXPECT_EQ(ran.code, kUnavailable);
    EXPECT_THAT(ran.out, HasSubstr("unavailable"));
    EXPECT_THAT(ran.out, Not(HasSubstr("not_found")));
    EXPECT_THAT(ran.out, Not(HasSubstr("[]")));
    EXPECT_LT(ran.took, raft::Millis(10'000));
  }
}

}  // namespace
}  // namespace tools
