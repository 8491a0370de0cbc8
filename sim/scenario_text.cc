#include "sim/scenario_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sim/field_text.h"

namespace sim {
namespace {

constexpr std::array kWays = {Partition::Way::kBoth, Partition::Way::kOut,
                              Partition::Way::kIn};
constexpr std::array kOperationClassList = {
    OperationClass::kRead, OperationClass::kWrite, OperationClass::kSync,
    OperationClass::kOther};
constexpr std::array kDamageKinds = {
    DamageKind::kBitRot, DamageKind::kLostWrite, DamageKind::kMisdirectedWrite};
constexpr std::array kBlocks = {SimNetwork::Block::kHold,
                                SimNetwork::Block::kLose};
constexpr std::array kResets = {SimNetwork::Reset::kBoth,
                                SimNetwork::Reset::kFirstOnly,
                                SimNetwork::Reset::kSecondOnly};
constexpr std::array kRegistryKinds = {registry::RegistryKind::kUnique,
                                       registry::RegistryKind::kDuplicate};

}  // namespace

template <>
struct WordForm<Partition::Way> : EnumForm<Partition::Way, kWays> {};
template <>
struct WordForm<OperationClass>
    : EnumForm<OperationClass, kOperationClassList> {};
template <>
struct WordForm<DamageKind> : EnumForm<DamageKind, kDamageKinds> {};
template <>
struct WordForm<SimNetwork::Block> : EnumForm<SimNetwork::Block, kBlocks> {};
template <>
struct WordForm<SimNetwork::Reset> : EnumForm<SimNetwork::Reset, kResets> {};
template <>
struct WordForm<registry::RegistryKind>
    : EnumForm<registry::RegistryKind, kRegistryKinds> {};

template <>
struct WordForm<raft::NodeId> {
  static constexpr bool kShown = false;
  static std::string Write(raft::NodeId id) { return ToString(id); }
  static bool Read(std::string_view text, raft::NodeId* id) {
    if (text == ToString(raft::kNobody)) return *id = raft::kNobody, true;
    const size_t dot = std::min(text.find('.'), text.size());
    *id = {.incarnation = 1};
    return text.starts_with('n') &&
           field_text_internal::ReadWord(text.substr(1, dot - 1), &id->slot) &&
           id->valid() &&
           (dot == text.size() || field_text_internal::ReadWord(
                                      text.substr(dot + 1), &id->incarnation));
  }
  static std::string Wants() { return "a node (n1, n1.2) or nobody"; }
};

template <>
struct WordForm<Victim> {
  static constexpr bool kShown = true;
  static std::string Write(const Victim& victim) {
    if (victim.node == Victim::kLeader) return "leader";
    if (victim.node == Victim::kFollower) return "follower";
    return "n" + std::to_string(uint64_t{victim.node} + 1);
  }
  static bool Read(std::string_view text, Victim* victim) {
    if (text == "leader") return victim->node = Victim::kLeader, true;
    if (text == "follower") return victim->node = Victim::kFollower, true;
    uint32_t number = 0;
    if (!text.starts_with('n') ||
        !field_text_internal::ReadWord(text.substr(1), &number) ||
        number == 0) {
      return false;
    }
    victim->node = number - 1;
    return true;
  }
  static std::string Wants() { return "leader, follower or a node (n1)"; }
};

namespace {

using registry::CallBody;

template <typename T>
struct IsVariant : std::false_type {};
template <typename... Ts>
struct IsVariant<std::variant<Ts...>> : std::true_type {};

// Calls `f` with one value of every type in a variant, and in the variants
// that it holds.
template <typename V, size_t kIndex = 0, typename F>
void ForEachAlternative(F&& f) {
  if constexpr (kIndex < std::variant_size_v<V>) {
    using T = std::variant_alternative_t<kIndex, V>;
    if constexpr (IsVariant<T>::value) {
      ForEachAlternative<T>([&f](auto value) { f(T(std::move(value))); });
    } else {
      f(T());
    }
    ForEachAlternative<V, kIndex + 1>(f);
  }
}

// Calls `f` with what a variant holds, at any depth.
template <typename V, typename F>
void VisitInnermost(V& variant, F&& f) {
  std::visit(
      [&f](auto& one) {
        if constexpr (IsVariant<std::remove_cvref_t<decltype(one)>>::value) {
          VisitInnermost(one, f);
        } else {
          f(one);
        }
      },
      variant);
}

template <typename V>
std::string NameOf(const V& variant) {
  std::string name;
  VisitInnermost(variant, [&name](const auto& one) { name = one.kName; });
  return name;
}

// Makes `variant` hold the type of that name.
template <typename V>
absl::Status SetByName(std::string_view name, std::string_view what,
                       V* variant) {
  bool found = false;
  std::string names;
  ForEachAlternative<V>([&](auto value) {
    V one(std::move(value));
    names += (names.empty() ? "" : ", ") + NameOf(one);
    if (NameOf(one) != name) return;
    *variant = std::move(one);
    found = true;
  });
  if (found) return absl::OkStatus();
  return absl::InvalidArgumentError("no " + std::string(what) + " \"" +
                                    std::string(name) + "\"; there are " +
                                    names);
}

template <typename V>
std::string VariantText(const V& variant) {
  std::vector<Word> words = {{"", NameOf(variant)}};
  VisitInnermost(variant, [&words](const auto& one) {
    for (Word& word : WordsOf(one)) words.push_back(std::move(word));
  });
  return JoinWords(words);
}

// What stands between an operation's time and its name.
struct OperationHead {
  uint32_t client = 0;
  bool compare = false;
  template <typename F>
  void Fields(F&& f) const {
    f("client", client), f("compare", compare);
  }
};

std::string OperationText(const TimedOperation& operation) {
  const auto& [at_us, client, body, compare] = operation;
  std::string text = "op " + std::to_string(at_us) +
                     " client=" + std::to_string(client) + " " +
                     VariantText(body);
  if (compare) text += " compare=yes";
  return text;
}

}  // namespace

std::string ToString(const Verdict& verdict) {
  return verdict.ok() ? "ok" : verdict.kind + " " + verdict.checker;
}

std::string ToText(const Fault& fault) { return VariantText(fault); }

std::string ToText(const Scenario& scenario) {
  // Whoever adds a part to these must write it here.
  const auto& [seed, config, plan, operations] = scenario;
  const auto& [faults, heal_at_us, lingering] = plan;
  std::string text = "seed " + std::to_string(seed) + "\n";
  const std::string words = JoinWords(WordsOf(config));
  if (!words.empty()) text += "config " + words + "\n";
  for (const TimedFault& timed : faults) {
    text +=
        "at " + std::to_string(timed.at_us) + " " + ToText(timed.fault) + "\n";
  }
  text += "heal " + std::to_string(heal_at_us) + "\n";
  for (const Fault& fault : lingering) text += "then " + ToText(fault) + "\n";
  for (const TimedOperation& operation : operations) {
    text += OperationText(operation) + "\n";
  }
  return text;
}

std::string ToText(const ScenarioFile& file) {
  std::string text = ToText(file.scenario);
  if (file.expect.has_value()) {
    text += "expect " + ToString(*file.expect) + "\n";
  }
  return text;
}

// ------------------------------------------------------------------ reading

namespace {

// One line: bare words first, then fields.
class Line {
 public:
  explicit Line(std::vector<Word> words) : words_(std::move(words)) {}

