#!/usr/bin/python3
"""rtsp_serve.py [options] MOUNT=FILE.mp4 ...: a real RTSP server on loopback that loops recorded files as live cameras.

Needs Debian's /usr/bin/python3 with python3-gi and gir1.2-gst-rtsp-server-1.0 (make setup).

Prints one rtsp:// address a line, then READY. Ends on SIGTERM, SIGINT, or when its stdin is a pipe that closes, so it
never outlives the test that started it. All clients of a mount share one live stream over TCP or UDP; it starts at the
file's beginning when the first client comes. At the file's end it goes on from its beginning with timestamps that
keep rising, as a camera's do, and RTCP sender reports are sent.

MOUNT=FILE.mp4@SECONDS begins at the first key frame from there on, so that many cameras can share one file without
showing the same at the same time. --tell prints a line at the beginning and at each turn of a mount, as long as
somebody reads them: TURN MOUNT SECONDS, the wall clock's at which the file's first frame was or would have been sent.

--clock S puts all mounts on the wall clock: at S seconds since 1970 each file is at its beginning, or was a whole number of
turns before, so that several servers show the same moment of the same scene, whenever they were started. --late S
hands each frame over that much after its time, as a slow encoder does. --step S sets the stream's clock back by that
much with each turn of a file.

MOUNT=launch:PIPELINE serves any GStreamer pipeline instead, e.g. a stream without pictures:
    tone=launch:audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0"""
import argparse
import os
import signal
import stat
import sys
import threading
import time

try:
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstApp", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: F401 (GstApp: methods of appsink)
except (ImportError, ValueError) as error:
    sys.exit(f"rtsp_serve.py: {error}; run it with /usr/bin/python3 after `make setup`")

ROLE = "viewer"
WAIT_STEP_S = 0.02       # how exactly a frame is on time; a frame lasts 0.04 s at least
CLIENT_THREADS = 32      # a stream answers DESCRIBE when its first key frame has come: many at once must not wait in one row
QUEUE_BYTES = 4_000_000  # of appsrc; a media that nobody plays any more must not take all the memory


class Clip:
    """The access units of one file, in memory: (offset, decode time, size in ns, keyframe, bytes)."""

    def __init__(self, path):
        for codec in ("h264", "h265"):
            self.codec, self.units, self.keys, self.caps = codec, [], [], None
            if self.read(path, codec):
                return
        raise ValueError(f"{path} holds neither H.264 nor H.265 in MP4")

    def read(self, path, codec):
        # Parameter sets with each key frame: a mount may begin at any of them.
        pipeline = Gst.parse_launch(
            f"filesrc name=file ! qtdemux ! {codec}parse config-interval=-1 ! video/x-{codec},stream-format=byte-stream,alignment=au "
            "! appsink name=sink sync=false max-buffers=64")
        pipeline.get_by_name("file").set_property("location", path)
        sink = pipeline.get_by_name("sink")
        pipeline.set_state(Gst.State.PLAYING)
        try:
            bus = pipeline.get_bus()
            while not sink.is_eos():
                sample = sink.try_pull_sample(Gst.SECOND // 20)
                if sample is None:
                    if bus.pop_filtered(Gst.MessageType.ERROR):     # another codec, or not a clip at all
                        break
                    continue
                buffer = sample.get_buffer()
                self.caps = sample.get_caps()
                pts, dts = buffer.pts, buffer.dts
                self.units.append((pts, pts if dts == Gst.CLOCK_TIME_NONE else dts,
                                   buffer.extract_dup(0, buffer.get_size())))
                if not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT):
                    self.keys.append(len(self.units) - 1)
        finally:
            pipeline.set_state(Gst.State.NULL)
        if len(self.units) < 2:
            return False
        first = min(pts for pts, _, _ in self.units)
        self.units = [(pts - first, max(dts - first, 0), data) for pts, dts, data in self.units]
        last = max(pts for pts, _, _ in self.units)
        self.frame_ns = round(last / (len(self.units) - 1))
        self.length_ns = last + self.frame_ns
        return True


