#include "registry/checker/history_generator.h"

#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "raft/digest.h"
#include "registry/checker/model.h"

namespace registry::checker {
namespace {

constexpr char kRegistry[] = "r";

class Draws {
 public:
  explicit Draws(uint64_t seed) : seed_(seed) {}
  uint64_t Below(uint64_t n) { return raft::Mix(seed_, ++drawn_) % n; }
  bool Percent(uint64_t percent) { return Below(100) < percent; }

 private:
  uint64_t seed_;
  uint64_t drawn_ = 0;
};

class Generator {
 public:
  explicit Generator(const GeneratorOptions& options)
      : options_(options), draws_(options.seed), clients_(options.clients) {}

  std::vector<HistoryEntry> Run();

 private:
  struct Client {
    SessionId session;
    uint64_t sequences = 0;
    uint64_t sessions = 0;
    std::string nonce;
  };
  // A thing to happen. `what` orders things at one moment.
  enum class What : uint8_t { kCall, kEffect, kReturn };
  struct Moment {
    int64_t ns = 0;
    uint64_t order = 0;
    What what = What::kCall;
    size_t client = 0;
    size_t entry = 0;
    bool operator>(const Moment& other) const {
      return std::tuple(ns, order) > std::tuple(other.ns, other.order);
    }
  };

  void At(int64_t ns, What what, size_t client, size_t entry) {
    moments_.push({ns, ++ordered_, what, client, entry});
  }
  void OnCall(const Moment& moment);
  void OnEffect(const Moment& moment);
  void OnReturn(const Moment& moment);
  void Expire(Client* client);
  HistoryOperation Choose(Client* client);
  Operation ChooseWrite(const std::string& key);
  Value ChooseValue();
  CommandReply Apply(const Command& command);