  // The next bare word, else an error that says what should be there.
  absl::StatusOr<std::string> Bare(std::string_view what) {
    if (next_ == words_.size() || !words_[next_].name.empty()) {
      return absl::InvalidArgumentError("here belongs " + std::string(what));
    }
    return words_[next_++].text;
  }
  template <typename T>
  absl::Status Number(std::string_view what, T* value) {
    const absl::StatusOr<std::string> text = Bare(what);
    if (!text.ok()) return text.status();
    if (field_text_internal::ReadWord(*text, value)) return absl::OkStatus();
    return absl::InvalidArgumentError(std::string(what) + " is " +
                                      field_text_internal::Wants<T>() +
                                      ", not \"" + *text + "\"");
  }
  // The words that stand before the next bare one.
  std::vector<Word> TakeFields() {
    std::vector<Word> fields;
    while (next_ < words_.size() && !words_[next_].name.empty()) {
      fields.push_back(words_[next_++]);
    }
    return fields;
  }
  // Everything that is left.
  std::vector<Word> Rest() const {
    return {words_.begin() + static_cast<ptrdiff_t>(next_), words_.end()};
  }
  absl::Status End() const { return FieldReader(Rest()).Finish(); }

 private:
  std::vector<Word> words_;
  size_t next_ = 0;
};

// "Crash victim=leader ...", the rest of the line.
absl::Status ReadFault(Line* line, Fault* fault) {
  const absl::StatusOr<std::string> name = line->Bare("the name of a fault");
  if (!name.ok()) return name.status();
  if (const absl::Status set = SetByName(*name, "fault", fault); !set.ok()) {
    return set;
  }
  FieldReader reader(line->Rest());
  std::visit([&reader](auto& one) { reader.Read(&one); }, *fault);
  return reader.Finish();
}

absl::Status ReadOperation(Line* line, TimedOperation* operation) {
  std::vector<Word> fields = line->TakeFields();
  const absl::StatusOr<std::string> name =
      line->Bare("the name of an operation");
  if (!name.ok()) return name.status();
  const absl::Status set = SetByName(*name, "operation", &operation->body);
  if (!set.ok()) return set;
  for (Word& word : line->Rest()) fields.push_back(std::move(word));
  FieldReader reader(std::move(fields));
  OperationHead head;
  reader.Read(&head);
  VisitInnermost(operation->body, [&reader](auto& one) { reader.Read(&one); });
  operation->client = head.client;
  operation->compare = head.compare;
  return reader.Finish();
}

absl::Status ReadExpectation(Line* line, ScenarioFile* file) {
  if (file->expect.has_value()) {
    return absl::InvalidArgumentError("a scenario ends in one way only");
  }
  const absl::StatusOr<std::string> kind =
      line->Bare("ok or a kind (safety, liveness, linearizability, crash)");
  if (!kind.ok()) return kind.status();
  file->expect.emplace();
  if (*kind == "ok") return line->End();
  const absl::StatusOr<std::string> checker =
      line->Bare("the checker that is to find it");
  if (!checker.ok()) return checker.status();
  file->expect = {*kind, *checker};
  return line->End();
}

absl::Status ReadLine(Line line, ScenarioFile* file) {
  Scenario& scenario = file->scenario;
  FaultPlan& plan = scenario.plan;
  const std::string verb = line.Bare("seed, config, at, ...").value_or("");
  absl::Status status;
  if (verb == "seed") {
    status = line.Number("a seed", &scenario.seed);
    return status.ok() ? line.End() : status;
  }
  if (verb == "config") {
    FieldReader reader(line.Rest());
    reader.Read(&scenario.config);
    return reader.Finish();
  }
  if (verb == "at") {
    plan.faults.emplace_back();
    status = line.Number("a time", &plan.faults.back().at_us);
    return status.ok() ? ReadFault(&line, &plan.faults.back().fault) : status;
  }
  if (verb == "heal") {
    status = line.Number("a time", &plan.heal_at_us);
    return status.ok() ? line.End() : status;
  }
  if (verb == "then") {
    return ReadFault(&line, &plan.lingering.emplace_back());
  }
  if (verb == "op") {
    scenario.operations.emplace_back();
    status = line.Number("a time", &scenario.operations.back().at_us);
    return status.ok() ? ReadOperation(&line, &scenario.operations.back())
                       : status;
  }
  if (verb == "expect") return ReadExpectation(&line, file);
  return absl::InvalidArgumentError(
      "a line begins with seed, config, at, heal, then, op or expect, not "
      "\"" +
      verb + "\"");
}

absl::Status Refuse(std::string why) {
  return absl::InvalidArgumentError(std::move(why));
}

// The processes that a fault names must be there, and what it does must be
// something that can be done.
absl::Status ValidateFault(const Fault& fault, Process processes) {
  absl::Status status;
  VisitInnermost(fault, [&](const auto& one) {
    one.Fields([&](std::string_view name, const auto& value) {
      using T = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_same_v<T, int64_t>) {
        if (!name.ends_with("_ppm") && value < 0) {
          status = Refuse(std::string(name) + " is negative in \"" +
                          ToText(fault) + "\"");
        }
      } else if constexpr (std::is_same_v<T, Process>) {
        const bool is_process = name == "from" || name == "to" ||
                                name == "first" || name == "second";
        if (is_process && value >= processes) {
          status =
              Refuse("there is no process " + std::to_string(value) +
                     " (nodes, then clients) for \"" + ToText(fault) + "\"");
        }
      }
    });
  });
  return status;
}

}  // namespace

