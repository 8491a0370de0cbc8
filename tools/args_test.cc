#include "tools/args.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/digest.h"
#include "tools/histogram.h"
#include "tools/json.h"

namespace tools {
namespace {

using Words = std::vector<std::string>;

// A flag of each kind, and what they are set to.
struct Sample {
  std::string text = "there";
  int64_t number = 7;
  std::optional<raft::Duration> time;
  std::vector<std::string> list;
  std::string choice = "table";
  bool on = false;
  Flags flags;

  Sample() {
    flags.Text("text", &text, "TEXT", "some text");
    flags.Number("number", &number, 1, 100, "N", "a number");
    flags.Time("timeout", &time, "TIME", "a time");
    flags.List("endpoints", &list, "A,B", "a list");
    flags.Choice("output", &choice, {"table", "json"}, "a choice");
    flags.Switch("hold", &on, "a switch");
  }
  std::string ErrorOf(const Words& args) {
    const auto words = flags.Parse(args);
    return words.ok() ? "" : std::string(words.status().message());
  }
};

TEST(FlagsTest, ReadsBothForms) {
  Sample sample;
  const auto words =
      sample.flags.Parse({"one", "--text=a=b", "--number", "-0", "two"});
  ASSERT_FALSE(words.ok());  // 0 is below 1, and -0 is 0
  Sample again;
  const auto fine = again.flags.Parse(
      {"one", "--text=a=b", "--number", "12", "--hold", "two",
       "--timeout=250ms", "--endpoints", "a:1,b:2", "--", "--text=c"});
  ASSERT_TRUE(fine.ok()) << fine.status();
  EXPECT_EQ(*fine, (Words{"one", "two", "--text=c"}));
  EXPECT_EQ(again.text, "a=b");
  EXPECT_EQ(again.number, 12);
  EXPECT_EQ(again.time, raft::Millis(250));
  EXPECT_EQ(again.list, (Words{"a:1", "b:2"}));
  EXPECT_TRUE(again.on);
}

TEST(FlagsTest, StopsAtTheFirstWord) {
  Sample sample;
  const auto words =
      sample.flags.Parse({"--hold", "lookup", "--text=x", "--what"}, true);
  ASSERT_TRUE(words.ok());
  EXPECT_EQ(*words, (Words{"lookup", "--text=x", "--what"}));
  EXPECT_EQ(sample.text, "there");
}

TEST(FlagsTest, RefusesWithAHint) {
  Sample sample;
  EXPECT_EQ(sample.ErrorOf({"--endpionts=a"}),
            "unknown flag --endpionts (did you mean --endpoints?)");
  EXPECT_EQ(sample.ErrorOf({"--xyzzy"}), "unknown flag --xyzzy");
  EXPECT_EQ(sample.ErrorOf({"--output=jsn"}),
            "--output: \"jsn\" is none of table|json (did you mean json?)");
  EXPECT_EQ(sample.ErrorOf({"--text"}), "--text needs a value: --text=TEXT");
  EXPECT_EQ(sample.ErrorOf({"--hold", "--hold"}), "--hold is given twice");
  EXPECT_EQ(sample.ErrorOf({"--hold=maybe"}),
            "--hold: \"maybe\" is neither true nor false");
  EXPECT_EQ(sample.ErrorOf({"--number=101"}),
            "--number: 101 is not within 1 to 100");
  EXPECT_EQ(sample.ErrorOf({"--timeout=5"}),
            "--timeout: \"5\" is not a time: write 500us, 250ms, 10s, 5m or "
            "1h");
  EXPECT_EQ(sample.ErrorOf({"--endpoints=a,,b"}),
            "--endpoints: an empty part in a list");
}

TEST(FlagsTest, HelpNamesEveryFlagAndItsDefault) {
  const Sample sample;
  const std::string help = sample.flags.Help();
  EXPECT_NE(help.find("--number=N"), std::string::npos);
  EXPECT_NE(help.find("a number (7)"), std::string::npos);
  EXPECT_NE(help.find("--output=table|json"), std::string::npos);
  for (const std::string& name : sample.flags.Names()) {
    EXPECT_NE(help.find("--" + name), std::string::npos);
  }
}

TEST(ClosestTest, KnowsCommonSlips) {
  const Words names = {"register", "registries", "unregister", "keys"};
  EXPECT_EQ(Closest("regsiter", names), "register");
  EXPECT_EQ(Closest("unregistr", names), "unregister");
  EXPECT_EQ(Closest("key", names), "keys");
  EXPECT_EQ(Closest("lookup", names), std::nullopt);
  EXPECT_EQ(Closest("", names), std::nullopt);
  EXPECT_EQ(Closest(std::string(100'000, 'x'), names), std::nullopt);
}

TEST(ParseTest, Numbers) {
  EXPECT_EQ(*ParseInteger("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(*ParseInteger("+9223372036854775807"), INT64_MAX);
  for (const char* bad : {"", "+", "-", "+-1", "1x", " 1", "1 ", "0x1",
                          "9223372036854775808", "1.0"}) {
    EXPECT_FALSE(ParseInteger(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseDuration("1h")->value(), 3'600'000'000);
  EXPECT_EQ(ParseDuration("0s")->value(), 0);
  EXPECT_EQ(ParseDuration("7us")->value(), 7);
  for (const char* bad : {"", "s", "1", "-1s", "1.5s", "1 s", "1S",
                          "9223372036854775807h", "99999999999999999999s"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

// ------------------------------------------------------------------- json

TEST(JsonTest, WritesInOrderAndEscapes) {
  JsonWriter json;
  json.BeginObject();
  json.Key("z").Number(-3);
  json.Key("a").BeginArray().Text("q\"\\\n\x01\x7f").Null().Bool(true);
  json.EndArray();
  json.Key("empty").BeginObject().EndObject();
  json.Key("u").Text("h\xc3\xa9");
  json.Key("bytes").Text("\xff\xfe");
  json.Key("big").Value(registry::Value(int64_t{INT64_MAX}));
  json.EndObject();
  EXPECT_EQ(json.Take(),
            "{\"z\":-3,\"a\":[\"q\\\"\\\\\\n\\u0001\\u007f\",null,true],"
            "\"empty\":{},\"u\":\"h\xc3\xa9\",\"bytes\":{\"base64\":\"//4=\"},"
            "\"big\":{\"integer\":\"9223372036854775807\"}}");
}

TEST(JsonTest, KnowsUtf8) {
  for (const char* good : {"", "abc", "\xc2\x80", "\xe0\xa0\x80",
                           "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc1\x81", "\xc2", "\xe0\x9f\xbf",
                          "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80"
                          "\x80",
                          "a\xe2\x82"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
}

// Whatever is written is read again.
TEST(JsonTest, ImportLinesComeBack) {
  const std::vector<ImportLine> lines = {
      {"services", "ssh/tcp", int64_t{22}},
      {"services", "\"quoted\"\n\xff", std::string("\x00\x01", 2)},
      {"r\xc3\xa9", "k", int64_t{INT64_MIN}},
      {"r", "k", int64_t{1} << 53},
      {"r", "k", std::string()}};
  for (const ImportLine& line : lines) {
    JsonWriter json;
    json.BeginObject();
    json.Key("registry").Text(line.registry);
    json.Key("key").Text(line.key);
    json.Key("value").Value(line.value);
    json.EndObject();
    const std::string text = json.Take();
    const auto parsed = ParseImportLine(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, line) << text;
  }
}

TEST(JsonTest, RefusesWhatIsNoImportLine) {
  for (const char* bad :
       {"", "[]", "3", "{", "null", "{}", R"({"registry":"r","key":"k"})",
        R"({"registry":"r","key":"k","value":1.5})",
        R"({"registry":"r","key":"k","value":true})",
        R"({"registry":"r","key":"k","value":null})",
        R"({"registry":"r","key":"k","value":[1]})",
        R"({"registry":"r","key":5,"value":1})",
        R"({"registry":"r","key":"k","value":9007199254740994})",
        R"({"registry":"r","key":"k","value":{"integer":"x"}})",
        R"({"registry":"r","key":"k","value":{"base64":"!"}})",
        R"({"registry":"r","key":"k","value":1,"more":2})"}) {
    EXPECT_FALSE(ParseImportLine(bad).ok()) << bad;
  }
}

// -------------------------------------------------------------- histogram

TEST(HistogramTest, PercentilesAreWithinOneInSixtyFour) {
  Histogram histogram;
  EXPECT_EQ(histogram.Percentile(500'000), 0u);
  std::vector<uint64_t> values;
  for (uint64_t i = 0; i < 10'000; ++i) {
    values.push_back(raft::Mix(i) >> (raft::Mix(i, 1) % 64));
  }
  for (const uint64_t value : values) histogram.Add(value);
  std::sort(values.begin(), values.end());
  for (const uint64_t per_million : {1, 500'000, 990'000, 999'000, 1'000'000}) {
    const uint64_t rank = (values.size() * per_million + 999'999) / 1'000'000;
    const uint64_t exact = values[rank - 1];
    const uint64_t shown = histogram.Percentile(per_million);
    EXPECT_GE(shown, exact);
    EXPECT_LE(shown - exact, exact / 64);
  }
  EXPECT_EQ(histogram.Percentile(1'000'000), values.back());
}

}  // namespace
}  // namespace tools