class LoopFactory(GstRtspServer.RTSPMediaFactory):
    """One live stream for all clients of a mount, fed from a clip."""

    def __init__(self, clip, begin_s=0.0):
        super().__init__()
        self.clock_s, self.late_ns, self.step_ns = None, 0, 0
        self.clip, self.name = clip, None
        self.begin_ns = round(begin_s * Gst.SECOND)
        self.begin = next((at for at in clip.keys if clip.units[at][0] >= begin_s * Gst.SECOND), 0)
        self.set_launch(f"( appsrc name=feed is-live=true format=time block=false max-bytes={QUEUE_BYTES} "
                        f"! {clip.codec}parse ! rtp{clip.codec}pay name=pay0 pt=96 config-interval=-1 )")
        self.connect("media-configure", self.on_media)

    def on_media(self, _factory, media):
        feed = media.get_element().get_by_name_recurse_up("feed")
        feed.set_property("caps", self.clip.caps)
        ended = threading.Event()
        media.connect("unprepared", lambda _media: ended.set())
        threading.Thread(target=self.push, args=(feed, ended), daemon=True).start()

    def push(self, feed, ended):
        """Hands over each access unit when its time has come on the stream's own clock, for ever."""
        start, turn, position = None, 0, self.begin
        while not ended.is_set():
            now = feed.get_current_running_time()
            if now == Gst.CLOCK_TIME_NONE:       # not playing yet
                ended.wait(WAIT_STEP_S)
                continue
            if start is None:
                start = now - self.clip.units[position][1]
                if self.clock_s is not None:
                    inside = round((time.time() - self.clock_s) * Gst.SECOND) + self.begin_ns
                    inside %= self.clip.length_ns
                    start = now - inside
                    ahead = (at for at in self.clip.keys if self.clip.units[at][1] >= inside)
                    position = next(ahead, 0)
                    turn = int(self.clip.units[position][1] < inside)   # the beginning, next time round
                self.tell(start, now)
            pts, dts, data = self.clip.units[position]
            base = start + turn * self.clip.length_ns
            if base + dts + self.late_ns > now:
                ended.wait(min((base + dts + self.late_ns - now) / Gst.SECOND, 0.5))
                continue
            buffer = Gst.Buffer.new_wrapped(data)
            stamp = base - turn * self.step_ns
            buffer.pts, buffer.dts, buffer.duration = stamp + pts, stamp + dts, self.clip.frame_ns
            if feed.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                if ended.is_set():
                    return
                ended.wait(WAIT_STEP_S)          # flushing while it is paused: the same unit again
                continue
            position += 1
            if position == len(self.clip.units):
                turn, position = turn + 1, 0
                self.tell(start + turn * self.clip.length_ns, now)

    def tell(self, first_frame, now):
        if self.name is not None:
            print(f"TURN {self.name} {time.time() + (first_frame - now) / Gst.SECOND:.3f}", flush=True)


CLIPS = {}          # many mounts of one file share its bytes


def factory_of(text):
    if text.startswith("launch:"):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {text.removeprefix('launch:')} )")
    else:
        text, _, begin = text.partition("@") if not os.path.exists(text) else (text, "", "")
        if not os.path.isfile(text):
            sys.exit(f"rtsp_serve.py: there is no file {text}; tests/rig/clip.sh makes one")
        try:
            CLIPS[text] = CLIPS.get(text) or Clip(text)
            factory = LoopFactory(CLIPS[text], float(begin or 0))
        except (ValueError, GLib.Error) as error:
            sys.exit(f"rtsp_serve.py: {error}")
    factory.set_shared(True)
    return factory


def protect(server, factories, user, password, kind):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if kind == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        for permission in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role(ROLE, permission, True)
        factory.set_permissions(permissions)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mounts", nargs="+", metavar="MOUNT=FILE")
    parser.add_argument("--port", type=int, default=0, help="0 (default): a free one; it is in the printed addresses")
    parser.add_argument("--tell", action="store_true", help="print when each turn of each mount began")
    parser.add_argument("--clock", type=float, metavar="S", help="all mounts on the wall clock, from here on")
    parser.add_argument("--late", type=float, default=0, metavar="S", help="each frame this much after its time")
    parser.add_argument("--step", type=float, default=0, metavar="S", help="back by this much with each turn of a file")
    parser.add_argument("--user", help="asks clients for this user …")
    parser.add_argument("--password", default="", help="… and this password")
    parser.add_argument("--auth", choices=("basic", "digest"), default="digest")
    options = parser.parse_args()
    if not all(name and value for name, _, value in (mount.partition("=") for mount in options.mounts)):
        parser.error("each mount is NAME=FILE.mp4")
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    pool = GstRtspServer.RTSPThreadPool.new()
    pool.set_max_threads(CLIENT_THREADS)
    server.set_thread_pool(pool)
    mounts = {name: factory_of(value) for name, _, value in (mount.partition("=") for mount in options.mounts)}
    if options.user is not None:
        protect(server, mounts.values(), options.user, options.password, options.auth)
    for name, factory in mounts.items():
        if isinstance(factory, LoopFactory):
            factory.clock_s, factory.late_ns = options.clock, round(options.late * Gst.SECOND)
            factory.step_ns = round(options.step * Gst.SECOND)
            factory.name = name if options.tell else None
        server.get_mount_points().add_factory("/" + name, factory)
    if not server.attach(None):
        sys.exit(f"rtsp_serve.py: cannot listen on 127.0.0.1:{options.port}; is the port taken?")
    loop = GLib.MainLoop()
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, loop.quit)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP,
                          lambda fd, _condition: bool(os.read(fd, 4096)) or loop.quit())
    GLib.timeout_add_seconds(10, lambda: server.get_session_pool().cleanup() or True)   # clients that went silently
    for name in mounts:
        print(f"rtsp://127.0.0.1:{server.get_bound_port()}/{name}", flush=True)
    print("READY", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
