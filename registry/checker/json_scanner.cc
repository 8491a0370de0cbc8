#include "registry/checker/json_scanner.h"

#include <utility>

namespace registry::checker {
namespace {

void AppendUtf8(uint32_t code, std::string* out) {
  const auto put = [out](uint32_t byte) {
    out->push_back(static_cast<char>(byte));
  };
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

}  // namespace

bool JsonScanner::Fail(std::string what) {
  error_ = std::move(what) + " at byte " + std::to_string(at_ + 1);
  return false;
}

char JsonScanner::Peek() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' ||
                                text_[at_] == '\r' || text_[at_] == '\n')) {
    ++at_;
  }
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonScanner::Accept(char c) {
  if (Peek() != c || at_ == text_.size()) return false;
  ++at_;
  return true;
}

bool JsonScanner::Expect(char c) {
  return Accept(c) || Fail(std::string("expected '") + c + "'");
}

bool JsonScanner::ParseEnd() {
  Peek();
  return at_ == text_.size() || Fail("unexpected text after the object");
}

bool JsonScanner::ParseString(std::string* out) {
  if (!Expect('"')) return false;
  while (true) {
    // Runs without escapes are taken whole: that is nearly all of any history.
    size_t end = at_;
    while (end < text_.size() && text_[end] != '"' && text_[end] != '\\' &&
           static_cast<unsigned char>(text_[end]) >= 0x20) {
      ++end;
    }
    out->append(text_.substr(at_, end - at_));
    at_ = end;
    if (at_ == text_.size()) return Fail("a string that does not end");
    if (text_[at_] == '"') {
      ++at_;
      return true;
    }
    if (text_[at_] != '\\') return Fail("a control character in a string");
    ++at_;
    if (!ParseEscape(out)) return false;
  }
}

bool JsonScanner::ParseEscape(std::string* out) {
  if (at_ == text_.size()) return Fail("a string that does not end");
  const char c = text_[at_++];
  constexpr std::string_view kShort = "\"\\/bfnrt";
  constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
  if (const size_t found = kShort.find(c); found != std::string_view::npos) {
    out->push_back(kMeaning[found]);
    return true;
  }
  if (c != 'u') return Fail("an unknown escape");
  uint32_t code = 0;
  if (!ParseHex4(&code)) return false;
  if (code < 0x100) {  // one byte: how a history carries bytes
    out->push_back(static_cast<char>(code));
    return true;
  }
  if (code >= 0xdc00 && code < 0xe000) return Fail("half a surrogate pair");
  if (code >= 0xd800 && code < 0xdc00) {
    uint32_t low = 0;
    if (text_.substr(at_, 2) != "\\u") return Fail("half a surrogate pair");
    at_ += 2;
    if (!ParseHex4(&low)) return false;
    if (low < 0xdc00 || low >= 0xe000) return Fail("half a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  AppendUtf8(code, out);
  return true;
}

bool JsonScanner::ParseHex4(uint32_t* out) {
  if (text_.size() - at_ < 4) return Fail("four hexadecimal digits expected");
  for (int i = 0; i < 4; ++i) {
    const char c = text_[at_++];
    const uint32_t lower = static_cast<uint32_t>(c) | 0x20;
    if (c >= '0' && c <= '9') {
      *out = *out << 4 | static_cast<uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      *out = *out << 4 | (lower - 'a' + 10);
    } else {
      return Fail("four hexadecimal digits expected");
    }
  }
  return true;
}

bool JsonScanner::ParseDigits(uint64_t* out) {
  const size_t begin = at_;
  uint64_t n = 0;
  while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
    const auto digit = static_cast<uint64_t>(text_[at_] - '0');
    if (n > (UINT64_MAX - digit) / 10) return Fail("a number out of range");
    n = n * 10 + digit;
    ++at_;
  }
  if (at_ == begin) return Fail("an integer expected");
  if (text_[begin] == '0' && at_ > begin + 1) return Fail("a leading zero");
  // "1.5" and "1e3" would otherwise be told as a missing comma.
  if (at_ < text_.size() &&
      (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E')) {
    return Fail("an integer expected");
  }
  *out = n;
  return true;
}

bool JsonScanner::ParseUint(uint64_t* out) {
  if (Peek() == '-') return Fail("a number that is not negative expected");
  return ParseDigits(out);
}

bool JsonScanner::ParseInt(int64_t* out) {
  const bool negative = Accept('-');
  uint64_t n = 0;
  if (!negative) Peek();
  if (!ParseDigits(&n)) return false;
  constexpr uint64_t kMax = INT64_MAX;
  if (n > kMax + (negative ? 1 : 0)) return Fail("a number out of range");
  *out = static_cast<int64_t>(negative ? ~n + 1 : n);
  return true;
}

bool JsonScanner::ParseBool(bool* out) {
  Peek();
  const std::string_view rest = text_.substr(at_);
  if (rest.starts_with("true")) {
    *out = true;
    at_ += 4;
    return true;
  }
  if (rest.starts_with("false")) {
    *out = false;
    at_ += 5;
    return true;
  }
  return Fail("true or false expected");
}

bool JsonScanner::SkipNull() {
  Peek();
  if (!text_.substr(at_).starts_with("null")) return false;
  at_ += 4;
  return true;
}

}  // namespace registry::checker
