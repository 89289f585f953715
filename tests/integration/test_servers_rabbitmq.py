"""What a rotation of a RabbitMQ password can rely on."""

from dataclasses import replace
from uuid import uuid4

from tests.servers.rabbitmq import RabbitMq


def test_message_is_published_and_read_by_a_user_with_permissions(rabbitmq: RabbitMq) -> None:
    user, queue = rabbitmq.fresh_user(), f"queue-{uuid4()}"
    rabbitmq.call("PUT", f"/queues/%2F/{queue}", user=user).raise_for_status()
    message = {"properties": {}, "routing_key": queue, "payload": "spooled", "payload_encoding": "string"}
    published = rabbitmq.call("POST", "/exchanges/%2F/amq.default/publish", user=user, **message)
    assert published.json() == {"routed": True}
    options = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    read = rabbitmq.call("POST", f"/queues/%2F/{queue}/get", user=user, **options)
    assert [message["payload"] for message in read.json()] == ["spooled"]


def test_new_password_replaces_the_old_one_at_once(rabbitmq: RabbitMq) -> None:
    old = rabbitmq.fresh_user()
    new = replace(old, password="new-password")
    rabbitmq.set_password(new)
    assert rabbitmq.call("GET", "/whoami", user=old).status_code == 401
    assert rabbitmq.call("GET", "/whoami", user=new).json()["name"] == new.name
