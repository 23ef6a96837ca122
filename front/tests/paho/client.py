"""Checks of the front with paho-mqtt: `client.py SCENARIO VERSION TRANSPORT TCP_PORT WS_PORT`. The exit code is 0 if all
checks pass. VERSION is 3 (MQTT 3.1.1) or 5, TRANSPORT is tcp or websockets."""

import hashlib
import queue
import random
import socket
import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE_S = 15
SCENARIO, VERSION, TRANSPORT, TCP_PORT, WS_PORT = sys.argv[1:]
PORTS = {"tcp": int(TCP_PORT), "websockets": int(WS_PORT)}
V5 = VERSION == "5"


def properties(packet_type, **values):
    result = Properties(packet_type)
    for name, value in values.items():
        setattr(result, name, value)
    return result


class Client:
    """A paho client that waits for the answer to each request."""

    def __init__(self, client_id="", v5=V5, transport=TRANSPORT):
        self.v5 = v5
        self.port = PORTS[transport]
        self.messages = queue.Queue()
        self.connacks = queue.Queue()
        self.answers = queue.Queue()
        self.ends = queue.Queue()
        version = {"protocol": mqtt.MQTTv5} if v5 else {"protocol": mqtt.MQTTv311}
        if not v5:
            version["clean_session"] = True
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id, transport=transport, **version
        )
        self.paho.on_message = lambda _, __, message: self.messages.put(message)
        self.paho.on_connect = lambda _, __, flags, code, props: self.connacks.put((flags, code, props))
        self.paho.on_subscribe = lambda _, __, mid, codes, props: self.answers.put(codes)
        self.paho.on_unsubscribe = lambda _, __, mid, codes, props: self.answers.put(codes)
        self.paho.on_disconnect = lambda _, __, flags, code, props: self.ends.put(code)

    def connect(self, clean=True, expiry_s=0, code="Success"):
        """Connects. Returns whether there was a session, and the properties of CONNACK."""
        if self.v5:
            self.paho.connect(
                "127.0.0.1",
                self.port,
                clean_start=clean,
                properties=properties(PacketTypes.CONNECT, SessionExpiryInterval=expiry_s),
            )
        else:
            self.paho._clean_session = clean
            self.paho.connect("127.0.0.1", self.port)
        self.paho.loop_start()
        flags, got, props = self.connacks.get(timeout=PATIENCE_S)
        assert str(got) == code, (str(got), code)
        return flags.session_present, props

    def subscribe(self, topic_filter, qos=2, **options):
        if self.v5:
            props = options.pop("properties", None)
            self.paho.subscribe(topic_filter, options=SubscribeOptions(qos=qos, **options), properties=props)
        else:
            self.paho.subscribe(topic_filter, qos)
        return [code.value for code in self.answers.get(timeout=PATIENCE_S)]

    def publish(self, topic, payload=b"", qos=1, retain=False, **more):
        """Publishes. Returns once the message is acknowledged, or written for QoS 0."""
        info = self.paho.publish(topic, payload, qos, retain, **more)
        info.wait_for_publish(PATIENCE_S)
        assert info.is_published(), f"no acknowledgement: {topic}"

    def next(self):
        return self.messages.get(timeout=PATIENCE_S)

    def until(self, payload):
        """All messages before the one with this payload."""
        before = []
        while True:
            message = self.next()
            if message.payload == payload:
                return before
            before.append(message)

    def leave(self):
        self.paho.disconnect()
        self.ends.get(timeout=PATIENCE_S)
        self.paho.loop_stop()

    def die(self):
        """Ends the connection without DISCONNECT."""
        stream = self.paho.socket()
        getattr(stream, "_socket", stream).shutdown(socket.SHUT_RDWR)
        self.paho.loop_stop()


def connected(client_id="", **more):
    client = Client(client_id, **more)
    client.connect()
    return client


def qos():
    """Each message arrives once, in order, with its payload and the lower of the two QoS."""
    publisher = connected()
    for granted in range(3):
        subscriber = connected()
        assert subscriber.subscribe(f"qos/{granted}", granted) == [granted]
        sent = []
        for number in range(60):
            payload = random.randbytes(random.randrange(1, 300))
            sent.append((payload, number % 3))
            publisher.publish(f"qos/{granted}", payload, number % 3)
        publisher.publish(f"qos/{granted}", b"end", 2)
        got = [(message.payload, message.qos) for message in subscriber.until(b"end")]
        # Order is promised among messages of the same QoS.
        for level in range(3):
            expected = [(payload, min(level, granted)) for payload, qos in sent if qos == level]
            of_level = {payload for payload, _ in expected}
            assert [it for it in got if it[0] in of_level] == expected, (granted, level)
        assert len(got) == len(sent), (len(got), len(sent))
        subscriber.leave()
    publisher.leave()


