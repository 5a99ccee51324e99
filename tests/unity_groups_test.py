#!/usr/bin/env python3
"""tools/unity_groups.py: which files may not be compiled together."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import unity_groups  # noqa: E402

ALONE = "namespace firesteel {\nnamespace {\n%s\n}  // namespace\nint %s() { return 0; }\n}  // namespace firesteel\n"
CASES = [
    # (what, text of one file, text of another, do they go together, or what has to be renamed)
    ("nothing in common", ALONE % ("int a() { return 1; }", "f"), ALONE % ("int b() { return 1; }", "g"), True),
    ("one function of their own", ALONE % ("int a() { return 1; }", "f"), ALONE % ("std::string a(int n) { return {}; }", "g"), {"a"}),
    ("one constant, the second of a line", ALONE % ("constexpr int kA = 1, kB = 2;", "f"), ALONE % ("constexpr int kB{3};", "g"), {"kB"}),
    ("one class", ALONE % ("struct One { int a = 0; };", "f"), ALONE % ("class One;", "g"), {"One"}),
    ("one alias", ALONE % ("using One = int;", "f"), ALONE % ("template <typename T>\nstruct One {};", "g"), {"One"}),
    ("one macro", "#define ONE \\\n  1\n" + ALONE % ("", "f"), "#define ONE 2\n" + ALONE % ("", "g"), False),
    ("one name, a member's as well", ALONE % ("int n() { return 1; }", "f"), ALONE % ("int n() { return 1; }\nint m(const A& a) { return a.n; }", "g"), False),
    ("one name, in a file with conditions", ALONE % ("int n() { return 1; }", "f"), "#ifdef A\n#endif\n" + ALONE % ("int n() { return 1; }", "g"), False),
    ("a fixture's name is a test's", ALONE % ("class One {};", "f"), ALONE % ("class One {};\nTEST_F(One, Works) {}", "g"), False),
    ("a member is no name of the namespace", ALONE % ("struct A { int n() { return 1; } };", "f"), ALONE % ("int n() { return 1; }", "g"), True),
    ("one that is defined outside its class is none", "namespace firesteel { int A::n() { return 1; } }\n", ALONE % ("int n() { return 1; }", "g"), True),
    ("a local is none either", ALONE % ("int a() { int n = 0; return n; }", "f"), ALONE % ("int n() { return 1; }", "g"), True),
    ("in a text or a comment is nothing", ALONE % ('const char* a = "int n() {"; // int n();', "f"), ALONE % ("int n() { return 1; }", "g"), True),
    ("tests of two suites", ALONE % ("TEST(One, Works) { EXPECT_TRUE(true); }", "f"), ALONE % ("TEST(Other, Works) {}", "g"), True),
    ("one test of one suite", ALONE % ("TEST_F(One, Works) {}", "f"), ALONE % ("TEST_F(One, Works) {}", "g"), False),
    ("own here, the namespace's there", ALONE % ("int g(int) { return 1; }", "f"), ALONE % ("", "g"), {"g"}),
]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for what, one, other, together in CASES:
            paths = [os.path.join(folder, name) for name in ("one.cc", "other.cc")]
            for path, text in zip(paths, (one, other)):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            groups = unity_groups.groups_of(paths, 1 << 20)
            if (len(groups) == 1) != bool(together):
                failed += 1
                print(f"{what}: expected {'one group' if together else 'two groups'}, found {len(groups)}")
            renamed = set().union(*(names for group in groups for _, names in group))
            if renamed != (together if isinstance(together, set) else set()):
                failed += 1
                print(f"{what}: expected {together} to be renamed, found {renamed}")
            if len(unity_groups.groups_of(paths, 10)) != 2:
                failed += 1
                print(f"{what}: the limit on a group's size did not hold")
    return failed


sys.exit(1 if main() else 0)
