#!/usr/bin/env python3
"""test_counts.py RESULTS_DIR: sums the JUnit files that ctest wrote there, names what failed, and ends with the one line to look at.

test_counts.py --record RESULTS_DIR NAME passed|failed|skipped adds a step that is no ctest test (a build, a fuzz run).
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def read_counts(path):
    """(passed, failed names, skipped) of one JUnit file."""
    passed, failed, skipped = 0, [], 0
    for case in xml.parse(path).getroot().iter("testcase"):
        status = case.get("status", "run")
        if case.find("failure") is not None or status == "fail":
            failed.append(case.get("name", "?"))
        elif case.find("skipped") is not None or status in ("notrun", "disabled"):
            # ctest calls a test whose program is missing "notrun" with this message: nothing was tested, which is a failure.
            message = (case.find("skipped").get("message", "") if case.find("skipped") is not None else "")
            if re.search(r"unable to find|not available", message, re.IGNORECASE):
                failed.append(case.get("name", "?"))
            else:
                skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "--record":
        folder, name, status = arguments[1:]
        suite = xml.Element("testsuite")
        case = xml.SubElement(suite, "testcase", name=name, status={"passed": "run", "failed": "fail", "skipped": "disabled"}[status])
        if status == "failed":
            xml.SubElement(case, "failure")
        file_name = re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".xml"
        xml.ElementTree(suite).write(pathlib.Path(folder) / file_name)
        return 0
    if len(arguments) != 1:
        print(__doc__)
        return 2
    passed, failed, skipped = 0, [], 0
    for path in sorted(pathlib.Path(arguments[0]).glob("*.xml")):
        counts = read_counts(path)
        passed += counts[0]
        failed += [f"{path.stem}: {name}" for name in counts[1]]
        skipped += counts[2]
    for name in failed:
        print(f"FAILED {name}")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
