#include "tools/args.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/check.h"

namespace tools {
namespace {

absl::Status Invalid(std::string text) {
  return absl::InvalidArgumentError(std::move(text));
}

std::string Quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

// Optimal string alignment distance: edits of one character, and swaps of two
// neighbours.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1,
                                        std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t differ = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + differ});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::optional<std::string> Closest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  constexpr size_t kWordMax = 64;  // else the table costs more than the hint
  if (word.size() > kWordMax) return std::nullopt;
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::optional<std::string> closest;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(word, candidate);
    if (distance >= best) continue;
    best = distance;
    closest = candidate;
  }
  return closest;
}

std::string Hint(std::string_view prefix, std::string_view word,
                 const std::vector<std::string>& candidates) {
  const std::optional<std::string> closest = Closest(word, candidates);
  if (!closest.has_value()) return "";
  return " (did you mean " + std::string(prefix) + *closest + "?)";
}

absl::StatusOr<raft::NodeId> ParseNode(std::string_view text) {
  const std::string_view number = text.substr(text.starts_with('n') ? 1 : 0);
  const size_t dot = std::min(number.find('.'), number.size());
  const auto slot = ParseInteger(number.substr(0, dot));
  absl::StatusOr<int64_t> incarnation = 1;
  if (dot < number.size()) incarnation = ParseInteger(number.substr(dot + 1));
  if (!slot.ok() || *slot < 1 || *slot > UINT8_MAX || !incarnation.ok() ||
      *incarnation < 1 || *incarnation > UINT32_MAX) {
    return Invalid(Quoted(text) +
                   " is not a node; wanted is a number from 1 to 255, or as in "
                   "2.3 with its incarnation");
  }
  return raft::NodeId{static_cast<uint8_t>(*slot),
                      static_cast<uint32_t>(*incarnation)};
}

absl::StatusOr<int64_t> ParseInteger(std::string_view text) {
  int64_t number = 0;
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::result_out_of_range) {
    return Invalid(Quoted(text) + " does not fit into 64 bits");
  }
  if (error != std::errc() || end != digits.data() + digits.size() ||
      (digits.size() < text.size() && digits.starts_with('-'))) {
    return Invalid(Quoted(text) + " is not a whole number");
  }
  return number;
}

