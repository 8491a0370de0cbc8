// Workload: the clients of a simulated world. Each is the ClientLink that
// ships, on a port of the SimNetwork, with a session of its own; it makes the
// calls that a scenario lists, and whatever it is told is recorded and judged.
//
// What befalls a client: its process dies (with or without its machine) and
// another life of it begins, under another session; it is paused; its clock
// runs at its own rate; it ends its session. Retries and redirects are the
// client's own.
#ifndef SIM_WORKLOAD_H_
#define SIM_WORKLOAD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "registry/checker/apply_order_checker.h"
#include "registry/checker/history.h"
#include "registry/client_link.h"
#include "sim/cluster_checker.h"
#include "sim/lease_oracle.h"
#include "sim/random.h"
#include "sim/scenario.h"
#include "sim/scheduler.h"
#include "sim/sim_network.h"
#include "sim/trail.h"
#include "sim/turns.h"

namespace sim {

struct WorkloadOptions {
  uint64_t seed = 0;
  Process first_process = 0;  // clients follow the nodes
  uint32_t clients = 6;
  std::vector<std::string> endpoints;
  raft::Duration deadline = raft::Millis(1500);
  raft::Duration progress_deadline;  // of a call that must be answered
};

struct WorkloadEffects {
  static constexpr std::string_view kName = "WorkloadEffects";
  uint64_t operations = 0;
  uint64_t answered = 0;
  uint64_t unavailable = 0;      // certainly not done
  uint64_t outcome_unknown = 0;  // and calls of clients that died
  uint64_t client_crashes = 0;
  uint64_t sessions_opened = 0;
  uint64_t sessions_lost = 0;          // a client was told
  uint64_t sessions_expired = 0;       // by the leader
  uint64_t turns_late = 0;             // put off by a pause
  uint64_t requests_repeated = 0;      // commands that were sent again
  uint64_t expired_together = 0;       // entries that end several sessions
  uint64_t asked_by_two_sessions = 0;  // commands of a crashed client
  uint64_t leases_not_judged = 0;      // a clock was beyond the declared error
  uint64_t transfers_done = 0;         // of leadership, as clients were told
  bool operator==(const WorkloadEffects&) const = default;
  template <typename F>
  void Fields(F&& f) const {
    f("operations", operations), f("answered", answered),
        f("unavailable", unavailable), f("outcome_unknown", outcome_unknown),
        f("client_crashes", client_crashes),
        f("sessions_opened", sessions_opened),
        f("sessions_lost", sessions_lost),
        f("sessions_expired", sessions_expired), f("turns_late", turns_late),
        f("requests_repeated", requests_repeated),
        f("expired_together", expired_together),
        f("asked_by_two_sessions", asked_by_two_sessions),
        f("leases_not_judged", leases_not_judged),
        f("transfers_done", transfers_done);
  }
};

class Workload : public ApplyWitness {
 public:
  // Everything outlives the workload; `operations` rise in time.
  Workload(const WorkloadOptions& options,
           const std::vector<TimedOperation>* operations, Scheduler* scheduler,
           SimNetwork* network, Violations* violations, Trail* trail);
  ~Workload() override;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  void Start();
  void OnNetworkInput(Process process, NetworkInput input);
  // kTurn, kWake, kRestart and kClient of a client's process.
  void OnEvent(const SimEvent& event);
  void OnApply(const raft::Entry& entry,
               const std::optional<registry::Command>& command,
               const registry::CommandReply& reply) override;

  void Crash(uint32_t client, int64_t down_us);
  void Pause(uint32_t client, int64_t length_us);
  void SetClock(uint32_t client, int64_t ahead_us, int64_t rate_ppm);
  void ResetClock(uint32_t client);
  // What a clock beyond the declared error decides about a lease is not judged.
  void SetLeaderClocks(LeaderClocks clocks) {
    leader_clocks_ = std::move(clocks);
  }
  void Heal();

  // Everybody makes one more call, which must be answered: see Unanswered().
  void AskForProgress();
  // What is wrong with the answers to AskForProgress, or empty.
  std::string Unanswered() const;
  size_t unfinished() const;

  uint32_t clients() const { return options_.clients; }
  WorkloadEffects effects() const;
  TimeEffects time_effects() const;  // of all clients
  const std::vector<registry::checker::HistoryEntry>& history() const {
    return recorder_.entries();
  }

 private:
  using CallNumber = registry::checker::HistoryRecorder::CallNumber;
  // A call on its way.
  struct Pending {
    // Nothing of a transfer of leadership: it does nothing to the registries.
    std::optional<CallNumber> number;
    registry::CallBody body;
    std::optional<registry::Command> sent;  // a command, once it was sent
    bool done = false;  // its answer is there; it is told when the turn ends
    bool progress = false;
  };
  struct Client;

  Client& at(uint32_t client) { return *clients_.at(client); }
  uint32_t ClientOf(const SimEvent& event) const {
    return event.who - options_.first_process;
  }
  int64_t NowNs() const { return scheduler_->now().value() * 1000; }

  void Begin(uint32_t client);
  void RunTurn(uint32_t client);
  void ScheduleNext();
  void Issue(uint32_t client, registry::CallBody body, bool progress = false);
  void Observe(uint32_t client, const registry::ClientEvent& event,
               const registry::ClientEffects& effects);
  void OnSent(uint32_t client, const registry::SendRequest& send);
  void OnDone(uint32_t client, registry::CallId call,
              const registry::CallResult& result);
  void Judge(const Pending& pending, const registry::CallResult& result,
             bool session_over);
  void Die(uint32_t client, bool power);
  std::vector<registry::CallBody> SentUnanswered(uint32_t client) const;
  void Report(const registry::checker::Violation& violation);
  void CheckLease(registry::SessionId expired, raft::Term term);

  registry::CallBody BodyOf(uint32_t client,
                            const TimedOperation& operation) const;

  const WorkloadOptions options_;
  const std::vector<TimedOperation>& operations_;
  size_t next_operation_ = 0;
  // In half of the seeds all leases are of one length, as where one default
  // is deployed: after a change of the leader they end together.
  std::optional<int64_t> common_ttl_ms_;
  Scheduler* const scheduler_;
  SimNetwork* const network_;
  Violations* const violations_;
  Trail* const trail_;
  std::vector<std::unique_ptr<Client>> clients_;
  registry::checker::HistoryRecorder recorder_;
  registry::checker::ApplyOrderChecker order_;
  uint64_t progress_asked_ = 0;
  uint64_t progress_made_ = 0;
  std::string progress_failure_;
  LeaderClocks leader_clocks_;
  WorkloadEffects effects_;
};

}  // namespace sim

#endif  // SIM_WORKLOAD_H_
