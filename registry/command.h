// The registry's vocabulary: values, commands (which enter the log), reads
// (which never do) and their answers, as plain values. The wire form is
// registry.proto; what each operation means is API.md.
#ifndef REGISTRY_COMMAND_H_
#define REGISTRY_COMMAND_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "raft/types.h"
#include "registry/error.h"

namespace registry {

// The index of the session's OpenSession entry; 0 is "no session".
using SessionId = raft::StrongNumber<struct SessionIdTag>;
// Numbers a session's commands, from 1, in the order the client made them.
using Sequence = raft::StrongNumber<struct SequenceTag>;
// The index of the log entry that made a change.
using Revision = raft::Index;

// FORMAT: limits that both sides enforce before anything reaches the log.
inline constexpr size_t kRegistryNameBytesMax = 255;
inline constexpr size_t kKeyBytesMax = 1 << 10;
inline constexpr size_t kValueBytesMax = 64 << 10;
inline constexpr size_t kNonceBytesMin = 8;
inline constexpr size_t kNonceBytesMax = 64;
inline constexpr uint64_t kReplyWindow = 1024;  // sequences above low water
inline constexpr size_t kKeysPageMax = 1000;
inline constexpr raft::Duration kTtlMin = raft::Millis(100);  // or 0: permanent
inline constexpr raft::Duration kTtlMax = raft::Millis(24 * 3600 * 1000);
// Bounds of the state that keep every answer inside one frame: registries in
// all, registrations of one process under one key, and the bytes of a lookup's
// answer, counted as kRegistrationBytes plus the value for each registration.
inline constexpr size_t kRegistriesMax = 1024;
inline constexpr size_t kRepeatsMax = kKeysPageMax;
inline constexpr size_t kLookupBytesMax = 768 << 10;
inline constexpr size_t kRegistrationBytes = 64;

// A process: local id `local` (0: the session's main process) inside a session.
// Never reused, because sessions are not.
struct Pid {
  SessionId session;
  uint64_t local = 0;

  auto operator<=>(const Pid&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("session", session), f("local", local);
  }
};

// Text (any bytes) or an integer. No floating point on the server.
using Value = std::variant<std::string, int64_t>;

enum class RegistryKind : uint8_t { kUnique = 1, kDuplicate = 2 };
std::string_view ToString(RegistryKind kind);

// One registration. `revision` is the fencing token: the index at which `pid`
// got the name; `modified` that of the last change of the value.
struct Registration {
  Pid pid;
  Value value;
  Revision revision;
  Revision modified;

