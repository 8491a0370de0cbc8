// A scanner for flat JSON lines of a known form. Not a JSON library: it builds
// no tree, so that a million lines cost about a second. It accepts exactly
// JSON, except that numbers are integers and bytes outside of ASCII in a string
// are taken as they are.
#ifndef REGISTRY_CHECKER_JSON_SCANNER_H_
#define REGISTRY_CHECKER_JSON_SCANNER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace registry::checker {

// Every Parse method skips white space, returns whether it succeeded, and on
// failure sets error(); after that nothing more may be asked but error().
class JsonScanner {
 public:
  explicit JsonScanner(std::string_view text) : text_(text) {}

  bool ParseString(std::string* out);
  bool ParseInt(int64_t* out);
  bool ParseUint(uint64_t* out);
  bool ParseBool(bool* out);
  // True if null comes next, which it then skips. Never fails.
  bool SkipNull();
  // Whether a string comes next. Never fails.
  bool AtString() { return Peek() == '"'; }

  // Calls member(name), which must parse the value, for each member.
  template <typename F>
  bool ParseObject(F&& member) {
    if (!Expect('{')) return false;
    if (Accept('}')) return true;
    std::string name;
    do {
      name.clear();
      if (!ParseString(&name) || !Expect(':') || !member(name)) return false;
    } while (Accept(','));
    return Expect('}');
  }
  // Calls element(), which must parse it, for each element.
  template <typename F>
  bool ParseArray(F&& element) {
    if (!Expect('[')) return false;
    if (Accept(']')) return true;
    do {
      if (!element()) return false;
    } while (Accept(','));
    return Expect(']');
  }
  // Nothing but white space is left.
  bool ParseEnd();

  // Sets error() to `what` and the place; returns false.
  bool Fail(std::string what);
  const std::string& error() const { return error_; }

 private:
  char Peek();
  bool Accept(char c);
  bool Expect(char c);
  bool ParseEscape(std::string* out);
  bool ParseHex4(uint32_t* out);
  bool ParseDigits(uint64_t* out);

  std::string_view text_;
  size_t at_ = 0;
  std::string error_;
};

}  // namespace registry::checker

#endif  // REGISTRY_CHECKER_JSON_SCANNER_H_
