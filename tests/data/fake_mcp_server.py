#!/usr/bin/env python3
"""An MCP server for tests, in both generations of the protocol and in several kinds of trouble.

  fake_mcp_server.py stdio MODE       talks over stdin and stdout
  fake_mcp_server.py http MODE        prints its port, then serves POST /mcp

MODE: stateless (2026-07-28), session (2025-11-25); and on tools/call: hang, flood, huge, garbage, die, wrong_id, redirect."""

import http.server
import json
import sys
import time

TOOLS = [
    {"name": "read_note", "description": "Reads a note.", "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}}},
    {"name": "send_mail", "description": "Sends a mail.", "inputSchema": {"type": "object", "properties": {"to": {"type": "string"}}}},
]
STATELESS = "2026-07-28"


def meta_of(message):
    return message.get("params", {}).get("_meta", {})


def answer(mode, message):
    """The result or error of a request, as (key, value)."""
    method, params = message.get("method"), message.get("params", {})
    modern = mode != "session"
    if modern and meta_of(message).get("io.modelcontextprotocol/protocolVersion") != STATELESS:
        return "error", {"code": -32602, "message": "no protocol version in _meta"}
    if method == "server/discover" and modern:
        return "result", {"resultType": "complete", "supportedVersions": [STATELESS], "capabilities": {"tools": {}}}
    if method == "initialize" and not modern:
        return "result", {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "fake", "version": "1"}}
    if method == "tools/list":
        page = TOOLS[1:] if params.get("cursor") == "2" else TOOLS[:1]
        return "result", {"resultType": "complete", "tools": page, **({} if params.get("cursor") else {"nextCursor": "2"})}
    if method == "tools/call":
        text = f"{params['name']} {json.dumps(params['arguments'], sort_keys=True)}"
        return "result", {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": params["name"] == "fail"}
    return "error", {"code": -32601, "message": "no such method"}


def reply_text(mode, message):
    key, value = answer(mode, message)
    return json.dumps({"jsonrpc": "2.0", "id": message["id"], key: value})


def trouble(mode, message, write):
    """True when the call was spoiled."""
    if message.get("method") != "tools/call":
        return False
    if mode == "hang":
        time.sleep(600)
    elif mode == "flood":
        for i in range(5000):
            write(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"n": i}}))
    elif mode == "huge":
        write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": "x" * (100 << 20)}]}}))
    elif mode == "garbage":
        write("this is no JSON {[")
    elif mode == "die":
        sys.exit(3)
    elif mode == "wrong_id":
        write(json.dumps({"jsonrpc": "2.0", "id": 999999, "result": {"content": []}}))
        time.sleep(600)
    else:
        return False
    return True


def serve_stdio(mode):
    def write(text):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        if trouble(mode, message, write):
            continue
        if message["method"] == "tools/call":  # as servers do: something else comes first
            write(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}))
            write(json.dumps({"jsonrpc": "2.0", "id": "s1", "method": "ping"}))
        write(reply_text(mode, message))


def serve_http(mode):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            method = message.get("method")
            modern = mode != "session"
            problem = None
            if "authorization" not in self.headers:
                problem = 401
            elif modern and (self.headers.get("mcp-method") != method or self.headers.get("mcp-protocol-version") != STATELESS):
                problem = 400
            elif not modern and method not in ("initialize", "server/discover") and self.headers.get("mcp-session-id") != "session-7":
                problem = 404
            if problem:
                self.send_response(problem)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            if mode == "redirect" and method == "tools/call":
                self.send_response(307)
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()
                return
            if "id" not in message:
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            if mode == "hang" and method == "tools/call":
                time.sleep(600)
            text = reply_text(mode, message)
            stream = method == "tools/call"
            body = f"event: message\r\ndata: {json.dumps({'jsonrpc': '2.0', 'method': 'notifications/progress'})}\r\n\r\ndata: {text}\n\n" if stream else text
            self.send_response(200)
            self.send_header("content-type", "text/event-stream" if stream else "application/json")
            if method == "initialize":
                self.send_header("mcp-session-id", "session-7")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    {"stdio": serve_stdio, "http": serve_http}[sys.argv[1]](sys.argv[2])
