"""Prints one event of a connection as a line of JSON."""
import json
import sys
import threading

_lock = threading.Lock()


def report(url, event, **more):
    with _lock:
        sys.stdout.write(json.dumps({"url": url, "event": event, **more}) + "\n")
        sys.stdout.flush()
