"""Publishes messages over MQTT."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from dmad.errors import DmadError, require
from dmad.watch.outbox import ANSWER_TIMEOUT, Deliver

PORT = 1883


def mqtt(url: str) -> Deliver:
    """Return a function that publishes a message, and waits until the server confirms it.

    Args:
        url: `mqtt://[user:password@]host[:port]/topic`; special characters of user and password are
            percent-encoded.

    Raises:
        DmadError: The URL is not an MQTT address, or the package paho-mqtt is missing.
    """
    message = "this is no MQTT address; give mqtt://host/topic"  # the URL may hold a password
    try:
        parts = urlsplit(url)
        topic, port = parts.path.strip("/"), parts.port or PORT
    except ValueError as error:  # a wrong port or IPv6 address
        raise DmadError(f"{message}, with a port from 1 to 65535") from error
    valid = parts.scheme == "mqtt" and bool(parts.hostname and topic) and url.isprintable()
    require(valid and "#" not in url and "+" not in topic, message)
    try:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise DmadError("MQTT needs paho-mqtt; pip install 'dmad[mqtt]'") from error

    def deliver(message: str) -> None:
        # A new client for each message, because an old client may still hold a message.
        client = paho.Client(CallbackAPIVersion.VERSION2)
        if parts.username:
            client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        client.connect(str(parts.hostname), port)
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
