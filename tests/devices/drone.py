#!/usr/bin/python3
"""drone.py: a drone as the real one speaks, over the real transport.

  video OUT.ts --empty S --street S --clip CLIP.mp4   S seconds of bare ground, then S seconds of the street scene
  fly --url URL --video FILE ...                      pushes it in real time with KLV (MISB ST 0601) in the transport
                                                      stream: udp://HOST:PORT, srt://HOST:PORT, or a file
  push --url rtmp://... --video FILE                  pushes pictures alone (RTMP carries no KLV), as a DJI dock does
  osd --port P --serial SN ...                        DJI Cloud API telemetry to a broker, thing/product/SN/osd

A flight (fly, osd) is a straight line: --start LON,LAT --end LON,LAT --height M (above the ground) --ground M (above
sea level) --azimuth DEG --elevation DEG --seconds S. `--bad KIND` (fly) spoils every second set: sum, cut, null, clock70,
clock99, replay, huge. Encoding is written from the standard, not from the gateway's decoder."""
import argparse
import json
import math
import socket
import struct
import subprocess
import sys
import time

KEY = bytes.fromhex("060e2b34020b01010e01030101000000")
KLV_PID = 0x1F0
KLV_EVERY_S = 0.1
OSD_EVERY_S = 0.5         # DJI sends one every 2 s; a test has not that much time
PACKET = 188


