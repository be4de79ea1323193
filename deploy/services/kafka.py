"""Apache Kafka: one node, broker and controller in one (KRaft), from Maven Central."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.services.base import TEMPLATES, Service, keep
from deploy.services.errors import ServiceError
from deploy.services.ports import HOST

POM = TEMPLATES / "kafka-pom.xml"
TOPICS = ("dnsorch.requests", "dnsorch.outcomes", "dnsorch.requests.dlq")
PARTITIONS = 6


class Kafka(Service):
    """The broker's own artefacts, run by ``java``."""

    name = "kafka"
    packages = ("maven", "default-jre-headless")
    programs = ("mvn", "java")
    ports_used = ("kafka", "kafka-controller", "kafka-proxied", "kafka-proxy")

    def configuration(self) -> Mapping[str, str]:
        """Return the broker's properties and those of its log."""
        return {
            "server.properties": self.render(
                "kafka.properties",
                port=self.port,
                controller_port=self.ports["kafka-controller"],
                proxied_port=self.ports["kafka-proxied"],
                proxy_port=self.ports["kafka-proxy"],
            ),
            "log4j2.xml": self.render("log4j2.xml"),
        }

    def prepare(self) -> None:
        """Fetch the jars and format the storage."""
        self._fetch()
        if (self.directory / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        properties = str(self.directory / "server.properties")
        # With "=": an id that begins with a hyphen is taken for an option otherwise.
        named = f"--cluster-id={cluster}"
        self._java("kafka.tools.StorageTool", "format", named, "-c", properties)

    def command(self) -> Sequence[str]:
        """Return the broker's command: a small heap, quick to start."""
        return [
            *self._jvm(),
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.xml'}",
            "kafka.Kafka",
            str(self.directory / "server.properties"),
        ]

    def settle(self) -> None:
        """Make the three topics of the settings."""
        made = self.directory / "topics-made"
        if made.exists():
            return
        for topic in TOPICS:
            self._java(
                "org.apache.kafka.tools.TopicCommand",
                *("--bootstrap-server", f"{HOST}:{self.port}"),
                *("--create", "--if-not-exists", "--topic", topic),
                *("--partitions", str(PARTITIONS)),
            )
        keep(made, "")

    def environment(self) -> Mapping[str, str]:
        """Return where it is, directly and by way of a proxy of the tests."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self.port}",
            "DNSORCH_TEST_KAFKA_PROXIED": f"{HOST}:{self.ports['kafka-proxied']}",
            "DNSORCH_TEST_KAFKA_PROXY": f"{HOST}:{self.ports['kafka-proxy']}",
        }

    def version(self) -> str:
        """Return the version of the jars."""
        jars = list(self._library.glob("kafka_2.13-*.jar"))
        return f"Apache Kafka {jars[0].stem.partition('-')[2]}" if jars else "no jars"

    @property
    def _library(self) -> Path:
        return self.directory / "lib"

    def _fetch(self) -> None:
        fetched = self.directory / "fetched-pom.xml"
        if fetched.exists() and fetched.read_text() == POM.read_text():
            return
        print("fetching Apache Kafka from Maven Central", flush=True)
        words = ["mvn", "--batch-mode", "--quiet", f"--file={POM}"]
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={self._library}"]
        done = subprocess.run([*words, *goal], capture_output=True, text=True)
        if done.returncode:
            raise ServiceError(f"mvn: {done.stdout}{done.stderr}")
        keep(fetched, POM.read_text())

    def _jvm(self) -> Sequence[str]:
        memory = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return ["java", *memory, "-cp", f"{self._library}/*"]

    def _java(self, *words: str) -> None:
        command = [*self._jvm(), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ServiceError(f"{' '.join(words)}:\n{done.stdout}{done.stderr}")
