// ClientRequest and ClientResponse <-> protobuf bytes, one a frame.
#ifndef REGISTRY_PROTOCOL_CODEC_H_
#define REGISTRY_PROTOCOL_CODEC_H_

#include <string>
#include <string_view>

#include "registry/protocol.h"

namespace registry {

std::string EncodeClientRequest(const ClientRequest& request);
std::string EncodeClientResponse(const ClientResponse& response);

// False if the bytes are no such message, lack a body that this version knows,
// or hold a number that its field cannot hold; then the output is unspecified
// and the connection is not worth keeping. Never crash, whatever the bytes.
// A command inside a request stays undecoded: see ParseClientCommand.
bool DecodeClientRequest(std::string_view bytes, ClientRequest* request);
bool DecodeClientResponse(std::string_view bytes, ClientResponse* response);

}  // namespace registry

#endif  // REGISTRY_PROTOCOL_CODEC_H_
