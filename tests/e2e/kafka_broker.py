# SPDX-License-Identifier: Apache-2.0
"""A real Kafka broker (KRaft, one node) run from its Maven jars, for kafka_test.py."""

import base64
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).parent
START_SECONDS = 120  # a bound, never a wait that a passing test sits out


class Unavailable(Exception):
    """There is no broker to be had here; says why."""


def jars():
    """The folder of the broker's jars, fetched once a pom into the build folder."""
    java = subprocess.run([HERE.parents[1] / "scripts" / "check-java"], capture_output=True, text=True)
    if java.returncode != 0:
        raise Unavailable(java.stderr.strip())
    if shutil.which("mvn") is None:
        raise Unavailable("no mvn here: apt-get install maven")
    pom = HERE / "kafka" / "pom.xml"
    version = re.search(r"<version>([0-9.]+)</version>\s*</dependency>", pom.read_text()).group(1)
    folder = HERE.parents[1] / "build" / f"kafka-{version}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            shutil.copy(pom, fresh)
            fetched = subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"],
                                     cwd=fresh, capture_output=True, text=True)
            if fetched.returncode != 0:
                raise Unavailable(f"Maven cannot fetch Kafka {version}: {fetched.stdout[-500:]}")
            os.replace(os.path.join(fresh, "lib"), folder)
    return folder


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Broker:
    """`address` is the plain listener, `secure_address` one with TLS and SASL/PLAIN, whose
    certificate (of localhost) is `certificate`."""

    USER, PASSWORD = "desk", "pass word"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.jars = jars()
        self.port, self.secure_port, controller = free_ports(3)
        self.address = f"127.0.0.1:{self.port}"
        self.secure_address = f"localhost:{self.secure_port}"
        self.process = None
        self._make_certificate()
        (self.folder / "server.properties").write_text(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{self.port},SECURE://127.0.0.1:{self.secure_port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{self.port},SECURE://localhost:{self.secure_port}
listener.security.protocol.map=PLAIN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
log.dirs={self.folder}/logs
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.enable=false
listener.name.secure.sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{self.USER}="{self.PASSWORD}";
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={self.folder}/server.pem
""")
        self._java("kafka.tools.StorageTool", "format", "-t",
                   base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
                   "-c", str(self.folder / "server.properties"))
        self.start()

    def _make_certificate(self):
        self.certificate = self.folder / "ca.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-keyout", self.folder / "key.pem", "-out", self.certificate, "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        (self.folder / "server.pem").write_text((self.folder / "key.pem").read_text() + self.certificate.read_text())

    def _command(self, name, *arguments):
        return ["java", "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                f"{self.jars}/*", name, *arguments]

    def _java(self, name, *arguments):
        done = subprocess.run(self._command(name, *arguments), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stdout}{done.stderr}")

    def start(self):
        self.log = open(self.folder / "broker.log", "ab")
        self.process = subprocess.Popen(self._command("kafka.Kafka", str(self.folder / "server.properties")),
                                        stdout=self.log, stderr=self.log)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self._admin(2_000).close()
                return
            except Exception:  # noqa: BLE001: whatever the client says while the broker comes up
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self.folder / "broker.log").read_text()[-3000:]) from None
                time.sleep(0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def _admin(self, timeout_ms=30_000):
        from kafka import KafkaAdminClient
        admin = KafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=timeout_ms)
        admin.describe_cluster()
        return admin

    def create_topic(self, name, partitions=1):
        from kafka.admin import NewTopic
        admin = self._admin()
        admin.create_topics([NewTopic(name, partitions, 1)])
        admin.close()

    def producer(self):
        from kafka import KafkaProducer
        return KafkaProducer(bootstrap_servers=self.address, linger_ms=5)

    def read(self, topic, count):
        """The first `count` messages of a topic."""
        from kafka import KafkaConsumer
        consumer = KafkaConsumer(topic, bootstrap_servers=self.address, auto_offset_reset="earliest",
                                 consumer_timeout_ms=30_000)
        messages = [message for _, message in zip(range(count), consumer)]
        consumer.close()
        return messages

    def committed(self, group):
        """The group's offsets, by partition name and number."""
        admin = self._admin()
        groups = admin.list_group_offsets(group)
        admin.close()
        return groups
