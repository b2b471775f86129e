#!/usr/bin/python3
"""sl651_station.py HOST PORT --station 0012345678 [options]: a hydrological station that speaks SL 651-2014 over TCP.

It sends reports as a real one does and waits for each acknowledgement; what is not acknowledged is sent again, on a new
connection if need be, with the same serial number. Each line on stdout is one JSON object: {"sent": …}, {"acked": …},
{"clock": …} for a time set by the centre (4A), {"closed": …}. Exit 0: all was acknowledged.

Rain is given as millimetres in each step, either in --rain 0,0.5,4 or on stdin with --rain -."""
import argparse
import json
import socket
import sys
import time
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
ACK_TIMEOUT_S = 20
TRIES_MAX = 30
PART_BYTES = 20           # of a packet in mode M3, small so that several are needed


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def bcd(digits):
    return bytes.fromhex(digits)


def number(value, digits, decimals):
    """An element's value: packed BCD of so many digits."""
    return bcd(f"{round(value * 10 ** decimals):0{digits}d}")


class Station:
    def __init__(self, options):
        self.options = options
        self.serial = options.serial
        station = options.station
        self.address = bcd(station) if station.startswith("00") else bcd(station[:6]) + int(station[6:]).to_bytes(2, "big")
        self.socket = None
        self.clock = timedelta(0)      # what its clock is off

    def say(self, **what):
        print(json.dumps(what, ensure_ascii=False), flush=True)

    def now(self):
        return datetime.now(BEIJING) + self.clock

    # --- frames ---

    def hex_frame(self, function, body, end=0x03, part=None):
        start, numbers = 0x02, b""
        if part:
            total, count = part
            start, numbers = 0x16, ((total << 12) | count).to_bytes(3, "big")
        head = b"\x7E\x7E\x01" + self.address + b"\x12\x34" + bytes([function])
        data = head + (len(numbers) + len(body)).to_bytes(2, "big") + bytes([start]) + numbers + body + bytes([end])
        return data + crc16(data).to_bytes(2, "big")

    def ascii_frame(self, function, text):
        data = f"\x0101{self.options.station}1234{function:02X}0{len(text):03X}\x02{text}\x03".encode("ascii")
        return data + f"{crc16(data):04X}".encode("ascii")

    def body(self, function, at, total_mm, slots=None, level_m=None):
        sent = bcd(self.now().strftime("%y%m%d%H%M%S"))
        observed = bcd(at.astimezone(BEIJING).strftime("%y%m%d%H%M"))
        body = self.serial.to_bytes(2, "big") + sent + b"\xF1\xF1" + self.address + b"P" + b"\xF0\xF0"
        if slots:
            first = bcd((at - timedelta(minutes=55)).astimezone(BEIJING).strftime("%y%m%d%H%M"))
            body += first + b"\xF4\x60" + bytes(min(round(mm * 10), 254) for mm in slots) + b"\xF0\xF0"
        body += observed
        if total_mm is not None:
            body += b"\x26\x19" + number(total_mm, 6, 1)
        if level_m is not None:
            body += b"\x39\x23" + number(level_m, 8, 3)
        return body + b"\x38\x12" + number(12.61, 4, 2)

    def text(self, at, total_mm, level_m=None):
        level = f"Z {level_m:.3f} " if level_m is not None else ""
        return (f"{self.serial:04X}{self.now():%y%m%d%H%M%S}ST {self.options.station} P "
                f"TT {at.astimezone(BEIJING):%y%m%d%H%M} PT {total_mm:.1f} {level}VT 12.61 ")

    def frames(self, function, at, total_mm, slots=None, level_m=None):
        """One report, as the frames that carry it."""
        if self.options.form == "ascii":
            return [self.ascii_frame(function, self.text(at, total_mm, level_m))]
        body = self.body(function, at, total_mm, slots, level_m)
        if self.options.mode != "M3":
            return [self.hex_frame(function, body)]
        parts = [body[n:n + PART_BYTES] for n in range(0, len(body), PART_BYTES)]
        last = len(parts)
        return [self.hex_frame(function, part, 0x03 if n == last else 0x17, (last, n))
                for n, part in enumerate(parts, 1)]

    def keepalive(self):
        sent = bcd(self.now().strftime("%y%m%d%H%M%S"))
        return self.hex_frame(0x2F, self.serial.to_bytes(2, "big") + sent)

    # --- the line ---

    def connect(self):
        if self.socket is None:
            self.socket = socket.create_connection((self.options.host, self.options.port), timeout=ACK_TIMEOUT_S)
            self.buffer = b""

    def drop(self, why):
        self.say(closed=why)
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def take_frame(self):
        """The next downlink frame: function, serial number, end; and its time."""
        while True:
            start = self.buffer.find(b"\x7E\x7E")
            if self.options.form == "ascii" and self.buffer[:1] == b"\x01" and len(self.buffer) >= 24:
                length = int(self.buffer[20:23], 16)
                whole = 24 + length + 5
                if len(self.buffer) >= whole:
                    frame, self.buffer = self.buffer[:whole], self.buffer[whole:]
                    assert int(frame[-4:], 16) == crc16(frame[:-4]), "a wrong CRC came down"
                    text = frame[24:24 + length].decode("ascii")
                    return int(frame[17:19], 16), int(text[:4], 16), frame[24 + length], text[4:]
            elif start == 0 and len(self.buffer) >= 14:
                length = int.from_bytes(self.buffer[11:13], "big") & 0xFFF
                whole = 14 + length + 3
                if len(self.buffer) >= whole:
                    frame, self.buffer = self.buffer[:whole], self.buffer[whole:]
                    assert int.from_bytes(frame[-2:], "big") == crc16(frame[:-2]), "a wrong CRC came down"
                    assert frame[2:7] == self.address, "it was meant for another station"
                    body = frame[14:14 + length]
                    if frame[13] == 0x16:
                        body = body[3:]
                    return frame[10], int.from_bytes(body[:2], "big"), frame[-3], body[2:].hex()
            elif start > 0:
                self.buffer = self.buffer[start:]
                continue
            more = self.socket.recv(4096)
            if not more:
                raise ConnectionError("the centre closed the line")
            self.buffer += more

    def set_clock(self, digits):
        told = datetime.strptime(digits, "%y%m%d%H%M%S").replace(tzinfo=BEIJING)
        self.clock = told - datetime.now(BEIJING)
        self.say(clock=told.isoformat())
        # It confirms with the same function, and its own new time.
        self.socket.sendall(self.hex_frame(0x4A, self.serial.to_bytes(2, "big") + bcd(digits)))

    def deliver(self, function, at, total_mm, slots=None, level_m=None):
        """Until it is acknowledged; the serial number stays."""
        for attempt in range(1, TRIES_MAX + 1):
            try:
                self.connect()
                for frame in self.frames(function, at, total_mm, slots, level_m):
                    self.socket.sendall(frame)
                self.say(sent=self.serial, function=f"{function:02X}", attempt=attempt)
                if self.options.mode == "M1":
                    break
                while True:
                    got, serial, end, rest = self.take_frame()
                    if got == 0x2F:
                        self.say(closed="a keepalive was answered")
                        return False
                    if got == 0x4A:
                        self.set_clock(rest[:12])
                    elif got == function and serial == self.serial:
                        if end == 0x15:
                            raise ConnectionError("the centre asks again")
                        break
                self.say(acked=self.serial, end=f"{end:02X}")
                if end == 0x1B:
                    # Something follows: it stays and listens a moment.
                    self.socket.settimeout(2)
                    try:
                        got, _, _, rest = self.take_frame()
                        if got == 0x4A:
                            self.set_clock(rest[:12])
                    except (socket.timeout, ConnectionError):
                        pass
                    self.socket.settimeout(ACK_TIMEOUT_S)
                break
            except (OSError, ConnectionError) as error:
                self.drop(str(error))
                time.sleep(min(0.2 * attempt, 3))
        else:
            return False
        self.serial = self.serial % 0xFFFF + 1
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--station", default="0012345678")
    parser.add_argument("--rain", default="0,0.2,1.0", help="millimetres in each step; - reads lines from stdin")
    parser.add_argument("--level", help="metres at each step")
    parser.add_argument("--total", type=float, default=100.0, help="what its counter says at first")
    parser.add_argument("--serial", type=int, default=1)
    parser.add_argument("--function", default="33", help="hex: 30 test, 32 timed, 33 additional, 34 hourly")
    parser.add_argument("--step-s", type=float, default=300, help="seconds of its own time between two readings")
    parser.add_argument("--start", help="time of the first reading, RFC 3339; default: so that the last one is now")
    parser.add_argument("--pause-s", type=float, default=0.0, help="seconds of our time between two reports")
    parser.add_argument("--mode", choices=["M1", "M2", "M3"], default="M2")
    parser.add_argument("--form", choices=["hex", "ascii"], default="hex")
    parser.add_argument("--clock-off-s", type=float, default=0.0, help="its clock is ahead by this")
    parser.add_argument("--repeat", action="store_true", help="each report twice, as after a lost acknowledgement")
    parser.add_argument("--reverse", action="store_true", help="the newest report first")
    parser.add_argument("--keepalive", action="store_true", help="a 2F before each report")
    parser.add_argument("--print-hex", action="store_true", help="no line: print what would be sent, a report a line")
    options = parser.parse_args()
    station = Station(options)
    station.clock = timedelta(seconds=options.clock_off_s)
    steps = sys.stdin if options.rain == "-" else options.rain.split(",")
    levels = [float(text) for text in options.level.split(",")] if options.level else None
    function = int(options.function, 16)
    if options.rain == "-":
        reports = ((None, line.strip()) for line in steps if line.strip())
    else:
        amounts = list(steps)
        first = (datetime.fromisoformat(options.start) if options.start else
                 datetime.now(BEIJING) - timedelta(seconds=options.step_s * (len(amounts) - 1)))
        reports = [(first + timedelta(seconds=options.step_s * n), text) for n, text in enumerate(amounts)]
    planned, total = [], options.total
    for n, (at, text) in enumerate(reports):
        total += float(text)
        one = (at, round(total, 1), levels[min(n, len(levels) - 1)] if levels else None)
        if options.rain == "-":
            if not station.deliver(function, station.now(), one[1], None, one[2]):
                return 1
        else:
            planned.append(one)
    if options.reverse:
        planned.reverse()
    for at, mm, level in planned:
        if options.print_hex:
            station.clock = at - datetime.now(BEIJING)
            print(json.dumps({"at": at.isoformat(), "via": "tcp", "listener": "sl651",
                              "hex": b"".join(station.frames(function, at, mm, None, level)).hex()}))
            station.serial = station.serial % 0xFFFF + 1
            continue
        for again in range(2 if options.repeat else 1):
            if again:
                station.serial = (station.serial - 2) % 0xFFFF + 1
            if options.keepalive:
                station.connect()
                station.socket.sendall(station.keepalive())
            if not station.deliver(function, at, mm, None, level):
                return 1
        time.sleep(options.pause_s)
    if options.mode == "M1" and station.socket is not None:
        # Nobody may have answered.
        station.socket.settimeout(0.5)
        try:
            heard = station.socket.recv(64)
        except socket.timeout:
            heard = b""
        if heard:
            station.say(closed=f"an answer that was not asked for: {heard.hex()}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
