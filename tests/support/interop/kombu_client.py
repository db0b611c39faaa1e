"""kombu with py-amqp, as below Celery: `kombu_client.py URL receive QUEUE COUNT`, or `… send QUEUE`."""

import json
import sys
from datetime import datetime
from decimal import Decimal

import kombu

from described import described

SENT = {
    "text": "é😀",
    "bytes": b"\xff\xfe\x00",
    "yes": True,
    "no": False,
    "tenant": 1000,
    "byte": -1,
    "word": 2 ** 31 - 1,
    "long": 2 ** 31,
    "longer": 2 ** 53 + 1,
    "least": -(2 ** 63),
    "double": 0.5,
    "decimal": Decimal("-3.14"),
    "time": datetime(2026, 1, 2, 3, 4, 5),
    "none": None,
    "list": [1, "two", [None]],
    "table": {"a": {"b": 1}},
}


def receive(connection, queue, count):
    seen = []

    def take(message):
        print(json.dumps({
            "headers": described(message.headers),
            "properties": described(message.properties),
        }), flush=True)
        message.ack()
        seen.append(message)

    with connection.Consumer(kombu.Queue(queue, no_declare=True), on_message=take):
        while len(seen) < count:
            connection.drain_events(timeout=30)


def send(connection, queue):
    connection.Producer().publish(
        b"from kombu", exchange="", routing_key=queue, content_type="application/octet-stream",
        content_encoding="binary", headers=SENT, correlation_id="c", priority=3, delivery_mode=2,
        expiration=60, timestamp=1767323045, confirm_timeout=30)


url, mode, queue, *rest = sys.argv[1:]
with kombu.Connection(url, transport_options={"confirm_publish": True}) as connection:
    if mode == "receive":
        receive(connection, queue, int(rest[0]))
    else:
        send(connection, queue)
