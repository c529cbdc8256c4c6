# SPDX-License-Identifier: Apache-2.0
"""The Kafka connector against a real Kafka 4.1 broker: kill -9 of the engine in mid-stream, a broker
that dies, messages that are no posts, two engines of one group, TLS with SASL."""

import collections
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from engine import Engine, binary_from_environment  # noqa: E402
from kafka_broker import Broker, Unavailable  # noqa: E402
from source_testing import source_of, stored_ids, stored_rows, until  # noqa: E402

BINARY = binary_from_environment()


class KafkaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker_folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.broker_folder.cleanup)
        try:
            cls.broker = Broker(cls.broker_folder.name)
        except Unavailable as why:
            raise unittest.SkipTest(str(why)) from None
        cls.addClassCleanup(cls.broker.kill)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.topic = self.id().rsplit(".", 1)[1]

    def start(self, more="", data="data", brokers=None):
        path = os.path.join(self.folder.name, f"{data}.toml")
        with open(path, "w") as out:
            out.write(f"""
[[sources]]
type = "kafka"
name = "feed"
brokers = "{brokers or self.broker.address}"
topics = ["{self.topic}"]
group = "{self.topic}"
{more}
""")
        return Engine(BINARY, self.data(data), "--model", "none", "--config", path)

    def data(self, name="data"):
        return os.path.join(self.folder.name, name)

    def produce(self, numbers, with_id=lambda n: n % 2):
        """Numbered posts, some with an id of their own."""
        producer = self.broker.producer()
        for n in numbers:
            post = {"text": f"第{n}条", "author": f"u{n % 97}", "number": n}
            if with_id(n):
                post["id"] = f"own-{n}"
            producer.send(self.topic, json.dumps(post, ensure_ascii=False).encode())
        producer.flush()
        producer.close()

    def numbers(self, data="data"):
        return [json.loads("{" + row[0] + "}" if not row[0].startswith("{") else row[0])["number"]
                for row in stored_rows(self.data(data), "extra")]

    def assert_once(self, count, data="data"):
        numbers = collections.Counter(self.numbers(data))
        self.assertEqual([n for n, times in numbers.items() if times > 1], [], "stored twice")
        self.assertEqual([n for n in range(count) if n not in numbers], [], "lost")
        self.assertEqual(len(numbers), count)

    def test_kill_of_the_engine_loses_and_doubles_nothing(self):
        count = 12_000
        self.broker.create_topic(self.topic, 3)
        self.produce(range(count))
        seen = 0
        # The broker hears soon that a member is dead.
        quick = 'properties = { "session.timeout.ms" = "1500", "heartbeat.interval.ms" = "300" }'
        for _ in range(4):
            with self.start("in_flight_max = 200\n" + quick) as engine:
                # In mid-stream: some more are on disk than at the last kill, not all.
                until("posts on disk", lambda: len(stored_ids(self.data())) > seen or seen >= count)
                engine.kill()
            seen = len(stored_ids(self.data()))
        with self.start(quick) as engine:
            until("all posts", lambda: len(stored_ids(self.data())) >= count)
            until("no lag", lambda: source_of(engine, "feed")["lag"] == 0)
            self.assertEqual(engine.stop(), 0)
        self.assert_once(count)

    def test_a_stopped_engine_has_committed(self):
        self.broker.create_topic(self.topic)
        self.produce(range(500))
        with self.start() as engine:
            until("all posts", lambda: len(stored_ids(self.data())) == 500)
            self.assertEqual(engine.stop(), 0)
        self.assertIn("500", str(self.broker.committed(self.topic)))
        with self.start(data="fresh") as engine:  # another store: what it gets was not committed
            self.produce([500])
            until("the new post", lambda: stored_ids(self.data("fresh")))
            self.assertEqual(self.numbers("fresh"), [500])

    def test_a_broker_that_dies_is_waited_for(self):
        self.broker.create_topic(self.topic, 2)
        self.produce(range(1_000))
        with self.start() as engine:
            until("the first posts", lambda: len(stored_ids(self.data())) == 1_000)
            self.broker.kill()
            state = until("the outage is said", lambda: (s := source_of(engine, "feed"))["errors"] and s)
            self.assertTrue(state["last_error"])
            until("it waits", lambda: source_of(engine, "feed")["state"] == "waiting")
            self.broker.start()
            until("it is back without a message", lambda: source_of(engine, "feed")["state"] == "running")
            self.produce(range(1_000, 1_500))
            until("the rest", lambda: len(stored_ids(self.data())) >= 1_500)
            self.assertEqual(engine.stop(), 0)
        self.assert_once(1_500)

    def test_poison_is_kept_and_passed(self):
        self.broker.create_topic(self.topic)
        self.broker.create_topic(self.topic + "-dead")
        poison = [b"no json", b"\xff\x00\xfe", b'{"id":"x"}', b'{"text":5}', b"x" * 900_000]
        producer = self.broker.producer()
        for n in range(50):
            producer.send(self.topic, json.dumps({"text": "好", "number": n}).encode())
            if n < len(poison):
                producer.send(self.topic, poison[n])
            producer.send(self.topic, None, key=b"k")  # a tombstone: neither post nor fault
        producer.flush()
        with self.start(f'dead_letter_topic = "{self.topic}-dead"') as engine:
            until("all posts", lambda: len(stored_ids(self.data())) == 50)
            until("no lag", lambda: source_of(engine, "feed")["lag"] == 0)
            state = source_of(engine, "feed")
            self.assertEqual((state["stored"], state["rejected"], state["state"]), (50, 5, "running"))
            text = engine.request("GET", "/metrics")[2].decode()
            self.assertIn('tidewatch_source_posts_total{source="feed",result="rejected"} 5', text)
            self.assertIn('tidewatch_source_up{source="feed"} 1', text)
            self.assertEqual(engine.stop(), 0)
        letters = self.broker.read(self.topic + "-dead", 5)
        self.assertEqual([letter.value for letter in letters], poison)
        headers = dict(letters[0].headers)
        self.assertIn(f"{self.topic}[0]@1".encode(), headers["tidewatch-place"])
        self.assertTrue(headers["tidewatch-reason"])
        with open(os.path.join(self.data(), "sources", "feed.rejected.ndjson")) as kept:
            self.assertEqual(len(kept.readlines()), 5)

    def test_many_posts_in_a_message(self):
        self.broker.create_topic(self.topic)
        producer = self.broker.producer()
        lines = [json.dumps({"text": "行", "number": n}) for n in range(100)]
        producer.send(self.topic, "\n".join(lines[:60]).encode())
        producer.send(self.topic, ("\n".join(lines[60:]) + "\nnot a post\n").encode())
        producer.flush()
        with self.start('format = "ndjson"') as engine:
            until("all posts", lambda: len(stored_ids(self.data())) == 100)
            until("the fault", lambda: source_of(engine, "feed")["rejected"] == 1)
        self.assert_once(100)

    def test_partitions_move_to_a_second_engine(self):
        self.broker.create_topic(self.topic, 4)
        self.produce(range(2_000))
        with self.start() as first, self.start(data="second") as second:
            until("both hold partitions", lambda: all(
                "partitions assigned" in "".join(engine.stderr_lines) for engine in (first, second)))
            self.produce(range(2_000, 4_000))
            both = lambda: stored_ids(self.data()) + stored_ids(self.data("second"))  # noqa: E731
            until("all posts", lambda: len(both()) >= 4_000)
            self.assertEqual(first.stop(), 0)  # its partitions go to the second
            self.produce(range(4_000, 5_000))
            until("all posts", lambda: len(both()) >= 5_000)
            self.assertEqual(second.stop(), 0)
        numbers = collections.Counter(self.numbers() + self.numbers("second"))
        self.assertEqual(sorted(numbers), list(range(5_000)))
        # Both were told politely: posts were on disk and committed before their partition went.
        self.assertEqual([n for n, times in numbers.items() if times > 1], [])

    def test_tls_and_a_password(self):
        self.broker.create_topic(self.topic)
        self.produce(range(20))
        secure = f"""
sasl_password_env = "TEST_TIDEWATCH_KAFKA_PASSWORD"
properties = {{ "security.protocol" = "SASL_SSL", "sasl.mechanism" = "PLAIN",
  "sasl.username" = "desk", "ssl.ca.location" = "{self.broker.certificate}" }}""".replace("\n  ", " ")
        os.environ["TEST_TIDEWATCH_KAFKA_PASSWORD"] = "wrong-secret"
        with self.start(secure, brokers=self.broker.secure_address) as engine:
            state = until("it is refused", lambda: (s := source_of(engine, "feed"))["errors"] and s)
            until("for the password", lambda: "uthent" in source_of(engine, "feed")["last_error"])
            self.assertNotIn("wrong-secret", json.dumps(state) + "".join(engine.stderr_lines))
        os.environ["TEST_TIDEWATCH_KAFKA_PASSWORD"] = self.broker.PASSWORD
        with self.start(secure, brokers=self.broker.secure_address) as engine:
            until("all posts", lambda: len(stored_ids(self.data())) == 20)
        untrusted = secure.replace(f', "ssl.ca.location" = "{self.broker.certificate}"', "")
        with self.start(untrusted, data="untrusted", brokers=self.broker.secure_address) as engine:
            until("its certificate is refused",
                  lambda: "ertificate" in source_of(engine, "feed")["last_error"])
            self.assertEqual(stored_ids(self.data("untrusted")), [])

    def test_what_cannot_be_used_stops_the_start(self):
        for more, said in (
            ('properties = { "plugin.library.paths" = "x.so" }', "may not be set"),
            ('properties = { "sasl.password" = "x" }', "sasl_password_env"),
            ('properties = { "session.timeout.ms" = "soon" }', "session.timeout.ms"),
            ('format = "xml"', '"json" or "ndjson"'),
            ("in_flight_max = 0", "in_flight_max"),
        ):
            with self.subTest(more), self.assertRaises(RuntimeError) as raised:
                self.start(more)
            self.assertIn(said, str(raised.exception))


if __name__ == "__main__":
    unittest.main()
