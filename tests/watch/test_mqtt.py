from typing import ClassVar

import pytest

from dmad.errors import DmadError
from dmad.watch.mqtt import mqtt


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://host",
        "mqtt:///topic",
        "http://host/topic",
        "mqtt://[::1/topic",
        "mqtt://host:99999/topic",
        "mqtt://host:port/topic",
        "mqtt://host/topic/#",
        "mqtt://host/+/topic",
        "mqtt://host/a\0b",
    ],
)
def test_an_address_without_host_or_topic_is_refused(url):
    with pytest.raises(DmadError, match="give mqtt://host/topic"):
        mqtt(url)


class Message:
    def __init__(self, arrives):
        self.arrives = arrives

    def wait_for_publish(self, timeout):
        assert timeout > 0

    def is_published(self):
        return self.arrives


class Client:
    """Stands in for the client of paho-mqtt, which needs a server."""

    arrives = True
    calls: ClassVar[list[tuple]] = []

    def __init__(self, version):
        pass

    def username_pw_set(self, *arguments):
        self.calls.append(arguments)

    def connect(self, *arguments):
        self.calls.append(arguments)

    def publish(self, topic, message, qos):
        self.calls.append((topic, message, qos))
        return Message(self.arrives)

    def loop_start(self):
        pass

    disconnect = loop_stop = loop_start


@pytest.fixture
def client(monkeypatch):
    paho = pytest.importorskip("paho.mqtt.client")
    monkeypatch.setattr(Client, "calls", [])
    monkeypatch.setattr(paho, "Client", Client)
    return Client


def test_a_message_is_published_at_the_topic(client):
    mqtt("mqtt://me:s%2Fcret@host:1884/site/gate")("{}")
    assert client.calls == [("me", "s/cret"), ("host", 1884), ("site/gate", "{}", 1)]


def test_the_usual_port_is_used_without_a_port(client):
    mqtt("mqtt://host/gate")("{}")
    assert client.calls[0] == ("host", 1883)


def test_a_message_without_an_answer_is_an_error(client, monkeypatch):
    monkeypatch.setattr(client, "arrives", False)
    with pytest.raises(TimeoutError):
        mqtt("mqtt://host/gate")("{}")
