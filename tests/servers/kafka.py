"""A Kafka broker (KRaft, one node) with logins, rights and TLS; one per test worker, about four seconds."""

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.servers.certificates import ServerCertificate, write_server_certificate
from tests.servers.environment import minimal_environment
from tests.servers.process import (
    ServerProcess,
    ServerStartError,
    free_port,
    start_on_free_port,
    start_process,
    wait_for_tcp,
)
from tests.servers.provisioned import installed_package, provisioned

_SECONDS = 30.0
_CLUSTER = "bGlmZWN5Y2xlLXRlc3RzLQ"  # 16 bytes in base64, as Kafka wants them
_ACL = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaUser:
    """A user of the broker."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """The running broker.

    Attributes:
        tls_port: SASL over TLS, on 127.0.0.1: PLAIN and both kinds of SCRAM.
        plain_port: SASL without TLS: SCRAM-SHA-512 only.
        ca_file: What verifies its certificate.
        fixed_user: The only user of PLAIN, without any right.
        admin: May do everything.
        administration: `host:port` of a listener without a login.
    """

    tls_port: int
    plain_port: int
    ca_file: Path
    fixed_user: KafkaUser
    admin: AdminClient
    administration: str

    def fresh_user(self, *mechanisms: ScramMechanism) -> KafkaUser:
        """Make a SCRAM user that nobody else uses, without any right; SHA-512 unless told."""
        user = KafkaUser(name=f"user-{uuid4()}", password=secrets.token_urlsafe())
        for mechanism in mechanisms or (ScramMechanism.SCRAM_SHA_512,):
            info = ScramCredentialInfo(mechanism, 4096)
            change = UserScramCredentialUpsertion(user.name, info, user.password.encode())
            self._done(self.admin.alter_user_scram_credentials([change]))
        return user

    def fresh_topic(self, *, partitions: int = 1) -> str:
        """Make a topic that nobody else uses."""
        name = f"spool-{uuid4()}"
        self._done(self.admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)]))
        return name

    def allow(self, user: KafkaUser, operation: AclOperation, kind: str, name: str) -> None:
        """Give a right on a `topic` or a `group`."""
        self._done(self.admin.create_acls([self._acl(user, operation, kind, name)]))

    def send(self, topic: str, count: int = 1) -> None:
        """Leave messages, as an administrator."""
        producer = Producer({"bootstrap.servers": self.administration, "log_level": 0})
        for number in range(count):
            producer.produce(topic, f"message {number}".encode())
        assert producer.flush(_SECONDS) == 0

    def topics(self) -> set[str]:
        """Every topic there is."""
        return set(self.admin.list_topics(timeout=_SECONDS).topics)

    def _acl(self, user: KafkaUser, operation: AclOperation, kind: str, name: str) -> AclBinding:
        pattern, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
        return AclBinding(_ACL[kind], name, pattern, f"User:{user.name}", "*", operation, allow)

    def _done(self, futures: dict[Any, Any]) -> None:
        for future in futures.values():
            future.result(timeout=_SECONDS)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """The broker of this worker; tests take users and topics with fresh names."""
    folder = tmp_path_factory.mktemp("kafka")
    certificate = write_server_certificate(folder)
    _write_keystore(folder, certificate)
    fixed = KafkaUser(name="plain-user", password=secrets.token_urlsafe())
    ports: dict[str, int] = {}

    def start(administration: int) -> ServerProcess:
        ports.update({name: free_port() for name in ("tls", "plain", "controller")}, administration=administration)
        home = folder / f"node-{administration}"
        home.mkdir()
        properties = _write_properties(home, folder, ports, fixed)
        _format(folder, properties)
        return start_process(
            [*_java(folder), "kafka.Kafka", properties],
            log=home / "kafka.log",
            env=minimal_environment(home),
        )

    process, port = start_on_free_port(start, _wait)
    address = f"127.0.0.1:{port}"
    yield Kafka(
        tls_port=ports["tls"],
        plain_port=ports["plain"],
        ca_file=certificate.ca_file,
        fixed_user=fixed,
        admin=AdminClient({"bootstrap.servers": address, "log_level": 0}),
        administration=address,
    )
    process.kill()  # Its data die with the test run.


def _wait(process: ServerProcess, port: int) -> None:
    wait_for_tcp(port, process=process, what="Kafka")
    try:
        AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0}).list_topics(timeout=_SECONDS)
    except KafkaException as error:
        raise ServerStartError(f"Kafka listens, but does not answer: {error}\n{process.log_tail()}") from error


def _format(folder: Path, properties: Path) -> None:
    command = [*_java(folder), "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, env=minimal_environment(folder), check=False)
    if done.returncode:
        raise ServerStartError(f"Kafka's folder could not be formatted:\n{done.stdout!r} {done.stderr!r}")


def _java(folder: Path) -> list[str]:
    """The command line up to the class; a small heap and one compiler, as starting is most of what it does."""
    logging = folder / "log4j.properties"
    logging.write_text(
        "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"
        "log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=%m%n\n"
    )
    options = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j.configuration=file:{logging}"]
    return [str(installed_package("java")), *options, "-cp", f"{provisioned('kafka')}/*"]


def _write_keystore(folder: Path, certificate: ServerCertificate) -> None:
    """Kafka reads PKCS 8 only."""
    key = load_pem_private_key(certificate.key_file.read_bytes(), password=None)
    store = folder / "keystore.pem"
    store.touch(mode=0o600)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    store.write_bytes(pem + certificate.certificate_file.read_bytes())


def _write_properties(home: Path, folder: Path, ports: dict[str, int], fixed: KafkaUser) -> Path:
    names = {"TLS": "tls", "PLAIN": "plain", "ADMIN": "administration", "CONTROLLER": "controller"}
    listeners = {name: f"{name}://127.0.0.1:{ports[key]}" for name, key in names.items()}
    controller = listeners.pop("CONTROLLER")
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{fixed.name}="{fixed.password}";'
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{ports['controller']}",
        "listeners": ",".join([*listeners.values(), controller]),
        "advertised.listeners": ",".join(listeners.values()),
        "listener.security.protocol.map": "TLS:SASL_SSL,PLAIN:SASL_PLAINTEXT,ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "ADMIN",
        "controller.listener.names": "CONTROLLER",
        "listener.name.tls.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.tls.plain.sasl.jaas.config": plain,
        "listener.name.tls.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.tls.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.plain.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.plain.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": folder / "keystore.pem",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # Whoever comes without a login, which only two listeners take.
        "log.dirs": home / "data",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 1,
        "num.io.threads": 2,
        "log.cleaner.enable": "false",
    }
    file = home / "server.properties"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return file
