// registryctl: transfer.
#include <cstdio>
#include <string>
#include <variant>

#include "net/client.h"
#include "tools/registryctl_command.h"

namespace tools::registryctl {

int RunTransfer(Invocation* ctl) {
  if (auto code = ctl->Parse(0, 1)) return *code;
  registry::TransferRequest request;
  if (ctl->words() == 1) {
    const absl::StatusOr<raft::NodeId> to = ParseNode(ctl->word(0));
    if (!to.ok()) return ctl->Usage(std::string(to.status().message()));
    request.to = *to;
  }
  net::BlockingClient client({.client = ctl->ReadOptions()});
  const registry::CallResult result = client.Call(request);
  if (const auto* failure = std::get_if<registry::Failure>(&result)) {
    return ctl->Report(failure->error, failure->detail);
  }
  const std::string leader =
      raft::ToString(std::get<registry::TransferReply>(result).leader);
  if (ctl->json()) {
    JsonWriter json;
    json.BeginObject();
    json.Key("leader").Text(leader);
    json.EndObject();
    PrintJson(&json);
  } else {
    std::printf("%s leads\n", leader.c_str());
  }
  return kDone;
}

}  // namespace tools::registryctl