def retained():
    """The last retained message reaches later subscribers, until an empty one deletes it."""
    publisher = connected()
    publisher.publish("retained/a", b"old", 1, True)
    publisher.publish("retained/a", b"new", 1, True)
    publisher.publish("retained/b/c", b"deep", 2, True)
    subscriber = connected()
    subscriber.subscribe("retained/#")
    got = {}
    for _ in range(2):
        message = subscriber.next()
        assert message.retain, message.topic
        got[message.topic] = message.payload
    assert got == {"retained/a": b"new", "retained/b/c": b"deep"}, got

    publisher.publish("retained/a", b"live", 1, True)
    live = subscriber.next()
    assert (live.payload, live.retain) == (b"live", False)

    for topic in ("retained/a", "retained/b/c"):
        publisher.publish(topic, b"", 1, True)
        assert subscriber.next().payload == b""
    later = connected()
    later.subscribe("retained/#")
    publisher.publish("retained/end", b"end")
    assert later.until(b"end") == []
    for client in (publisher, subscriber, later):
        client.leave()


def will():
    """A will is published when a client is lost, and not when it disconnects."""
    watcher = connected()
    watcher.subscribe("will/#")
    for number, dies in enumerate((True, False)):
        client = Client()
        client.paho.will_set(f"will/{number}", b"gone", 1, False)
        client.connect()
        client.die() if dies else client.leave()
        if dies:
            message = watcher.next()
            assert (message.topic, message.payload, message.qos) == ("will/0", b"gone", 1)
    time.sleep(0.2)
    watcher.publish("will/end", b"end")
    assert watcher.until(b"end") == []
    watcher.leave()


def shared():
    """Each message goes to one member of a group and to every group; all members have a share."""
    members = [connected() for _ in range(3)]
    for member in members:
        assert member.subscribe("$share/workers/jobs/+", 1) == [1]
    other = connected()
    other.subscribe("$share/others/jobs/+", 2)
    publisher = connected()
    sent = [str(number).encode() for number in range(90)]
    for number, payload in enumerate(sent):
        publisher.publish(f"jobs/{number}", payload, number % 2 + 1)
    for client in members:
        client.subscribe("end")
    publisher.publish("end", b"end")
    shares = [[message.payload for message in member.until(b"end")] for member in members]
    assert sorted(sum(shares, [])) == sorted(sent), shares
    assert all(len(share) >= 10 for share in shares), [len(share) for share in shares]
    assert sorted(other.next().payload for _ in sent) == sorted(sent)
    # The messages of a member that leaves go to the other members.
    members.pop().leave()
    for payload in sent[:20]:
        publisher.publish("jobs/again", payload, 1)
    got = []
    while len(got) < 20:
        for member in members:
            while not member.messages.empty():
                got.append(member.next().payload)
        time.sleep(0.01)
    assert sorted(got) == sorted(sent[:20])
    for client in [*members, other, publisher]:
        client.leave()


def offline():
    """A session outlives its connection and has each message of the time between, once. Clean Start ends it."""
    client_id = f"offline-{VERSION}-{TRANSPORT}"

    def open_session(clean, present):
        client = Client(client_id)
        got, _ = client.connect(clean=clean, expiry_s=3600)
        assert got is present, (got, present)
        return client

    # In MQTT 3.1.1 a session that began with Clean Session ends with its connection.
    client = open_session(clean=V5, present=False)
    client.subscribe("offline/#", 2)
    client.leave()
    publisher = connected()
    sent = []
    for number in range(100):
        payload = str(number).encode()
        publisher.publish(f"offline/{number % 7}", payload, number % 2 + 1)
        sent.append(payload)
    publisher.publish("offline/end", b"end", 2)

    client = open_session(clean=False, present=True)
    got = [(message.payload, message.qos) for message in client.until(b"end")]
    # Order is promised among messages of the same QoS.
    for level in (1, 2):
        assert [payload for payload, qos in got if qos == level] == sent[level - 1 :: 2]
    assert len(got) == len(sent)
    client.leave()
    client = open_session(clean=False, present=True)
    publisher.publish("offline/end", b"once", 2)
    assert client.until(b"once") == []
    client.leave()
    client = open_session(clean=True, present=False)
    publisher.publish("offline/end", b"lost", 2)
    client.subscribe("offline/now")
    publisher.publish("offline/now", b"end")
    assert client.until(b"end") == []
    client.leave()
    publisher.leave()


def large():
    """Messages of megabytes arrive unchanged."""
    subscriber = connected()
    subscriber.subscribe("large", 2)
    # paho-mqtt 2.2 loses bytes that a WebSocket does not accept at once, so only the receiver uses one.
    publisher = connected(transport="tcp")
    for size, level in ((1, 0), (65_535, 1), (1_000_000, 0), (8_000_000, 2)):
        payload = random.randbytes(size)
        publisher.publish("large", payload, level)
        message = subscriber.next()
        assert len(message.payload) == size and message.qos == level
        assert hashlib.sha256(message.payload).digest() == hashlib.sha256(payload).digest()
    subscriber.leave()
    publisher.leave()


def mixed():
    """Clients of both versions and both transports reach one another."""
    kinds = [(v5, transport) for v5 in (True, False) for transport in PORTS]
    clients = [Client(v5=v5, transport=transport) for v5, transport in kinds]
    for client in clients:
        client.connect()
        client.subscribe("mixed", 2)
    for number, client in enumerate(clients):
        payload = f"from {number}".encode()
        client.publish("mixed", payload, 2)
        for receiver in clients:
            message = receiver.next()
            assert (message.payload, message.qos) == (payload, 2)
    for client in clients:
        assert client.messages.empty()
        client.leave()


