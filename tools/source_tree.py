"""What the checks share: the repository's files, and C++ text without comments or strings."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE_SUFFIXES = {".cc", ".h", ".c", ".cu"}
SKIPPED = re.compile(r"(^|/)(build[^/]*|out|\.git|\.cache|__pycache__|node_modules|third_party)(/|$)")


def files(*folders):
    """Paths relative to ROOT, sorted; build outputs left out. What git ignores is not ours, where git is there to ask."""
    found = []
    for folder in folders:
        top = ROOT / folder
        candidates = [top] if top.is_file() else top.rglob("*")
        for path in candidates:
            relative = path.relative_to(ROOT)
            if path.is_file() and not SKIPPED.search(str(relative)):
                found.append(relative)
    return sorted(set(found) - ignored(found))


def ignored(paths):
    try:
        done = subprocess.run(["git", "-C", str(ROOT), "check-ignore", "--stdin"], input="\n".join(map(str, paths)),
                              capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return {pathlib.Path(line) for line in done.stdout.splitlines()}


def code(*folders):
    return [path for path in files(*folders) if path.suffix in CODE_SUFFIXES]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


TOKENS = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<raw>R"(?P<delim>[^()\s\\]{0,16})\(.*?\)(?P=delim)")"""
    r"""|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL)


def strip(text, keep_comments=False):
    """C++ text with strings emptied and comments blanked; line numbers stay."""
    def blank(match):
        if match.group("comment") is not None and keep_comments:
            return match.group(0)
        newlines = "\n" * match.group(0).count("\n")
        return newlines if match.group("comment") is not None else '""' + newlines
    # Digit separators (1'000) would open a character literal.
    return TOKENS.sub(blank, re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", text))


def includes(path):
    """(line, name, quoted) of every include."""
    for number, line in enumerate(read(path).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(2), match.group(1) == '"'


def report(name, problems, n_checked):
    for problem in problems:
        print(problem)
    print(f"{name}: {n_checked} files, {len(problems)} problems")
    return 1 if problems else 0
