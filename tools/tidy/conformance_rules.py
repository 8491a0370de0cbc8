"""What holds of testdata/raft/README.md, the table of Raft's rules and tests.

Every row of every section is there, once and in order; each row names a test, a
golden scenario, a scenario or the simulator's checkers, or says that it is open
or does not apply, and why; what is named exists; no golden scenario is left out.
"""

import re

# Rows of each section: 0 to 15. A new rule of Raft is a new row at the end.
SECTIONS = [10, 15, 8, 6, 9, 10, 10, 17, 6, 8, 6, 8, 8, 7, 18, 1]

ROW = re.compile(r"^\| (\d+)\.(\d+) \| (.+?) \| (.*?) \|$", re.MULTILINE)
TEST = re.compile(r"`([A-Z]\w+\.[A-Z]\w+)`")
FILE = re.compile(r"`(\w+\.(?:txt|scenario))`")
DEFINED = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)")
REASON = re.compile(r"(\*\*open\*\*: .|does not apply: .)")


def tests_in(source):
    """Suite.Name of every test that the source defines."""
    return {f"{suite}.{name}" for suite, name in DEFINED.findall(source)}


def open_rows(table):
    return [f"{a}.{b}" for a, b, _, held in ROW.findall(table) if "**open**" in held]


def violations_of(table, tests, files, sections=None):
    """What is wrong with the table, given all names that exist."""
    expected = [
        f"{section}.{row}"
        for section, rows in enumerate(SECTIONS if sections is None else sections)
        for row in range(1, rows + 1)
    ]
    rows = ROW.findall(table)
    found = [f"{section}.{row}" for section, row, _, _ in rows]
    wrong = []
    if found != expected:
        missing = [row for row in expected if row not in found]
        wrong.append(f"rows are not those expected: without {missing}")
    for section, row, _, held in rows:
        names = TEST.findall(held) + FILE.findall(held)
        if not names and "*every run*" not in held and not REASON.search(held):
            wrong.append(f"row {section}.{row} names no test and no reason")
        for name in TEST.findall(held):
            if name not in tests:
                wrong.append(f"row {section}.{row}: there is no test {name}")
        for name in FILE.findall(held):
            if name not in files:
                wrong.append(f"row {section}.{row}: there is no file {name}")
    named = set(FILE.findall("".join(held for _, _, _, held in rows)))
    for name in sorted(files):
        if name.endswith(".txt") and name not in named:
            wrong.append(f"no row names the golden scenario {name}")
    return wrong
