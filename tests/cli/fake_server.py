"""A server that speaks just enough of the protocol to be asked for its version."""

from __future__ import annotations

import contextlib
import socket
import threading


@contextlib.contextmanager
def redis_of_version(version):
    """The URL of something that says it is Redis `version` and knows no other command."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection):
        with connection, connection.makefile("rb") as commands:
            while line := commands.readline():
                words = [commands.readline() and commands.readline().strip() for _ in range(int(line[1:]))]
                connection.sendall(answer(words[0].upper()))

    def answer(word):
        if word == b"INFO":
            text = f"# Server\r\nredis_version:{version}\r\n".encode()
            return b"$%d\r\n%s\r\n" % (len(text), text)
        return b"+OK\r\n" if word in {b"CLIENT", b"SELECT"} else b"-ERR unknown command\r\n"

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
    finally:
        listening.close()
