#include "tools/json.h"

#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "raft/check.h"
#include "tools/args.h"

namespace tools {
namespace {

// The largest integer up to which a double holds every one.
constexpr int64_t kExactMax = int64_t{1} << 53;

using JsonValue = google::protobuf::Value;

absl::Status Invalid(std::string text) {
  return absl::InvalidArgumentError(std::move(text));
}

// Bytes of a string, or of {"base64": "..."}.
absl::StatusOr<std::string> ReadText(const JsonValue& json,
                                     const std::string& field) {
  if (json.kind_case() == JsonValue::kStringValue) return json.string_value();
  if (json.kind_case() == JsonValue::kStructValue &&
      json.struct_value().fields_size() == 1) {
    const auto& fields = json.struct_value().fields();
    const auto it = fields.find("base64");
    std::string bytes;
    if (it != fields.end() &&
        it->second.kind_case() == JsonValue::kStringValue &&
        absl::Base64Unescape(it->second.string_value(), &bytes)) {
      return bytes;
    }
  }
  return Invalid("\"" + field + "\" is not a text");
}

absl::StatusOr<registry::Value> ReadValue(const JsonValue& json) {
  if (json.kind_case() == JsonValue::kNumberValue) {
    const double number = json.number_value();
    if (number != std::floor(number)) {
      return Invalid("\"value\" is not a whole number");
    }
    if (std::abs(number) > static_cast<double>(kExactMax)) {
      return Invalid(
          "\"value\" is too large for a JSON number: write {\"integer\": "
          "\"...\"}");
    }
    return registry::Value(static_cast<int64_t>(number));
  }
  if (json.kind_case() == JsonValue::kStructValue) {
    const auto& fields = json.struct_value().fields();
    const auto it = fields.find("integer");
    if (fields.size() == 1 && it != fields.end()) {
      const absl::StatusOr<int64_t> integer =
          ParseInteger(it->second.string_value());
      if (!integer.ok()) return integer.status();
      return registry::Value(*integer);
    }
  }
  const absl::StatusOr<std::string> text = ReadText(json, "value");
  if (!text.ok()) {
    return Invalid("\"value\" is neither a text nor a whole number");
  }
  return registry::Value(*text);
}

}  // namespace

// ---------------------------------------------------------------- writing

void JsonWriter::Separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (first_.empty()) return;
  if (!first_.back()) out_ += ",";
  first_.back() = false;
}

JsonWriter& JsonWriter::BeginObject() {
  Separate();
  out_ += "{";
  first_.push_back(true);
  return *this;
}

JsonWriter& JsonWriter::EndObject() {
  CHECK(!first_.empty() && !after_key_);
  first_.pop_back();
  out_ += "}";
  return *this;
}

JsonWriter& JsonWriter::BeginArray() {
  Separate();
  out_ += "[";
  first_.push_back(true);
  return *this;
}

JsonWriter& JsonWriter::EndArray() {
  CHECK(!first_.empty() && !after_key_);
  first_.pop_back();
  out_ += "]";
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  CHECK(!after_key_);
  Separate();
  Quoted(key);
  out_ += ":";
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::Text(std::string_view text) {
  if (IsValidUtf8(text)) {
    Separate();
    Quoted(text);
    return *this;
  }
  std::string encoded;
  absl::Base64Escape(absl::string_view(text.data(), text.size()), &encoded);
  BeginObject();
  Key("base64").Text(encoded);
  return EndObject();
}

JsonWriter& JsonWriter::Number(int64_t number) {
  Separate();
  absl::StrAppend(&out_, number);
  return *this;
}

JsonWriter& JsonWriter::Unsigned(uint64_t number) {
  Separate();
  absl::StrAppend(&out_, number);
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) {
  Separate();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::Null() {
  Separate();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::Value(const registry::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return Text(*text);
  const int64_t number = std::get<int64_t>(value);
  if (number >= -kExactMax && number <= kExactMax) return Number(number);
  BeginObject();
  Key("integer").Text(std::to_string(number));
  return EndObject();
}

std::string JsonWriter::Take() {
  CHECK(first_.empty() && !after_key_);
  return std::exchange(out_, {});
}

void JsonWriter::Quoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out_ += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (c == '\n') {
      out_ += "\\n";
    } else if (c == '\t') {
      out_ += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out_ += "\\u00";
      out_ += kHex[byte >> 4];
      out_ += kHex[byte & 15];
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

// As RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsValidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto byte = [&](size_t at) {
      return static_cast<unsigned char>(text[at]);
    };
    const unsigned char lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const size_t more = lead >= 0xc2 && lead <= 0xdf   ? 1
                        : lead >= 0xe0 && lead <= 0xef ? 2
                        : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                       : 0;
    if (more == 0 || text.size() - i <= more) return false;
    const unsigned char second = byte(i + 1);
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > high) return false;
    for (size_t k = 2; k <= more; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

// ---------------------------------------------------------------- reading

absl::StatusOr<ImportLine> ParseImportLine(std::string_view line) {
  google::protobuf::Struct object;
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(std::string(line), &object);
  if (!parsed.ok()) return Invalid("not a JSON object");
  const std::vector<std::string> known = {"registry", "key", "value"};
  for (const std::string& field : known) {
    if (!object.fields().contains(field)) {
      return Invalid("lacks \"" + field + "\"");
    }
  }
  if (object.fields_size() != 3) {
    return Invalid(
        "has a field other than \"registry\", \"key\" and \"value\"");
  }
  absl::StatusOr<std::string> registry =
      ReadText(object.fields().at("registry"), "registry");
  if (!registry.ok()) return registry.status();
  absl::StatusOr<std::string> key = ReadText(object.fields().at("key"), "key");
  if (!key.ok()) return key.status();
  absl::StatusOr<registry::Value> value =
      ReadValue(object.fields().at("value"));
  if (!value.ok()) return value.status();
  return ImportLine{*std::move(registry), *std::move(key), *std::move(value)};
}

}  // namespace tools
