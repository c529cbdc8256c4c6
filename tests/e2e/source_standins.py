# SPDX-License-Identifier: Apache-2.0
"""Local stand-ins of the servers that connectors read from, by the protocols' own documents (Python
standard library only)."""

import gzip
import http.server
import os
import ssl
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