  const GeneratorOptions options_;
  Draws draws_;
  Model model_;
  raft::Index index_;
  std::vector<Client> clients_;
  std::priority_queue<Moment, std::vector<Moment>, std::greater<>> moments_;
  uint64_t ordered_ = 0;
  uint64_t values_ = 0;
  std::vector<HistoryEntry> history_;
  std::unordered_map<size_t, HistoryResult> results_;  // on their way
};

std::vector<HistoryEntry> Generator::Run() {
  for (size_t i = 0; i < clients_.size(); ++i) {
    At(static_cast<int64_t>(1 + draws_.Below(1000)), What::kCall, i, 0);
  }
  while (!moments_.empty()) {
    const Moment moment = moments_.top();
    moments_.pop();
    switch (moment.what) {
      case What::kCall:
        OnCall(moment);
        break;
      case What::kEffect:
        OnEffect(moment);
        break;
      case What::kReturn:
        OnReturn(moment);
        break;
    }
  }
  return std::move(history_);
}

void Generator::OnCall(const Moment& moment) {
  if (history_.size() >= options_.operations) return;
  Client& client = clients_[moment.client];
  if (draws_.Percent(options_.expire_percent)) Expire(&client);
  const size_t number = history_.size();
  HistoryEntry& entry = history_.emplace_back();
  entry.client = moment.client;
  entry.call_ns = moment.ns;
  entry.operation = Choose(&client);
  const auto* command = std::get_if<Operation>(&entry.operation);
  if (command != nullptr && !std::holds_alternative<OpenSession>(*command)) {
    entry.session = client.session;
    entry.sequence = Sequence(++client.sequences);
  }
  const int64_t took = static_cast<int64_t>(2 + draws_.Below(1000));
  const int64_t back = moment.ns + took;
  const bool setup = client.session == SessionId(0) || number == 1;
  if (!setup && draws_.Percent(options_.open_percent)) {
    // Never answered: done in time, done much later, or not done.
    const uint64_t fate = draws_.Below(4);
    if (fate < 2) {
      const int64_t late = fate == 0 ? took : 20 * took;
      At(moment.ns + 1 + static_cast<int64_t>(draws_.Below(late)),
         What::kEffect, moment.client, number);
    }
    At(back, What::kCall, moment.client, 0);
    return;
  }
  At(moment.ns + 1 + static_cast<int64_t>(draws_.Below(took - 1)),
     What::kEffect, moment.client, number);
  At(back, What::kReturn, moment.client, number);
}

void Generator::OnEffect(const Moment& moment) {
  const HistoryEntry& entry = history_[moment.entry];
  if (const auto* read = std::get_if<ReadOperation>(&entry.operation)) {
    results_.emplace(moment.entry, model_.Read(*read, index_));
    return;
  }
  const auto& operation = std::get<Operation>(entry.operation);
  const CommandReply reply =
      Apply(Command{entry.session, entry.sequence, Sequence(0), operation});
  results_.emplace(moment.entry, reply);
}

void Generator::OnReturn(const Moment& moment) {
  HistoryEntry& entry = history_[moment.entry];
  Client& client = clients_[moment.client];
  entry.return_ns = moment.ns;
  entry.result = std::move(results_.at(moment.entry));
  results_.erase(moment.entry);
  if (const auto* reply = std::get_if<CommandReply>(&*entry.result)) {
    if (reply->session != SessionId(0)) {
      client.session = reply->session;
      client.sequences = 0;
    } else if (reply->error == Error::kSessionExpired) {
      client.session = SessionId(0);
    }
  }
  At(moment.ns + 1 + static_cast<int64_t>(draws_.Below(200)), What::kCall,
     moment.client, 0);
}

// What a leader does to a silent session.
void Generator::Expire(Client* client) {
  if (client->session == SessionId(0)) return;
  Apply(Command{{}, {}, {}, ExpireSessions{{client->session}}});
}

CommandReply Generator::Apply(const Command& command) {
  ++index_;
  if (index_.value() % 4096 == 0) model_.Forget(index_);
  return model_.Apply(index_, command);
}

HistoryOperation Generator::Choose(Client* client) {
  if (client->session == SessionId(0)) {
    const size_t number = static_cast<size_t>(client - clients_.data());
    client->nonce = "nonce-of-" + std::to_string(number) + "-" +
                    std::to_string(++client->sessions);
    return Operation(OpenSession{client->nonce, raft::Millis(10'000)});
  }
  const std::string key = "k" + std::to_string(draws_.Below(options_.keys));
  if (client->sequences == 0) {
    return Operation(CreateRegistry{kRegistry, options_.kind});
  }
  if (!draws_.Percent(options_.read_percent)) return ChooseWrite(key);
  if (draws_.Percent(10)) return ReadOperation(Count{kRegistry, key});
  return ReadOperation(Lookup{kRegistry, key});
}

Operation Generator::ChooseWrite(const std::string& key) {
  const uint64_t process = draws_.Below(2);
  const bool any_owner = draws_.Percent(20);
  const uint64_t what = draws_.Below(20);
  if (what < 9) return Register{kRegistry, key, ChooseValue(), process};
  if (what < 14) return Unregister{kRegistry, key, process, any_owner};
  if (what == 14) return EndProcess{process};
  if (what == 15) return EndSession{};
  UpdateValue update{kRegistry, key, AddValue{1}, {}, process, any_owner};
  if (what < 18) update.change = SetValue{ChooseValue()};
  if (draws_.Percent(20)) {
    update.expected_modified =
        Revision(index_.value() - draws_.Below(index_.value() + 1));
  }
  return update;
}

Value Generator::ChooseValue() {
  ++values_;
  if (draws_.Percent(30)) return static_cast<int64_t>(1000 * values_);
  return "v" + std::to_string(values_);
}

const ReadReply* LookupReply(const HistoryEntry& entry) {
  const auto* read = std::get_if<ReadOperation>(&entry.operation);
  if (read == nullptr || !std::holds_alternative<Lookup>(*read)) {
    return nullptr;
  }
  return entry.result.has_value() ? std::get_if<ReadReply>(&*entry.result)
                                  : nullptr;
}

// The key whose registration with this text `entry` certainly replaced, by a
// text that it wrote itself.
const CommandReply* SetReply(const HistoryEntry& entry, std::string* key) {
  const auto* operation = std::get_if<Operation>(&entry.operation);
  if (operation == nullptr || !entry.result.has_value()) return nullptr;
  if (const auto* update = std::get_if<UpdateValue>(operation)) {
    *key = update->key;
  } else if (const auto* add = std::get_if<Register>(operation)) {
    *key = add->key;
  } else {
    return nullptr;
  }
  const auto* reply = std::get_if<CommandReply>(&*entry.result);
  const bool ok = reply != nullptr && reply->error == Error::kOk;
  return ok ? reply : nullptr;
}

}  // namespace

std::vector<HistoryEntry> GenerateHistory(const GeneratorOptions& options) {
  return Generator(options).Run();
}

size_t PlantStaleRead(uint64_t seed, std::vector<HistoryEntry>* history) {
  // For each key of a unique registry: a lookup that saw an answered text, and
  // then a write, called after that lookup returned, that put another value in
  // its place and returned. Any lookup called after that may not see the text.
  struct Seen {
    ReadReply old;
    int64_t old_return_ns = 0;
    int64_t replaced_ns = INT64_MAX;
  };
  std::map<std::string, Seen> seen;
  std::set<std::string> answered;  // texts whose writing was answered
  std::vector<std::pair<size_t, ReadReply>> places;
  for (size_t i = 0; i < history->size(); ++i) {
    const HistoryEntry& entry = (*history)[i];
    std::string key;
    if (const CommandReply* reply = SetReply(entry, &key)) {
      const auto* text = std::get_if<std::string>(&reply->current->value);
      if (text != nullptr) answered.insert(*text);
      const auto found = seen.find(key);
      if (found == seen.end()) continue;
      Seen& s = found->second;
      const bool differs =
          s.old.registrations.front().value != reply->current->value;
      if (differs && entry.call_ns > s.old_return_ns) {
        s.replaced_ns = std::min(s.replaced_ns, *entry.return_ns);
      }
      continue;
    }
    const ReadReply* reply = LookupReply(entry);
    if (reply == nullptr) continue;
    key = std::get<Lookup>(std::get<ReadOperation>(entry.operation)).key;
    const auto found = seen.find(key);
    if (found != seen.end() && entry.call_ns > found->second.replaced_ns) {
      ReadReply stale = found->second.old;
      stale.revision = reply->revision;
      places.emplace_back(i, std::move(stale));
    }
    if (reply->registrations.size() != 1) continue;
    const auto* text =
        std::get_if<std::string>(&reply->registrations.front().value);
    if (text != nullptr && answered.contains(*text)) {
      seen[key] = {*reply, *entry.return_ns, INT64_MAX};
    }
  }
  if (places.empty()) return 0;
  auto& [place, stale] = places[Draws(seed).Below(places.size())];
  (*history)[place].result = std::move(stale);
  return place + 1;
}

}  // namespace registry::checker
