# SPDX-FileCopyrightText: 2026 The lyra.worldgen authors
# SPDX-License-Identifier: Apache-2.0
"""The door of the server: the only socket that others reach; the viewer behind it listens on loopback alone.

It lets a connection through if it names this server as its host, comes from a page of this server, and carries the
token (in the URL once, then in a cookie) where one is needed. It also cuts off clients that send far more than an
upload may have. With a certificate it speaks TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ssl
import threading
import time
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from lyra_core.errors import InputError

__all__ = ["Gate", "is_loopback", "tls_context"]

_MOST_HEAD = 32 << 10
_MOST_SENT = 64 << 20  # bytes from a client within _WINDOW
_WINDOW = 60.0  # s
_COOKIE = "lyra_token"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """True if the name means this machine only."""
    return host in _LOOPBACK or host.startswith("127.")


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS, from PEM files. Raises InputError if they cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            "The certificate cannot be used",
            got=f"{certificate}, {key}: {error}",
            do="Give PEM files that belong together",
        ) from error
    return context


class Gate:
    """Listens on (host, port) and passes checked connections on to 127.0.0.1:inner.

    tls: speak https. Raises InputError if the address cannot be used. port 0 takes a free one; see `port`.
    """

    def __init__(
        self, host: str, port: int, inner: int, token: str | None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.host, self.port, self.token = host, port, token
        self._scheme = "http" if tls is None else "https"
        self._inner = inner
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        # The loop runs in a thread of its own from the start: the caller may be inside a loop already (a notebook).
        self._thread = threading.Thread(target=self._loop.run_forever, name="lyra-gate", daemon=True)
        self._thread.start()
        listening = asyncio.start_server(self._accept, host, port, ssl=tls)
        try:
            self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        except OSError as error:
            self._end()
            raise InputError(
                "The address cannot be used", got=f"{host}:{port}: {error}", do="Choose another --port"
            ) from error
        self.port = int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """What to open in a browser."""
        shown = "localhost" if is_loopback(self.host) or self.host in ("0.0.0.0", "::") else self.host
        return f"{self._scheme}://{shown}:{self.port}/" + (f"?token={self.token}" if self.token else "")

    def close(self) -> None:
        """Stop listening and cut all connections."""

        async def stop() -> None:
            if self._server is not None:
                self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        if self._loop.is_closed():
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(stop(), self._loop).result(timeout=5)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), timeout=15)
        if len(head) > _MOST_HEAD:
            return await _refuse(writer, 431, "The request is too large.")
        reason, grants = self.judge(head)
        if reason:
            return await _refuse(writer, 403, reason)
        if grants:
            # The token leaves the address bar; the page and its socket then carry the cookie.
            secure = "; Secure" if self._scheme == "https" else ""
            cookie = f"{_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/{secure}"
            writer.write(f"HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: {cookie}\r\n".encode())
            writer.write(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            return await writer.drain()
        behind, before = await asyncio.open_connection("127.0.0.1", self._inner)
        before.write(head)
        pumps = [
            asyncio.create_task(_pump(reader, before, _MOST_SENT)),
            asyncio.create_task(_pump(behind, writer, 0)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            before.close()
        return None

    def judge(self, head: bytes) -> tuple[str, bool]:
        """(why the request is refused or "", whether it brings the token in its URL)."""
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or words[0] not in ("GET", "HEAD"):
            return "Only GET is answered here.", False
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        host = fields.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if is_loopback(self.host) and not is_loopback(name):
            return "This server answers to localhost only.", False
        origin = fields.get("origin")
        if origin and urlsplit(origin).netloc != host:
            return "Other pages may not talk to this server.", False
        if self.token is None:
            return "", False
        given = parse_qs(urlsplit(words[1]).query).get("token", [""])[0]
        if given and hmac.compare_digest(given.encode(), self.token.encode()):
            return "", True
        cookie: SimpleCookie = SimpleCookie()
        with contextlib.suppress(CookieError):
            cookie.load(fields.get("cookie", ""))
        held = cookie[_COOKIE].value if _COOKIE in cookie else ""
        if hmac.compare_digest(held.encode(), self.token.encode()):
            return "", False
        return "The token is missing: open the address that lyra explore printed.", False


async def _refuse(writer: asyncio.StreamWriter, code: int, reason: str) -> None:
    body = reason.encode()
    writer.write(
        f"HTTP/1.1 {code} Refused\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    )
    writer.write(body)
    await writer.drain()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, most: int) -> None:
    """Copy until the end; more than most bytes within the window (0: no bound) cut the connection."""
    sent, since = 0, time.monotonic()
    while data := await source.read(1 << 16):
        now = time.monotonic()
        if now - since > _WINDOW:
            sent, since = 0, now
        sent += len(data)
        if most and sent > most:
            return
        sink.write(data)
        await sink.drain()