void SortByTime(Scenario* scenario) {
  const auto earlier = [](const auto& a, const auto& b) {
    return a.at_us < b.at_us;
  };
  std::vector<TimedFault>& faults = scenario->plan.faults;
  std::stable_sort(faults.begin(), faults.end(), earlier);
  std::vector<TimedOperation>& operations = scenario->operations;
  std::stable_sort(operations.begin(), operations.end(), earlier);
}

absl::Status Validate(const Scenario& scenario) {
  constexpr uint32_t kNodesMax = 9;
  constexpr uint32_t kClientsMax = 1000;
  const WorldConfig& config = scenario.config;
  if (config.nodes < 1 || config.nodes > kNodesMax) {
    return Refuse("there are 1 to " + std::to_string(kNodesMax) + " nodes");
  }
  if (config.clients < 1 || config.clients > kClientsMax) {
    return Refuse("there are 1 to " + std::to_string(kClientsMax) + " clients");
  }
  for (const int64_t time : {config.heartbeat_us, config.election_us,
                             config.call_deadline_us, config.length_us}) {
    if (time <= 0) return Refuse("a timer or length is not above 0");
  }
  if (config.election_us <= config.heartbeat_us) {
    return Refuse("an election timeout is longer than a heartbeat");
  }
  if (!config.bounds.raft.valid() || !config.bounds.node.valid()) {
    return Refuse("a limit of the nodes is 0 or above its maximum");
  }
  if (scenario.plan.heal_at_us < 0) return Refuse("heal is before the start");
  const Process processes = config.nodes + config.clients;
  for (const TimedFault& timed : scenario.plan.faults) {
    if (timed.at_us < 0) return Refuse("a fault is before the start");
    const absl::Status status = ValidateFault(timed.fault, processes);
    if (!status.ok()) return status;
  }
  for (const Fault& fault : scenario.plan.lingering) {
    const absl::Status status = ValidateFault(fault, processes);
    if (!status.ok()) return status;
  }
  for (const TimedOperation& operation : scenario.operations) {
    if (operation.at_us < 0) return Refuse("an operation is before the start");
    if (operation.client >= config.clients) {
      return Refuse("there is no client " + std::to_string(operation.client));
    }
    if (std::holds_alternative<registry::StatusRequest>(operation.body)) {
      return Refuse("clients of a scenario do not ask for a status");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ScenarioFile> ParseScenario(std::string_view text) {
  ScenarioFile file;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    absl::StatusOr<std::vector<Word>> words = SplitWords(line);
    absl::Status status = words.status();
    if (status.ok() && !words->empty()) {
      status = ReadLine(Line(*std::move(words)), &file);
    }
    if (!status.ok()) {
      return absl::InvalidArgumentError("line " + std::to_string(number) +
                                        ": " + std::string(status.message()));
    }
  }
  SortByTime(&file.scenario);
  const absl::Status valid = Validate(file.scenario);
  if (!valid.ok()) return valid;
  return file;
}

}  // namespace sim
