// The entries that the replicated state is a set of, as they enter its digest.
#ifndef REGISTRY_STATE_ENTRIES_H_
#define REGISTRY_STATE_ENTRIES_H_

#include <string_view>

#include "registry/command.h"
#include "registry/registry.h"
#include "registry/session.h"
#include "registry/state_digest.h"

namespace registry {

inline StateDigest DigestOf(const Registry& registry) {
  return EntryDigest(DigestDomain::kRegistry, registry.created(),
                     registry.name(), registry.kind());
}
inline StateDigest DigestOf(const Registry& registry, std::string_view key,
                            const Registration& registration) {
  return EntryDigest(DigestDomain::kRegistration, registry.created(), key,
                     registration);
}
inline StateDigest DigestOf(SessionId id, const Session& session) {
  return EntryDigest(DigestDomain::kSession, id, session.nonce(),
                     session.ttl());
}
inline StateDigest LowWaterDigest(SessionId id, Sequence mark) {
  return EntryDigest(DigestDomain::kLowWater, id, mark);
}
inline StateDigest DigestOf(SessionId id, Sequence sequence,
                            const CommandReply& reply) {
  return EntryDigest(DigestDomain::kReply, id, sequence, reply);
}

}  // namespace registry

#endif  // REGISTRY_STATE_ENTRIES_H_
