// FaultBudget: what damage disks may take before the run would only prove that
// Raft needs its disks; which copies are lost; and whether the rest must get
// on. A class of plain values: it is told of damage and asked before it is
// dealt.
//
// What a damaged disk does to its node shows at the next boot:
//   refused   recovery sees the damage. The node never comes back under this
//             identity (architecture.md, decision 8): a lost copy. It neither
//             votes nor acknowledges again, so safety does not hang on it
//   short     recovery takes the damage for a torn tail (the last batch, see
//             FORMAT.md): the node comes up with less than it had promised,
//             and nobody knows. It may find out (raft::Halt), and is lost then;
//             or a later leader repairs it without noticing
// Which of the two it will be may still be open when the damage is dealt: what
// is appended afterwards proves to recovery that the damaged bytes were
// durable.
//
// The rules, and the schedule that each of them prevents:
//   minority  lost, damaged and short copies together are a minority of the
//             voters, and every committed entry has an intact copy besides
//   short, entries   may be forgotten only if a majority of the voters, all
//             intact, hold them. With less:
//               e is on n1 and n2, committed; n2 forgets it; n3 is elected by
//               n2 and n3 and overwrites it
//             It does not matter whether they are committed yet: n2 may have
//             acknowledged them, and the leader counts that
//   short, term and vote   may be forgotten only if a majority of the voters,
//             all intact, are beyond that term: nobody can win it any more.
//             Else:
//               n2 votes for n1 in t5 and forgets it; n3 asks n2 in t5:
//               two leaders in t5
//   one at a time   while a copy is short, or might be, no other disk is
//             damaged: what protects from the one assumes the others intact.
//             And a disk that is damaged is not damaged again: two damages can
//             look like a torn tail where one of them does not
// Safety is demanded always; that the cluster gets on, exactly when
// Recoverable.
#ifndef SIM_FAULT_BUDGET_H_
#define SIM_FAULT_BUDGET_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "raft/types.h"
#include "sim/durable_log.h"
#include "sim/log_checkers.h"

namespace sim {

// What all nodes hold durably, as their disks have confirmed it, and what is
// committed. Outlived by what it points to.
struct Copies {
  struct Copy {
    raft::Term term;
    const std::vector<Mark>* log = nullptr;
  };
  std::vector<Copy> nodes;
  const CommittedLog* committed = nullptr;
};

// What a recovery finds on a disk before and after it is damaged.
struct DiskDamage {
  DiskState before;
  std::optional<DiskState> after;  // nothing: it refuses

  bool harmless() const { return after == before; }
  // The node may come up without knowing that it lost something.
  bool silent() const { return after.has_value() && !harmless(); }
};

class FaultBudget {
 public:
  struct Options {
    uint32_t voters = 0;
    // Damage that recovery refuses may take a majority of the copies, and with
    // them the cluster: then safety alone is demanded.
    bool beyond_minority = false;
  };
  explicit FaultBudget(const Options& options)
      : options_(options), nodes_(options.voters) {}

  // Whether `node` may be damaged like this now.
  bool Allows(uint32_t node, const DiskDamage& damage, const Copies& copies);

  // ----------------------------------------------------- what has happened
  // It was damaged.
  void OnDamage(uint32_t node, const DiskDamage& damage);
  // It has booted with `booted`; its disk would now give `image`, which differs
  // when the page cache hid the damage. Nothing: it would refuse.
  void OnBoot(uint32_t node, const DiskState& booted,
              const std::optional<DiskState>& image);
  // It refuses to boot, or has stopped because its disk had lost something.
  // True if damage explains that: the copy is lost, the node stays down.
  // Otherwise the product is wrong.
  bool OnRefused(uint32_t node);
  bool OnHalted(uint32_t node, const Copies& copies);

  // ------------------------------------------------------------- questions
  // The short state that a boot of `node` may show instead of what was
  // promised; nullptr: none.
  const DiskState* Granted(uint32_t node) const;
  bool damaged(uint32_t node) const {
    return nodes_.at(node).damage.has_value();
  }
  bool lost(uint32_t node) const { return nodes_.at(node).lost; }
  // Neither lost, nor damaged, nor short.
  bool Intact(uint32_t node, const Copies& copies);
  // Whether the nodes whose bit is set may fail too, and the rest must still
  // get on.
  bool CanSpare(uint32_t nodes, const Copies& copies);
  // A majority is up, or comes up, with every committed entry on it. `up` by
  // node; a damaged node that is up holds what it holds, as long as it is up.
  bool Recoverable(const std::vector<bool>& up, const Copies& copies);

 private:
  // What a node that came up short has promised and may have forgotten.
  struct Missing {
    DiskState promised;
    bool vote = false;  // or the term
  };
  struct Node {
    std::optional<DiskDamage> damage;  // on the disk, not yet met by a boot
    std::optional<Missing> missing;
    bool lost = false;
  };

  uint32_t majority() const { return options_.voters / 2 + 1; }
  uint32_t minority() const { return (options_.voters - 1) / 2; }
  bool MinorityAllows(uint32_t node, const Copies& copies) const;
  bool MayForget(uint32_t node, const DiskDamage& damage,
                 const Copies& copies) const;
  void NoticeRepairs(const Copies& copies);
  bool IntactNow(const Node& node) const {
    return !node.lost && !node.damage.has_value() && !node.missing.has_value();
  }
  // Intact nodes but `except` whose copy satisfies `holds`.
  template <typename Holds>
  uint32_t Count(uint32_t except, const Copies& copies, Holds holds) const;

  Options options_;
  std::vector<Node> nodes_;
};

}  // namespace sim

#endif  // SIM_FAULT_BUDGET_H_
