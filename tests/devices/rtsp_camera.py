#!/usr/bin/python3
"""rtsp_camera.py CLIP.mp4 [options]: an RTSP camera on loopback (H.264 over TCP, the clip in a loop) with bad habits.

Prints its address and READY, then a line for what happens: PLAY, TEARDOWN, GONE (a connection went without one). Ends
when its stdin closes. Without options it behaves.

--stamps HOW    RTP timestamps: `constant`, `back` (2 s back, every 5 s), `wrap` (32 bits run over after 2 s), or a factor
                of the right rate (0.1, 2 …)
--stops S       after S seconds of each session the picture stops; with --beside sound (or metadata) that goes on
--digest A,B    asks user viewer, password s3cret, by digest with these algorithms, in this order; --qop for `qop="auth"`
--refuse M=N    answers method M with status N
--one           one session at a time; who comes beside it is told 453, until it says TEARDOWN or a minute has passed"""
import argparse
import hashlib
import os
import re
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "rig"))
import rtsp_serve  # noqa: E402

CLOCK = 90_000
PACKET_BYTES = 1_300
BESIDE = {
    "sound": (0, 160, b"\xff" * 160, "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:t1\r\n"),
    "metadata": (107, 1_800, b"<tt:MetadataStream/>",
                 "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:t1\r\n"),
}
OPTIONS = None
UNITS, LENGTH_S = [], 0.0
# One session at a time: whose it is, and since when nobody is connected.
PLACE = {"session": None, "left": None}
LOCK = threading.Lock()


def say(word):
    print(word, flush=True)


