#include "net/address.h"

#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace net {
namespace {

absl::Status Wrong(std::string_view text, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "address \"", std::string(text), "\": ", what,
      "; wanted is host:port, as in 127.0.0.1:7101 or [::1]:7101"));
}

}  // namespace

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Wrong(text, "no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Wrong(text, "an IPv6 host stands in brackets");
  }
  if (host.empty()) return Wrong(text, "no host");
  Address address{.host = std::string(host)};
  const auto [end, error] =
      std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return Wrong(text, "the port is not a number from 0 to 65535");
  }
  return address;
}

std::string ToString(const Address& address) {
  const bool ipv6 = address.host.find(':') != std::string::npos;
  return absl::StrCat(ipv6 ? "[" : "", address.host, ipv6 ? "]" : "", ":",
                      address.port);
}

}  // namespace net
