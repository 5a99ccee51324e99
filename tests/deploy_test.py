#!/usr/bin/env python3
"""The chart of deploy/helm: every template is rendered with several sets of values, and what comes out is read as YAML and looked at.

helm itself is not needed: what the templates use of its language is small and is played here (an action that is not known fails the
test). PyYAML reads the result when it is there; without it only the rendering is tested. The Dockerfile's packages are compared with
tools/setup.sh, which knows what the build needs.
"""
import copy
import pathlib
import re
import sys

try:
    import yaml
except ImportError:
    yaml = None

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy/helm/firesteel"


class Refused(Exception):
    """`required` found nothing."""


def words(text):
    """Splits an expression into words; parentheses and quotes hold together."""
    out, depth, word, quoted = [], 0, "", False
    for c in text:
        if c == '"':
            quoted = not quoted
        if not quoted:
            depth += {"(": 1, ")": -1}.get(c, 0)
            if c == " " and depth == 0:
                if word:
                    out.append(word)
                word = ""
                continue
        word += c
    return out + ([word] if word else [])


def pipes(text):
    parts, depth, quoted = [""], 0, False
    for c in text:
        if c == '"':
            quoted = not quoted
        if not quoted:
            depth += {"(": 1, ")": -1}.get(c, 0)
            if c == "|" and depth == 0:
                parts.append("")
                continue
        parts[-1] += c
    return [part.strip() for part in parts]


def to_yaml(value, indent=0):
    """JSON is YAML: enough for what values hold."""
    import json
    if isinstance(value, dict) and value:
        return "\n".join(f"{' ' * indent}{k}: {json.dumps(v)}" for k, v in value.items())
    if isinstance(value, list) and value:
        return "\n".join(f"{' ' * indent}- {json.dumps(v)}" for v in value)
    return json.dumps(value)


def quote(value):
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def value_of(word, scope):
    if word.startswith('"'):
        return word[1:-1]
    if word.startswith("("):
        return evaluate(word[1:-1], scope)
    if word == ".":
        return scope["."]
    if re.fullmatch(r"(\.[A-Za-z]+)+", word):
        value = scope
        for name in word[1:].split("."):
            if name not in value:
                raise KeyError(f"{word}: there is no value {name}")
            value = value[name]
        return value
    if word.isdigit():
        return int(word)
    raise KeyError(f"not known: {word}")


def call(name, arguments):
    if name == "quote":
        return quote(arguments[0])
    if name == "default":
        return arguments[1] or arguments[0]
    if name == "printf":
        return arguments[0] % tuple(arguments[1:])
    if name == "toYaml":
        return to_yaml(arguments[0])
    if name == "nindent":
        pad = " " * arguments[0]
        return "\n" + "\n".join(pad + line for line in str(arguments[1]).split("\n"))
    if name == "dir":
        return str(pathlib.PurePosixPath(arguments[0]).parent)
    if name == "not":
        return not arguments[0]
    if name == "required":
        if not arguments[1]:
            raise Refused(arguments[0])
        return arguments[1]
    raise KeyError(f"not known: {name}")


def evaluate(expression, scope):
    value = None
    for i, part in enumerate(pipes(expression)):
        parts = words(part)
        is_call = re.fullmatch(r"[a-zA-Z]+", parts[0]) is not None
        if not is_call and len(parts) > 1:
            raise KeyError(f"not known: {part}")
        arguments = [value_of(word, scope) for word in (parts[1:] if is_call else parts)] + ([value] if i else [])
        value = call(parts[0], arguments) if is_call else arguments[0]
    return value


def render(text, scope):
    """Actions with their blocks. `{{-` eats the white space before it."""
    text = re.sub(r"\s*\{\{-", "{{", text)
    tokens = re.split(r"\{\{\s*(.*?)\s*\}\}", text)  # text, action, text, action ...

    def block(at, scope, live):
        out = []
        while at < len(tokens):
            if at % 2 == 0:
                out.append(tokens[at])
                at += 1
                continue
            action = tokens[at]
            if action == "end" or action == "else":
                return "".join(out), at
            if action.startswith(("if ", "range ")):
                name, expression = action.split(" ", 1)
                value = evaluate(expression, scope) if live else None
                items = (value if live else []) if name == "range" else [scope["."]] if value else []
                inner, end = block(at + 1, {**scope, ".": items[0] if items else None}, live and bool(items))
                if items:
                    out.append(inner)
                for item in items[1:]:
                    out.append(block(at + 1, {**scope, ".": item}, live)[0])
                if tokens[end] == "else":
                    inner, end = block(end + 1, scope, live and not items)
                    if not items and live:
                        out.append(inner)
                at = end + 1
                continue
            if live:
                value = evaluate(action, scope)
                out.append("" if value is None else str(value))
            at += 1
        return "".join(out), at

    result, at = block(0, scope, True)
    if at != len(tokens):
        raise KeyError("an end without a beginning")
    return result


