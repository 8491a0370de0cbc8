// The reading half of StateMachine.
#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "registry/command_codec.h"
#include "registry/state_machine.h"

namespace registry {
namespace {

// A registration's share of a lookup's answer; at least its bytes on the wire.
size_t AnswerBytes(const Registration& registration) {
  const auto* text = std::get_if<std::string>(&registration.value);
  return kRegistrationBytes + (text != nullptr ? text->size() : 8);
}

// One page of keys: whole runs of equal keys, `limit` strings at most unless
// the first run alone is longer.
class KeysPage {
 public:
  explicit KeysPage(size_t limit) : limit_(limit) {}

  // False: the page is complete, and `key` is not on it.
  bool Take(const std::string& key) {
    if (keys_.empty() || keys_.back() != key) {
      if (keys_.size() >= limit_) return Close();
      run_ = keys_.size();
    } else if (keys_.size() >= limit_ && run_ > 0) {
      keys_.resize(run_);  // the run does not fit: all of it goes
      return Close();
    }
    keys_.push_back(key);
    return true;
  }
  bool more() const { return more_; }
  std::vector<std::string> TakeKeys() { return std::move(keys_); }

 private:
  bool Close() {
    more_ = true;
    return false;
  }

  size_t limit_;
  size_t run_ = 0;  // where the last key's run begins
  bool more_ = false;
  std::vector<std::string> keys_;
};

ReadReply NotFound(std::string_view what) {
  ReadReply reply;
  reply.error = Error::kNotFound;
  reply.detail = what;
  return reply;
}

}  // namespace

ReadReply StateMachine::Read(const ReadOperation& operation) const {
  ReadReply reply;
  reply.error = ValidateRead(operation, &reply.detail);
  if (reply.error == Error::kOk) {
    reply = std::visit([this](const auto& read) { return Answer(read); },
                       operation);
  }
  reply.revision = applied_;
  return reply;
}

ReadReply StateMachine::Answer(const Lookup& operation) const {
  const Registry* registry = FindRegistry(operation.registry);
  if (registry == nullptr) return NotFound("registry");
  const Registry::Holders* holders = registry->Find(operation.key);
  if (holders == nullptr) return NotFound("key");

  ReadReply reply;
  size_t bytes = 0;
  for (const auto& [revision, registration] : *holders) {
    bytes += AnswerBytes(registration);
    if (bytes > kLookupBytesMax) {
      ReadReply too_large;
      too_large.error = Error::kTooLarge;
      too_large.detail = "registrations";
      return too_large;
    }
    reply.registrations.push_back(registration);
  }
  return reply;
}

ReadReply StateMachine::Answer(const Count& operation) const {
  const Registry* registry = FindRegistry(operation.registry);
  if (registry == nullptr) return NotFound("registry");
  ReadReply reply;
  if (!operation.key) {
    reply.count = registry->registrations();
  } else if (const auto* holders = registry->Find(*operation.key)) {
    reply.count = holders->size();
  }
  return reply;
}

ReadReply StateMachine::Answer(const Keys& operation) const {
  const Registry* registry = FindRegistry(operation.registry);
  if (registry == nullptr) return NotFound("registry");
  const size_t limit = operation.limit == 0
                           ? kKeysPageMax
                           : std::min<size_t>(operation.limit, kKeysPageMax);
  const std::string* after = operation.after ? &*operation.after : nullptr;
  KeysPage page(limit);
  if (!operation.process) {
    registry->ForEachKeyAfter(
        after, [&](const std::string& key, const Registry::Holders&) {
          return page.Take(key);
        });
  } else if (const auto session = sessions_.find(operation.process->session);
             session != sessions_.end()) {
    session->second.ForEachKeyAfter(
        operation.process->local, registry->created(), after,
        [&](const std::string& key) { return page.Take(key); });
  }
  ReadReply reply;
  reply.more = page.more();
  reply.keys = page.TakeKeys();
  return reply;
}

ReadReply StateMachine::Answer(const ListRegistries&) const {
  ReadReply reply;
  for (const auto& [name, created] : registry_of_name_) {
    const Registry& registry = registries_.at(created);
    reply.registries.push_back({.name = name,
                                .kind = registry.kind(),
                                .registrations = registry.registrations(),
                                .created = created});
  }
  return reply;
}

}  // namespace registry