def scaled(value, low, high, bits):
    return round((value - low) / (high - low) * (2 ** bits - 1)).to_bytes(bits // 8, "big")


def scaled_signed(value, half, bits):
    return round(value / (2 * half) * (2 ** bits - 2)).to_bytes(bits // 8, "big", signed=True)


def item(tag, value):
    return bytes([tag, len(value)]) + value


def klv(unix_s, lon, lat, msl_m, ground_m, azimuth, elevation, fov, heading=0.0):
    """One local set: airframe level and pointing at `heading`, the gimbal turned against it."""
    body = (item(2, round(unix_s * 1e6).to_bytes(8, "big")) + item(3, b"patrol") + item(5, scaled(heading % 360, 0, 360, 16))
            + item(6, scaled_signed(0, 20, 16)) + item(7, scaled_signed(0, 50, 16)) + item(10, b"gridpost test drone")
            + item(13, scaled_signed(lat, 90, 32)) + item(14, scaled_signed(lon, 180, 32)) + item(15, scaled(msl_m, -900, 19000, 16))
            + item(16, scaled(fov[0], 0, 180, 16)) + item(17, scaled(fov[1], 0, 180, 16))
            + item(18, scaled((azimuth - heading) % 360, 0, 360, 32)) + item(19, scaled_signed(elevation, 180, 32))
            + item(20, scaled(0, 0, 360, 32)) + item(25, scaled(ground_m, -900, 19000, 16))
            + item(65, bytes([17])) + item(94, bytes(34)) + bytes([1, 2]))
    length = len(body) + 2
    whole = KEY + (bytes([length]) if length < 128 else bytes([0x81, length])) + body
    return whole + checksum(whole)


def checksum(data):
    return (sum(byte << (8 * ((n + 1) % 2)) for n, byte in enumerate(data)) & 0xFFFF).to_bytes(2, "big")


def crc32_mpeg(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1
            crc &= 0xFFFFFFFF
    return crc


def with_klv_stream(packet):
    """The PMT once more, with a stream of private data that is registered as KLVA (ST 1402)."""
    start = 5 + packet[4]
    length = ((packet[start + 1] & 0x0F) << 8 | packet[start + 2]) + 3
    section = packet[start:start + length - 4] + bytes([0x06, 0xE0 | KLV_PID >> 8, KLV_PID & 0xFF, 0xF0, 6, 0x05, 4]) + b"KLVA"
    size = len(section) + 4 - 3
    section = section[:1] + bytes([section[1] & 0xF0 | size >> 8, size & 0xFF]) + section[3:]
    section += struct.pack(">I", crc32_mpeg(section))
    return (packet[:start] + section).ljust(PACKET, b"\xff")


def pes(data, pts):
    stamp = bytes([0x21 | (pts >> 29) & 0x0E, pts >> 22 & 0xFF, 1 | (pts >> 14) & 0xFE, pts >> 7 & 0xFF, 1 | (pts << 1) & 0xFE])
    header = bytes([0x84, 0x80, 5]) + stamp
    return b"\x00\x00\x01\xbd" + struct.pack(">H", len(header) + len(data)) + header + data


def packets(payload, counter):
    """TS packets of one PES; gives the next continuity counter too."""
    out = b""
    first = True
    while payload:
        room = PACKET - 4
        piece, payload = payload[:room], payload[room:]
        stuffing = room - len(piece)
        head = bytes([0x47, (0x40 if first else 0) | KLV_PID >> 8, KLV_PID & 0xFF, (0x30 if stuffing else 0x10) | counter])
        if stuffing == 1:
            head += b"\x00"
        elif stuffing:
            head += bytes([stuffing - 1, 0]) + b"\xff" * (stuffing - 2)
        out += head + piece
        counter, first = (counter + 1) % 16, False
    return out, counter


def pts_of(packet):
    """Of a packet in which a PES of video begins."""
    at = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    if not packet[1] & 0x40 or packet[at:at + 3] != b"\x00\x00\x01" or packet[at + 3] & 0xF0 != 0xE0 or not packet[at + 7] & 0x80:
        return None
    p = packet[at + 9:at + 14]
    return (p[0] >> 1 & 7) << 30 | p[1] << 22 | p[2] >> 1 << 15 | p[3] << 7 | p[4] >> 1


class Flight:
    def __init__(self, options):
        self.start, self.end = options.start, options.end or options.start
        self.options = options

    def at(self, seconds):
        share = min(max(seconds / self.options.seconds, 0), 1)
        return [a + (b - a) * share for a, b in zip(self.start, self.end)]

    def heading(self):
        east = (self.end[0] - self.start[0]) * math.cos(math.radians(self.start[1]))
        return math.degrees(math.atan2(east, self.end[1] - self.start[1])) % 360


def spoiled(kind, whole, count, first):
    """A set as a broken or hostile one would be."""
    if kind is None or count % 2 == 0:
        return whole
    if kind == "sum":
        return whole[:-1] + bytes([whole[-1] ^ 0x55])
    if kind == "cut":
        return whole[:len(whole) // 2]
    if kind == "huge":
        return KEY + bytes([0x84, 0x7F, 0xFF, 0xFF, 0xFF]) + whole
    if kind == "replay":
        return first
    return whole


class Output:
    def __init__(self, url):
        self.pipe = self.socket = None
        self.waiting = b""
        if url.startswith("udp://"):
            host, port = url[6:].split("?")[0].split(":")
            self.socket, self.to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), (host, int(port))
        elif "://" in url:
            self.pipe = subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", "-f", "mpegts", "-i", "pipe:0", "-map", "0", "-c", "copy",
                                          "-flush_packets", "1", "-f", "mpegts", url], stdin=subprocess.PIPE)
        else:
            self.file = open(url, "wb")

    def write(self, data):
        if self.pipe:
            self.pipe.stdin.write(data)
            self.pipe.stdin.flush()
        elif self.socket:
            self.waiting += data
            while len(self.waiting) >= 7 * PACKET:
                self.socket.sendto(self.waiting[:7 * PACKET], self.to)
                self.waiting = self.waiting[7 * PACKET:]
        else:
            self.file.write(data)

    def close(self):
        if self.pipe:
            self.pipe.stdin.close()
            return self.pipe.wait()
        return 0


def fly(options):
    source = ["ffmpeg", "-v", "error", "-nostdin"] + (["-re"] if "://" in options.url else []) + [
        "-i", options.video, "-map", "0:v", "-c", "copy", "-muxdelay", "0", "-muxpreload", "0", "-flush_packets", "1", "-f", "mpegts", "pipe:1"]
    video = subprocess.Popen(source, stdout=subprocess.PIPE)
    output, flight = Output(options.url), Flight(options)
    pmt_pid, first_pts, next_s, counter, count, began = None, None, 0.0, 0, 0, time.time()
    first = b""
    try:
        while len(packet := video.stdout.read(PACKET)) == PACKET:
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if pid == 0:
                pmt_pid = (packet[15] & 0x1F) << 8 | packet[16]
            elif pid == pmt_pid:
                packet = with_klv_stream(packet)
            pts = None if pid in (0, pmt_pid) else pts_of(packet)
            if pts is not None:
                first_pts = pts if first_pts is None else first_pts
                seconds = (pts - first_pts) / 90_000
                if seconds >= next_s:
                    next_s = seconds + KLV_EVERY_S
                    lon, lat = (0.0, 0.0) if options.bad == "null" and count % 2 else flight.at(seconds)
                    clock = {"clock70": 100.0 + seconds, "clock99": 4_070_908_800.0 + seconds}.get(options.bad, began + seconds)
                    whole = klv(clock, lon, lat, options.ground + options.height, options.ground, options.azimuth, options.elevation,
                                options.fov, flight.heading())
                    first = first or whole
                    data, counter = packets(pes(spoiled(options.bad, whole, count, first), pts), counter)
                    count += 1
                    output.write(data)
            output.write(packet)
    except BrokenPipeError:
        return 1
    finally:
        video.kill()
        code = output.close()
    return code


def osd(options):
    flight, began = Flight(options), time.time()
    topic = f"thing/product/{options.serial}/osd"
    with subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(options.port), "-q", "1", "-t", topic, "-l"],
                          stdin=subprocess.PIPE, text=True) as client:
        count = 0
        while (seconds := time.time() - began) <= options.seconds + 1:
            airborne = seconds <= options.seconds
            lon, lat = flight.at(seconds)
            data = {"53-0-0": {"gimbal_pitch": options.elevation, "gimbal_roll": 0, "gimbal_yaw": (options.azimuth + 180) % 360 - 180,
                               "measure_target_error_state": 3, "payload_index": "53-0-0", "zoom_factor": 1},
                    "attitude_head": flight.heading(), "attitude_pitch": -4.3, "attitude_roll": 0.9, "latitude": lat, "longitude": lon,
                    "height": options.ground + options.height + options.geoid, "elevation": options.height if airborne else 0,
                    "mode_code": 5 if airborne else 0, "battery": {"capacity_percent": 81}, "position_state": {"is_fixed": 2}}
            message = {"tid": f"t{count}", "bid": "b", "timestamp": round(time.time() * 1000), "gateway": "dock", "data": data}
            print(json.dumps(message), file=client.stdin, flush=True)
            count += 1
            time.sleep(OSD_EVERY_S)
    return client.returncode