  bool operator==(const Registration&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("pid", pid), f("value", value), f("revision", revision),
        f("modified", modified);
  }
};

// -------------------------------------------------------------- commands

// Opens a session, once per nonce: a repeated nonce of a live session gives
// the same session. ttl 0 is a permanent session.
struct OpenSession {
  static constexpr std::string_view kName = "OpenSession";
  std::string nonce;
  raft::Duration ttl;
  bool operator==(const OpenSession&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("nonce", nonce), f("ttl", ttl);
  }
};

// Ends the command's own session and all its registrations, or, when `target`
// is set, another one (an administrator's removal of a permanent session).
struct EndSession {
  static constexpr std::string_view kName = "EndSession";
  SessionId target;  // 0: the command's own
  bool operator==(const EndSession&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("target", target);
  }
};

// Proposed by the leader only; refused from a client. Ends each session that
// is still open.
struct ExpireSessions {
  static constexpr std::string_view kName = "ExpireSessions";
  std::vector<SessionId> sessions;
  bool operator==(const ExpireSessions&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("sessions", sessions);
  }
};

struct CreateRegistry {
  static constexpr std::string_view kName = "CreateRegistry";
  std::string registry;
  RegistryKind kind = RegistryKind::kUnique;
  bool operator==(const CreateRegistry&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("registry", registry), f("kind", kind);
  }
};

struct Register {
  static constexpr std::string_view kName = "Register";
  std::string registry;
  std::string key;
  Value value;
  uint64_t process = 0;
  bool operator==(const Register&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("registry", registry), f("key", key), f("value", value),
        f("process", process);
  }
};

// `any_owner`: act on whoever holds the key (an administrator's right).
struct Unregister {
  static constexpr std::string_view kName = "Unregister";
  std::string registry;
  std::string key;
  uint64_t process = 0;
  bool any_owner = false;
  bool operator==(const Unregister&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("registry", registry), f("key", key), f("process", process),
        f("any_owner", any_owner);
  }
};

struct SetValue {
  static constexpr std::string_view kName = "SetValue";
  Value value;
  bool operator==(const SetValue&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("value", value);
  }
};
// Adds to an integer value; out_of_range on overflow, invalid on text.
struct AddValue {
  static constexpr std::string_view kName = "AddValue";
  int64_t amount = 0;
  bool operator==(const AddValue&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("amount", amount);
  }
};

// Atomic: compare (when `expected_modified` is set), compute and store happen
// in one entry; at no revision is the name absent.
struct UpdateValue {
  static constexpr std::string_view kName = "UpdateValue";
  std::string registry;
  std::string key;
  std::variant<SetValue, AddValue> change;
  std::optional<Revision> expected_modified;
  uint64_t process = 0;
  bool any_owner = false;
  bool operator==(const UpdateValue&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("registry", registry), f("key", key), f("change", change),
        f("expected_modified", expected_modified), f("process", process),
        f("any_owner", any_owner);
  }
};

// Removes every registration of one process of the session.
struct EndProcess {
  static constexpr std::string_view kName = "EndProcess";
  uint64_t process = 0;
  bool operator==(const EndProcess&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("process", process);
  }
};

using Operation =
    std::variant<OpenSession, EndSession, ExpireSessions, CreateRegistry,
                 Register, Unregister, UpdateValue, EndProcess>;

// One log entry. (session, sequence) names it for ever: applied once, however
// often it is sent. Every sequence below `acknowledged` has been answered to
// the client and its kept reply may be forgotten.
struct Command {
  static constexpr std::string_view kName = "Command";
  SessionId session;  // 0 for OpenSession and ExpireSessions
  Sequence sequence;  // 0 for OpenSession and ExpireSessions
  Sequence acknowledged;
  Operation operation;
  bool operator==(const Command&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("session", session), f("sequence", sequence),
        f("acknowledged", acknowledged), f("operation", operation);
  }
};

// What applying a command answered; kept in the replicated state for retries.
// `revision` is the index of the entry that did it (so a retry returns the
// first one's). Other fields are set where the operation says so in API.md.
struct CommandReply {
  static constexpr std::string_view kName = "CommandReply";
  Error error = Error::kOk;
  std::string detail;
  Revision revision;
  SessionId session;                    // OpenSession
  std::optional<Registration> current;  // the registration, or the holder
  std::optional<Value> previous;        // UpdateValue: the value before
  uint64_t removed = 0;                 // Unregister, EndProcess, EndSession
  bool operator==(const CommandReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("error", error), f("detail", detail), f("revision", revision),
        f("session", session), f("current", current), f("previous", previous),
        f("removed", removed);
  }
};

// ----------------------------------------------------------------- reads

struct Lookup {
  static constexpr std::string_view kName = "Lookup";
  std::string registry;
  std::string key;
  bool operator==(const Lookup&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("registry", registry), f("key", key);
  }
};
// Number of registrations under `key`, or in the whole registry.
struct Count {
  static constexpr std::string_view kName = "Count";
  std::string registry;
  std::optional<std::string> key;
  bool operator==(const Count&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("registry", registry), f("key", key);
  }
};
// Keys of one process (with repeats for duplicates), or of the whole registry,
// in byte order, after `after`, at most `limit` (0: kKeysPageMax).
struct Keys {
  static constexpr std::string_view kName = "Keys";
  std::string registry;
  std::optional<Pid> process;
  std::optional<std::string> after;
  uint32_t limit = 0;
  bool operator==(const Keys&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("registry", registry), f("process", process), f("after", after),
        f("limit", limit);
  }
};
struct ListRegistries {
  static constexpr std::string_view kName = "ListRegistries";
  bool operator==(const ListRegistries&) const = default;
  template <typename F>
  void Fields(F&&) const {}
};

using ReadOperation = std::variant<Lookup, Count, Keys, ListRegistries>;

struct RegistryInfo {
  std::string name;
  RegistryKind kind = RegistryKind::kUnique;
  uint64_t registrations = 0;
  Revision created;
  bool operator==(const RegistryInfo&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("name", name), f("kind", kind), f("registrations", registrations),
        f("created", created);
  }
};

// `revision` is the applied index that the answer reflects. A key that nobody
// holds is kNotFound with that revision; so is a missing registry (`detail`
// tells which: "key" or "registry").
struct ReadReply {
  static constexpr std::string_view kName = "ReadReply";
  Error error = Error::kOk;
  std::string detail;
  Revision revision;
  std::vector<Registration> registrations;  // Lookup, in order of revision
  uint64_t count = 0;                       // Count
  std::vector<std::string> keys;            // Keys
  bool more = false;                        // Keys: another page follows
  std::vector<RegistryInfo> registries;     // ListRegistries
  bool operator==(const ReadReply&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("error", error), f("detail", detail), f("revision", revision),
        f("registrations", registrations), f("count", count), f("keys", keys),
        f("more", more), f("registries", registries);
  }
};

}  // namespace registry

#endif  // REGISTRY_COMMAND_H_
