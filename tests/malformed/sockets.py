# SPDX-License-Identifier: Apache-2.0
"""Garbage below HTTP: broken requests on raw sockets.

Each Probe says what the server may do: "4xx" (it must answer with a 4xx), "4xx or close" (it may also just close), "any"
(anything but 5xx; such as a request that is odd but legal), "501" (as any, or 501). Whatever it says, 505 is taken as
an answer to a request line that is not two words and HTTP/1.0 or HTTP/1.1, as RFC 9110 allows.
"""
import dataclasses
import random
import re

POST = b"POST /v1/posts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
LINE = b'{"text":"x"}\n'


@dataclasses.dataclass
class Probe:
    name: str
    data: bytes
    allowed: str
    half_close: bool = False  # shut down our side of the connection after sending

    def allows(self, status):
        """Whether a status ("closed" for none) is an honest answer."""
        if status == "505":
            first = self.data.lstrip(b"\r\n").split(b"\n")[0]
            return re.search(rb"^\S+ \S+ HTTP/1\.[01]\r$", first) is None
        if status.startswith("5"):
            return status == self.allowed
        if self.allowed == "4xx":
            return status.startswith("4")
        if self.allowed == "4xx or close":
            return status.startswith("4") or status == "closed"
        return True


def fixed_probes():
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    return [
        Probe("bad method", b"P\x00ST /v1/posts HTTP/1.1\r\nHost: a\r\n\r\n", "4xx or close"),
        Probe("no version", b"POST /v1/posts\r\n\r\n", "4xx or close"),
        Probe("odd version", b"POST /v1/posts HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", "4xx or close"),
        Probe("spaces in the target", b"POST /v1/ posts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "4xx or close"),
        Probe("long target", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "4xx or close"),
        Probe("oversize header", POST + b"X-A: " + b"a" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n", "4xx or close"),
        Probe("very many headers", POST + b"".join(b"X-%d: 1\r\n" % n for n in range(5000)) + b"\r\n", "4xx or close"),
        Probe("header without colon", POST + b"nonsense\r\n\r\n", "4xx or close"),
        Probe("NUL in a header", POST + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n", "4xx or close"),
        Probe("bare CR in a header", POST + b"X-A: a\rb\r\nContent-Length: 0\r\n\r\n", "4xx or close"),
        Probe("folded header", POST + b"X-A: a\r\n b\r\nContent-Length: 0\r\n\r\n", "any"),
        Probe("no host", b"POST /v1/posts HTTP/1.1\r\nContent-Length: 13\r\n\r\n" + LINE, "any"),
        Probe("negative length", POST + b"Content-Length: -5\r\n\r\n" + LINE, "4xx or close"),
        Probe("length is a word", POST + b"Content-Length: many\r\n\r\n" + LINE, "4xx or close"),
        Probe("huge length", POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + LINE, "4xx or close"),
        Probe("length past the limit", POST + b"Content-Length: 9223372036854775807\r\n\r\n" + LINE, "4xx or close", True),
        Probe("two lengths", POST + b"Content-Length: 13\r\nContent-Length: 14\r\n\r\n" + LINE, "4xx or close"),
        Probe("length and chunks", POST + b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "any"),
        Probe("unknown transfer coding", POST + b"Transfer-Encoding: banana\r\n\r\n" + LINE, "501", True),
        Probe("chunk size is a word", chunked + b"size\r\nabc\r\n0\r\n\r\n", "4xx or close"),
        Probe("negative chunk", chunked + b"-5\r\nabc\r\n0\r\n\r\n", "4xx or close"),
        Probe("huge chunk", chunked + b"FFFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n", "4xx or close"),
        Probe("chunk past the end", chunked + b"FFFF\r\nabc", "4xx or close", True),
        Probe("chunk without line end", chunked + b"5\r\nabcdefghij\r\n0\r\n\r\n", "4xx or close"),
        Probe("long chunk extension", chunked + b"5;" + b"x" * 100_000 + b"\r\nabcde\r\n0\r\n\r\n", "any"),
        Probe("long chunk trailer", chunked + b"0\r\nX-T: " + b"x" * 100_000 + b"\r\n\r\n", "any"),
        Probe("no last chunk", chunked + b"d\r\n" + LINE + b"\r\n", "4xx or close", True),
        Probe("body cut in a line", POST + b"Content-Length: 1000\r\n\r\n" + LINE[:6], "4xx or close", True),
        Probe("body cut after a line", POST + b"Content-Length: 1000\r\n\r\n" + LINE, "4xx or close", True),
        Probe("no body", POST + b"Content-Length: 1000\r\n\r\n", "4xx or close", True),
        Probe("headers cut", POST[:-20], "4xx or close", True),
        Probe("nothing", b"", "4xx or close", True),
        Probe("one byte", b"P", "4xx or close", True),
        Probe("line ends only", b"\r\n" * 1000, "4xx or close", True),
        Probe("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 500, "4xx or close", True),
        Probe("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", "4xx or close", True),
        Probe("HTTP/0.9", b"GET /\r\n", "4xx or close", True),
        Probe("expects the unknown", POST + b"Expect: miracles\r\nContent-Length: 13\r\n\r\n" + LINE, "any"),
        Probe("upgrade", POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 13\r\n\r\n" + LINE, "any"),
        Probe("wrong method", b"DELETE /v1/posts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "4xx"),
        Probe("unknown path", b"GET /v1/nowhere/%00/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "4xx"),
        Probe("bad percent escapes", b"GET /v1/posts/%zz%f HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "4xx"),
        Probe("bad query", b"GET /v1/posts?limit=-1&q=%ff%fe&since=never HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "4xx"),
        Probe("two requests, the second broken",
              POST + b"Content-Length: 13\r\n\r\n" + LINE + b"\x00\x01garbage\r\n\r\n", "any"),
    ]


def random_probe(seed, number):
    """A broken variant of a proper request, or plain noise."""
    rng = random.Random(f"socket:{seed}:{number}")
    if rng.random() < 0.3:
        return Probe("noise", b"\x00" + rng.randbytes(rng.randrange(1, 3000)), "4xx or close", True)
    data = bytearray(POST + b"Content-Length: 13\r\n\r\n" + LINE)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            data[at] = rng.randrange(256)
        else:
            del data[at]
    return Probe("mutated request", bytes(data), "any", True)