def merged(base, changes):
    out = copy.deepcopy(base)
    for key, value in changes.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def documents(values):
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    scope = {"Values": values, "Release": {"Name": "demo"}, "Chart": {"AppVersion": chart["appVersion"]}, ".": None}
    out = {}
    for path in sorted((CHART / "templates").iterdir()):
        text = render(path.read_text(), scope)
        if path.suffix != ".yaml":
            continue
        for document in yaml.safe_load_all(text):
            if document is None:
                continue
            name = (document["kind"], document["metadata"]["name"])
            assert name not in out, name
            out[name] = document
    return out


def check_chart():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    try:
        documents(values)
        raise AssertionError("without a password it must refuse")
    except Refused:
        pass
    plain = documents(merged(values, {"database": {"password": "it's"}}))
    assert set(kind for kind, _ in plain) == {"Deployment", "Service", "Secret", "StatefulSet", "NetworkPolicy", "PodDisruptionBudget"}, plain.keys()
    pod = plain["Deployment", "demo"]["spec"]["template"]["spec"]
    main = pod["containers"][0]
    assert "--tls-at-proxy" in main["args"]
    assert pod["securityContext"]["runAsNonRoot"] and main["securityContext"]["readOnlyRootFilesystem"]
    environment = {one["name"]: one for one in main["env"]}
    assert environment["FIRESTEEL_DATABASE"]["valueFrom"]["secretKeyRef"]["name"] == "demo-database"
    mounts = {mount["name"] for container in pod["containers"] + pod["initContainers"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}, mounts
    everything = documents(merged(values, {
        "database": {"existingSecret": "pg"}, "tlsSecret": "tls", "otlpEndpoint": "http://collector:4318", "extraArgs": ["--vllm-metrics", "--max-queue=9"],
        "model": {"path": "/models/m.gguf", "name": "m", "volume": {"persistentVolumeClaim": {"claimName": "models"}}},
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "t", "annotations": {"nginx.ingress.kubernetes.io/proxy-read-timeout": "90"}},
        "autoscaling": {"enabled": True}, "serviceMonitor": {"enabled": True}, "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "a"}],
        "affinity": {"nodeAffinity": {}}}))
    assert set(kind for kind, _ in everything) == {"Deployment", "Service", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceMonitor"}
    deployment = everything["Deployment", "demo"]["spec"]
    assert "replicas" not in deployment
    pod = deployment["template"]["spec"]
    main = pod["containers"][0]
    assert main["args"] == ["--tls-cert=/tls/tls.crt", "--tls-key=/tls/tls.key", "--model=/models/m.gguf", "--model-name=m", "--vllm-metrics", "--max-queue=9"], main["args"]
    assert main["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert {one["name"]: one for one in main["env"]}["FIRESTEEL_DATABASE"]["valueFrom"]["secretKeyRef"]["name"] == "pg"
    mounts = {mount["name"] for container in pod["containers"] + pod["initContainers"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}, mounts
    assert [mount["mountPath"] for mount in main["volumeMounts"] if mount["name"] == "model"] == ["/models"]
    # Options that the chart passes are options of serve; the metric that it scales by is one of the server's.
    serve = (ROOT / "apps/firesteel/serve.cc").read_text()
    for argument in main["args"] + ["--tls-at-proxy"]:
        name = argument.split("=")[0]
        assert f'"{name}"' in serve or name == "--model", name
    assert '"firesteel_requests_waiting"' in (ROOT / "src/server/server_metrics.cc").read_text()


def check_dockerfile():
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    setup = (ROOT / "tools/setup.sh").read_text()
    needed = re.search(r"missing_for_build\(\) \{(.*?)\n\}", setup, re.S).group(1)
    for package in re.findall(r"\|\| echo (\S+)", needed):
        assert re.search(rf"(?<![\w-]){re.escape(package)}(?![\w-])", dockerfile), f"deploy/Dockerfile does not install {package}"
    assert "build" in (ROOT / ".dockerignore").read_text().split()


def main():
    check_dockerfile()
    if yaml is None:
        print("PyYAML is not there: the chart's templates were not read")
        return 0
    check_chart()
    print("the chart renders, and what it says fits the program")
    return 0


if __name__ == "__main__":
    sys.exit(main())
