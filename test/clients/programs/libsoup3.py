"""libsoup 3 (GNOME)."""
import sys

import gi

gi.require_version("Soup", "3.0")
from gi.repository import GLib, Soup
from report import report

loop = GLib.MainLoop()
session = Soup.Session(max_conns=100, max_conns_per_host=100)
left = len(sys.argv) - 1
kept = []


def follow(number, target):
    failed = []

    def closed(connection):
        global left
        report(number, "close", code=connection.get_close_code(), error=bool(failed))
        left -= 1
        if left == 0:
            loop.quit()

    def opened(session, result):
        connection = session.websocket_connect_finish(result)
        kept.append(connection)
        connection.connect("error", lambda *_: failed.append(True))
        connection.connect("closed", closed)
        report(number, "open")

    message = Soup.Message.new("GET", target)
    session.websocket_connect_async(message, None, None, GLib.PRIORITY_DEFAULT, None, opened)


for number, target in enumerate(sys.argv[1:]):
    follow(number, target)
loop.run()
