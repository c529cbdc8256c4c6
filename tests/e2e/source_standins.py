# SPDX-License-Identifier: Apache-2.0
"""Local stand-ins of the servers that connectors read from, by the protocols' own documents (Python
standard library only)."""

import base64
import gzip
import hashlib
import http.server
import json
import os
import socketserver
import ssl
import struct
import subprocess
import threading
import urllib.parse


def make_certificate(folder):
    """(certificate, key) of localhost."""
    certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key,
                    "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    return certificate, key


class HttpStandin:
    """An HTTP server whose `answer(request)` writes the reply; `asked` is what was asked so far."""

    def __init__(self, certificate=None, key=None):
        self.asked = []
        self.stopping = threading.Event()
        standin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = urllib.parse.urlparse(self.path)
                standin.asked.append((url.path, dict(urllib.parse.parse_qsl(url.query)), dict(self.headers)))
                self.close_connection = True
                try:
                    standin.answer(self, url.path, dict(urllib.parse.parse_qsl(url.query)))
                except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    pass

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # a client that refuses the certificate is no error here
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"{self.scheme}://localhost:{self.port}{path}"

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()


class FeedServer(HttpStandin):
    """An RSS feed at /feed of `items` (texts), with ETag; /moved redirects there. `script` holds
    answers (status, body, headers) that the next requests get instead."""

    def __init__(self, *certificate):
        self.items = []
        self.script = []
        super().__init__(*certificate)

    def document(self):
        items = "".join(
            f"<item><guid>item-{n}</guid><title>{text}</title><link>https://news.example/{n}</link>"
            "<description>&lt;p&gt;正文&lt;/p&gt;</description><pubDate>Mon, 23 Nov 2026 08:05:00 +0800</pubDate></item>"
            for n, text in reversed(list(enumerate(self.items))))
        return f'<?xml version="1.0"?><rss version="2.0"><channel><title>新闻</title>{items}</channel></rss>'.encode()

    def answer(self, handler, path, _):
        if path == "/moved":
            return handler.reply(302, Location="/feed")
        if self.script:
            status, body, headers = self.script.pop(0)
            return handler.reply(status, body, **headers)
        tag = f'"{len(self.items)}"'
        if handler.headers.get("If-None-Match") == tag:
            return handler.reply(304, ETag=tag)
        body = self.document()
        headers = {"ETag": tag, "Content_Type": "application/rss+xml; charset=utf-8"}
        if "gzip" in handler.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            headers["Content_Encoding"] = "gzip"
        return handler.reply(200, body, **headers)


