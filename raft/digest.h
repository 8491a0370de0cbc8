// Digest and ToString over plain values, field by field.
//
// A value type takes part by naming its fields once:
//
//   struct Heartbeat {
//     Term term;
//     Index commit;
//     template <typename F> void Fields(F&& f) const {
//       f("term", term); f("commit", commit);
//     }
//     bool operator==(const Heartbeat&) const = default;
//   };
//
// Digests never read memory as bytes (padding) and never hash an encoded
// protobuf (its encoding is not canonical); payloads are hashed as carried.
#ifndef RAFT_DIGEST_H_
#define RAFT_DIGEST_H_

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "raft/bytes.h"
#include "raft/types.h"

namespace raft {

// A fixed, documented 64-bit finaliser (splitmix64's constants). The same on
// every machine, compiler and run: election jitter, simulator draws and
// digests all depend on it. FORMAT: changing it changes every seed and trace.
constexpr uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}
// Mixes several numbers, in order.
template <typename... Rest>
constexpr uint64_t Mix(uint64_t first, uint64_t second, Rest... rest) {
  return Mix(Mix(first) ^ second, static_cast<uint64_t>(rest)...);
}

template <typename T>
concept HasFields = requires(const T& value) {
  value.Fields([](std::string_view, const auto&) {});
};

template <typename T>
struct IsStrongNumber : std::false_type {};
template <typename Tag, typename Rep>
struct IsStrongNumber<StrongNumber<Tag, Rep>> : std::true_type {};

// A rolling 64-bit digest. Add() everything that must be equal between two
// runs, in order.
class Digest {
 public:
  uint64_t value() const { return state_; }

  // In line: a simulation adds some fifteen numbers for every step.
  [[gnu::always_inline]] void AddNumber(uint64_t n) {
    state_ = Mix(state_ ^ n) + n;
  }
  void AddText(std::string_view text) {
    AddNumber(text.size());
    size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
      uint64_t word;  // little-endian hosts only, as is the WAL format
      std::memcpy(&word, text.data() + i, 8);
      AddNumber(word);
    }
    uint64_t tail = 0;
    if (i < text.size()) {
      std::memcpy(&tail, text.data() + i, text.size() - i);
      AddNumber(tail);
    }
  }

  template <typename T>
  void Add(const T& value) {
    if constexpr (std::is_same_v<T, NodeId>) {
      AddNumber(uint64_t{value.slot} << 32 | value.incarnation);
    } else if constexpr (std::is_same_v<T, Time>) {
      AddNumber(static_cast<uint64_t>(value.micros()));
    } else if constexpr (IsStrongNumber<T>::value) {
      AddNumber(static_cast<uint64_t>(value.value()));
    } else if constexpr (std::is_same_v<T, Bytes>) {
      AddText(value.view());
    } else if constexpr (std::is_convertible_v<T, std::string_view>) {
      AddText(value);
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      AddNumber(static_cast<uint64_t>(value));
    } else {
      AddCompound(value);
    }
  }

 private:
  template <typename T>
  void AddCompound(const T& value) requires HasFields<T> {
    value.Fields(
        [this](std::string_view, const auto& field) { this->Add(field); });
  }
  template <typename T>
  void AddCompound(const std::vector<T>& values) {
    AddNumber(values.size());
    for (const T& value : values) Add(value);
  }
  template <typename T>
  void AddCompound(const std::optional<T>& value) {
    AddNumber(value.has_value());
    if (value.has_value()) Add(*value);
  }
  template <typename A, typename B>
  void AddCompound(const std::pair<A, B>& value) {
    Add(value.first);
    Add(value.second);
  }
  template <typename... Ts>
  void AddCompound(const std::variant<Ts...>& value) {
    AddNumber(value.index());
    std::visit([this](const auto& alternative) { this->Add(alternative); },
               value);
  }

  uint64_t state_ = 0;
};

template <typename T>
uint64_t DigestOf(const T& value) {
  Digest digest;
  digest.Add(value);
  return digest.value();
}

namespace digest_internal {

template <typename T>
void Print(std::string* out, const T& value);

inline void PrintText(std::string* out, std::string_view text) {
  constexpr size_t kShown = 48;
  out->push_back('"');
  for (char c : text.substr(0, kShown)) {
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      out->push_back(c);
    } else {
      constexpr char kHex[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      *out += "\\x";
      out->push_back(kHex[byte >> 4]);
      out->push_back(kHex[byte & 15]);
    }
  }
  out->push_back('"');
  if (text.size() > kShown) *out += "+" + std::to_string(text.size() - kShown);
}

template <typename T>
void PrintCompound(std::string* out, const T& value) requires HasFields<T> {
  if constexpr (requires { T::kName; }) *out += T::kName;
  out->push_back('{');
  bool first = true;
  value.Fields([&](std::string_view name, const auto& field) {
    if (!first) out->push_back(' ');
    first = false;
    out->append(name);
    out->push_back('=');
    Print(out, field);
  });
  out->push_back('}');
}
template <typename T>
void PrintCompound(std::string* out, const std::vector<T>& values) {
  out->push_back('[');
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out->push_back(' ');
    Print(out, values[i]);
  }
  out->push_back(']');
}
template <typename T>
void PrintCompound(std::string* out, const std::optional<T>& value) {
  if (value.has_value()) {
    Print(out, *value);
  } else {
    out->push_back('-');
  }
}
template <typename A, typename B>
void PrintCompound(std::string* out, const std::pair<A, B>& value) {
  Print(out, value.first);
  out->push_back(':');
  Print(out, value.second);
}
template <typename... Ts>
void PrintCompound(std::string* out, const std::variant<Ts...>& value) {
  std::visit([out](const auto& alternative) { Print(out, alternative); },
             value);
}

template <typename T>
void Print(std::string* out, const T& value) {
  if constexpr (std::is_same_v<T, Bytes>) {
    PrintText(out, value.view());
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    PrintText(out, value);
  } else if constexpr (std::is_same_v<T, Time>) {
    *out += std::to_string(value.micros());
  } else if constexpr (IsStrongNumber<T>::value) {
    *out += std::to_string(value.value());
  } else if constexpr (std::is_same_v<T, bool>) {
    *out += value ? "yes" : "no";
  } else if constexpr (std::is_integral_v<T>) {
    *out += std::to_string(value);
  } else if constexpr (requires { std::string(ToString(value)); } &&
                       !HasFields<T>) {
    *out += ToString(value);
  } else if constexpr (std::is_enum_v<T>) {
    *out += std::to_string(static_cast<int64_t>(value));
  } else {
    PrintCompound(out, value);
  }
}

}  // namespace digest_internal

// One line, for goldens, narratives and failure messages.
template <typename T>
std::string Describe(const T& value) {
  std::string out;
  digest_internal::Print(&out, value);
  return out;
}

}  // namespace raft

#endif  // RAFT_DIGEST_H_
