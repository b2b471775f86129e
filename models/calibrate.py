#!/usr/bin/env python3
"""calibrate.py FP32.onnx VTEST.avi OUT.json: between which values each tensor lies, for models/quantise.py.

Run by hand when a model changes, never by the set-up: its result is checked in. Needs numpy, onnx and onnxruntime
(tried with 1.23.2) and ffmpeg. The pictures are every 20th frame of vtest.avi from the 5th on, whole, by night with
noise, and three cuts as the gateway makes them around what moves. Whoever judges the outcome must use other frames."""
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime

SIDE = 300
PICTURES = "select=eq(mod(n\\,20)\\,5),{}scale=300:300:flags=area"
VIEWS = ("", "eq=brightness=-0.3:contrast=0.5,noise=alls=16:allf=t,", "crop=400:400:0:120,", "crop=400:400:368:60,",
         "crop=260:260:240:150,")


def pictures(video):
    for view in VIEWS:
        data = subprocess.run(["ffmpeg", "-v", "error", "-i", video, "-vf", PICTURES.format(view), "-vsync", "0", "-f",
                               "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, stdout=subprocess.PIPE).stdout
        for picture in np.frombuffer(data, np.uint8).reshape(-1, SIDE, SIDE, 3):
            yield np.ascontiguousarray((picture.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None]


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: calibrate.py FP32.onnx VTEST.avi OUT.json")
    model = onnx.load(sys.argv[1])
    asked = [node.output[0] for node in model.graph.node
             if node.op_type in ("Conv", "Clip") or (node.op_type == "Add" and node.output[0].endswith("/sum"))]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in asked)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    ranges, count = {"image": [-1.0, 1.0]}, 0
    for picture in pictures(sys.argv[2]):
        count += 1
        for name, values in zip(asked, session.run(asked, {"image": np.ascontiguousarray(picture)})):
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = [min(low, float(values.min())), max(high, float(values.max()))]
    ranges = {name: [float(f"{value:.5g}") for value in pair] for name, pair in ranges.items()}
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump({"pictures": count, "ranges": ranges}, file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()
