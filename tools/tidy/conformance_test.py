"""The table of conformance is true, and what is wrong with one is seen."""

import os
import sys
import unittest

import conformance_rules

TABLE = """
| 0.1 | a rule | `a.txt`; *every run* |
| 0.2 | a rule | `Suite.Test` |
| 1.1 | a rule | **open**: needs something |
| 1.2 | a rule | does not apply: not offered |
"""
TESTS = {"Suite.Test"}
FILES = {"a.txt", "b.scenario"}


def wrong(table=TABLE, tests=TESTS, files=FILES):
    return conformance_rules.violations_of(table, tests, files, sections=[2, 2])


class RulesTest(unittest.TestCase):
    def test_a_true_table(self):
        self.assertEqual(wrong(), [])
        self.assertEqual(conformance_rules.open_rows(TABLE), ["1.1"])

    def test_a_row_is_missing(self):
        self.assertIn("0.2", wrong(TABLE.replace("| 0.2 |", "| 0.3 |"))[0])

    def test_an_empty_row(self):
        table = TABLE.replace("**open**: needs something", "")
        self.assertIn("1.1 names no test", wrong(table)[0])

    def test_a_reason_is_asked_for(self):
        table = TABLE.replace("**open**: needs something", "**open**")
        self.assertIn("1.1 names no test", wrong(table)[0])

    def test_names_that_do_not_exist(self):
        self.assertIn("no test Suite.Test", wrong(tests=set())[0])
        self.assertIn("no file a.txt", wrong(files=set())[0])

    def test_a_golden_scenario_is_left_out(self):
        self.assertIn("c.txt", wrong(files=FILES | {"c.txt"})[0])

    def test_tests_are_found_in_sources(self):
        source = "TEST(A, B) {}\nTEST_P(\n    C, D) {}\nTEST_F(E, F) {\n"
        self.assertEqual(
            conformance_rules.tests_in(source), {"A.B", "C.D", "E.F"}
        )


def check(paths):
    tests, files, table = set(), set(), None
    for path in paths:
        name = os.path.basename(path)
        if name == "README.md":
            with open(path, encoding="utf-8") as file:
                table = file.read()
        elif name.endswith("_test.cc"):
            with open(path, encoding="utf-8") as file:
                tests |= conformance_rules.tests_in(file.read())
        elif name.endswith((".txt", ".scenario")):
            files.add(name)
    if table is None or len(tests) < 100 or len(files) < 20:
        sys.exit("the table, the tests or the scenarios were not given")
    violations = conformance_rules.violations_of(table, tests, files)
    for violation in violations:
        print(violation)
    print(f"open rows: {' '.join(conformance_rules.open_rows(table))}")
    if violations:
        sys.exit("the table of conformance is not true (see above)")


if __name__ == "__main__":
    check(sys.argv[1:])
    unittest.main(argv=sys.argv[:1])
