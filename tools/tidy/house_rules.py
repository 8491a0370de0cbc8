"""House rules that a reader should not have to check (see CONTRIBUTING.md).

Looks at our own .cc and .h files, handed in as data:
  - a file has at most 600 lines, a function at most 70;
  - includes point one way: raft <- registry <- {sim, net} <- tools;
  - raft/ and registry/ never walk a hash table: its order differs between runs.

The C++ is not parsed but scanned, after comments and literals are blanked out;
clang-format's layout does the rest.
"""

import os
import re

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

# Package -> packages that it may include from.
ARROW = {
    "raft": {"raft"},
    "registry": {"raft", "registry"},
    "sim": {"raft", "registry", "sim"},
    "net": {"raft", "registry", "net"},
    "tools": {"raft", "registry", "sim", "net", "tools"},
}
ORDERED = {"raft", "registry"}
HASH_TABLE = r"\b(?:flat_hash|node_hash|unordered)_(?:multi)?(?:map|set)\b"


def blank_literals(text):
    """The text with comments and literals blanked out, line by line."""
    token = re.compile(
        r"//[^\n]*"
        r"|/\*.*?\*/"
        r'|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|'(?:\\.|[^'\\\n])+'(?!\w)",
        re.DOTALL,
    )

    def blank(match):
        # Digit separators (1'000) look like the start of a character.
        if match.group(0)[0] == "'" and match.start() > 0:
            if text[match.start() - 1].isalnum():
                return match.group(0)
        return re.sub(r"[^\n]", " ", match.group(0))

    return token.sub(blank, text)


def functions(text):
    """(first line, number of lines) of each function body, outermost first.

    A body is a brace that follows a parameter list: ') {', perhaps with
    qualifiers, a trailing return type or an initializer list between. What is
    inside of it belongs to it; namespaces and classes are looked into.
    """
    opener = re.compile(
        r"\)\s*(?:const|noexcept|override|final|mutable|requires[^;{]*|&&?"
        r"|->\s*[\w:<>,&*\s]+|:\s*[^;]*)*\s*$"
    )
    line = 1
    start = 0  # of what precedes a brace: after the last ; { or }
    depth_in_body = 0
    began = 0
    for at, c in enumerate(text):
        if c == "\n":
            line += 1
        elif c == "{":
            if depth_in_body > 0:
                depth_in_body += 1
            elif opener.search(text[start:at]):
                depth_in_body, began = 1, line
            start = at + 1
        elif c == "}":
            if depth_in_body > 0:
                depth_in_body -= 1
                if depth_in_body == 0:
                    yield began, line - began + 1
            start = at + 1
        elif c == ";":
            start = at + 1


def check_sizes(path, text, code):
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{path}: {lines} lines, more than {FILE_LINES_MAX}"
    for first, length in functions(code):
        if length > FUNCTION_LINES_MAX:
            yield (
                f"{path}:{first}: a function of {length} lines, more than "
                f"{FUNCTION_LINES_MAX}"
            )


def check_arrow(path, text):
    package = path.split("/")[0]
    allowed = ARROW.get(package)
    if allowed is None:
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^/"]+)/', line)
        if match and match.group(1) in ARROW and match.group(1) not in allowed:
            yield (
                f"{path}:{number}: {package}/ includes {match.group(1)}/, "
                "against the arrow"
            )


def hash_tables(code):
    """Names of variables and members declared with a hash table's type."""
    for match in re.finditer(HASH_TABLE + r"\s*<", code):
        depth, at = 1, match.end()
        while at < len(code) and depth > 0:
            depth += {"<": 1, ">": -1}.get(code[at], 0)
            at += 1
        name = re.match(r"\s*[&*]?\s*(\w+)", code[at:])
        if name:
            yield name.group(1)


def check_order(path, code, tables):
    if path.split("/")[0] not in ORDERED or path.startswith("registry/checker/"):
        return
    walked = re.compile(
        r"for\s*\([^;()]*:\s*[\w.>()-]*?\b(\w+)(?:\(\))?\s*\)"
        r"|\b(\w+)(?:\.|->)c?begin\(\)"
        r"|\berase_if\(\s*[&*]?(\w+)"
    )
    for match in walked.finditer(code):
        name = next(group for group in match.groups() if group)
        if name in tables:
            number = code.count("\n", 0, match.start()) + 1
            yield f"{path}:{number}: walks the hash table {name}"


def violations_of(texts):
    """All violations in {path from the root: text of the file}."""
    codes = {path: blank_literals(text) for path, text in texts.items()}
    # A member is declared in a header and walked in a source: look at both, by
    # package, as names are reused between packages.
    tables = {}
    for path, code in codes.items():
        tables.setdefault(os.path.dirname(path), set()).update(hash_tables(code))
    violations = []
    for path in sorted(texts):
        violations += check_sizes(path, texts[path], codes[path])
        violations += check_arrow(path, texts[path])
        violations += check_order(
            path, codes[path], tables[os.path.dirname(path)]
        )
    return violations
