#include "registry/registry.h"

#include <utility>

#include "raft/check.h"

namespace registry {

const Registry::Holders* Registry::Find(std::string_view key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : &found->second;
}

const Registration* Registry::FindUnique(std::string_view key) const {
  CHECK(kind_ == RegistryKind::kUnique);
  const Holders* holders = Find(key);
  return holders == nullptr ? nullptr : &holders->begin()->second;
}

void Registry::Add(std::string_view key, Registration registration) {
  Holders& holders = keys_.try_emplace(std::string(key)).first->second;
  if (kind_ == RegistryKind::kUnique) CHECK(holders.empty());
  if (!holders.empty()) {
    CHECK_LT(holders.rbegin()->first, registration.revision);
  }
  const Revision revision = registration.revision;
  holders.emplace_hint(holders.end(), revision, std::move(registration));
  ++registrations_;
}

bool Registry::Restore(std::string_view key, Registration registration) {
  Holders& holders = keys_.try_emplace(std::string(key)).first->second;
  if (kind_ == RegistryKind::kUnique && !holders.empty()) return false;
  const Revision revision = registration.revision;
  if (!holders.try_emplace(revision, std::move(registration)).second) {
    return false;
  }
  ++registrations_;
  return true;
}

Registration Registry::Remove(std::string_view key, Revision revision) {
  const auto holders = keys_.find(key);
  CHECK(holders != keys_.end());
  const auto found = holders->second.find(revision);
  CHECK(found != holders->second.end());
  Registration removed = std::move(found->second);
  holders->second.erase(found);
  if (holders->second.empty()) keys_.erase(holders);
  --registrations_;
  return removed;
}

void Registry::SetValue(std::string_view key, Revision revision, Value value,
                        Revision modified) {
  const auto holders = keys_.find(key);
  CHECK(holders != keys_.end());
  const auto found = holders->second.find(revision);
  CHECK(found != holders->second.end());
  found->second.value = std::move(value);
  found->second.modified = modified;
}

}  // namespace registry
