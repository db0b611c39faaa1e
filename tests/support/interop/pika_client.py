"""pika as a peer: `pika_client.py URL receive QUEUE COUNT`, or `pika_client.py URL send QUEUE`.

What it is to send comes through its standard input: a list of messages, each with properties and
fields. A field is written as it is: its type and its bytes.
"""

import json
import sys

import pika
import pika.data

from described import described


class Raw(bytes):
    """The type and the bytes of a field, which pika does not choose."""


def encode_value(pieces, value, plain=pika.data.encode_value):
    if not isinstance(value, Raw):
        return plain(pieces, value)
    pieces.append(bytes(value))
    return len(value)


pika.data.encode_value = encode_value

PROPERTIES = [
    "content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to",
    "expiration", "message_id", "timestamp", "type", "user_id", "app_id",
]


def receive(channel, queue, count):
    seen = 0
    for method, properties, body in channel.consume(queue, inactivity_timeout=30):
        if method is None:
            sys.exit("Nothing came")
        print(json.dumps({
            "headers": described(properties.headers),
            "properties": {
                name: described(getattr(properties, name))
                for name in PROPERTIES if getattr(properties, name) is not None
            },
            "body": list(body),
        }), flush=True)
        channel.basic_ack(method.delivery_tag)
        seen += 1
        if seen == count:
            return


def send(channel, queue):
    channel.confirm_delivery()
    for message in json.load(sys.stdin):
        properties = {
            name: bytes(value) if isinstance(value, list) else value
            for name, value in message["properties"].items()
        }
        headers = {key: Raw(bytes(field)) for key, field in message["fields"].items()}
        channel.basic_publish(
            "", queue, b"from pika", pika.BasicProperties(headers=headers, **properties), True)


url, mode, queue, *rest = sys.argv[1:]
connection = pika.BlockingConnection(pika.URLParameters(url))
if mode == "receive":
    receive(connection.channel(), queue, int(rest[0]))
else:
    send(connection.channel(), queue)
connection.close()
