#!/usr/bin/env python3
"""motion_stage.py URL [--keys] [--fps 5] [--model FILE.onnx]: what a Frigate-like recorder does with one camera.

ffmpeg decodes everything and hands over 640x360 at 5 pictures a second (its usual preset for a processor without
video hardware); each picture is shrunk to 100 lines, stretched in contrast, blurred and compared with a running mean;
what differs by more than 30 is grown and outlined. With --keys only key frames are decoded. With --model, each
picture with motion is also looked at by the detector: a square around the motion, at least as large as its input, as
Frigate's regions are. Written after the description of Frigate's detector, not with its code.

On SIGTERM or SIGINT it prints one JSON line: pictures, moving (pictures with motion), looks, persons."""
import argparse
import json
import signal
import subprocess
import time

import cv2
import numpy as np

LINES = 100            # pixels high, of what is compared
THRESHOLD = 30
AREA_MIN = 10          # pixels at that size


class Motion:
    """Where a picture differs from the mean of those before it, in shares of the picture."""

    def __init__(self, width, height):
        self.size = (round(width * LINES / height), LINES)
        self.mean, self.count, self.bounds = None, 0, []

    def boxes(self, luma):
        small = cv2.resize(luma, self.size, interpolation=cv2.INTER_LINEAR)
        self.bounds = [*self.bounds[-49:], np.percentile(small, (4, 96))]
        low, high = np.mean(self.bounds, axis=0)
        even = np.clip((small - low) * (255 / max(high - low, 1)), 0, 255).astype(np.uint8)
        even = cv2.GaussianBlur(even, (3, 3), 1)
        self.count += 1
        if self.mean is None:
            self.mean = even.astype(np.float32)
            return []
        differs = cv2.threshold(cv2.absdiff(even, cv2.convertScaleAbs(self.mean)), THRESHOLD, 255, cv2.THRESH_BINARY)[1]
        outlines = cv2.findContours(cv2.dilate(differs, None), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[-2]
        cv2.accumulateWeighted(even, self.mean, 0.2 if self.count < 30 else 0.01)
        found = [cv2.boundingRect(line) for line in outlines if cv2.contourArea(line) > AREA_MIN]
        return [(x / self.size[0], y / self.size[1], (x + w) / self.size[0], (y + h) / self.size[1])
                for x, y, w, h in found]


class Detector:
    def __init__(self, model):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options)
        wanted = self.session.get_inputs()[0]
        self.input, self.side = wanted.name, wanted.shape[2]

    def persons(self, yuv, boxes, width, height):
        """In a square around all motion of this picture."""
        rgb = cv2.cvtColor(yuv.reshape(height * 3 // 2, width), cv2.COLOR_YUV2RGB_I420)
        left, top = min(box[0] for box in boxes) * width, min(box[1] for box in boxes) * height
        right, bottom = max(box[2] for box in boxes) * width, max(box[3] for box in boxes) * height
        side = min(max(right - left, bottom - top, self.side), height)
        x = int(min(max((left + right - side) / 2, 0), width - side))
        y = int(min(max((top + bottom - side) / 2, 0), height - side))
        cut = cv2.resize(rgb[y:y + int(side), x:x + int(side)], (self.side, self.side)).astype(np.float32)
        return int((self.scores(cut) > 0.5).any())

    def scores(self, cut):
        """Of a person, for each candidate of the SSD or the YOLOX of the catalogue."""
        if self.input == "images":
            planes = np.ascontiguousarray(cut[:, :, ::-1].transpose(2, 0, 1)[None])
            found = self.session.run(None, {self.input: planes})[0][0]
            return found[:, 4] * found[:, 5]
        planes = np.ascontiguousarray(((cut - 127.5) / 127.5).transpose(2, 0, 1)[None])
        return self.session.run(["scores"], {self.input: planes})[0][0, :, 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--keys", action="store_true")
    parser.add_argument("--fps", type=int, default=5)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--model")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    cv2.setNumThreads(1)
    before = ["-skip_frame", "nokey"] if options.keys else []
    after = (["-vf", f"scale={width}:{height}", "-vsync", "passthrough"] if options.keys else
             ["-r", str(options.fps), "-vf", f"fps={options.fps},scale={width}:{height}"])
    decoder = subprocess.Popen(
        ["ffmpeg", "-hide_banner", "-loglevel", "warning", "-threads", "2", "-rtsp_transport", "tcp", *before, "-i",
         options.url, *after, "-threads", "2", "-an", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=width * height * 3)

    def stop(*_):
        decoder.terminate()          # its pipe ends, and so does the loop
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    motion, detector = Motion(width, height), Detector(options.model) if options.model else None
    counts = {"pictures": 0, "moving": 0, "looks": 0, "persons": 0}
    began = time.monotonic()
    while len(data := decoder.stdout.read(width * height * 3 // 2)) == width * height * 3 // 2:
        yuv = np.frombuffer(data, np.uint8)
        boxes = motion.boxes(yuv[:width * height].reshape(height, width))
        counts["pictures"] += 1
        counts["moving"] += bool(boxes)
        if boxes and detector:
            counts["looks"] += 1
            counts["persons"] += detector.persons(yuv, boxes, width, height)
    decoder.wait()
    print(json.dumps({**counts, "seconds": round(time.monotonic() - began, 1)}), flush=True)


if __name__ == "__main__":
    main()
