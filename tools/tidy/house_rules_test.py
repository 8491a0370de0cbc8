"""The rules are seen to find what they are for, and to leave alone the rest."""

import unittest

import house_rules


def function(lines, head="void F(int a) {"):
    return "\n".join([head] + ["  a();"] * (lines - 2) + ["}"]) + "\n"


def found(text, path="raft/x.cc", **others):
    texts = {path: text}
    texts.update({name.replace("__", "/") + ".h": t for name, t in others.items()})
    return house_rules.violations_of(texts)


class SizesTest(unittest.TestCase):
    def test_long_file(self):
        self.assertEqual(found("\n" * 600), [])
        self.assertIn("601 lines", found("\n" * 601)[0])

    def test_long_function(self):
        heads = [
            "void F(int a) {",
            "Status Class::F(const A<B, C>& a) const {",
            "Class::Class(int a)\n    : a_(a), b_{1}, c_(F()) {",
            "auto F(int a) -> std::vector<int> {",
            "TEST_F(Suite, Name) {",
            "template <typename T>\n  requires std::integral<T>\nT F(T a) noexcept {",
        ]
        for head in heads:
            extra = head.count("\n")
            self.assertEqual(found(function(70, head)), [], head)
            violations = found(function(72 + extra, head))
            self.assertEqual(len(violations), 1, head)
            self.assertIn("a function of", violations[0])

    def test_the_place_is_named(self):
        violations = found("namespace a {\n" + function(80) + "}\n")
        self.assertEqual(len(violations), 1)
        self.assertIn("raft/x.cc:2: a function of 80 lines", violations[0])

    def test_member_functions_count_classes_do_not(self):
        members = "".join(f"  void F{i}() {{ }}\n" for i in range(100))
        self.assertEqual(found("class A {\n" + members + "};\n"), [])
        self.assertEqual(
            len(found("class A {\n" + function(90) + "};\n")), 1
        )

    def test_braces_in_literals_do_not_count(self):
        tricky = (
            "void F() {\n"
            '  s = "}{\\"}";  // }}} "\n'
            "  c = '{'; n = 1'000'000; d = '\\'';\n"
            '  r = R"x(}}"}})x"; /* } */\n'
            "}\n"
        )
        self.assertEqual(found(tricky + function(70)), [])
        self.assertEqual(len(found(tricky + function(71))), 1)


class ArrowTest(unittest.TestCase):
    def test_against_the_arrow(self):
        for path, include in [
            ("raft/x.cc", "registry/y.h"),
            ("raft/storage/x.h", "net/y.h"),
            ("registry/x.cc", "sim/y.h"),
            ("registry/checker/x.cc", "net/y.h"),
            ("sim/x.cc", "net/y.h"),
            ("net/x.cc", "sim/y.h"),
            ("net/x.cc", "tools/y.h"),
        ]:
            violations = found(f'#include "{include}"\n', path)
            self.assertEqual(len(violations), 1, path)
            self.assertIn("against the arrow", violations[0])

    def test_along_the_arrow(self):
        for path, include in [
            ("registry/x.cc", "raft/storage/y.h"),
            ("tools/x.cc", "sim/y.h"),
            ("tools/x.cc", "net/y.h"),
            ("raft/x.cc", "absl/status/status.h"),
        ]:
            self.assertEqual(found(f'#include "{include}"\n', path), [])


class OrderTest(unittest.TestCase):
    member = "  absl::flat_hash_map<int, std::vector<int>> table_;\n"

    def test_walks(self):
        for walk in [
            "for (const auto& [k, v] : table_) {",
            "for (auto x : this->table_) {",
            "for (auto x : node.table_) {",
            "auto it = table_.begin();",
            "auto it = p->table_.cbegin();",
            "absl::erase_if(table_, f);",
        ]:
            violations = found(walk + "\n", raft__x=self.member)
            self.assertEqual(len(violations), 1, walk)
            self.assertIn("walks the hash table table_", violations[0])

    def test_looks_up(self):
        for use in [
            "auto it = table_.find(3); if (it == table_.end()) return;",
            "for (int x : table_[3]) {",
            "for (int i = 0; i < table_.size(); ++i) {",
            "for (int x : other_) {",
            "// for (auto x : table_) {",
        ]:
            self.assertEqual(found(use + "\n", raft__x=self.member), [], use)

    def test_only_in_the_core(self):
        walk = "for (auto x : table_) {\n"
        self.assertEqual(found(self.member + walk, "net/x.cc"), [])
        self.assertEqual(len(found(self.member + walk, "registry/x.cc")), 1)


if __name__ == "__main__":
    unittest.main()
