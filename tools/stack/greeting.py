"""Wait until Karen answers, then tell the person in front of the terminal what to do."""

import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from tools.stack.console import say

_PATIENCE_S = 120.0


def main() -> int:
    """Wait for `/health/ready` and print the block."""
    port = int(os.environ["PORT"])
    host = os.environ["BIND"]
    started = float(os.environ.get("KAREN_STARTED_AT", "0")) or time.monotonic()
    report = json.loads(os.environ.get("KAREN_PREPARED", "{}"))
    while True:
        problem = wait_until_ready(reachable_host(host), port, _PATIENCE_S)
        if not problem:
            break
        say(f"Not ready after {time.monotonic() - started:.0f} s: {problem}. Still trying …")
    say(welcome(os.environ, report, time.monotonic() - started))
    return 0


def reachable_host(bind: str) -> str:
    """Return the address to ask for a server that listens on `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 (asked, not bound)


def wait_until_ready(host: str, port: int, timeout_s: float) -> str:
    """Return nothing once `/health/ready` answers 200, or what is missing at the deadline."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    problem = "no answer"
    while time.monotonic() < deadline:
        problem = readiness_problem(host, port)
        if not problem:
            return ""
        pause.wait(0.25)
    return problem


def readiness_problem(host: str, port: int) -> str:
    """Ask once; return nothing when ready, else what is missing."""
    connection = http.client.HTTPConnection(host, port, timeout=5.0)
    try:
        connection.request("GET", "/health/ready", headers={"Host": f"localhost:{port}"})
        response = connection.getresponse()
        body = response.read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return f"the web server does not answer ({error})"
    finally:
        connection.close()
    return "" if response.status == 200 else f"status {response.status}: {body}"


def welcome(environment: Mapping[str, str], report: Mapping[str, Any], seconds: float) -> str:
    """Return the block a newcomer reads."""
    site = f"http://localhost:{environment['PORT']}/"
    lines = ["", f"Karen is ready after {seconds:.1f} s.", "", f"  Open          {site}"]
    demo = report.get("demo") or {}
    if demo:
        lines += [
            f"  Demo          {demo.get('url', site)}",
            f"  Sign in as    {demo.get('email', '')}   password  {demo.get('password', '')}",
        ]
    lines += [
        "",
        "  To try: sign up an organisation of your own on the first page, ask something in its",
        "  chat, reload while the answer streams, stop it half way.",
    ]
    if not (environment.get("OPENAI_API_KEY") or environment.get("OPENAI_BASE_URL")):
        folder = environment.get("MODELS_DIR", "models")
        lines += [
            "",
            "  The built-in model is tiny. For better answers put any GGUF file into",
            f"  {folder}/, or OPENAI_API_KEY=… (and OPENAI_BASE_URL=…) into .env, and start again.",
        ]
    lines += [f"  Note: {note}" for note in report.get("notes", [])]
    lines += [
        "",
        "  Ctrl-C stops everything. Logs are in var/log, settings in docs/configuration.md.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
