# SPDX-License-Identifier: Apache-2.0
"""Local stand-ins of the chat robots and of a mail server (Python standard library only). Each
checks what the real one checks, by its maker's documents and not by this project's code, and
answers as the real one does."""

import base64
import hashlib
import hmac
import http.server
import json
import queue
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.parse


def signed(key, content):
    return base64.b64encode(hmac.new(key.encode(), content.encode(), hashlib.sha256).digest()).decode()


class Robots:
    """All robots on one port. `taken` is a queue of (robot, message); `script` is a list of answers
    (status, headers, JSON or text) that the next requests of a robot get instead of its own."""

    DING_SECRET = "SECding"
    FEISHU_SECRET = "feishu-secret"
    TELEGRAM_TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

    def __init__(self):
        self.taken = queue.Queue()
        self.refused = []
        self.script = {}
        robots = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                url = urllib.parse.urlparse(self.path)
                robot, status, headers, answer = robots.judge(url, self.headers, body)
                data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def judge(self, url, headers, body):
        robots = {
            "/robot/send": self.dingtalk, "/cgi-bin/webhook/send": self.wecom,
            "/open-apis/bot/v2/hook/tok": self.feishu, "/services/T0/B0/XX": self.slack,
            f"/bot{self.TELEGRAM_TOKEN}/sendMessage": self.telegram, "/hook": self.webhook,
        }
        check = robots.get(url.path)
        if check is None:
            return "none", 404, {}, {"ok": False, "error_code": 404, "description": "Not Found"}
        name = check.__name__
        if self.script.get(name):
            return (name, *self.script[name].pop(0))
        if headers["Content-Type"].split(";")[0] != "application/json":
            return name, 415, {}, "not JSON"
        query = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
        status, answer, good = check(query, json.loads(body), headers, body)
        if good:
            self.taken.put((name, json.loads(body)))
        else:
            self.refused.append((name, answer))
        return name, status, {}, answer

    def dingtalk(self, query, body, *_):
        if query.get("access_token") != "ding-token":
            return 200, {"errcode": 300001, "errmsg": "token is not exist"}, False
        stamp = query.get("timestamp", "0")
        if abs(time.time() * 1000 - int(stamp)) > 3_600_000 or \
                query.get("sign") != signed(self.DING_SECRET, f"{stamp}\n{self.DING_SECRET}"):
            return 200, {"errcode": 310000, "errmsg": "sign not match"}, False
        text = body.get("markdown", {})
        if body.get("msgtype") != "markdown" or not text.get("title") or not text.get("text"):
            return 200, {"errcode": 400105, "errmsg": "unsupported msgtype"}, False
        if len(json.dumps(body, ensure_ascii=False).encode()) > 20_000:
            return 200, {"errcode": 460101, "errmsg": "message too long"}, False
        return 200, {"errcode": 0, "errmsg": "ok"}, True

    def wecom(self, query, body, *_):
        if query.get("key") != "wecom-key":
            return 200, {"errcode": 93000, "errmsg": "invalid webhook url"}, False
        content = body.get("markdown", {}).get("content", "")
        if body.get("msgtype") != "markdown" or not content:
            return 200, {"errcode": 40008, "errmsg": "invalid message type"}, False
        if len(content.encode()) > 4096:
            return 200, {"errcode": 40058, "errmsg": "markdown.content exceed max length 4096"}, False
        return 200, {"errcode": 0, "errmsg": "ok"}, True

    def feishu(self, _query, body, *_):
        stamp = body.get("timestamp", "0")
        # The maker's rule: the key is "timestamp\nsecret", and nothing is signed.
        if abs(time.time() - int(stamp)) > 3600 or body.get("sign") != signed(f"{stamp}\n{self.FEISHU_SECRET}", ""):
            return 200, {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"}, False
        post = body.get("content", {}).get("post", {}).get("zh_cn", {})
        good = body.get("msg_type") == "post" and post.get("title") and all(
            part.get("tag") in ("text", "a") and "text" in part and (part["tag"] == "text" or "href" in part)
            for line in post.get("content", [[{}]]) for part in line)
        if not good:
            return 400, {"code": 9499, "msg": "Bad Request", "data": {}}, False
        return 200, {"code": 0, "msg": "success", "data": {}}, True

    def slack(self, _query, body, *_):
        blocks = body.get("blocks", [])
        for block in blocks:
            limit = {"header": 150, "section": 3000}.get(block.get("type"))
            if limit is None or not 0 < len(block["text"]["text"]) <= limit:
                return 400, "invalid_blocks", False
        if not body.get("text"):
            return 400, "no_text", False
        return 200, "ok", True

    def telegram(self, _query, body, *_):
        def bad(code, words):
            return code, {"ok": False, "error_code": code, "description": words}, False
        if body.get("chat_id") != "-100123":
            return bad(400, "Bad Request: chat not found")
        text = body.get("text", "")
        if not text or len(text.encode("utf-16-le")) // 2 > 4096:
            return bad(400, "Bad Request: message is too long")
        bare = text
        for tag in ("<b>", "</b>", "</a>"):
            bare = bare.replace(tag, "")
        while '<a href="' in bare:
            start = bare.index('<a href="')
            bare = bare[:start] + bare[bare.index('">', start) + 2:]
        if "<" in bare or ">" in bare:
            return bad(400, "Bad Request: can't parse entities")
        return 200, {"ok": True, "result": {"message_id": 1}}, True

    def webhook(self, _query, _body, headers, raw):
        fields = dict(part.split("=", 1) for part in headers["X-Tidewatch-Signature"].split(","))
        wanted = hmac.new(b"hook-secret", fields["t"].encode() + b"." + raw, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, fields["v1"]) or not headers["Idempotency-Key"]:
            return 401, {"error": "bad signature"}, False
        return 200, {}, True


class MailServer:
    """ESMTP with STARTTLS and AUTH PLAIN/LOGIN that keeps the order of the dialogue. `mails` is a
    queue of {"from", "to", "data"}; `replies` are lines that the next MAIL FROM gets instead."""

    def __init__(self, folder, user="desk", password="pass word"):
        self.mails = queue.Queue()
        self.replies = []
        self.wrong = []
        self.certificate = f"{folder}/mail.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", f"{folder}/mail.key", "-out", self.certificate, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, f"{folder}/mail.key")
        mail = self
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    self.talk()
                except (OSError, ValueError):
                    pass
                finally:
                    self.request.close()

            def say(self, line):
                self.request.sendall(line.encode() + b"\r\n")

            def talk(self):
                secure = greeted = known = False
                sender, to = None, []
                lines = self.request.makefile("rb")
                self.say("220 stand-in ESMTP")
                while True:
                    line = lines.readline().decode().rstrip("\r\n")
                    verb = line.upper()
                    if not line:
                        return
                    if verb.startswith("EHLO "):
                        greeted, sender, to = True, None, []
                        self.say("250-stand-in")
                        self.say("250 AUTH PLAIN LOGIN" if secure else "250 STARTTLS")
                    elif verb == "STARTTLS" and greeted and not secure:
                        self.say("220 go ahead")
                        self.request = context.wrap_socket(self.request, server_side=True)
                        lines = self.request.makefile("rb")
                        secure, greeted = True, False
                    elif verb.startswith("AUTH PLAIN") and secure:
                        given = line[10:].strip()
                        if not given:
                            self.say("334 ")
                            given = lines.readline().decode().strip()
                        known = given == plain
                        self.say("235 welcome" if known else "535 5.7.8 authentication failed")
                    elif verb.startswith("MAIL FROM:") and known:
                        if mail.replies:
                            self.say(mail.replies.pop(0))
                            continue
                        sender = line[10:].split()[0]
                        self.say("250 ok")
                    elif verb.startswith("RCPT TO:") and sender:
                        to.append(line[8:].split()[0])
                        self.say("250 ok")
                    elif verb == "DATA" and to:
                        self.say("354 end with .")
                        data = []
                        while (row := lines.readline()) != b".\r\n":
                            if not row.endswith(b"\r\n") or len(row) > 1000:
                                mail.wrong.append(row)
                            data.append(row[1:] if row.startswith(b"..") else row)
                        mail.mails.put({"from": sender, "to": to, "data": b"".join(data)})
                        self.say("250 queued")
                    elif verb == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        mail.wrong.append(line)
                        self.say("503 5.5.1 bad sequence of commands")

        socketserver.ThreadingTCPServer.daemon_threads = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
