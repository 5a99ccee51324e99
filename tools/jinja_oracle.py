#!/usr/bin/env python3
"""Renders chat templates with Jinja2, as the reference for src/tokenizer's own interpreter.

  jinja_oracle.py < cases.jsonl > results.jsonl
      One case per line: {"template": TEXT, "context": {...}, "now": UNIX_SECONDS}. One result per line, in order:
      {"text": TEXT} or {"error": REASON}.

  jinja_oracle.py --record FOLDER
      For each NAME.jinja in FOLDER renders every context of conversations.json there and writes NAME.expected.json:
      {context name: text, or null where the template must fail}.

Needs python3-jinja2. The environment is the one that chat templates are written for: trimmed blocks, loop controls, a sandbox whose
containers cannot be changed, and tojson without HTML escapes.
"""
import datetime
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox


class Generation(jinja2.ext.Extension):
    """{% generation %} ... {% endgeneration %} prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    @staticmethod
    def _body(caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def make_environment(now):
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation]
    )
    moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).replace(tzinfo=None)
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = moment.strftime
    return env


def render(template, context, now=0):
    try:
        return {"text": make_environment(now).from_string(template).render(**context)}
    except RecursionError:
        return {"error": "recursion"}
    except Exception as error:  # whatever the template does wrong is a result
        return {"error": f"{type(error).__name__}: {error}"}


def record(folder):
    contexts = json.loads((folder / "conversations.json").read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        expected = {name: render(template, c["context"], c.get("now", 0)).get("text") for name, c in contexts.items()}
        out = path.with_suffix("").with_suffix(".expected.json")
        out.write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--record":
        return record(pathlib.Path(sys.argv[2]))
    for line in sys.stdin:
        case = json.loads(line)
        print(json.dumps(render(case["template"], case["context"], case.get("now", 0)), ensure_ascii=True), flush=False)


if __name__ == "__main__":
    main()
