"""A device's MQTT 3.1.1 as small firmware has it: connect, publish at QoS 0 or 1, wait for the PUBACK, ping."""

import socket
import struct


def length(n):
    """The variable length of a packet (MQTT 3.1.1, 2.2.3)."""
    out = b""
    while True:
        n, byte = n // 128, n % 128
        out += bytes([byte | 0x80 if n else byte])
        if not n:
            return out


def text(value):
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


class Client:
    """One connection; its will is said by the broker if it breaks."""

    def __init__(self, port, client, host="127.0.0.1", will=None, keep_alive_s=60):
        self.socket = socket.create_connection((host, port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next_id = 0
        self.unacked = []
        flags, payload = 0x02, text(client)
        if will:
            topic, message, retain = will
            flags |= 0x04 | 0x08 | (0x20 if retain else 0)
            payload += text(topic) + text(message)
        head = text("MQTT") + bytes([4, flags]) + struct.pack("!H", keep_alive_s)
        self.socket.sendall(b"\x10" + length(len(head + payload)) + head + payload)
        kind, body = self.packet()
        assert kind == 0x20 and body[1] == 0, f"not taken in: {kind:#x} {body!r}"

    def exactly(self, n):
        out = b""
        while len(out) < n:
            part = self.socket.recv(n - len(out))
            if not part:
                raise ConnectionError("the other end closed")
            out += part
        return out

    def packet(self):
        kind, n, shift = self.exactly(1)[0], 0, 0
        while True:
            byte = self.exactly(1)[0]
            n |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return kind, self.exactly(n)

    def send(self, topic, payload, qos=1, retain=False):
        """Hands it over; `settle` waits for the acknowledgements."""
        raw = payload if isinstance(payload, bytes) else payload.encode()
        body = text(topic)
        if qos:
            self.next_id = self.next_id % 65535 + 1
            self.unacked.append(self.next_id)
            body += struct.pack("!H", self.next_id)
        body += raw
        head = 0x30 | qos << 1 | (1 if retain else 0)
        self.socket.sendall(bytes([head]) + length(len(body)) + body)

    def settle(self, left=0):
        while len(self.unacked) > left:
            kind, body = self.packet()
            if kind & 0xF0 == 0x40:
                # In the order in which they were sent (MQTT-4.6.0-2).
                said, expected = struct.unpack("!H", body[:2])[0], self.unacked.pop(0)
                assert said == expected, f"PUBACK {said}; expected {expected}"

    def publish(self, topic, payload, qos=1, retain=False):
        """Returns when it is acknowledged."""
        self.send(topic, payload, qos, retain)
        self.settle()

    def break_off(self):
        """As a power cut does: the will is said."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def leave(self):
        self.socket.sendall(b"\xe0\x00")
        self.socket.close()
