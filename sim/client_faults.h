// Faults of clients, beside those of any process.
#ifndef SIM_CLIENT_FAULTS_H_
#define SIM_CLIENT_FAULTS_H_

#include <cstdint>
#include <string_view>

namespace sim {

// A client goes on to ask, but reads nothing from its sockets: what members
// send it queues there, and is theirs to bound.
struct SlowReader {
  static constexpr std::string_view kName = "SlowReader";
  uint32_t client = 0;
  int64_t length_us = 0;
  bool operator==(const SlowReader&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("client", client), f("length_us", length_us);
  }
};
// All clients stop at once. If it is for long, their sessions end together.
struct ClientsAway {
  static constexpr std::string_view kName = "ClientsAway";
  int64_t length_us = 0;
  bool operator==(const ClientsAway&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("length_us", length_us);
  }
};
// A client's connections break again and again, and it goes from member to
// member.
struct ClientHop {
  static constexpr std::string_view kName = "ClientHop";
  uint32_t client = 0;
  int64_t gap_us = 0;
  int64_t length_us = 0;
  bool operator==(const ClientHop&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("client", client), f("gap_us", gap_us), f("length_us", length_us);
  }
};

}  // namespace sim

#endif  // SIM_CLIENT_FAULTS_H_
