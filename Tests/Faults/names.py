"""The name `api`, as Docker's resolver knows it: the addresses of all replicas."""

import contextlib
import socketserver
import struct
import threading

ADDRESS_RECORD, INTERNET = 1, 1
HEADER_BYTES = 12
# The name of an answer is the one that was asked for, which begins after the header.
SAME_NAME = 0xC000 | HEADER_BYTES
LIFE_SECONDS = 5


@contextlib.contextmanager
def resolving(addresses):
    """Answers every question with these IPv4 addresses; gives where, as nginx's `resolver` wants it."""

    class Question(socketserver.BaseRequestHandler):
        def handle(self):
            datagram, listener = self.request
            listener.sendto(answer(datagram, addresses), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Question) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def answer(question, addresses):
    end = question.index(b"\0", HEADER_BYTES) + 5
    header = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0)
    records = [struct.pack(">HHHIH4B", SAME_NAME, ADDRESS_RECORD, INTERNET, LIFE_SECONDS, 4, *map(int, each.split(".")))
               for each in addresses]
    return header + question[HEADER_BYTES:end] + b"".join(records)
