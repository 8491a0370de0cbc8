// Plain values as words of text and back: every field of a value that names
// its fields (raft/digest.h) is written `name=text`, and read from that.
//
//   victim=n2 power=yes down_us=300000 profile.drop=5000 key="hot-1"
//
// Nested values are dotted; a field that has its default is left out. Numbers
// are decimal, flags yes or no, an enum goes by its ToString, text is quoted.
// A variant of named values says which one (`change=AddValue change.amount=3`),
// an optional value with fields of its own says that it is `given`; `-` is
// nothing. Lists hold words only, with commas between.
#ifndef SIM_FIELD_TEXT_H_
#define SIM_FIELD_TEXT_H_

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/check.h"
#include "raft/digest.h"

namespace sim {

// One `name=text`, or a bare word (then `name` is empty).
struct Word {
  std::string name;
  std::string text;
  bool operator==(const Word&) const = default;
};

// `text` in quotes; quotes, backslashes and what is not printable as \xNN.
std::string Quoted(std::string_view text);
// The inverse; false if `quoted` is not such a text.
bool Unquote(std::string_view quoted, std::string* text);
// Splits a line at its spaces, outside quotes; `#` begins a comment.
absl::StatusOr<std::vector<Word>> SplitWords(std::string_view line);
// `a b="c d"`, as SplitWords reads it.
std::string JoinWords(const std::vector<Word>& words);

// How a type reads that is one word in spite of its fields, or that has no
// other name for its values: specialise with Write, Read (false: no such word)
// and Wants (what a word may be). `kShown`: also if it has its default.
template <typename T>
struct WordForm;
template <typename T>
concept HasWordForm = requires(const T& value) {
  WordForm<T>::Write(value);
};

// The WordForm of an enum, from an array of all its values: derive from it.
template <typename E, const auto& kValues>
struct EnumForm {
  static constexpr bool kShown = false;
  static std::string Write(E value) {
    for (const E known : kValues) {
      if (known == value) return std::string(ToString(known));
    }
    CHECK(false);  // an enumerator that the array lacks
  }
  static bool Read(std::string_view text, E* value) {
    for (const E known : kValues) {
      if (text != ToString(known)) continue;
      *value = known;
      return true;
    }
    return false;
  }
  static std::string Wants() {
    std::string names;
    for (const E known : kValues) {
      names += (names.empty() ? "" : " or ") + std::string(ToString(known));
    }
    return names;
  }
};

namespace field_text_internal {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

// A type whose values are one word each; of variants those that hold nothing
// else (registry::Value).
template <typename T>
struct IsWord : std::bool_constant<HasWordForm<T> || std::is_integral_v<T> ||
                                   raft::IsStrongNumber<T>::value ||
                                   std::is_same_v<T, std::string>> {};
template <typename... Ts>
struct IsWord<std::variant<Ts...>>
    : std::bool_constant<(IsWord<Ts>::value && ...)> {};

inline constexpr std::string_view kNothing = "-";
inline constexpr std::string_view kGiven = "given";

template <typename T>
std::string WriteWord(const T& value) {
  if constexpr (HasWordForm<T>) {
    return WordForm<T>::Write(value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return Quoted(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "yes" : "no";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else if constexpr (raft::IsStrongNumber<T>::value) {
    return std::to_string(value.value());
  } else {
    return std::visit([](const auto& one) { return WriteWord(one); }, value);
  }
}

template <typename T>
bool ReadWord(std::string_view text, T* value);

// The first alternative that the word fits.
template <typename T, size_t... kIndex>
bool ReadAlternative(std::string_view text, T* value,
                     std::index_sequence<kIndex...>) {
  const auto read = [&](auto one) {
    if (!ReadWord(text, &one)) return false;
    *value = std::move(one);
    return true;
  };
  return (read(std::variant_alternative_t<kIndex, T>()) || ...);
}

template <typename T>
bool ReadWord(std::string_view text, T* value) {
  if constexpr (HasWordForm<T>) {
    return WordForm<T>::Read(text, value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return Unquote(text, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    *value = text == "yes";
    return *value || text == "no";
  } else if constexpr (std::is_integral_v<T>) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, *value);
    return error == std::errc() && stop == end;
  } else if constexpr (raft::IsStrongNumber<T>::value) {
    typename T::rep number = 0;
    if (!ReadWord(text, &number)) return false;
    *value = T(number);
    return true;
  } else {
    return ReadAlternative(text, value,
                           std::make_index_sequence<std::variant_size_v<T>>());
  }
}

template <typename T>
std::string Wants() {
  if constexpr (HasWordForm<T>) {
    return WordForm<T>::Wants();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "text in quotes";
  } else if constexpr (std::is_same_v<T, bool>) {
    return "yes or no";
  } else if constexpr (std::is_unsigned_v<T>) {
    return "a whole number of at most " + std::to_string(8 * sizeof(T)) +
           " bits, from 0";
  } else if constexpr (std::is_integral_v<T>) {
    return "a whole number of at most " + std::to_string(8 * sizeof(T)) +
           " bits";
  } else if constexpr (raft::IsStrongNumber<T>::value) {
    return Wants<typename T::rep>();
  } else {
    return "text in quotes or a whole number";
  }
}

// Collects the words of a value. Of the usual one, to compare with, it leaves
// out what is shown even if it is usual.
class Collector {
 public:
  explicit Collector(bool usual) : usual_(usual) {}
  std::vector<Word> Take() { return std::move(words_); }

  // The fields of a value that has some, each under `prefix`.
  template <typename T>
  void Fields(const T& value, const std::string& prefix) {
    value.Fields([&](std::string_view name, const auto& field) {
      this->One(field, prefix + std::string(name));
    });
  }

 private:
  template <typename T>
  void One(const T& value, const std::string& name) {
    if constexpr (IsWord<T>::value) {
      if constexpr (HasWordForm<T>) {
        if (usual_ && WordForm<T>::kShown) return;
      }
      words_.push_back({name, WriteWord(value)});
    } else if constexpr (IsOptional<T>::value) {
      if (!value.has_value()) {
        words_.push_back({name, std::string(kNothing)});
      } else if constexpr (IsWord<typename T::value_type>::value) {
        words_.push_back({name, WriteWord(*value)});
      } else {
        words_.push_back({name, std::string(kGiven)});
        Fields(*value, name + ".");
      }
    } else if constexpr (IsVector<T>::value) {
      std::string text;
      for (const auto& one : value) {
        text += (text.empty() ? "" : ",") + WriteWord(one);
      }
      words_.push_back({name, text.empty() ? std::string(kNothing) : text});
    } else if constexpr (raft::HasFields<T>) {
      Fields(value, name + ".");
    } else {
      std::visit(
          [&](const auto& one) {
            words_.push_back({name, std::string(one.kName)});
            this->Fields(one, name + ".");
          },
          value);
    }
  }

  const bool usual_;
  std::vector<Word> words_;
};

}  // namespace field_text_internal

// The fields of `value` that differ from those of T(), and what is always
// shown.
template <typename T>
std::vector<Word> WordsOf(const T& value) {
  field_text_internal::Collector here(false), there(true);
  here.Fields(value, "");
  there.Fields(T(), "");
  std::vector<Word> words = here.Take();
  const std::vector<Word> usual = there.Take();
  std::erase_if(words, [&usual](const Word& word) {
    for (const Word& one : usual) {
      if (one == word) return true;
    }
    return false;
  });
  return words;
}

// Sets fields from words. A line's words may set several values in turn; in
// the end each must have been used.
class FieldReader {
 public:
  explicit FieldReader(std::vector<Word> words);

  // Sets the fields that have a word. `value` is written through the constant
  // visitor of its fields: the object itself is not constant.
  template <typename T>
  void Read(T* value) {
    ReadFields(value, "");
  }
  // InvalidArgument, naming the field: a word that does not fit, that is there
  // twice, or that no field has asked for.
  absl::Status Finish() const;

 private:
  struct Given {
    Word word;
    bool used = false;
  };

  // The word of a field, if there is one.
  const std::string* Take(const std::string& name);
  void Fail(const std::string& name, const std::string& text,
            const std::string& wants);

  template <typename T>
  void ReadFields(T* value, const std::string& prefix) {
    value->Fields([&](std::string_view name, const auto& field) {
      using Field = std::remove_cvref_t<decltype(field)>;
      this->ReadOne(const_cast<Field*>(&field), prefix + std::string(name));
    });
  }

  template <typename T>
  void ReadOne(T* value, const std::string& name) {
    using namespace field_text_internal;
    if constexpr (IsWord<T>::value) {
      const std::string* text = Take(name);
      if (text != nullptr && !ReadWord(*text, value)) {
        Fail(name, *text, Wants<T>());
      }
    } else if constexpr (IsOptional<T>::value) {
      ReadOptional(value, name);
    } else if constexpr (IsVector<T>::value) {
      ReadVector(value, name);
    } else if constexpr (raft::HasFields<T>) {
      ReadFields(value, name + ".");
    } else {
      ReadVariant(value, name,
                  std::make_index_sequence<std::variant_size_v<T>>());
    }
  }

  template <typename T>
  void ReadOptional(std::optional<T>* value, const std::string& name) {
    using namespace field_text_internal;
    const std::string* text = Take(name);
    if (text == nullptr || *text == kNothing) {
      if (text != nullptr) value->reset();
      return;
    }
    value->emplace();
    if constexpr (IsWord<T>::value) {
      if (!ReadWord(*text, &**value)) Fail(name, *text, Wants<T>());
    } else {
      if (*text != kGiven) Fail(name, *text, std::string(kGiven));
      ReadFields(&**value, name + ".");
    }
  }

  template <typename T>
  void ReadVector(std::vector<T>* values, const std::string& name) {
    using namespace field_text_internal;
    const std::string* text = Take(name);
    if (text == nullptr) return;
    values->clear();
    if (*text == kNothing) return;
    for (size_t begin = 0; begin <= text->size();) {
      const size_t end = std::min(text->find(',', begin), text->size());
      values->emplace_back();
      if (!ReadWord(std::string_view(*text).substr(begin, end - begin),
                    &values->back())) {
        return Fail(name, *text, Wants<T>() + ", with commas between");
      }
      begin = end + 1;
    }
  }

  template <typename T, size_t... kIndex>
  void ReadVariant(T* value, const std::string& name,
                   std::index_sequence<kIndex...>) {
    if (const std::string* text = Take(name); text != nullptr) {
      const bool known =
          ((*text == std::variant_alternative_t<kIndex, T>::kName &&
            (value->template emplace<kIndex>(), true)) ||
           ...);
      std::string names;
      ((names += (names.empty() ? "" : " or ") +
                 std::string(std::variant_alternative_t<kIndex, T>::kName)),
       ...);
      if (!known) return Fail(name, *text, names);
    }
    std::visit([&](auto& one) { this->ReadFields(&one, name + "."); }, *value);
  }

  std::vector<Given> given_;
  std::vector<std::string> asked_;  // every field that could have had a word
  absl::Status first_error_;
};

}  // namespace sim

#endif  // SIM_FIELD_TEXT_H_
