// Registry: the registrations of one named registry, by key.
#ifndef REGISTRY_REGISTRY_H_
#define REGISTRY_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/btree_map.h"
#include "registry/command.h"

namespace registry {

// A container that knows one rule: in a unique registry a key has at most one
// holder. Who may do what is StateMachine's business. Copyable, deeply.
//
// Both kinds share one layout: per key, its registrations by revision, which
// is the order in which they were made. A key held by many loses one holder in
// O(log n); so the end of a session costs what the session held, however
// popular its keys are. Ordered trees throughout: `keys` pages in byte order
// and the removal of a session walks in an order that is the same on every
// replica.
class Registry {
 public:
  using Holders = absl::btree_map<Revision, Registration>;

  Registry(std::string name, RegistryKind kind, Revision created)
      : name_(std::move(name)), kind_(kind), created_(created) {}

  const std::string& name() const { return name_; }
  RegistryKind kind() const { return kind_; }
  // The index of the entry that created it; identifies it for ever.
  Revision created() const { return created_; }
  uint64_t registrations() const { return registrations_; }

  // The registrations under `key` in order of revision; nullptr if nobody
  // holds it (never an empty map). Valid until the registry changes.
  const Holders* Find(std::string_view key) const;
  // The holder of a key of a unique registry, or nullptr.
  const Registration* FindUnique(std::string_view key) const;

  // Requires a revision higher than any before, and for a unique registry a
  // key that nobody holds.
  void Add(std::string_view key, Registration registration);
  // The same in any order, for a state that is loaded. False, and nothing has
  // changed: not a registration that can stand beside those that are there.
  bool Restore(std::string_view key, Registration registration);
  // Requires that the registration is there. Returns it.
  Registration Remove(std::string_view key, Revision revision);
  // Requires that the registration is there.
  void SetValue(std::string_view key, Revision revision, Value value,
                Revision modified);

  // Calls f(key, registration) for each after (`key`, `revision`) (from the
  // first if `key` is null) in that order, until f returns false.
  template <typename F>
  void ForEachAfter(const std::string* key, Revision revision, F&& f) const {
    auto it = key == nullptr ? keys_.begin() : keys_.lower_bound(*key);
    for (; it != keys_.end(); ++it) {
      const bool same = key != nullptr && it->first == *key;
      auto held = same ? it->second.upper_bound(revision) : it->second.begin();
      for (; held != it->second.end(); ++held) {
        if (!f(it->first, held->second)) return;
      }
    }
  }

  // Calls f(key, holders) for each held key after `after` (from the first if
  // null) in byte order, until f returns false.
  template <typename F>
  void ForEachKeyAfter(const std::string* after, F&& f) const {
    auto it = after == nullptr ? keys_.begin() : keys_.upper_bound(*after);
    for (; it != keys_.end(); ++it) {
      if (!f(it->first, it->second)) return;
    }
  }

 private:
  std::string name_;
  RegistryKind kind_;
  Revision created_;
  uint64_t registrations_ = 0;
  absl::btree_map<std::string, Holders, std::less<>> keys_;
};

}  // namespace registry

#endif  // REGISTRY_REGISTRY_H_
