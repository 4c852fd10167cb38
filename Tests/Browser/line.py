"""The link between a phone and the server: it can be slow, and it can break."""

import contextlib
import socket
import threading
import time

PIECE_BYTES = 16 << 10


class Line:
    """A TCP relay on a free port of 127.0.0.1."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.bytes_a_second = None
        self.is_cut = False
        self.ends = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()

    def cut(self):
        """Breaks what is under way; nothing new gets through until `mend`."""
        with self.lock:
            self.is_cut = True
            for end in self.ends:
                with contextlib.suppress(OSError):  # The other side was quicker.
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self):
        with self.lock:
            self.is_cut = False
            self.bytes_a_second = None

    def accept(self):
        with contextlib.suppress(OSError):  # The listener was closed: the line is not needed any more.
            while True:
                near, _ = self.listener.accept()
                try:
                    far = socket.create_connection(self.target, timeout=10)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                with self.lock:
                    self.ends |= {near, far}
                    is_cut = self.is_cut
                if is_cut:
                    self.part(near, far)
                    continue
                threading.Thread(target=self.carry, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self.carry, args=(far, near, False), daemon=True).start()

    def carry(self, source, sink, is_upward):
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                if is_upward and self.bytes_a_second:
                    time.sleep(len(piece) / self.bytes_a_second)
                sink.sendall(piece)
        self.part(source, sink)

    def part(self, *ends):
        with self.lock:
            self.ends -= set(ends)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
