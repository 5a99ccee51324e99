#!/usr/bin/env python3
"""Groups of source files that one compiler run can take together ("unity build"): ./test is built from nothing in half the time.

  tools/unity_groups.py KILOBYTES PREFIX FILE...     writes PREFIX_0.cc, PREFIX_1.cc, ..., which include the files, and prints their names

Where two files use the same name for things of their own (unnamed namespaces, `static`), or one that another file's headers declare, a macro gives it another
name in one of them: the sources need no unique names for the sake of it. Where that cannot be (it is also a member's name, a test's, a macro), and where
files see two types of one name, they come into different groups. Names are found by their look, not by a compiler; one that is missed shows as an error of
the build and is cured by another name.
"""
import functools
import os
import re
import sys

COMMENTS_AND_TEXTS = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
WORD = r"[A-Za-z_]\w*"
KEYWORDS = {"for", "if", "while", "switch", "static_assert", "void", "std", "size", "push_back", "return", "asio", "boost"}


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
    if match := re.match(rf"\s*using\s+({WORD})\s*(=?)", head):  # "using a::b;" may stand twice
        return {match.group(1)} if match.group(2) or head.strip() == match.group(0).strip() else set()
    if match := re.match(r"\s*(?:TYPED_)?TEST(?:_[FP])?\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)", head):  # GoogleTest makes a class of it
        return {f"{match.group(1)}_{match.group(2)}_Test"}
    if re.match(r"\s*(?:INSTANTIATE|TYPED|REGISTER)_\w+\s*\(", head):
        return set()
    if match := re.search(rf"(::\s*)?(operator\s*[^\s\w(]+|~?{WORD})\s*\(", head):
        # What is qualified is a member, defined outside its class: no name of the namespace.
        return {re.sub(r"\s", "", match.group(2))} - KEYWORDS if match.group(1) is None else set()
    names = re.findall(rf"({WORD})\s*(?:\[[^\]]*\]\s*)*(?:,|$)", head)
    return set(names[-1:]) - KEYWORDS


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


def renamable(path, name):
    """Whether a macro may give one of the file's own names another one: it is a plain name there, no member of anything and no test's, and nothing is
    left to the preprocessor. (Its headers come before the macro.)"""
    with open(path, encoding="utf-8", errors="replace") as file:
        if re.search(r"^\s*#\s*(?!include|pragma)", file.read(), re.M):
            return False
    text = plain(path)
    used_otherwise = rf"(?:\.|->|::)\s*{name}\b|\b(?:TYPED_)?(?:TEST\w*|INSTANTIATE\w*|REGISTER\w*)\s*\([^)]*\b{name}\b|\b(?:operator|namespace)\b.*\b{name}\b"
    return re.fullmatch(WORD, name) is not None and not name.endswith("_Test") and not re.search(used_otherwise, text) and name not in visible(path)[0]


class Group:
    def __init__(self):
        self.size, self.files = 0, []
        self.own, self.seen, self.types = {}, set(), {}  # an own name: the file that has it

    def add(self, path, limit):
        """Takes the file, unless it does not fit."""
        own, shared, _ = names_of(plain(path))
        seen, types = visible(path)
        seen = seen | shared
        size = os.path.getsize(path)
        if self.files and (self.size + size > limit or any(self.types.get(name, at) != at for name, at in types.items())):
            return False
        mine = {name for name in own if name in self.own or name in self.seen}
        theirs = {name for name in seen if name in self.own}
        if not (all(renamable(path, name) for name in mine) and all(renamable(self.own[name], name) for name in theirs)):
            return False
        for name in theirs:
            dict(self.files)[self.own.pop(name)].add(name)
        self.files.append((path, set(mine)))
        self.own.update({name: path for name in own - mine})
        self.seen |= seen
        self.types |= types
        self.size += size
        return True


def groups_of(files, limit):
    """[[(file, the own names of it that must be other ones beside the rest)]]"""
    groups = []
    for path in files:
        if not any(group.add(path, limit) for group in groups):
            groups.append(Group())
            groups[-1].add(path, limit)
    return [group.files for group in groups]


def unity_source(group):
    text = ""
    for n, (path, renamed) in enumerate(group):
        if renamed:  # what its headers say keeps its names
            with open(path, encoding="utf-8", errors="replace") as file:
                for include in re.findall(r"^#include ([<\"][^>\"]+[>\"])", file.read(), re.M):
                    beside = os.path.join(os.path.dirname(path), include[1:-1])
                    text += f'#include "{beside}"\n' if include[0] == '"' and os.path.exists(beside) else f"#include {include}\n"
        text += "".join(f"#define {name} {name}_{n}\n" for name in sorted(renamed))
        text += f'#include "{path}"\n'
        text += "".join(f"#undef {name}\n" for name in sorted(renamed))
    return text


def main(kilobytes, prefix, files):
    for n, group in enumerate(groups_of(files, 1024 * int(kilobytes))):
        path, text = f"{prefix}_{n}.cc", unity_source(group)
        try:
            with open(path, encoding="utf-8") as file:
                same = file.read() == text
        except FileNotFoundError:
            same = False
        if not same:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        print(path)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