absl::StatusOr<raft::Duration> ParseDuration(std::string_view text) {
  struct Unit {
    std::string_view name;
    int64_t micros;
  };
  constexpr Unit kUnits[] = {{"us", 1},
                             {"ms", 1000},
                             {"s", 1'000'000},
                             {"m", 60'000'000},
                             {"h", 3'600'000'000}};
  const size_t digits =
      std::min(text.find_first_not_of("0123456789"), text.size());
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    const absl::StatusOr<int64_t> number = ParseInteger(text.substr(0, digits));
    if (!number.ok()) break;
    if (*number > INT64_MAX / 1000 / unit.micros) {
      return Invalid(Quoted(text) + " is too long");
    }
    return raft::Duration(*number * unit.micros);
  }
  return Invalid(Quoted(text) +
                 " is not a time: write 500us, 250ms, 10s, 5m or 1h");
}

absl::StatusOr<NumberRange> ParseNumberRange(std::string_view text) {
  const size_t dots = text.find("..");
  if (dots == std::string_view::npos) {
    return absl::InvalidArgumentError("a range is FROM..TO");
  }
  const absl::StatusOr<int64_t> first = ParseInteger(text.substr(0, dots));
  const absl::StatusOr<int64_t> last = ParseInteger(text.substr(dots + 2));
  if (!first.ok()) return first.status();
  if (!last.ok()) return last.status();
  if (*first < 0 || *last < *first) {
    return absl::InvalidArgumentError("a range rises from 0");
  }
  return NumberRange{static_cast<uint64_t>(*first),
                     static_cast<uint64_t>(*last)};
}

absl::StatusOr<std::vector<std::string>> ParseList(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    if (text.substr(0, comma).empty()) {
      return Invalid("an empty part in a list");
    }
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

// ----------------------------------------------------------- declarations

void Flags::Add(std::string name, Setter setter, std::string placeholder,
                std::string help) {
  CHECK(Find(name) == nullptr);
  flags_.push_back({std::move(name), std::move(placeholder), std::move(help),
                    std::move(setter)});
}

void Flags::Text(std::string name, std::string* value, std::string placeholder,
                 std::string help) {
  if (!value->empty()) help += " (" + *value + ")";
  Add(
      std::move(name),
      [value](std::string_view text) {
        *value = text;
        return absl::OkStatus();
      },
      std::move(placeholder), std::move(help));
}

void Flags::Text(std::string name, std::optional<std::string>* value,
                 std::string placeholder, std::string help) {
  Add(
      std::move(name),
      [value](std::string_view text) {
        *value = std::string(text);
        return absl::OkStatus();
      },
      std::move(placeholder), std::move(help));
}

void Flags::Number(std::string name, int64_t* value, int64_t min, int64_t max,
                   std::string placeholder, std::string help) {
  absl::StrAppend(&help, " (", *value, ")");
  Add(
      std::move(name),
      [=](std::string_view text) -> absl::Status {
        const absl::StatusOr<int64_t> number = ParseInteger(text);
        if (!number.ok()) return number.status();
        if (*number < min || *number > max) {
          return Invalid(
              absl::StrCat(*number, " is not within ", min, " to ", max));
        }
        *value = *number;
        return absl::OkStatus();
      },
      std::move(placeholder), std::move(help));
}

void Flags::Number(std::string name, std::optional<int64_t>* value, int64_t min,
                   int64_t max, std::string placeholder, std::string help) {
  Add(
      std::move(name),
      [=](std::string_view text) -> absl::Status {
        const absl::StatusOr<int64_t> number = ParseInteger(text);
        if (!number.ok()) return number.status();
        if (*number < min || *number > max) {
          return Invalid(
              absl::StrCat(*number, " is not within ", min, " to ", max));
        }
        *value = *number;
        return absl::OkStatus();
      },
      std::move(placeholder), std::move(help));
}

void Flags::Time(std::string name, raft::Duration* value,
                 std::string placeholder, std::string help) {
  const int64_t micros = value->value();
  absl::StrAppend(&help, " (",
                  micros % 1'000'000 == 0
                      ? absl::StrCat(micros / 1'000'000, "s")
                      : absl::StrCat(micros / 1000, "ms"),
                  ")");
  Add(
      std::move(name),
      [value](std::string_view text) -> absl::Status {
        const absl::StatusOr<raft::Duration> time = ParseDuration(text);
        if (!time.ok()) return time.status();
        *value = *time;
        return absl::OkStatus();
      },
      std::move(placeholder), std::move(help));
}

void Flags::Time(std::string name, std::optional<raft::Duration>* value,
                 std::string placeholder, std::string help) {
  Add(
      std::move(name),
      [value](std::string_view text) -> absl::Status {
        const absl::StatusOr<raft::Duration> time = ParseDuration(text);
        if (!time.ok()) return time.status();
        *value = *time;
        return absl::OkStatus();
      },
      std::move(placeholder), std::move(help));
}

void Flags::List(std::string name, std::vector<std::string>* value,
                 std::string placeholder, std::string help) {
  std::string shown;
  for (const std::string& part : *value) {
    shown += (shown.empty() ? "" : ",") + part;
  }
  if (!shown.empty()) help += " (" + shown + ")";
  Add(
      std::move(name),
      [value](std::string_view text) -> absl::Status {
        absl::StatusOr<std::vector<std::string>> parts = ParseList(text);
        if (!parts.ok()) return parts.status();
        *value = *std::move(parts);
        return absl::OkStatus();
      },
      std::move(placeholder), std::move(help));
}

void Flags::Choice(std::string name, std::string* value,
                   std::vector<std::string> choices, std::string help) {
  std::string shown;
  for (const std::string& choice : choices) {
    shown += (shown.empty() ? "" : "|") + choice;
  }
  if (!value->empty()) help += " (" + *value + ")";
  Add(
      std::move(name),
      [=](std::string_view text) -> absl::Status {
        if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
          return Invalid(Quoted(text) + " is none of " + shown +
                         Hint("", text, choices));
        }
        *value = text;
        return absl::OkStatus();
      },
      shown, std::move(help));
}

void Flags::Switch(std::string name, bool* value, std::string help) {
  Add(
      std::move(name),
      [value](std::string_view text) -> absl::Status {
        if (text != "true" && text != "false") {
          return Invalid(Quoted(text) + " is neither true nor false");
        }
        *value = text == "true";
        return absl::OkStatus();
      },
      "", std::move(help));
}

// ---------------------------------------------------------------- parsing

const Flags::Flag* Flags::Find(std::string_view name) const {
  for (const Flag& flag : flags_) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

absl::Status Flags::Unknown(std::string_view name) const {
  return Invalid("unknown flag --" + std::string(name) +
                 Hint("--", name, Names()));
}

absl::Status Flags::Set(std::string_view name, std::string_view value) const {
  const Flag* flag = Find(name);
  if (flag == nullptr) return Unknown(name);
  const absl::Status set = flag->setter(value);
  if (set.ok()) return set;
  return Invalid("--" + flag->name + ": " + std::string(set.message()));
}

absl::StatusOr<std::vector<std::string>> Flags::Parse(
    const std::vector<std::string>& args, bool stop_at_word) const {
  std::vector<std::string> words;
  std::set<std::string> seen;
  for (size_t i = 0; i < args.size(); ++i) {
    std::string_view arg = args[i];
    const bool is_flag = arg.starts_with("--") && arg.size() > 2;
    if (!is_flag) {
      const bool ends_flags = arg == "--" && !stop_at_word;
      if (arg == "--" || stop_at_word) {
        words.insert(words.end(),
                     args.begin() + static_cast<ptrdiff_t>(i + ends_flags),
                     args.end());
        return words;
      }
      words.push_back(args[i]);
      continue;
    }
    arg.remove_prefix(2);
    const size_t equals = arg.find('=');
    const std::string_view name = arg.substr(0, equals);
    const Flag* flag = Find(name);
    if (flag == nullptr) return Unknown(name);
    if (!seen.insert(flag->name).second) {
      return Invalid("--" + flag->name + " is given twice");
    }
    std::string_view value;
    if (equals != std::string_view::npos) {
      value = arg.substr(equals + 1);
    } else if (flag->placeholder.empty()) {
      value = "true";
    } else if (i + 1 < args.size()) {
      value = args[++i];
    } else {
      return Invalid("--" + flag->name + " needs a value: --" + flag->name +
                     "=" + flag->placeholder);
    }
    if (absl::Status set = Set(name, value); !set.ok()) return set;
  }
  return words;
}

std::vector<std::string> Flags::Names() const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) names.push_back(flag.name);
  return names;
}

std::string Flags::Help() const {
  std::vector<std::string> lines;
  size_t width = 0;
  for (const Flag& flag : flags_) {
    std::string line = "  --" + flag.name;
    if (!flag.placeholder.empty()) line += "=" + flag.placeholder;
    width = std::max(width, line.size() + 2);
    lines.push_back(std::move(line));
  }
  std::string help;
  for (size_t i = 0; i < lines.size(); ++i) {
    lines[i].resize(width, ' ');
    help += lines[i] + flags_[i].help + "\n";
  }
  return help;
}

}  // namespace tools
