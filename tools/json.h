// JSON in and out for the tools. Reading is protobuf's; writing keeps the order
// in which fields are written, so that output is stable.
//
// Names, keys and text values are any bytes, JSON strings are not. Bytes that
// are not valid UTF-8 are written as {"base64": "..."}; integers that a double
// cannot hold exactly as {"integer": "9223372036854775807"}. Both are read
// again.
#ifndef TOOLS_JSON_H_
#define TOOLS_JSON_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/command.h"

namespace tools {

// Writes one JSON text. Commas and escapes are its business; that keys stand in
// objects and ends match is the caller's (CHECKed at the end).
//
//   JsonWriter json;
//   json.BeginObject();
//   json.Key("count").Number(3);
//   json.EndObject();
//   puts(json.Take().c_str());
class JsonWriter {
 public:
  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view key);

  JsonWriter& Text(std::string_view text);  // any bytes, see above
  JsonWriter& Number(int64_t number);
  JsonWriter& Unsigned(uint64_t number);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  JsonWriter& Value(const registry::Value& value);

  // What was written. Requires that everything begun has ended.
  std::string Take();

 private:
  void Separate();
  void Quoted(std::string_view text);

  std::string out_;
  std::vector<bool> first_;  // of each open object or array: nothing in it yet
  bool after_key_ = false;
};

bool IsValidUtf8(std::string_view text);

// One line of an import file: an object with exactly the fields registry, key
// and value (text, whole number, or one of the forms above).
struct ImportLine {
  std::string registry;
  std::string key;
  registry::Value value;
  bool operator==(const ImportLine&) const = default;
};
// InvalidArgument says what is wrong with the line.
absl::StatusOr<ImportLine> ParseImportLine(std::string_view line);

}  // namespace tools

#endif  // TOOLS_JSON_H_