def takeover():
    """A second connection of the same client takes over the session and closes the first."""
    client_id = f"twin-{VERSION}-{TRANSPORT}"
    first = connected(client_id)
    second = connected(client_id)
    code = first.ends.get(timeout=PATIENCE_S)
    first.paho.loop_stop()
    if V5:
        assert code == ReasonCode(PacketTypes.DISCONNECT, "Session taken over"), str(code)
    second.subscribe("twin")
    second.publish("twin", b"here")
    assert second.next().payload == b"here"
    second.leave()


def flood():
    """A thousand messages from each of several threads: none is lost, duplicated or out of order."""
    subscriber = connected()
    subscriber.subscribe("flood/+", 2)

    def run(number):
        publisher = connected()
        infos = [publisher.paho.publish(f"flood/{number}", str(index), number) for index in range(1000)]
        for info in infos:
            info.wait_for_publish(PATIENCE_S)
        publisher.leave()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    got = {number: [] for number in range(3)}
    for _ in range(3000):
        message = subscriber.next()
        got[message.qos].append(int(message.payload))
        assert message.topic == f"flood/{message.qos}"
    for thread in threads:
        thread.join()
    for number, indices in got.items():
        assert indices == list(range(1000)), number
    time.sleep(0.1)
    assert subscriber.messages.empty()
    subscriber.leave()


def announced():
    """CONNACK has the configured limits, and no others."""
    client = Client()
    _, props = client.connect()
    assert props.TopicAliasMaximum == 10
    assert props.ReceiveMaximum == 20
    assert not hasattr(props, "UserProperty")
    assert props.AssignedClientIdentifier
    client.leave()


def passed_on():
    """The properties of a message reach its receiver unaltered and in order; its expiry is counted down."""
    client = connected()
    client.subscribe("passed/#", 1, properties=properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=7))
    pairs = [("b", "1"), ("a", "2"), ("b", "3")]
    client.publish(
        "passed/on",
        "é".encode(),
        1,
        properties=properties(
            PacketTypes.PUBLISH,
            PayloadFormatIndicator=1,
            MessageExpiryInterval=100,
            ContentType="text/plain",
            ResponseTopic="answers/here",
            CorrelationData=b"\x00\xff",
            UserProperty=pairs,
        ),
    )
    got = client.next().properties
    assert got.PayloadFormatIndicator == 1
    assert 95 <= got.MessageExpiryInterval <= 100
    assert (got.ContentType, got.ResponseTopic, got.CorrelationData) == ("text/plain", "answers/here", b"\x00\xff")
    assert got.UserProperty == pairs
    assert got.SubscriptionIdentifier == [7]
    client.leave()


def aliases():
    """A publication with a known topic alias needs no topic."""
    subscriber = connected()
    subscriber.subscribe("alias/#")
    publisher = connected()
    alias = properties(PacketTypes.PUBLISH, TopicAlias=10)
    publisher.publish("alias/long", b"0", 1, properties=alias)
    for payload in (b"1", b"2"):
        publisher.publish("", payload, 1, properties=alias)
    got = [subscriber.next() for _ in range(3)]
    assert [(it.topic, it.payload) for it in got] == [("alias/long", payload) for payload in (b"0", b"1", b"2")]
    subscriber.leave()
    publisher.leave()


def options():
    """No Local, Retain As Published and Retain Handling have their specified effect."""
    client = connected()
    client.publish("options/kept", b"kept", 1, True)
    client.subscribe("options/#", 1, noLocal=True, retainAsPublished=True, retainHandling=2)
    client.publish("options/own", b"own")
    other = connected()
    other.publish("options/live", b"live", 1, True)
    message = client.next()
    assert (message.payload, message.retain) == (b"live", True)
    other.publish("options/live", b"", 1, True)
    other.publish("options/kept", b"", 1, True)
    other.publish("options/end", b"end")
    assert {message.payload for message in client.until(b"end")} == {b""}
    client.leave()
    other.leave()


def late_will():
    """A will is published after its delay, and a client that reconnects before cancels it."""
    watcher = connected()
    watcher.subscribe("late/#")

    def mourned(client_id, delay_s):
        client = Client(client_id)
        client.paho.will_set(
            f"late/{client_id}", b"gone", properties=properties(PacketTypes.WILLMESSAGE, WillDelayInterval=delay_s)
        )
        client.connect(expiry_s=60)
        return client

    begin = time.monotonic()
    mourned("lost", 1).die()
    # Enough time to reconnect on a busy machine.
    back = mourned("back", 5)
    back.die()
    back = Client("back")
    present, _ = back.connect(clean=False, expiry_s=60)
    assert present
    assert watcher.next().topic == "late/lost"
    assert time.monotonic() - begin >= 0.9
    time.sleep(5)
    assert watcher.messages.empty()
    back.leave()
    watcher.leave()


globals()[SCENARIO]()
print(f"{SCENARIO}: passed")
