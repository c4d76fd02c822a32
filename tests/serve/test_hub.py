import asyncio

from dmad.serve import hub as hub_module
from dmad.serve.hub import MOST_WAITING, Hub


def hear(hub: Hub, count: int, act) -> list[bytes]:
    """The first messages that a page hears while a function acts in another thread."""

    async def run() -> list[bytes]:
        heard = []
        listening = hub.listen()
        heard.append(await anext(listening))
        await asyncio.to_thread(act)
        while len(heard) < count:
            heard.append(await asyncio.wait_for(anext(listening), 5))
        await listening.aclose()
        return heard

    return asyncio.run(run())


def test_a_page_hears_what_other_threads_publish():
    hub = Hub()
    heard = hear(hub, 2, lambda: hub.publish("event", {"number": 3}))
    assert heard[1] == b'event: event\ndata: {"number": 3}\n\n'
    assert hub.clients == 0


def test_a_slow_page_loses_the_oldest_messages_and_nobody_waits():
    hub = Hub()

    def flood():
        for number in range(MOST_WAITING + 10):
            hub.publish("event", number)

    heard = hear(hub, MOST_WAITING + 1, flood)
    assert hub.dropped == 10
    assert heard[1] == b"event: event\ndata: 10\n\n"
    assert heard[-1].endswith(b"209\n\n")


def test_a_quiet_connection_is_kept_open(monkeypatch):
    monkeypatch.setattr(hub_module, "HEARTBEAT", 0.01)
    assert hear(Hub(), 2, lambda: None)[1] == b": still here\n\n"


def test_closing_ends_the_connections():
    async def run() -> list[bytes]:
        hub = Hub()
        listening = hub.listen()
        await anext(listening)
        asyncio.get_running_loop().call_later(0.01, hub.close)
        return [text async for text in listening if not text.startswith(b":")]

    assert asyncio.run(asyncio.wait_for(run(), 5)) == []