def stamp(seconds):
    how, ticks = OPTIONS.stamps, seconds * CLOCK
    if how == "constant":
        return 4_711
    if how == "back":
        return round(ticks - (seconds // 5) * 2 * CLOCK) + 100 * CLOCK
    if how == "wrap":
        return round(ticks) + (1 << 32) - 2 * CLOCK
    return round(ticks * float(how)) + 1_000


class Session:
    """One connection."""

    def __init__(self, peer):
        self.peer, self.number, self.seq, self.ended = peer, None, {}, threading.Event()

    def rtp(self, channel, kind, ticks, marker, payload):
        self.seq[channel] = self.seq.get(channel, 0) + 1 & 0xFFFF
        head = struct.pack(">BBHII", 0x80, kind | marker << 7, self.seq[channel], ticks & 0xFFFFFFFF, 9 + channel)
        try:
            self.peer.sendall(b"$" + struct.pack(">BH", channel, len(head) + len(payload)) + head + payload)
        except OSError:
            self.ended.set()

    def picture(self, ticks, data):
        nals = [nal for nal in re.split(b"\0*\0\0\1", data) if nal]
        for n, nal in enumerate(nals):
            last = n == len(nals) - 1
            if len(nal) <= PACKET_BYTES:
                self.rtp(0, 96, ticks, last, nal)
                continue
            for at in range(1, len(nal), PACKET_BYTES):
                end = at + PACKET_BYTES >= len(nal)
                flags = (at == 1) << 7 | end << 6 | nal[0] & 31
                self.rtp(0, 96, ticks, last and end, bytes([nal[0] & 0xE0 | 28, flags]) + nal[at:at + PACKET_BYTES])

    def media(self):
        began, turn, beside = time.monotonic(), 0, 0
        while not self.ended.is_set():
            for pts, dts, data in UNITS:
                due = turn * LENGTH_S + dts / 1e9
                while (left := began + due - time.monotonic()) > 0 and not self.ended.is_set():
                    if OPTIONS.beside and beside < (time.monotonic() - began) * 50:
                        kind, ticks, payload, _ = BESIDE[OPTIONS.beside]
                        self.rtp(2, kind, beside * ticks, True, payload)
                        beside += 1
                    else:
                        self.ended.wait(min(left, 0.02))
                if self.ended.is_set():
                    return
                if OPTIONS.stops is None or due < OPTIONS.stops:
                    self.picture(stamp(turn * LENGTH_S + pts / 1e9), data)
            turn += 1

    def refusal(self, method, head):
        """The status line and lines of a refusal, or None."""
        for refuse in OPTIONS.refuse:
            name, _, status = refuse.partition("=")
            if name == method:
                return f"{status} Because\r\n"
        if not OPTIONS.digest:
            return None
        given = dict((key, quoted or bare) for key, quoted, bare in re.findall(
            r'(\w+)=(?:"([^"]*)"|([^",\s]+))', (re.findall(r"(?i)Authorization: Digest (.*)", head) or [""])[0]))
        kinds = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "SHA3-9": hashlib.sha512}
        algorithm = given.get("algorithm", "MD5")

        def digest(text):
            return kinds[algorithm](text.encode()).hexdigest()
        if algorithm in OPTIONS.digest and "response" in given:
            middle = "n0nce"
            if OPTIONS.qop:
                middle += f":{given.get('nc')}:{given.get('cnonce')}:auth"
            right = digest(f"{digest('viewer:cam:s3cret')}:{middle}:{digest(method + ':' + given['uri'])}")
            if given["response"] == right:
                return None
        qop = ', qop="auth"' if OPTIONS.qop else ""
        asks = [f'WWW-Authenticate: Digest realm="cam", nonce="n0nce", algorithm={one}{qop}\r\n' for one in OPTIONS.digest]
        return "401 Unauthorized\r\n" + "".join(asks)

    def takes_place(self):
        with LOCK:
            freed = PLACE["left"] is not None and time.monotonic() - PLACE["left"] > 60
            if OPTIONS.one and PLACE["session"] not in (None, self) and not freed:
                return False
            PLACE.update(session=self, left=None)
            return True

    def leaves(self, said):
        with LOCK:
            if PLACE["session"] is self:
                PLACE.update(session=None if said else self, left=None if said else time.monotonic())

    def answer(self, head):
        method = head.split()[0]
        refusal = self.refusal(method, head)
        if refusal is None and method == "SETUP" and not self.takes_place():
            refusal = "453 Not Enough Bandwidth\r\n"
        cseq = re.search(r"(?i)CSeq: *(\S+)", head)[1]
        lines, body = f"CSeq: {cseq}\r\n", ""
        if refusal is None:
            lines += "Session: 7;timeout=60\r\n"
            if method == "OPTIONS":
                lines += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                beside = BESIDE[OPTIONS.beside][3] if OPTIONS.beside else ""
                body = ("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=cam\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
                        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
                        "a=control:t0\r\n" + beside)
                lines += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                lines += "Transport: " + re.search(r"(?i)Transport: *(.*)", head)[1].strip() + "\r\n"
        if refusal is None and method == "TEARDOWN":
            # First, for who says it does not wait for an answer.
            say("TEARDOWN")
            self.ended.set()
            self.leaves(True)
        status = refusal or "200 OK\r\n"
        self.peer.sendall(f"RTSP/1.0 {status}{lines}\r\n{body}".encode())
        if refusal is None and method == "PLAY":
            say("PLAY")
            threading.Thread(target=self.media, daemon=True).start()

    def run(self):
        buffered, said = b"", False
        try:
            while data := self.peer.recv(65_536):
                buffered += data
                while buffered:
                    if buffered[:1] == b"$":
                        if len(buffered) < 4 or len(buffered) < (size := 4 + struct.unpack(">H", buffered[2:4])[0]):
                            break
                        buffered = buffered[size:]
                        continue
                    head, found, rest = buffered.partition(b"\r\n\r\n")
                    if not found:
                        break
                    buffered = rest
                    said = head.startswith(b"TEARDOWN")
                    self.answer(head.decode())
        except OSError:
            pass
        self.ended.set()
        if not said:
            say("GONE")
            self.leaves(False)


def main():
    global OPTIONS, LENGTH_S
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stamps", default="1")
    parser.add_argument("--stops", type=float)
    parser.add_argument("--beside", choices=BESIDE)
    parser.add_argument("--digest", type=lambda text: text.split(","), default=[])
    parser.add_argument("--qop", action="store_true")
    parser.add_argument("--refuse", action="append", default=[])
    parser.add_argument("--one", action="store_true")
    OPTIONS = parser.parse_args()
    rtsp_serve.Gst.init(None)
    clip = rtsp_serve.Clip(OPTIONS.clip)
    UNITS.extend(clip.units)
    LENGTH_S = clip.length_ns / 1e9
    door = socket.create_server(("127.0.0.1", OPTIONS.port))
    say(f"rtsp://127.0.0.1:{door.getsockname()[1]}/live")
    say("READY")

    def serve():
        while True:
            peer, _ = door.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Session(peer).run, daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    sys.stdin.read()


main()
