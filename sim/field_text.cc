#include "sim/field_text.h"

#include <algorithm>

namespace sim {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool IsPlain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

int HexDigit(char c) {
  const char* const found = std::find(kHex, kHex + 16, c);
  return found == kHex + 16 ? -1 : static_cast<int>(found - kHex);
}

}  // namespace

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (IsPlain(c)) {
      quoted += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    quoted += "\\x";
    quoted += kHex[byte >> 4];
    quoted += kHex[byte & 15];
  }
  return quoted + "\"";
}

bool Unquote(std::string_view quoted, std::string* text) {
  text->clear();
  if (quoted.size() < 2 || quoted.front() != '"' || quoted.back() != '"') {
    return false;
  }
  quoted = quoted.substr(1, quoted.size() - 2);
  for (size_t i = 0; i < quoted.size(); ++i) {
    if (IsPlain(quoted[i])) {
      *text += quoted[i];
      continue;
    }
    if (quoted[i] != '\\' || quoted.size() - i < 4 || quoted[i + 1] != 'x') {
      return false;
    }
    const int high = HexDigit(quoted[i + 2]);
    const int low = HexDigit(quoted[i + 3]);
    if (high < 0 || low < 0) return false;
    *text += static_cast<char>(high << 4 | low);
    i += 3;
  }
  return true;
}

absl::StatusOr<std::vector<Word>> SplitWords(std::string_view line) {
  std::vector<Word> words;
  size_t i = 0;
  while (i < line.size() && line[i] != '#') {
    if (line[i] == ' ' || line[i] == '\t' || line[i] == '\r') {
      ++i;
      continue;
    }
    Word word;
    bool in_quotes = false, named = false;
    for (; i < line.size(); ++i) {
      const char c = line[i];
      if (!in_quotes && (c == ' ' || c == '\t' || c == '\r' || c == '#')) break;
      if (c == '"') in_quotes = !in_quotes;
      if (c == '=' && !in_quotes && !named) {
        named = true;
        std::swap(word.name, word.text);
        continue;
      }
      word.text += c;
    }
    if (in_quotes) {
      return absl::InvalidArgumentError("a quote is not closed: " + word.text);
    }
    if (named && (word.name.empty() || word.text.empty())) {
      return absl::InvalidArgumentError("a field is name=text, not \"" +
                                        word.name + "=" + word.text + "\"");
    }
    words.push_back(std::move(word));
  }
  return words;
}

std::string JoinWords(const std::vector<Word>& words) {
  std::string line;
  for (const Word& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.name.empty()) line += word.name + "=";
    line += word.text;
  }
  return line;
}

FieldReader::FieldReader(std::vector<Word> words) {
  for (Word& word : words) {
    for (const Given& other : given_) {
      if (!word.name.empty() && other.word.name == word.name) {
        Fail(word.name, word.text, "no second word");
      }
    }
    given_.push_back({.word = std::move(word)});
  }
}

const std::string* FieldReader::Take(const std::string& name) {
  asked_.push_back(name);
  for (Given& given : given_) {
    if (given.word.name != name) continue;
    given.used = true;
    return &given.word.text;
  }
  return nullptr;
}

void FieldReader::Fail(const std::string& name, const std::string& text,
                       const std::string& wants) {
  if (!first_error_.ok()) return;
  first_error_ = absl::InvalidArgumentError("field \"" + name + "\" wants " +
                                            wants + ", not " + text);
}

absl::Status FieldReader::Finish() const {
  if (!first_error_.ok()) return first_error_;
  for (const Given& given : given_) {
    if (given.used) continue;
    const std::string what = given.word.name.empty()
                                 ? "stray word \"" + given.word.text + "\""
                                 : "no field \"" + given.word.name + "\"";
    std::string names;
    for (const std::string& name : asked_) {
      names += (names.empty() ? "" : ", ") + name;
    }
    return absl::InvalidArgumentError(
        what + " here; " +
        (names.empty() ? "there are none" : "there are " + names));
  }
  return absl::OkStatus();
}

}  // namespace sim
