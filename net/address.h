// host:port, as configuration, members and clients write it.
#ifndef NET_ADDRESS_H_
#define NET_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace net {

// "127.0.0.1:7101", "localhost:7101", "[::1]:7101".
struct Address {
  std::string host;  // without brackets
  uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

// InvalidArgument, naming the text and what is wrong with it.
absl::StatusOr<Address> ParseAddress(std::string_view text);

std::string ToString(const Address& address);

}  // namespace net

#endif  // NET_ADDRESS_H_
