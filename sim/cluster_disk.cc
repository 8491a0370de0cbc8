// What becomes of a node whose disk fails or is damaged; the fault model is in
// cluster.h, what damage is allowed in fault_budget.h.
#include <string>
#include <utility>

#include "raft/storage/storage.h"
#include "sim/cluster.h"
#include "sim/cluster_internal.h"

namespace sim {
namespace {

// Between two tries to start a node whose disk is not well.
constexpr int64_t kRetryMinUs = 10'000;
constexpr int64_t kRetryMaxUs = 200'000;

// A refusal must say where the damage is and how the node comes back.
bool SaysWhatToDo(const std::string& text) {
  for (const char* said : {kDataDir, ": offset ", "--incarnation="}) {
    if (text.find(said) == std::string::npos) return false;
  }
  return true;
}

}  // namespace

// What the node would find if its machine lost power now. The storage code that
// ships says so, on a copy of the bytes.
absl::StatusOr<DiskState> Cluster::Recover(SimDisk disk) const {
  disk.set_hook(nullptr);
  disk.ForgetErrors();
  disk.set_capacity(0);
  disk.set_read_only(false);
  disk.Crash(0, SimDisk::Loss::kEverything);
  absl::StatusOr<raft::storage::OpenResult> opened =
      raft::storage::Open(&disk, kDataDir, options_.storage);
  if (!opened.ok()) return opened.status();
  DiskState state{.term = opened->recovered.term,
                  .vote = opened->recovered.vote};
  if (opened->recovered.snapshot.has_value()) {
    state.covered = opened->recovered.snapshot->id.index;
  }
  if (!checker_->StartLog(opened->recovered.base, &state.log)) {
    return absl::InternalError("the log begins behind what is committed");
  }
  uint64_t chain = state.log.empty() ? 0 : state.log.back().chain;
  for (const raft::Entry& entry : opened->recovered.log) {
    state.log.push_back(NextMark(chain, entry));
    chain = state.log.back().chain;
  }
  return state;
}

Copies Cluster::CopiesNow() const {
  Copies copies{.committed = &checker_->committed_log()};
  for (uint32_t i = 0; i < size(); ++i) {
    const DiskState& state = checker_->disk(i).state();
    copies.nodes.push_back({state.term, &state.log});
  }
  return copies;
}

void Cluster::DamageDisk(uint32_t node, DamageKind kind, uint64_t draw) {
  Node& victim = at(node);
  const Copies copies = CopiesNow();
  if (!budget_.Intact(node, copies)) {
    ++effects_.damage_withheld;
    return;
  }
  const DurableLog& owed = checker_->disk(node);
  const std::string name = ToString(IdOf(node));
  absl::StatusOr<DiskState> before = Recover(victim.disk);
  if (!before.ok() || !owed.Explains(*before)) {
    return violations_->Add(
        Violation::Kind::kSafety, "durable_disk",
        name + " would not find on its disk what the disk has confirmed: " +
            before.status().ToString());
  }
  SimDisk copy = victim.disk;
  const std::string what = copy.Damage(kind, draw);
  if (what.empty()) return;  // there is nothing to damage
  SimDisk kept = copy;
  kept.Crash(0, SimDisk::Loss::kNothing);
  absl::StatusOr<DiskState> after = Recover(std::move(copy));
  DiskDamage damage{*std::move(before), std::nullopt};
  if (after.ok()) damage.after = *std::move(after);
  // A process that is killed alone finds its un-synced files and names again:
  //   n3 has written the first segment, synced; its name is not; bits of it rot
  //   n3 loses power: there is no segment, and nothing is missing
  //   n3 is killed: there is one, and it is damaged
  if (damage.harmless() && !Recover(std::move(kept)).ok()) {
    damage.after.reset();
  }
  if (damage.silent() && !owed.MayBeLeft(*damage.after, damage.before)) {
    return violations_->Add(
        Violation::Kind::kSafety, "recovery",
        name + " would give up more than its newest batch without a word: " +
            what);
  }
  if (!budget_.Allows(node, damage, copies)) {
    ++effects_.damage_withheld;
    return;
  }
  victim.disk.Damage(kind, draw);
  budget_.OnDamage(node, damage);
  ++(damage.harmless() ? effects_.damage_harmless
     : damage.silent() ? effects_.damage_silent
                       : effects_.damage_plain);
}

void Cluster::OnBooted(uint32_t node) {
  Node& booted = at(node);
  booted.found_lost = false;
  const DiskState* granted = budget_.Granted(node);
  checker_->OnBoot(node, booted.replica->node(), granted);
  if (!budget_.damaged(node)) return;
  const DiskState& state = checker_->disk(node).state();
  effects_.boots_short += granted != nullptr && state == *granted;
  absl::StatusOr<DiskState> image = Recover(booted.disk);
  budget_.OnBoot(
      node, state,
      image.ok() ? std::optional<DiskState>(*std::move(image)) : std::nullopt);
}

// The node does not start. If its disk refused an operation, it is started
// again soon, as often as it takes. If its disk was damaged, it stays down.
// Otherwise nothing excuses it.
void Cluster::OnRefusal(uint32_t node, const absl::Status& status) {
  Node& refusing = at(node);
  if (refusing.disk.effects().failures() == refusing.failures_at_boot) {
    const bool lost = budget_.OnRefused(node);
    effects_.copies_refused += lost;
    if (lost && SaysWhatToDo(std::string(status.message()))) return;
    return violations_->Add(
        Violation::Kind::kCrash, "boot",
        ToString(IdOf(node)) + " does not start: " + status.ToString());
  }
  ++effects_.boots_failed;
  Draws draws(options_.seed, Stream::kBoot, node, 3, refusing.boots);
  if (draws.Chance(500'000)) {
    refusing.disk.Crash(draws.Next());
    refusing.clock_lost = true;
  } else {
    refusing.disk.Kill();
  }
  ScheduleRestart(node, draws.Between(kRetryMinUs, kRetryMaxUs));
}

// The node has stopped by itself. Whoever runs it repairs what there is to
// repair and starts it again, or the whole machine; but not a node that says
// that it lost what it had acknowledged.
void Cluster::OnHalt(uint32_t node) {
  Node& halted = at(node);
  ++effects_.halts;
  const std::string reason =
      ToString(IdOf(node)) + " stops: " + halted.replica->halt_reason();
  if (halted.found_lost) {
    const bool lost = budget_.OnHalted(node, CopiesNow());
    effects_.copies_found_lost += lost;
    if (!lost) violations_->Add(Violation::Kind::kSafety, "lost_copy", reason);
  } else if (halted.disk.effects().failures() == halted.failures_at_boot) {
    violations_->Add(Violation::Kind::kCrash, "halt",
                     reason + "; but its disk is well");
  }
  Draws draws(options_.seed, Stream::kCrash, node, halted.crashes, 2);
  Die(node, /*power=*/draws.Chance(500'000), halted.halt_down_us);
}

bool Cluster::Recoverable() {
  std::vector<bool> ups;
  for (uint32_t i = 0; i < size(); ++i) ups.push_back(up(i));
  return budget_.Recoverable(ups, CopiesNow());
}

bool Cluster::CanSpare(uint32_t nodes) {
  return budget_.CanSpare(nodes, CopiesNow());
}

bool Cluster::CopyIsIntact(uint32_t node) {
  return budget_.Intact(node, CopiesNow());
}

}  // namespace sim
