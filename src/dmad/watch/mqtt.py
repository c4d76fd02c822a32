"""Publishes messages over MQTT."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from dmad.errors import DmadError, require
from dmad.watch.outbox import ANSWER_TIMEOUT, Deliver

PORT = 1883


def mqtt(url: str) -> Deliver:
    """Return a function that publishes a message with quality of service 1.

    Args:
        url: `mqtt://[user:password@]host[:port]/topic`; special characters of user and password are
            percent-encoded.

    Raises:
        DmadError: The URL is not such an address, or the package paho-mqtt is missing.
    """
    parts = urlsplit(url)
    topic = parts.path.strip("/")
    require(
        parts.scheme == "mqtt" and bool(parts.hostname and topic),
        "this is no MQTT address; give mqtt://host/topic",  # the URL may hold a password
    )
    try:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise DmadError("MQTT needs paho-mqtt; pip install paho-mqtt") from error

    def deliver(message: str) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2)  # new: an old one may keep a message
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        client.connect(str(parts.hostname), parts.port or PORT)
        client.loop_start()
        try:
            sent = client.publish(topic, message, qos=1)
            sent.wait_for_publish(ANSWER_TIMEOUT)
            if not sent.is_published():
                raise TimeoutError("no answer")
        finally:
            client.disconnect()
            client.loop_stop()

    return deliver
