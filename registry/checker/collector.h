// Takes a history apart: into one list of operations for each key, and facts
// about what reaches over keys.
#ifndef REGISTRY_CHECKER_COLLECTOR_H_
#define REGISTRY_CHECKER_COLLECTOR_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "registry/checker/facts.h"
#include "registry/checker/history.h"
#include "registry/checker/key_model.h"
#include "registry/command.h"

namespace registry::checker {

struct KeyHistory {
  std::string registry;
  std::string key;
  std::vector<KeyOp> ops;
};

class Collector {
 public:
  // Without `use_revisions` every revision is taken as unknown.
  explicit Collector(bool use_revisions) : use_revisions_(use_revisions) {}

  // See LinearizabilityChecker::Add.
  absl::Status Add(size_t line, const HistoryEntry& entry);

  std::vector<KeyHistory>& keys() { return keys_; }
  // The ends of processes that were asked for.
  const std::map<Pid, std::vector<KeyOp>>& process_ends() const {
    return process_ends_;
  }
  // The texts that KeyValue counts.
  const std::vector<std::string>& texts() const { return texts_; }
  const SessionFacts& sessions() const { return sessions_; }
  const RegistryFacts& registries() const { return registries_; }
  RevisionFacts& revisions() { return revisions_; }
  uint64_t left_out() const { return left_out_; }

 private:
  // One call on its way in.
  struct Call {
    size_t line = 0;
    const HistoryEntry* entry = nullptr;

    Moment called() const { return {entry->call_ns, line}; }
    Moment returned() const { return {*entry->return_ns, line}; }
  };

  void AddOpenCommand(const Call& call, const Operation& operation);
  void AddCommand(const Call& call, const Operation& operation,
                  const CommandReply& reply);
  void AddSessionCommand(const Call& call, const Operation& operation,
                         const CommandReply* reply);
  void AddEndProcess(const Call& call, const EndProcess& operation,
                     const CommandReply* reply);
  void AddRead(const Call& call, const ReadOperation& operation,
               const ReadReply& reply);
  void AddKeepAlive(const Call& call, const KeepAliveRequest& request,
                    const KeepAliveReply& reply);
  void AddFailure(const Call& call, const Failure& failure);
  void NoteCreation(const Call& call, const CreateRegistry& create,
                    const CommandReply* reply);
  void NoteKind(const std::string& registry, const KeyOp& op);

  // The command as an operation on its key, without its answer; nullptr if it
  // has no key. Valid until the next one.
  KeyOp* NewKeyOp(const Call& call, const Operation& operation);
  KeyOp* NewKeyOp(const Call& call, const std::string& registry,
                  const std::string& key);
  void SetAnswer(const Call& call, const CommandReply& reply, KeyOp* op);
  KeyValue ToKeyValue(const Value& value);
  Holder ToHolder(const Registration& registration);

  const bool use_revisions_;
  std::vector<KeyHistory> keys_;
  std::unordered_map<std::string, size_t> key_places_;
  std::vector<std::string> texts_;
  std::unordered_map<std::string, int64_t> text_numbers_;
  std::map<Pid, std::vector<KeyOp>> process_ends_;
  SessionFacts sessions_;
  RegistryFacts registries_;
  RevisionFacts revisions_;
  uint64_t left_out_ = 0;
};

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_COLLECTOR_H_
