#!/usr/bin/env python3
"""Runs a render and puts its time into a trace of its own, linked to the launch that began it.

    render_trace.py -- COMMAND ARGUMENTS...

The scheduler gives a frame TRACEPARENT, the place of its launch in the trace of a turn. A render that
continued that trace as a child would stretch it by hours; a link leads from one to the other instead.
A launch whose turn is not sampled ends with -00: then nothing is sent, since there is nothing to link to.

OTEL_EXPORTER_OTLP_ENDPOINT names a collector that takes OTLP over HTTP, such as http://collector:4318.
Nothing but Python 3 is needed. A collector that is away costs the frame two seconds and nothing else.
"""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request


def launch():
    """Trace and span of the launch, if its turn is sampled."""
    parts = os.environ.get("TRACEPARENT", "").split("-")
    if len(parts) != 4 or not int(parts[3], 16) & 1:
        return None
    return {"traceId": parts[1], "spanId": parts[2]}


def attribute(name, value):
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": name, "value": {kind: value}}


def span(link, began, ended, code):
    names = {"CUE_JOB": "cue.job.name", "CUE_LAYER": "cue.layer.name", "CUE_FRAME": "cue.frame.name"}
    known = [attribute(name, os.environ[key]) for key, name in names.items() if key in os.environ]
    return {
        "traceId": secrets.token_hex(16),
        "spanId": secrets.token_hex(8),
        "name": "render",
        "kind": 1,
        "startTimeUnixNano": str(began),
        "endTimeUnixNano": str(ended),
        "attributes": known + [attribute("process.exit.code", code)],
        "links": [link],
        "status": {"code": 2, "message": f"exit code {code}"} if code else {},
    }


def send(endpoint, spans):
    service = {"attributes": [attribute("service.name", "render")]}
    body = {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": spans}]}]}
    request = urllib.request.Request(
        endpoint.rstrip("/") + "/v1/traces",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=2).close()
    except OSError as error:
        print(f"render_trace: the trace is lost: {error}", file=sys.stderr)


def main():
    command = sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]
    began = time.time_ns()
    code = subprocess.call(command)
    # A render that a signal ended has a negative code here, and 128 more than the signal for a shell.
    code = 128 - code if code < 0 else code
    endpoint, link = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"), launch()
    if endpoint and link:
        send(endpoint, [span(link, began, time.time_ns(), code)])
    sys.exit(code)


if __name__ == "__main__":
    main()
