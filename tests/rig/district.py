#!/usr/bin/python3
"""district.py --state FILE [--port N] [--silent N]: a district's city management platform 数字城管, as a program of its own.

It speaks the form of config/profiles/chengguan.toml. Cases are opened, told of and asked for under /api/event/…; it
opens whatever it is asked to open, so that what is opened twice is there twice. Its people act by POST /_/say, and what
they do is pushed, or stands in the list that is asked for, or both. All that it has got is in FILE before it is
answered: it may be killed at any time and started again. GET /_/state tells everything. Prints its port, once.

--silent N: its first N openings are done, and the connection is closed without an answer."""
import argparse
import json
import os
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PUSH_TRIES, PUSH_WAIT_S = 100, 0.2


class District:
    def __init__(self, path, silent):
        self.path, self.silent, self.lock = path, silent, threading.Lock()
        self.requests, self.cases, self.steps, self.door = [], [], [], None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    self.take(json.loads(line))
        self.file = open(path, "a", encoding="utf-8")       # pylint: disable=consider-using-with

    def take(self, line):
        """One line of the file becomes what is known."""
        what, body = line["what"], line["body"]
        if what == "request":
            self.requests.append(body)
        elif what == "case":
            self.cases.append(body)
        elif what == "step":
            self.steps.append(body)
        elif what == "door":
            self.door = body

    def keep(self, what, body):
        line = {"what": what, "body": body}
        self.file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.take(line)

    def number_of(self, ours):
        return next((case["id"] for case in self.cases if case["eventCode"] == ours), None)

    def answer(self, path, key, body):
        """What a request of the gateway is answered; None: nothing."""
        with self.lock:
            if path == "/api/event/query":
                number = self.number_of(body.get("eventCode"))
                return {"status": "success", "result": {"id": number}} if number else {"status": "none", "message": "无此案卷"}
            if path == "/api/event/steps":
                after = int(body.get("after") or 0)
                return {"status": "success", "result": {"steps": self.steps[after:], "next": str(len(self.steps))}}
            self.keep("request", {"path": path, "key": key, "body": body})
            if path == "/api/event/report":
                number = f"鄂{len(self.cases) + 1:04}/2026"
                self.keep("case", {"id": number, "eventCode": body["eventCode"], "eventType": body["eventType"]})
                self.silent -= 1
                return None if self.silent >= 0 else {"status": "success", "result": {"id": number}}
            if not any(case["id"] == body.get("id") for case in self.cases):
                return {"status": "error", "message": "案卷不存在"}
            if path.endswith("/step"):
                # Ours stands in its list, as what its own people do does.
                self.keep("step", {**body, "stepId": f"S{len(self.steps) + 1}"})
            return {"status": "success", "message": ""}

    def say(self, said):
        """One of its people has acted: `via` is push, poll or both."""
        with self.lock:
            step = {"stepId": f"S{len(self.steps) + 1}", **{key: said[key] for key in said if key != "via"}}
            if said["via"] in ("poll", "both"):
                self.keep("step", step)
            else:
                step["stepId"] = f"P{time.monotonic_ns()}"
        return self.push(step) if said["via"] in ("push", "both") else {"status": "success"}

    def push(self, step):
        """As often as it takes; the answer of the one that was taken."""
        data = json.dumps({"events": [step]}).encode()
        for _ in range(PUSH_TRIES):
            headers = {"Content-Type": "application/json", "X-Token": self.door["token"]}
            request = urllib.request.Request(self.door["url"], data=data, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return json.load(answer)
            except (OSError, urllib.error.URLError):
                time.sleep(PUSH_WAIT_S)
        return {"status": "error", "message": "not taken"}


def handler(district):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments):
            pass

        def reply(self, value):
            data = json.dumps(value, ensure_ascii=False).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):           # pylint: disable=invalid-name
            with district.lock:
                self.reply({"requests": district.requests, "cases": district.cases, "steps": district.steps})

        def do_POST(self):          # pylint: disable=invalid-name
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if self.path == "/_/door":
                with district.lock:
                    district.keep("door", body)
                return self.reply({})
            if self.path == "/_/say":
                return self.reply(district.say(body))
            answer = district.answer(self.path, self.headers.get("Idempotency-Key"), body)
            if answer is None:
                self.close_connection = True
                return None
            return self.reply(answer)

    return Handler


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--silent", type=int, default=0)
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(District(options.state, options.silent)))
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
