"""ws4py's threaded client."""
import sys

from report import report
from ws4py.client.threadedclient import WebSocketClient


class Client(WebSocketClient):
    number = 0
    failed = False

    def opened(self):
        report(self.number, "open")

    def unhandled_error(self, error):
        self.failed = True

    def closed(self, code, reason=None):
        report(self.number, "close", code=code, error=self.failed)


clients = []
for number, target in enumerate(sys.argv[1:]):
    client = Client(target)
    client.number = number
    client.connect()
    clients.append(client)
for client in clients:
    client.run_forever()