class JetstreamServer:
    """Bluesky's Jetstream at /subscribe (RFC 6455, no extensions): keeps `events` (number, lang) and
    sends those after the cursor, then each new one. `drop()` ends every connection without a word;
    `garbage` is sent once at the next connection."""

    GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    START_US = 1_795_408_265_000_000

    def __init__(self, certificate=None, key=None):
        self.events = []
        self.asked = []
        self.garbage = None
        self.changed = threading.Condition()
        self.generation = 0
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    server.serve(self)
                except (OSError, ValueError):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "ws"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "wss"
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self):
        return f"{self.scheme}://localhost:{self.port}/subscribe"

    def add(self, count, lang="zh"):
        with self.changed:
            self.events += [lang] * count
            self.changed.notify_all()

    def drop(self):
        with self.changed:
            self.generation += 1
            self.changed.notify_all()

    def stop(self):
        self.drop()
        self.server.shutdown()
        self.server.server_close()

    def handshake(self, handler):
        """What the client asks for; None when it was refused or left."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = handler.rfile.readline(65536)
            if not line:
                return None
            head += line
        lines = head.decode().split("\r\n")
        url = urllib.parse.urlparse(lines[0].split(" ")[1])
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path != "/subscribe" or query.get("wantedCollections") != "app.bsky.feed.post" \
                or headers.get("upgrade", "").lower() != "websocket" or headers["sec-websocket-version"] != "13":
            handler.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return None
        accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + self.GUID).encode()).digest()).decode()
        handler.wfile.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        return query

    def serve(self, handler):
        query = self.handshake(handler)
        if query is None:
            return
        with self.changed:
            self.asked.append(query)
            generation = self.generation
            garbage, self.garbage = self.garbage, None
        if garbage is not None:
            self.send(handler, garbage)
        sent = 0
        if "cursor" in query:
            sent = max(0, int(query["cursor"]) - self.START_US)
        else:
            sent = len(self.events)  # a stream without a cursor is live
        while True:
            with self.changed:
                while sent >= len(self.events) and generation == self.generation:
                    self.changed.wait()
                if generation != self.generation:
                    return
                upto = len(self.events)
            for n in range(sent, upto):
                self.send(handler, self.event(n))
            sent = upto

    def event(self, n):
        return json.dumps({
            "did": f"did:plc:{n % 7}", "time_us": self.START_US + n + 1, "kind": "commit",
            "commit": {"rev": "r", "operation": "create", "collection": "app.bsky.feed.post", "rkey": f"k{n}",
                       "cid": "c", "record": {"$type": "app.bsky.feed.post", "text": f"第{n}条", "langs": [self.events[n]],
                                              "createdAt": "2026-11-23T04:31:04.500Z"}}}).encode()

    @staticmethod
    def frame(payload):
        if len(payload) < 126:
            head = struct.pack("!BB", 0x81, len(payload))
        elif len(payload) < 65536:
            head = struct.pack("!BBH", 0x81, 126, len(payload))
        else:
            head = struct.pack("!BBQ", 0x81, 127, len(payload))
        return head + payload

    def send(self, handler, payload):
        handler.wfile.write(self.frame(payload))


class MastodonServer(HttpStandin):
    """A Mastodon instance: the public stream and timeline of `statuses`. `drop()` ends every stream;
    `garbage` is sent once at the next one."""

    TOKEN = "reader-token"

    def __init__(self):
        self.count = 0
        self.garbage = None
        self.changed = threading.Condition()
        self.generation = 0
        super().__init__()

    def add(self, count):
        with self.changed:
            self.count += count
            self.changed.notify_all()

    def drop(self):
        with self.changed:
            self.generation += 1
            self.changed.notify_all()

    def stop(self):
        self.drop()
        super().stop()

    # Ids as Mastodon makes them: milliseconds << 16, one status a second.
    @staticmethod
    def id_of(n):
        return (1_795_408_265_000 + n * 1000) << 16

    def status(self, n):
        return {"id": str(self.id_of(n)), "uri": f"https://m.example/s/{n}", "url": f"https://m.example/@a/{n}",
                "created_at": "2026-11-23T04:31:05.000Z", "content": f"<p>第{n}条<br>&amp;</p>", "language": "zh",
                "spoiler_text": "", "reblog": None, "favourites_count": 0, "reblogs_count": 0,
                "account": {"acct": "a", "url": "https://m.example/@a"}}

    def answer(self, handler, path, query):
        if handler.headers.get("Authorization") != f"Bearer {self.TOKEN}":
            return handler.reply(401, b'{"error":"The access token is invalid"}')
        if path == "/api/v1/timelines/public":
            after = [n for n in range(self.count) if self.id_of(n) > int(query["min_id"])]
            page = [self.status(n) for n in reversed(after[:int(query["limit"])])]
            return handler.reply(200, json.dumps(page).encode(), Content_Type="application/json")
        if path != "/api/v1/streaming/public":
            return handler.reply(404)
        with self.changed:
            generation, sent = self.generation, self.count
            garbage, self.garbage = self.garbage, None
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b":)\n\n" + (garbage or b""))
        while True:
            with self.changed:
                while sent >= self.count and generation == self.generation:
                    self.changed.wait()
                if generation != self.generation:
                    return None
                upto = self.count
            for n in range(sent, upto):
                handler.wfile.write(f"event: update\ndata: {json.dumps(self.status(n))}\n\n".encode())
            sent = upto
