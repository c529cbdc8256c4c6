# SPDX-License-Identifier: Apache-2.0
"""Alerts on their way to people, through the real program: every channel against a stand-in that
checks what the real receiver checks, dead letters, life cycle, escalation."""

import email
import email.header
import email.policy
import os
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from channel_standins import MailServer, Robots  # noqa: E402
from engine import Engine, binary_from_environment  # noqa: E402

BINARY = binary_from_environment()
SECONDS = 60  # a bound, never a wait that a passing test sits out


def wave(tag):
    """A quiet half hour, then many authors at once; with what chat markup would trip over."""
    start = time.time() - 30 * 60
    posts = [{"id": f"{tag}-q{i}", "text": f"平常的一天 #{tag}#", "author": f"q{i % 50}", "region": "广东",
              "time": start + i * 4} for i in range(420)]
    begin = start + 420 * 4
    return posts + [{"id": f"{tag}-w{i}", "text": f"怎么回事 <b>&[链接](http://x.example) *急* #{tag}# {i}",
                     "author": f"用户<{i}>", "region": "广东", "url": f"https://posts.example/{i}?a=1&b=2",
                     "repost_of": None if i % 4 or i == 0 else f"{tag}-w{1 if i % 8 else 2}",
                     "time": begin + i / 25} for i in range(3000)]


def send(engine, posts):
    for at in range(0, len(posts), 500):
        status, _, answer = engine.post_lines(posts[at:at + 500])
        assert status == 200, answer


def toml(robots, mail, folder):
    with open(os.path.join(folder, "mail-password"), "w") as out:
        out.write("pass word\n")
    os.environ["TEST_TIDEWATCH_DING_SECRET"] = robots.DING_SECRET
    return f"""
[server]
public_url = "https://tidewatch.example/"

[[channel]]
type = "dingtalk"
name = "ding"
url = "{robots.url('/robot/send?access_token=ding-token')}"
secret_env = "TEST_TIDEWATCH_DING_SECRET"

[[channel]]
type = "wecom"
name = "wecom"
url = "{robots.url('/cgi-bin/webhook/send?key=wecom-key')}"

[[channel]]
type = "feishu"
name = "feishu"
url = "{robots.url('/open-apis/bot/v2/hook/tok')}"
secret = "{robots.FEISHU_SECRET}"

[[channel]]
type = "slack"
name = "slack"
url = "{robots.url('/services/T0/B0/XX')}"
language = "en"

[[channel]]
type = "telegram"
name = "telegram"
url = "{robots.url('/')}"
token = "{robots.TELEGRAM_TOKEN}"
chat_id = "-100123"

[[channel]]
type = "webhook"
name = "hook"
url = "{robots.url('/hook')}"
secret = "hook-secret"

[[channel]]
type = "email"
name = "mail"
host = "localhost"
port = {mail.port}
user = "desk"
password_file = "{folder}/mail-password"
from = "Tidewatch <tidewatch@example.org>"
to = ["duty@example.org", "Li <li@example.org>"]
ca_file = "{mail.certificate}"

[[subscriber]]
name = "duty"
channels = ["ding", "wecom", "feishu", "slack", "telegram", "hook", "mail"]
keys = ["#潮汐#"]
events = ["opened", "resolved"]
"""


class ChannelsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.robots = Robots()
        self.mail = MailServer(self.folder.name)

    def tearDown(self):
        self.robots.stop()
        self.mail.stop()
        self.folder.cleanup()

    def start(self, config):
        path = os.path.join(self.folder.name, "tidewatch.toml")
        with open(path, "w") as out:
            out.write(config)
        return Engine(BINARY, os.path.join(self.folder.name, "data"), "--model", "none", "--config", path)

    def state(self, engine, channel):
        return next(c for c in engine.get("/v1/channels")["channels"] if c["name"] == channel)

    def until(self, engine, channel, good):
        """Asks until the channel is as wanted; the engine works on its own threads."""
        end = time.monotonic() + SECONDS
        while not good(state := self.state(engine, channel)):
            self.assertLess(time.monotonic(), end, state)
            time.sleep(0.05)
        return state

    def test_every_channel_is_told_in_its_own_shape(self):
        # Some first answers are failures that the makers document: none loses the message.
        self.robots.script = {
            "wecom": [(200, {}, {"errcode": -1, "errmsg": "system busy"})],
            "slack": [(429, {"Retry-After": "1"}, "rate_limited")],
            "telegram": [(429, {}, {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 1",
                                    "parameters": {"retry_after": 1}})],
        }
        self.mail.replies = ["451 4.3.0 try again later"]
        with self.start(toml(self.robots, self.mail, self.folder.name)) as engine:
            send(engine, wave("潮汐"))
            told = {}
            while len(told) < 6:
                robot, body = self.robots.taken.get(timeout=SECONDS)
                told.setdefault(robot, body)
            mail = self.mail.mails.get(timeout=SECONDS)
            self.assertEqual(self.robots.refused, [])
            self.assertEqual(self.mail.wrong, [])
            alert = told["webhook"]
            self.assertEqual((alert["key"], alert["event"]), ("#潮汐#", "opened"))
            self.assertEqual(len(alert["evidence_posts"]), 3)
            self.assertIn(alert["cascade"]["root"], ("潮汐-w1", "潮汐-w2"))
            self.assertEqual(alert["cascade"]["depth"], 1)
            self.assertGreaterEqual(alert["cascade"]["posts"], 3)
            self.assertEqual({a["author"] for a in alert["accounts"][:2]}, {"用户<1>", "用户<2>"})
            self.assertIsNone(alert["forecast"])
            self.assertEqual(alert["link"], f"https://tidewatch.example/#/alerts/{alert['id']}")

            ding = told["dingtalk"]["markdown"]["text"]
            self.assertIn(alert["link"], ding)
            self.assertIn("https://posts.example/", ding)
            self.assertNotIn("](http://x.example", ding)  # what people write is no link of ours
            self.assertIn("讨论量", told["wecom"]["markdown"]["content"])
            lines = told["feishu"]["content"]["post"]["zh_cn"]["content"]
            self.assertEqual(lines[-1][0]["href"], alert["link"])
            self.assertIn("Volume", told["slack"]["blocks"][1]["text"]["text"])
            self.assertIn("&lt;b&gt;&amp;", told["slack"]["blocks"][1]["text"]["text"])
            self.assertIn("怎么回事", told["telegram"]["text"])

            self.assertEqual(mail["from"], "<tidewatch@example.org>")
            self.assertEqual(mail["to"], ["<duty@example.org>", "<li@example.org>"])
            message = email.message_from_bytes(mail["data"], policy=email.policy.default)
            self.assertIn(alert["title"].split(":")[0], message["Subject"])
            self.assertIn(alert["link"], message.get_content())
            self.assertTrue(message["Message-ID"])

            # No secret reaches the log.
            self.assertEqual(engine.stop(), 0)
            log = "".join(engine.stderr_lines)
            for secret in ("ding-token", "wecom-key", "SECding", "pass word", "AAHdqTcvCH1", "hook-secret", "T0/B0"):
                self.assertNotIn(secret, log)

    def test_what_is_refused_for_good_is_a_dead_letter(self):
        config = toml(self.robots, self.mail, self.folder.name).replace("key=wecom-key", "key=wrong")
        self.mail.replies = ["550 5.7.1 rejected"]
        with self.start(config) as engine:
            send(engine, wave("潮汐"))
            for channel in ("wecom", "mail"):
                self.until(engine, channel, lambda state: state["dead"] == 1)
            dead = engine.get("/v1/outbox", state="dead")["messages"]
            self.assertEqual({m["channel"] for m in dead}, {"wecom", "mail"})
            errors = {m["channel"]: m["last_error"] for m in dead}
            self.assertIn("93000", errors["wecom"])
            self.assertIn("550", errors["mail"])
            self.assertEqual({m["event"] for m in dead}, {"opened"})
            status, _, metrics = engine.request("GET", "/metrics")
            self.assertIn(b'tidewatch_channel_messages_total{channel="wecom",result="dead"} 1', metrics)
            # By hand: the mail goes now, the other is refused again.
            self.assertEqual(engine.request("POST", "/v1/channels/mail/retry")[0], 200)
            self.mail.mails.get(timeout=SECONDS)
            number = next(m["id"] for m in dead if m["channel"] == "wecom")
            self.assertEqual(engine.request("POST", f"/v1/outbox/{number}/retry")[0], 200)
            self.until(engine, "wecom", lambda state: state["dead"] == 1 and state["failed_attempts"] == 2)
            self.assertEqual(engine.request("POST", "/v1/outbox/999/retry")[0], 404)
            self.assertEqual(engine.stop(), 0)
        # A channel that is taken out: what it has left is shown as of one that is gone.
        with self.start(self.hook_alone()) as engine:
            self.assertEqual(self.state(engine, "wecom")["type"], "gone")

    def hook_alone(self, more=""):
        return f"""
[[channel]]
type = "webhook"
name = "hook"
url = "{self.robots.url('/hook')}"
secret = "hook-secret"

[[channel]]
type = "wecom"
name = "boss"
url = "{self.robots.url('/cgi-bin/webhook/send?key=wecom-key')}"

[[subscriber]]
name = "duty"
channels = ["hook"]
keys = ["#潮汐#"]
events = ["opened", "updated", "closed", "acknowledged", "resolved"]
{more}
[[subscriber.escalation]]
after_minutes = 0
channels = ["boss"]
"""

    def test_life_cycle_and_escalation(self):
        with self.start(self.hook_alone()) as engine:
            send(engine, wave("潮汐"))
            seen = {}
            while len(seen) < 2:  # the hook is told, and at once, for nobody has acknowledged it, the boss
                robot, body = self.robots.taken.get(timeout=SECONDS)
                seen.setdefault(robot, body)
            alert = seen["webhook"]["id"]
            self.assertIn("升级", seen["wecom"]["markdown"]["content"])

            def act(action, body=None):
                status, _, answer = engine.request(
                    "POST", f"/v1/alerts/{alert}/{action}", body and body.encode(),
                    {"Content-Type": "application/json"})
                return status, answer

            self.assertEqual(engine.get(f"/v1/alerts/{alert}")["state"], "escalated")
            status, answer = act("ack", '{"by":"李","note":"看过了"}')
            self.assertEqual((status, answer["state"]), (200, "acknowledged"))
            status, answer = act("mute", '{"by":"李","minutes":30}')
            self.assertEqual(status, 200)
            self.assertIsNotNone(answer["muted_until"])
            self.assertEqual(act("mute", '{"minutes":-1}')[0], 400)
            self.assertEqual(act("mute", '{"minutes":0}')[1]["muted_until"], None)
            status, answer = act("resolve", '{"by":"李","note":"已辟谣"}')
            self.assertEqual(answer["state"], "resolved")
            self.assertEqual(act("escalate")[0], 409)
            self.assertNotIn(alert, [a["id"] for a in engine.get("/v1/alerts", state="open")["alerts"]])
            history = answer["history"]
            self.assertEqual([(h["action"], h["by"]) for h in history],
                             [("opened", "tidewatch"), ("escalated", "tidewatch"), ("acknowledged", "李"),
                              ("muted", "李"), ("unmuted", "unnamed"), ("resolved", "李")])
            self.assertIn("not acknowledged within 0 min", history[1]["note"])
            self.assertEqual(history[-1]["note"], "已辟谣")
            events = []
            while "resolved" not in events:
                robot, body = self.robots.taken.get(timeout=SECONDS)
                if robot == "webhook" and body["id"] == alert:
                    events.append(body["event"])
            self.assertIn("acknowledged", events)
            engine.kill()
        with self.start(self.hook_alone()) as engine:  # it survives a kill -9
            again = engine.get(f"/v1/alerts/{alert}")
            self.assertEqual(again["state"], "resolved")
            self.assertEqual(again["history"], history)

    def test_says_what_is_wrong_with_a_configuration(self):
        cases = [
            ('[[channel]]\ntype = "pager"\n', "channel.type 'pager' is not a type"),
            ('[[channel]]\ntype = "telegram"\ntoken = "1:a"\n', "chat_id is missing"),
            ('[[channel]]\ntype = "slack"\nurl_env = "NO_SUCH_VARIABLE_X"\n', "NO_SUCH_VARIABLE_X, which is not set"),
            ('[[channel]]\ntype = "webhook"\nname="a"\nurl = "http://a/"\n[[subscriber]]\nname = "b"\nchannels = ["c"]\n',
             "names the channel 'c'"),
            ('[[channel]]\ntype = "webhook"\nname="a"\nurl = "http://a/"\n[[subscriber]]\nname = "b"\nchannels = ["a"]\n'
             'quiet_hours = ["22:00-07:00"]\n', "time_zone is missing"),
        ]
        for text, words in cases:
            with self.assertRaises(RuntimeError) as failure:
                self.start(text)
            self.assertIn(words, str(failure.exception))


if __name__ == "__main__":
    unittest.main(verbosity=2)
