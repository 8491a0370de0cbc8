// What befalls processes and links; sim_network.cc carries the bytes.
#include <algorithm>

#include "raft/check.h"
#include "sim/random.h"
#include "sim/sim_network.h"

namespace sim {

// --------------------------------------------------------------- processes

void SimNetwork::StartProcess(Process process) {
  processes_.at(process) = {.up = true, .machine_on = true};
}

void SimNetwork::KillProcess(Process process) {
  processes_.at(process).up = false;
  for (uint32_t i = 0; i < connections_.size(); ++i) {
    for (int side = 0; side < 2; ++side) {
      if (connections_[i].sides[side].process != process) continue;
      Close(process, IdOf(i, side));
    }
  }
}

void SimNetwork::PowerOff(Process process) {
  processes_.at(process) = {.up = false, .machine_on = false};
  for (Connection& connection : connections_) {
    for (Side& side : connection.sides) {
      if (side.process == process) side.state = State::kGone;
    }
  }
}

// ------------------------------------------------------------------ faults

void SimNetwork::SetProfile(Process from, Process to,
                            const LinkProfile& profile) {
  Link& link = LinkOf(from, to);
  const int64_t before = link.profile.bytes_per_second;
  const int64_t after = profile.bytes_per_second;
  link.profile = profile;
  if (before > 0 && (after == 0 || after > before)) Reflow(from, to);
}

void SimNetwork::Reflow(Process from, Process to) {
  Link& link = LinkOf(from, to);
  const Instant now = scheduler_->now();
  std::vector<uint32_t> queued;
  for (uint32_t id = 0; id < flights_.size(); ++id) {
    const Flight& flight = flights_[id];
    if (!flight.in_use || !flight.ordered || flight.at <= now) continue;
    const Connection& connection = connections_[flight.connection];
    if (From(connection, flight.from_side) == from &&
        From(connection, 1 - flight.from_side) == to) {
      queued.push_back(id);
    }
  }
  std::sort(queued.begin(), queued.end(), [this](uint32_t a, uint32_t b) {
    return flights_[a].order < flights_[b].order;
  });
  for (const uint32_t id : queued) {
    const Flight& flight = flights_[id];
    connections_[flight.connection].sides[flight.from_side].floor = now;
  }
  link.free_at = now;
  for (const uint32_t id : queued) {
    const Flight& flight = flights_[id];
    Side& sender = connections_[flight.connection].sides[flight.from_side];
    link.free_at = link.free_at + TimeOnWire(link.profile, flight.bytes.size());
    const Instant at =
        std::min(flight.at, link.free_at + link.profile.delay_us);
    sender.floor = std::max(sender.floor, at);
    ScheduleFlight(id, sender.floor);
  }
}

void SimNetwork::AddBlock(Process from, Process to, Block block) {
  Link& link = LinkOf(from, to);
  ++(block == Block::kHold ? link.holds : link.losses);
}

void SimNetwork::RemoveBlock(Process from, Process to, Block block) {
  Link& link = LinkOf(from, to);
  int& count = block == Block::kHold ? link.holds : link.losses;
  CHECK_GT(count, 0);
  --count;
  if (link.holds + link.losses == 0) ReleaseHeld(&link);
}

bool SimNetwork::Blocked(Process from, Process to) const {
  const Link& link = LinkOf(from, to);
  return link.holds + link.losses > 0;
}

size_t SimNetwork::HeldOn(Process from, Process to) const {
  return LinkOf(from, to).held.size();
}

uint64_t SimNetwork::ResetConnections(Process first, Process second,
                                      Reset reset, bool cut) {
  uint64_t broken = 0;
  for (uint32_t i = 0; i < connections_.size(); ++i) {
    for (int side = 0; side < 2; ++side) {
      Connection& connection = connections_[i];
      if (From(connection, side) != first ||
          From(connection, 1 - side) != second) {
        continue;
      }
      if (connection.sides[0].state != State::kOpen ||
          connection.sides[1].state != State::kOpen) {
        continue;
      }
      if (cut) CutFlights(i);
      if (reset != Reset::kSecondOnly) TellClosed(i, side);
      if (reset != Reset::kFirstOnly) TellClosed(i, 1 - side);
      ++broken;
      ++(reset == Reset::kBoth ? effects_.connections_reset
                               : effects_.connections_half_open);
    }
  }
  return broken;
}

// What is on its way stops inside its first message; the part before arrives.
void SimNetwork::CutFlights(uint32_t connection) {
  bool first[2] = {true, true};
  for (Flight& flight : flights_) {
    if (!flight.in_use || flight.connection != connection || flight.stray ||
        flight.kind != FlightKind::kData) {
      continue;
    }
    const int to = 1 - flight.from_side;
    Side& receiver = connections_[connection].sides[to];
    if (first[flight.from_side] && flight.bytes.size() > 1) {
      first[flight.from_side] = false;
      Draws draws(seed_, Stream::kConnection, connection, flight.number);
      receiver.unread +=
          flight.bytes.substr(0, 1 + draws.Below(flight.bytes.size() - 1));
      NetworkInput input{.connection = IdOf(connection, to)};
      input.bytes.swap(receiver.unread);
      sink_->OnNetworkInput(receiver.process, std::move(input));
      ++effects_.frames_cut;
    }
    // It still arrives, as nothing: what its sender has queued must not stay so
    // for ever, or a bounded queue is full, nothing is sent any more, and a
    // side that was not told never learns that the other one is gone.
    Side& sender = connections_[connection].sides[flight.from_side];
    sender.queued_bytes -= std::min(sender.queued_bytes, flight.bytes.size());
    flight.bytes.clear();
  }
}

void SimNetwork::BlackHole(Process first, Process second) {
  for (Connection& connection : connections_) {
    for (int side = 0; side < 2; ++side) {
      if (From(connection, side) != first ||
          From(connection, 1 - side) != second ||
          connection.sides[0].state != State::kOpen ||
          connection.sides[1].state != State::kOpen) {
        continue;
      }
      connection.sides[0].broken = true;
      connection.sides[1].broken = true;
      ++effects_.black_holes;
    }
  }
}

void SimNetwork::GiveUpBlackHoles(Process first, Process second) {
  for (uint32_t i = 0; i < connections_.size(); ++i) {
    for (int side = 0; side < 2; ++side) {
      Connection& connection = connections_[i];
      if (From(connection, side) != first ||
          From(connection, 1 - side) != second) {
        continue;
      }
      for (int end = 0; end < 2; ++end) {
        if (connection.sides[end].broken &&
            connection.sides[end].state != State::kGone) {
          TellClosed(i, end);
        }
      }
    }
  }
}

std::vector<uint32_t> SimNetwork::StallConnections(Process first,
                                                   Process second) {
  std::vector<uint32_t> stalled;
  for (uint32_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_[i];
    const Process dialled = From(connection, 0);
    const Process accepted = From(connection, 1);
    const bool between = (dialled == first && accepted == second) ||
                         (dialled == second && accepted == first);
    if (!between || connection.sides[0].state != State::kOpen ||
        connection.sides[1].state != State::kOpen) {
      continue;
    }
    stalled.push_back(i);
    ++effects_.connections_stalled;
    if (++connection.stalls > 1) continue;
    StallHeld(i, &LinkOf(dialled, accepted));
    StallHeld(i, &LinkOf(accepted, dialled));
  }
  return stalled;
}

// A stream must keep its order, whichever ends first, the stall or the hold:
//   the link holds 1; the connection stalls, and 2 waits for it; the stall ends
//   first, and 2 queues behind 1 at the link. Or the link opens first: without
//   this, 1 would queue behind 2 at the connection.
void SimNetwork::StallHeld(uint32_t connection, Link* link) {
  std::erase_if(link->held, [this, connection](uint32_t id) {
    Flight& flight = flights_[id];
    if (flight.connection != connection) return false;
    flight.stalled = true;
    connections_[connection].stalled.push_back(id);
    return true;
  });
}

void SimNetwork::EndStalls(const std::vector<uint32_t>& connections) {
  for (const uint32_t i : connections) {
    CHECK_GT(connections_[i].stalls, 0);
    if (--connections_[i].stalls > 0) continue;
    // At once and in order, as what a link held (ReleaseHeld).
    std::vector<uint32_t> stalled;
    stalled.swap(connections_[i].stalled);
    for (const uint32_t id : stalled) Arrive(id);
  }
}

std::string_view ToString(SimNetwork::Block block) {
  switch (block) {
    case SimNetwork::Block::kHold:
      return "hold";
    case SimNetwork::Block::kLose:
      return "lose";
  }
  return "?";
}

std::string_view ToString(SimNetwork::Reset reset) {
  switch (reset) {
    case SimNetwork::Reset::kBoth:
      return "both";
    case SimNetwork::Reset::kFirstOnly:
      return "first_only";
    case SimNetwork::Reset::kSecondOnly:
      return "second_only";
  }
  return "?";
}

}  // namespace sim