def push(options):
    return subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-re", "-i", options.video, "-map", "0:v", "-c", "copy", "-f", "flv",
                           options.url], check=False).returncode


def video(options):
    size = "768x576"
    ground = f"color=c=0x5a6650:s={size}:r=10:d={options.empty},noise=alls=12:allf=t"
    return subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", ground, "-t", str(options.street), "-i", options.clip,
                           "-filter_complex", "[0:v]setsar=1,format=yuv420p[a];[1:v]fps=10,setsar=1,format=yuv420p[b];[a][b]concat=n=2:v=1:a=0[v]",
                           "-map", "[v]", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0", "-f", "mpegts", options.out],
                          check=False).returncode


def point(text):
    lon, lat = text.split(",")
    return float(lon), float(lat)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("video", "fly", "push", "osd"):
        command = commands.add_parser(name)
        if name == "video":
            command.add_argument("out")
            command.add_argument("--empty", type=float, default=8)
            command.add_argument("--street", type=float, default=20)
            command.add_argument("--clip", required=True)
        if name in ("fly", "push"):
            command.add_argument("--url", required=True)
            command.add_argument("--video", required=True)
        if name == "fly":
            command.add_argument("--bad", choices=["sum", "cut", "null", "clock70", "clock99", "replay", "huge"])
            command.add_argument("--fov", type=lambda text: [float(one) for one in text.split(",")], default=[66.0, 52.0])
        if name == "osd":
            command.add_argument("--port", type=int, required=True)
            command.add_argument("--serial", required=True)
            command.add_argument("--geoid", type=float, default=-14.0)
        if name in ("fly", "osd"):
            command.add_argument("--start", type=point, required=True)
            command.add_argument("--end", type=point)
            command.add_argument("--seconds", type=float, default=20)
            command.add_argument("--height", type=float, default=60)
            command.add_argument("--ground", type=float, default=25)
            command.add_argument("--azimuth", type=float, default=0)
            command.add_argument("--elevation", type=float, default=-60)
    options = parser.parse_args()
    return {"video": video, "fly": fly, "push": push, "osd": osd}[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
