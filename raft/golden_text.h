// How golden scenarios write what they show, and read what they name.
#ifndef RAFT_GOLDEN_TEXT_H_
#define RAFT_GOLDEN_TEXT_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "raft/digest.h"
#include "raft/message.h"
#include "raft/types.h"

namespace raft {

// "n3" or "n3.2".
inline NodeId ParseNode(const std::string& word) {
  const size_t dot = word.find('.');
  const int slot = std::stoi(word.substr(1));
  const int incarnation =
      dot == std::string::npos ? 1 : std::stoi(word.substr(dot + 1));
  return {static_cast<uint8_t>(slot), static_cast<uint32_t>(incarnation)};
}

// index/term, then the payload of a command.
inline std::string Show(const Entry& entry) {
  std::string text = Describe(entry.index) + "/" + Describe(entry.term);
  if (entry.kind == EntryKind::kCommand) {
    text += ":" + std::string(entry.payload.view());
  }
  return text;
}

inline std::string Show(EntryId id) {
  return Describe(id.index) + "/" + Describe(id.term);
}

inline std::string Show(SnapshotPlace at) {
  return at == SnapshotPlace() ? "offer" : std::to_string(at.offset);
}

// At most eight in full.
inline std::string Show(const std::vector<Entry>& entries) {
  std::string text = "[";
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries.size() > 8 && i == 3) {
      text += " .. " + std::to_string(entries.size() - 4) + " more ..";
      i = entries.size() - 1;
    }
    if (i > 0) text += " ";
    text += Show(entries[i]);
  }
  return text + "]";
}

inline std::string Show(const Message& message) {
  if (const auto* piece = std::get_if<SnapshotRequest>(&message)) {
    return "SnapshotRequest{term=" + Describe(piece->term) +
           " snapshot=" + Show(piece->snapshot.last) + " of " +
           ToString(piece->snapshot.origin) + " at=" + Show(piece->at) +
           (piece->end ? " end}" : "}");
  }
  if (const auto* reply = std::get_if<SnapshotReply>(&message)) {
    return "SnapshotReply{term=" + Describe(reply->term) +
           " snapshot=" + Show(reply->snapshot) + " at=" + Show(reply->at) +
           (reply->installed ? " installed match=" + Describe(reply->match)
                             : " next=" + Show(reply->next)) +
           "}";
  }
  const auto* append = std::get_if<AppendRequest>(&message);
  if (append == nullptr) return Describe(message);
  return "AppendRequest{term=" + Describe(append->term) +
         " prev=" + Describe(append->prev_index) + "/" +
         Describe(append->prev_term) + " commit=" + Describe(append->commit) +
         " round=" + Describe(append->round) + " " + Show(append->entries) +
         "}";
}

}  // namespace raft

#endif  // RAFT_GOLDEN_TEXT_H_
