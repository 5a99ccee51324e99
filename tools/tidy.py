#!/usr/bin/env python3
"""Style that a program can check: see CHECKS at the end for the list. `tidy.py NAME...` runs only those."""

import re
import sys

import source_tree as tree

MAX_LINES = 800
CODE_FOLDERS = ["src", "apps", "tests", "fuzz", "bench"]
PROSE = [".md", ".txt", ".cmake", ".py", ".sh", ".json"]
ROOT_FILES = ["README.md", "CMakeLists.txt", "CMakePresets.json", "run", "test", ".ci/run", "cmake", "docs", "tools"]

# Word or name, what to write instead, and paths that are excused (the place that implements or explains it).
BANNED_IN_CODE = [
    (r"\bstd::regex\b", "a hand-written matcher (RE2 for anything a user supplies)", r"$^"),
    (r"\bstd::endl\b", r"'\n'", r"$^"),
    (r"#\s*include\s*<iostream>", "fmt or <cstdio>", r"$^"),
    (r"\bassert\s*\(", "CHECK or DCHECK (base/check.h)", r"_test\.cc$"),
    (r"\bthrow\b(?!\s*\()", "Result (base/result.h): our code does not throw", r"_test\.cc$"),
    (r"\bstd::(recursive_|shared_|timed_)?mutex\b", "Mutex (base/mutex.h), which clang can check", r"^src/base/mutex\.h$"),
    (r"\bstd::condition_variable\b", "CondVar (base/mutex.h)", r"^src/base/mutex\.h$"),
    (r"\bstd::(random_device|mt19937(_64)?|default_random_engine|uniform_(int|real)_distribution)\b",
     "base/rng.h: counter-based, from a seed", r"$^"),
    (r"\b(s?rand|random|drand48)\s*\(\s*\)", "base/rng.h: counter-based, from a seed", r"$^"),
    (r"\b(secure_)?getenv\s*\(", "a parameter: the environment is read in apps/ (FS_ISA aside)",
     r"^(apps/|tests/|fuzz/|src/kernels/dispatch\.cc$)|_test\.cc$|_bench\.cc$|test_|_testing"),
    (r"\bsleep_(for|until)\s*\(|\busleep\s*\(", "a condition variable, or a virtual clock in tests", r"^apps/"),
    (r"\bchrono::(system|steady|high_resolution)_clock\b", "Clock (base/clock.h)", r"^src/base/clock\.cc$|_bench\.cc$|_test\.cc$"),
    (r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atof|atol)\s*\(", "std::string, fmt::format, std::from_chars", r"$^"),
    (r"\bnum_[a-z]", "n_ for counts", r"$^"),
    (r"\bn_past\b", "position", r"$^"),
    (r"\bseq_len\b", "n_tokens", r"$^"),
    (r"\busing namespace std\b", "std::", r"$^"),
    (r"#\s*if(def)?\b.*__(AVX|SSE|ARM_NEON|aarch64__|x86_64__)", "a stub file chosen by CMake, not an #ifdef per ISA",
     r"^src/kernels/dispatch\.cc$|_test\.cc$"),
]
BANNED_ANYWHERE = [
    (r"(?i)\bwhite-?list", "allowlist", r"$^"),
    (r"(?i)\bblack-?list", "blocklist or denylist", r"$^"),
    (r"(?i)\butili[sz]e[sd]?\b", "use", r"$^"),
    (r"(?i)\bleverag(e|es|ing)\b", "use", r"$^"),
    (r"(?i)\bblazing(ly)?\b", "a figure with its command", r"$^"),
    (r"(?i)\bstate[- ]of[- ]the[- ]art\b", "a figure with its command", r"$^"),
    (r"-march=native", "flags per ISA file: the binary is built on another machine than it runs on", r"$^"),
    (r"-ffast-math", "explicit arithmetic: results must not depend on the compiler", r"$^"),
]
MARKERS = [
    (r"\bFIXME\b|\bXXX\b|\bHACK\b", "say what is wrong and when it ends: TODO(condition)"),
    (r"\bTODO\b(?!\([^)\s][^)]*\))", "name the condition that ends it: TODO(condition)"),
]
MACHINE_PATHS = re.compile(r"(?<![\w.$}/])/(work|tmp|root|home|mnt|media|Users)/[\w.-]|(?<![\w.$}/])/work\b")
ISA_FOLDER = re.compile(r"^src/kernels/(avx2|avx512|neon)/")
# C headers only: a C++ header brings inline functions, which the linker may take from a file compiled with AVX flags.
# A column may compile generic's loops with its own flags: those files keep everything in unnamed namespaces, too.
ISA_INCLUDES = re.compile(r'^(kernels/table\.h|kernels/(avx2|avx512|neon)/\w+\.h|kernels/generic/\w+\.cc|immintrin\.h|arm_neon\.h|math\.h|stddef\.h|stdint\.h|string\.h|float\.h|limits\.h)$')
# Headers written ahead of their user, and the folder of src/ that will bring one: excused until that folder is there.
AHEAD_OF_USE = {"src/base/queue.h": "agents"}
THIS_FILE = "tools/tidy.py"


def matches(text, pattern):
    for match in re.finditer(pattern, text):
        yield text.count("\n", 0, match.start()) + 1, match.group(0).strip()


def all_text():
    return [path for path in tree.files(*CODE_FOLDERS, *ROOT_FILES) if is_text(path)]


def is_text(path):
    if str(path).startswith("tests/data/") or "corpus" in path.parts:
        return False
    return path.suffix in tree.CODE_SUFFIXES or path.suffix in PROSE or path.name in ("run", "test")


def banned_words():
    problems = []
    for path in tree.code(*CODE_FOLDERS):
        text = tree.strip(tree.read(path))
        for pattern, instead, excused in BANNED_IN_CODE:
            if not re.search(excused, str(path)):
                problems += [f"{path}:{line}: '{found}': use {instead}" for line, found in matches(text, pattern)]
    for path in all_text():
        if str(path) == THIS_FILE:
            continue
        for pattern, instead, excused in BANNED_ANYWHERE:
            if not re.search(excused, str(path)):
                problems += [f"{path}:{line}: '{found}': use {instead}" for line, found in matches(tree.read(path), pattern)]
    return problems


def markers():
    problems = []
    for path in all_text():
        if str(path) == THIS_FILE:
            continue
        for pattern, advice in MARKERS:
            problems += [f"{path}:{line}: '{found}': {advice}" for line, found in matches(tree.read(path), pattern)]
    return problems


def machine_paths():
    """Paths of one machine are of no use to a reader."""
    problems = []
    for path in all_text():
        if str(path) == THIS_FILE or str(path).startswith("tests/") or path.name.endswith("_test.cc"):
            continue
        problems += [f"{path}:{line}: '{found}': a path of one machine; say $TMPDIR, ~ or a placeholder"
                     for line, found in matches(tree.read(path), MACHINE_PATHS)]
    return problems


def long_files():
    problems = []
    for path in all_text():
        n_lines = tree.read(path).count("\n")
        if n_lines > MAX_LINES and path.suffix in tree.CODE_SUFFIXES | {".py"}:
            problems.append(f"{path}: {n_lines} lines, more than {MAX_LINES}: ask what second thing the file does")
    return problems


def readmes():
    problems = []
    folders = [path for path in (tree.ROOT / "src").iterdir() if path.is_dir()]
    folders += [path for path in (tree.ROOT / "apps").iterdir() if path.is_dir()]
    folders += [tree.ROOT / name for name in ("tests", "tools", "fuzz", "bench", "docs")]
    for folder in sorted(folders):
        relative = folder.relative_to(tree.ROOT)
        if folder.is_dir() and tree.files(relative) and not (folder / "README.md").is_file():
            problems.append(f"{relative}: no README.md (purpose, in and out, invariants, where to start, what is easy to get wrong)")
    return problems


def readme_of(path):
    readme = path.parent / "README.md"
    return tree.read(readme) if (tree.ROOT / readme).is_file() else ""


def unused_headers():
    included = {}
    for path in tree.code(*CODE_FOLDERS):
        for _, name, quoted in tree.includes(path):
            if quoted:
                included.setdefault(name, set()).add(str(path))
    problems = []
    for path in tree.code("src"):
        if path.suffix != ".h":
            continue
        stem = str(path)[:-2]
        # The entry that a folder's README names may wait for its first user: folders are built from the bottom up.
        if f"Start at `{path.name}`" in readme_of(path):
            continue
        # Its own .cc and one test of its own are no users; a helper that several tests share has some.
        users = included.get(str(path.relative_to("src")), set()) - {stem + ".cc"}
        own = {stem + suffix for suffix in ("_test.cc", "_slow_test.cc", "_bench.cc")}
        waits_for = AHEAD_OF_USE.get(str(path))
        if waits_for and not (tree.ROOT / "src" / waits_for).is_dir():
            continue
        if len(users) < 2 and not users - own:
            problems.append(f"{path}: nobody includes it")
    return problems


def pragma_once():
    return [f"{path}: no #pragma once" for path in tree.code(*CODE_FOLDERS)
            if path.suffix == ".h" and "#pragma once" not in tree.read(path)]


def isa_includes():
    problems = []
    for path in tree.code("src/kernels"):
        if not ISA_FOLDER.match(str(path)) or path.name.endswith("_test.cc"):
            continue
        for line, name, quoted in tree.includes(path):
            # Headers of the same folder obey the same rule and are compiled with the same flags only.
            own = quoted and ISA_FOLDER.match("src/" + name) and ("src/" + name).startswith(str(path.parent) + "/")
            if not own and not ISA_INCLUDES.match(name):
                problems.append(f"{path}:{line}: {name}: ISA files include only table.h, intrinsics and C headers")
    return problems


def architecture():
    """Names in backticks that look like functions: `Type::name`, `name()`."""
    path = "docs/architecture.md"
    if not (tree.ROOT / path).is_file():
        return [f"{path}: missing"]
    declarations = [tree.strip(tree.read(source)) for source in tree.code("src", "apps")]
    problems = []
    for number, line in enumerate(tree.read(path).splitlines(), 1):
        for name in re.findall(r"`([A-Za-z_][\w:]*(?:\(\))?)`", line):
            is_call = name.endswith("()")
            parts = name.removesuffix("()").split("::")
            if len(parts) == 1 and not is_call:
                continue
            if not any(has_function(text, parts) for text in declarations):
                problems.append(f"{path}:{number}: `{name}` is nowhere in src/ or apps/")
    return problems


def has_function(text, parts):
    called = re.search(rf"\b{parts[-1]}\s*[(<;={{]", text)
    if not called or len(parts) == 1:
        return bool(called)
    return bool(re.search(rf"\b(class|struct|namespace|enum class)\s+{parts[-2]}\b|\b{parts[-2]}::{parts[-1]}\b", text))


def links():
    """Relative links of Markdown files lead somewhere, and so do paths in backticks that look like ours."""
    problems = []
    for path in tree.files("README.md", "docs", "src", "apps", "tests", "tools", "fuzz", "bench"):
        if path.suffix != ".md":
            continue
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            for target in re.findall(r"\]\(([^)#\s]+)", line):
                if not re.match(r"[a-z]+:", target) and not (tree.ROOT / path.parent / target).exists():
                    problems.append(f"{path}:{number}: link to {target}, which does not exist")
            for target in re.findall(r"`((?:src|apps|tools|tests|docs|cmake|fuzz)/[\w./-]+\.\w+)`", line):
                if not (tree.ROOT / target).exists():
                    problems.append(f"{path}:{number}: {target} does not exist")
    return problems


CHECKS = {
    "banned_words": banned_words, "markers": markers, "machine_paths": machine_paths, "long_files": long_files,
    "readmes": readmes, "unused_headers": unused_headers, "pragma_once": pragma_once, "isa_includes": isa_includes,
    "architecture": architecture, "links": links,
}


def self_test():
    stripped = tree.strip('int a = 1\'000; // throw\nf("throw // x"); /* throw\n */ char c = \'"\'; g(R"(throw)");\nthrow 1;')
    assert [line for line, _ in matches(stripped, r"\bthrow\b")] == [4], stripped
    assert MACHINE_PATHS.search("see /work/x") and MACHINE_PATHS.search("in /tmp/foo") and not MACHINE_PATHS.search("a/tmp/foo")
    assert not MACHINE_PATHS.search("$HOME/work/x") and not MACHINE_PATHS.search("work/shared")
    todo = MARKERS[1][0]
    assert re.search(todo, "TODO: later") and not re.search(todo, "TODO(when g++ 13): later")
    assert has_function("class A {\n void b(int);", ["A", "b"]) and not has_function("class A { };", ["A", "b"])
    assert not has_function("void b(int);", ["A", "b"]) and has_function("Result<int> A::b(int)", ["A", "b"])


def main(names):
    self_test()
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"tidy: unknown check {', '.join(unknown)}; there are {', '.join(CHECKS)}")
        return 2
    problems = []
    for name in names or CHECKS:
        problems += [f"{problem} [{name}]" for problem in CHECKS[name]()]
    return tree.report("tidy", problems, len(all_text()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
