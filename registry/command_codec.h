// Command <-> the protobuf bytes that a client sends and that become a log
// entry, and the checks that stand before the log.
#ifndef REGISTRY_COMMAND_CODEC_H_
#define REGISTRY_COMMAND_CODEC_H_

#include <optional>
#include <string>
#include <string_view>

#include "registry/command.h"

namespace registry {

std::string EncodeCommand(const Command& command);

// Empty if the bytes are no Command, name no operation that this version
// knows, or hold a number that its field cannot hold. Says nothing about
// limits: see the checks below. Never crashes, whatever the bytes.
std::optional<Command> DecodeCommand(std::string_view payload);

// What may stand in the log: names, sizes and numbers within the limits of
// command.h (API.md, "Limits"). kOk, kInvalid or kTooLarge; otherwise `detail`
// names the field. Apply asks this again, so that an entry which should not be
// there is refused by every replica alike.
Error ValidateEntry(const Command& command, std::string* detail);

// ValidateEntry, and not one of the leader's own commands (ExpireSessions).
Error ValidateCommand(const Command& command, std::string* detail);

// The whole check of a client's bytes before they are proposed: size of the
// entry, decoding, ValidateCommand. `command` is written only on kOk.
Error ParseClientCommand(std::string_view payload, Command* command,
                         std::string* detail);

Error ValidateRead(const ReadOperation& operation, std::string* detail);

}  // namespace registry

#endif  // REGISTRY_COMMAND_CODEC_H_
