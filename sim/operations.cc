// What the clients of a seed ask for (scenario.h).
#include <algorithm>
#include <string>
#include <utility>

#include "sim/random.h"
#include "sim/scenario.h"

namespace sim {
namespace {

using registry::CallBody;
using registry::Operation;
using registry::ReadOperation;

constexpr uint64_t kColdKeys = 40;
constexpr uint64_t kProcesses = 3;

// The calls of one client. Each has draws of its own, keyed by its number.
class Asker {
 public:
  Asker(uint64_t seed, uint32_t client, uint64_t hot_keys)
      : seed_(seed), client_(client), hot_keys_(hot_keys) {}

  TimedOperation Next(int64_t at_us) {
    Draws draws(seed_, Stream::kOperation, client_, ++number_);
    TimedOperation asked{.at_us = at_us, .client = client_};
    const bool is_hot = draws.Chance(800'000);
    const uint64_t hot = draws.Below(hot_keys_);
    const uint64_t cold = draws.Below(kColdKeys);
    const std::string key =
        is_hot ? "hot-" + std::to_string(hot) : "cold-" + std::to_string(cold);
    const std::string registry =
        draws.Chance(750'000) ? kUniqueRegistry : kDuplicateRegistry;
    const uint64_t process = draws.Below(kProcesses);
    const uint64_t what = draws.Below(1000);
    if (what < 290) {
      asked.body = DrawRegister(&draws, registry, key, process);
    } else if (what < 450) {
      asked.body =
          Operation(registry::Unregister{.registry = registry,
                                         .key = key,
                                         .process = process,
                                         .any_owner = draws.Chance(100'000)});
    } else if (what < 620) {
      asked.body = DrawUpdate(&draws, key);
      asked.compare = draws.Chance(400'000);
    } else if (what < 640) {
      asked.body = Operation(registry::EndProcess{process});
    } else if (what < 645) {
      asked.body = Operation(registry::EndSession{});
    } else {
      asked.body = DrawRead(&draws, registry, key);
    }
    return asked;
  }

 private:
  CallBody DrawRegister(Draws* draws, const std::string& registry,
                        const std::string& key, uint64_t process) {
    registry::Register op{.registry = registry, .key = key, .process = process};
    if (draws->Chance(500'000)) {
      op.value = static_cast<int64_t>(draws->Below(1000));
    } else {  // no two alike
      op.value = "v" + std::to_string(client_) + "." + std::to_string(number_);
    }
    return Operation(std::move(op));
  }

  CallBody DrawUpdate(Draws* draws, const std::string& key) {
    registry::UpdateValue op{.registry = kUniqueRegistry, .key = key};
    op.process = draws->Below(kProcesses);
    op.any_owner = draws->Chance(600'000);
    if (draws->Chance(600'000)) {
      op.change = registry::AddValue{draws->Between(-5, 100)};
    } else {
      op.change = registry::SetValue{static_cast<int64_t>(draws->Below(1000))};
    }
    return Operation(std::move(op));
  }

  CallBody DrawRead(Draws* draws, const std::string& registry,
                    const std::string& key) {
    const uint64_t what = draws->Below(100);
    if (what < 65) return ReadOperation(registry::Lookup{registry, key});
    if (what < 80) {
      registry::Count count{.registry = registry};
      if (draws->Chance(500'000)) count.key = key;
      return ReadOperation(std::move(count));
    }
    if (what < 95) {
      registry::Keys keys{.registry = registry};
      if (draws->Chance(500'000)) keys.after = key;
      keys.limit = static_cast<uint32_t>(draws->Below(4));
      return ReadOperation(std::move(keys));
    }
    return ReadOperation(registry::ListRegistries{});
  }

  const uint64_t seed_;
  const uint32_t client_;
  const uint64_t hot_keys_;
  uint64_t number_ = 0;
};

}  // namespace

std::vector<TimedOperation> DrawOperations(uint64_t seed, uint32_t clients,
                                           int64_t operations,
                                           int64_t last_us) {
  Draws draws(seed, Stream::kShape, 3);
  const bool in_bursts = draws.Chance(300'000);
  const int64_t drawn_burst = draws.Between(2, 10);
  const int64_t burst = in_bursts ? drawn_burst : 1;
  const auto hot_keys = static_cast<uint64_t>(draws.Between(2, 6));
  const int64_t gap_us =
      last_us * clients / std::max<int64_t>(operations, 1) * burst;
  std::vector<TimedOperation> all;
  for (uint32_t client = 0; client < clients; ++client) {
    Draws gaps(seed, Stream::kOperation, client, 0);
    Asker asker(seed, client, hot_keys);
    int64_t at_us = gaps.Between(0, 200'000);
    while ((at_us += 1 + gaps.Exponential(gap_us)) < last_us) {
      for (int64_t i = 0; i < burst; ++i) all.push_back(asker.Next(at_us));
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const TimedOperation& a, const TimedOperation& b) {
                     return a.at_us < b.at_us;
                   });
  return all;
}

std::vector<TimedOperation> DrawTransfers(uint64_t seed, uint32_t nodes,
                                          uint32_t clients, int64_t last_us) {
  // Beside the operations of all clients, and other draws than theirs.
  Draws gaps(seed, Stream::kOperation, clients, 0);
  const int64_t gap_us = gaps.Between(200'000, 3'000'000);
  std::vector<TimedOperation> all;
  int64_t at_us = 300'000;
  for (uint64_t number = 1;; ++number) {
    Draws draws(seed, Stream::kOperation, clients, number);
    at_us += 1 + draws.Exponential(gap_us);
    if (at_us >= last_us) return all;
    const auto client = static_cast<uint32_t>(draws.Below(clients));
    const bool named = draws.Chance(600'000);
    const raft::NodeId to{static_cast<uint8_t>(1 + draws.Below(nodes)), 1};
    all.push_back(
        {.at_us = at_us,
         .client = client,
         .body = registry::TransferRequest{named ? to : raft::kNobody}});
  }
}

}  // namespace sim
