#!/usr/bin/env python3
"""Groups of source files that one compiler run can take together ("unity build"): ./test is built from nothing in half the time.

  tools/unity_groups.py KILOBYTES FILE...     one line per group, its files separated by ';'

Files that use the same name for things of their own (unnamed namespaces, `static`, macros), or one that another file's headers declare, come into
different groups, as do files that see two types of one name: the sources need no unique names for the sake of it. Names are found by their look, not by a compiler; one that is
missed shows as an error of the build and is cured by another name.
"""
import functools
import os
import re
import sys

COMMENTS_AND_TEXTS = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
WORD = r"[A-Za-z_]\w*"


def plain(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    return re.sub(COMMENTS_AND_TEXTS, lambda m: '""' if m.group(0)[0] in "R\"'" else " ", text)


def declared(head):
    """Names that a declaration introduces, of its text up to its body, value or semicolon."""
    head = re.sub(r"^\s*(template\s*<[^;{]*?>\s*(?=(?:class|struct|auto|const|inline|constexpr|void|bool|static|std|\w+\b)))", "", head)
    head = re.sub(r"\[\[.*?\]\]|alignas\s*\([^)]*\)", "", head)
    if match := re.match(rf"\s*(?:struct|class|union|enum(?:\s+(?:class|struct))?|concept)\s+({WORD})", head):
        return {match.group(1)}
    if match := re.match(rf"\s*using\s+({WORD})", head):
        return {match.group(1)} if match.group(1) != "namespace" else set()
    if match := re.match(r"\s*(?:TYPED_)?TEST(?:_[FP])?\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)", head):  # GoogleTest makes a class of it
        return {f"{match.group(1)}_{match.group(2)}_Test"}
    if re.match(r"\s*(?:INSTANTIATE|TYPED|REGISTER)_\w+\s*\(", head):
        return set()
    if match := re.search(rf"(operator\s*[^\s\w(]+|~?{WORD})\s*\(", head):
        return {re.sub(r"\s", "", match.group(1))}
    names = re.findall(rf"({WORD})\s*(?:\[[^\]]*\]\s*)*(?:,|$)", head)
    return set(names[-1:])


def names_of(text):
    """(own, shared, types): names of unnamed namespaces and `static`, names that named namespaces or nothing hold, and which of the latter are types."""
    own, shared, types = set(), set(), set()
    stack = []  # of True: unnamed namespace, False: named one, None: anything else
    head = ""
    i = 0
    while i < len(text):
        c = text[i]
        at_namespace = all(kind is not None for kind in stack)
        if at_namespace and c == "#" and head.strip() == "":
            end = i
            while True:
                end = text.find("\n", end)
                if end < 0 or text[end - 1] != "\\":
                    break
                end += 1
            end = len(text) if end < 0 else end
            if match := re.match(rf"#\s*define\s+({WORD})", text[i:end]):
                own.add(match.group(1))
            i = end
            continue
        if c in "{;=" and at_namespace and not (c == "=" and (text[i - 1] in "=!<>" or text[i + 1] == "=" or "operator" in head[-9:])):
            kind = None
            if c == "{" and (match := re.match(rf"\s*(?:inline\s+)?namespace\b\s*((?:{WORD}(?:::{WORD})*)?)\s*$", head)):
                kind = match.group(1) == ""
            mine = any(stack) or re.match(r"\s*static\b", head)
            if kind is None and head.strip():
                (own if mine else shared).update(declared(head))
                if not mine and c != ";" and re.match(r"\s*(struct|class|enum|using)\b", head):
                    types |= declared(head)
            if c == "{":
                stack.append(kind)
            elif c == "=":  # its value declares nothing, but another name may follow a comma
                depth = 0
                while i < len(text) and not (text[i] == ";" and depth == 0):
                    depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(text[i], 0)
                    if text[i] == "," and depth == 0 and (match := re.match(rf",\s*({WORD})\s*=", text[i:i + 100])):
                        (own if mine else shared).add(match.group(1))
                    i += 1
            head = ""
        elif c == "{":
            stack.append(None)
        elif c == "}":
            if stack:
                stack.pop()
            head = ""
        elif at_namespace:
            head += c
        i += 1
    return own, shared, types


@functools.lru_cache(maxsize=None)
def header(path):
    """(names that it declares, its types, files that it includes)"""
    text = plain(path)
    with open(path, encoding="utf-8", errors="replace") as file:
        includes = re.findall(r'^#include "([^"]+)"', file.read(), re.M)
    own, shared, types = names_of(text)
    return own | shared, {name: path for name in types}, tuple(includes)


def visible(path):
    """(names, types) that our headers bring into a source file; types with the header that holds them."""
    found, types, seen = set(), {}, set()
    with open(path, encoding="utf-8", errors="replace") as file:
        todo = re.findall(r'^#include "([^"]+)"', file.read(), re.M)
    while todo:
        include = todo.pop()
        at = os.path.join(SOURCE, include)
        if include in seen:
            continue
        seen.add(include)
        if not os.path.exists(at):
            at = os.path.join(os.path.dirname(path), os.path.basename(include))
            if not os.path.exists(at):
                continue
        names, theirs, more = header(at)
        found |= names
        types |= theirs
        todo += more
    return found, types


def groups_of(files, limit):
    groups = []  # [size, own, visible and shared, files, types]
    for path in files:
        own, shared, _ = names_of(plain(path))
        seen, types = visible(path)
        seen |= shared
        size = os.path.getsize(path)
        for group in groups:
            fits = group[0] + size <= limit and not (own & group[1] or own & group[2] or seen & group[1])
            if fits and all(group[4].get(name, at) == at for name, at in types.items()):
                break
        else:
            group = [0, set(), set(), [], {}]
            groups.append(group)
        group[0] += size
        group[1] |= own
        group[2] |= seen
        group[3].append(path)
        group[4] |= types
    return [group[3] for group in groups]


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for one in groups_of(sys.argv[2:], 1024 * int(sys.argv[1])):
        print(";".join(one))
