#!/usr/bin/env python3
"""Checks that src/ follows src/layers.txt.

A folder includes itself and what it lists, and lists only folders declared above it (so there are no cycles). Every folder is
declared, every quoted include starts at src/, and a permission that nobody uses is reported.
"""

import re
import sys

import source_tree as tree


def read_layers(text):
    """{folder: [allowed]} in order, and problems."""
    layers, problems = {}, []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"([a-z]+)\s*:\s*([a-z ]*)", line)
        if not match:
            problems.append(f"src/layers.txt:{number}: expected 'folder : allowed ...', found '{line}'")
            continue
        folder, allowed = match.group(1), match.group(2).split()
        if folder in layers:
            problems.append(f"src/layers.txt:{number}: {folder} is declared twice")
        for other in allowed:
            if other not in layers:
                problems.append(f"src/layers.txt:{number}: {folder} lists {other}, which is not declared above it")
        layers[folder] = allowed
    return layers, problems


def check(layers, sources, exists, includes):
    """sources: paths in src/ as 'folder/...'; exists(path) and includes(path) are parameters so that the test needs no files."""
    problems = []
    used = {folder: set() for folder in layers}
    for source in sources:
        folder = source.split("/")[0]
        if folder not in layers:
            problems.append(f"src/{source}: folder {folder} is not declared in src/layers.txt")
            continue
        for number, name, quoted in includes(source):
            where = f"src/{source}:{number}"
            if not quoted:
                if exists(name):
                    problems.append(f'{where}: <{name}> is ours, write "{name}"')
                continue
            if not exists(name):
                problems.append(f'{where}: "{name}" does not start at src/ (or does not exist)')
                continue
            target = name.split("/")[0]
            if target == folder:
                continue
            if target not in layers[folder]:
                problems.append(f'{where}: {folder} may not include {target} ("{name}"): src/layers.txt')
            used[folder].add(target)
    with_sources = {source.split("/")[0] for source in sources}
    for folder, allowed in layers.items():
        if folder not in with_sources:
            problems.append(f"src/layers.txt: {folder} is declared, but src/{folder} has no sources")
            continue
        for other in sorted(set(allowed) - used[folder]):
            problems.append(f"src/layers.txt: {folder} may include {other} and never does: remove the permission")
    return problems


def self_test():
    layers, problems = read_layers("base : # x\nb : base\nc : d base\n")
    assert problems == ["src/layers.txt:3: c lists d, which is not declared above it"], problems
    layers, problems = read_layers("base :\na : base\nb : base a\n")
    assert not problems
    tree_includes = {"base/x.h": [], "a/y.h": [(1, "b/z.h", True)], "b/z.h": [(2, "z2.h", True), (3, "base/x.h", False)],
                     "q/w.h": []}
    found = check(layers, list(tree_includes), lambda p: p in tree_includes, lambda p: tree_includes[p])
    expected = ["a may not include b", "does not start at src/", "is ours", "folder q is not declared", "a may include base and never",
                "b may include a and never", "b may include base and never"]
    for text in expected:
        assert any(text in problem for problem in found), (text, found)
    assert len(found) == len(expected), found


def main():
    self_test()
    layers, problems = read_layers(tree.read("src/layers.txt"))
    sources = [str(path.relative_to("src")) for path in tree.code("src")]
    problems += check(layers, sources, lambda name: (tree.ROOT / "src" / name).is_file(),
                      lambda source: tree.includes("src/" + source))
    return tree.report("check_layers", problems, len(sources))


if __name__ == "__main__":
    sys.exit(main())
