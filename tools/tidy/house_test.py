"""Our own sources keep the rules of house_rules.py."""

import os
import sys

import house_rules


def main():
    texts = {}
    for path in sys.argv[1:]:
        if path.endswith((".h", ".cc")):
            with open(path, encoding="utf-8") as file:
                texts[os.path.normpath(path)] = file.read()
    packages = {path.split("/")[0] for path in texts}
    if not packages >= house_rules.ARROW.keys():
        sys.exit(f"sources of some packages were not given: only {packages}")
    functions = sum(
        1
        for text in texts.values()
        for _ in house_rules.functions(house_rules.blank_literals(text))
    )
    if functions < 5 * len(texts):
        sys.exit(f"only {functions} functions in {len(texts)} files seen")

    violations = house_rules.violations_of(texts)
    for violation in violations:
        print(violation)
    print(
        f"{len(texts)} files, {functions} functions: "
        f"{len(violations)} violations"
    )
    if violations:
        sys.exit("house rules are broken (see above)")


if __name__ == "__main__":
    main()
