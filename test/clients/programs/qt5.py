"""Qt 5's QWebSocket."""
import sys

from PyQt5.QtCore import QCoreApplication, QUrl
from PyQt5.QtWebSockets import QWebSocket
from report import report

app = QCoreApplication(sys.argv)
left = len(sys.argv) - 1
sockets = []


def follow(number, target):
    socket = QWebSocket()
    sockets.append(socket)
    failed = []

    def closed():
        global left
        report(number, "close", code=int(socket.closeCode()), error=bool(failed))
        left -= 1
        if left == 0:
            app.quit()

    socket.connected.connect(lambda: report(number, "open"))
    socket.error.connect(lambda _: failed.append(True))
    socket.disconnected.connect(closed)
    socket.open(QUrl(target))


for number, target in enumerate(sys.argv[1:]):
    follow(number, target)
sys.exit(app.exec_())
