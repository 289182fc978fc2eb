"""python3-websocket (websocket-client)."""
import sys
import threading

import websocket
from report import report


def follow(number, target):
    failed = []
    app = websocket.WebSocketApp(
        target,
        on_open=lambda _: report(number, "open"),
        on_error=lambda _, error: failed.append(type(error).__name__),
        on_close=lambda _, code, reason: report(number, "close", code=code, error=bool(failed)),
    )
    app.run_forever()


for number, target in enumerate(sys.argv[1:]):
    threading.Thread(target=follow, args=(number, target)).start()
