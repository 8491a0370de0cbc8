#include "raft/quorum.h"

namespace raft {

VoteResult CountBallots(std::span<const Ballot> ballots) {
  CHECK_GE(ballots.size(), size_t{1});
  const size_t majority = MajorityOf(ballots.size());
  const auto granted = static_cast<size_t>(
      std::count(ballots.begin(), ballots.end(), Ballot::kGranted));
  const auto refused = static_cast<size_t>(
      std::count(ballots.begin(), ballots.end(), Ballot::kRefused));
  if (granted >= majority) return VoteResult::kWon;
  if (ballots.size() - refused < majority) return VoteResult::kLost;
  return VoteResult::kPending;
}

}  // namespace raft
