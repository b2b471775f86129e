#!/usr/bin/env python3
"""convert.py GRAPH_DIR OUT.onnx: turns a TensorFlow.js SSD MobileNetV2 graph into ONNX, with numpy and onnx alone.

What it keeps: the convolutions, from the normalised picture to the box and class predictors. What it cuts: the loop
that resizes (the gateway resizes) and the loop that suppresses overlaps (NMS is in the gateway). What it adds: the
decoding of the anchors, so that the outputs are
  boxes  [1,1917,4]   ymin, xmin, ymax, xmax, relative to the picture
  scores [1,1917,90]  0..1 for each class, the background left out
Batch norms, whichever way the training graph spelled them, are folded into the convolution before them.
The same input gives the same bytes on every machine: all folding is done in float64 with single roundings, names and
order come from the graph, and neither date nor version is written."""
import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 300            # pixels; the graph was trained on 300 x 300
PREDICTORS = 6        # feature maps with a box and a class predictor each
CLASSES = 91          # of which the first is the background
OPSET, IR = 13, 8     # read by every ONNX Runtime since 1.10
INPUT_NODE = "Preprocessor/sub"   # the picture as (v - 127.5) / 127.5, after the resizing loop


class Unexpected(Exception):
    """The graph is not the one that this script knows."""


class Conv:
    """A convolution that is not written yet: what follows it may still be folded into it."""

    def __init__(self, name, source, weights, strides, group):
        self.name, self.source, self.strides, self.group = name, source, strides, group
        self.weights = weights.astype(np.float64)             # [out, in / group, height, width]
        self.bias = np.zeros(weights.shape[0], np.float64)
        self.residual = None

    def scale(self, factor):
        if self.residual is not None:
            raise Unexpected(f"{self.name} is scaled after a residual was added")
        self.weights *= factor.reshape(-1, 1, 1, 1)
        self.bias *= factor


class Graph:
    """The TensorFlow.js graph, and the ONNX nodes made from it so far."""

    def __init__(self, folder):
        with open(os.path.join(folder, "model.json"), encoding="utf-8") as file:
            model = json.load(file)
        self.nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
        self.values = read_weights(folder, model["weightsManifest"])
        self.made, self.sides = {}, {}      # TF node -> ONNX tensor name or Conv; tensor -> side in pixels
        self.onnx_nodes, self.initializers = [], []
        self.made[INPUT_NODE] = "image"
        self.sides["image"] = SIDE

    # -- writing ------------------------------------------------------------------------------------------------
    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, inputs, name, **attributes):
        self.onnx_nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def emit(self, value, name):
        """Writes a pending convolution; gives the name of the tensor."""
        if isinstance(value, str):
            return value
        side, kernel, stride = self.sides[value.source], value.weights.shape[2], value.strides
        out = -(-side // stride)
        pad = max((out - 1) * stride + kernel - side, 0)      # TensorFlow's SAME: the odd pixel goes after
        before, after = pad // 2, pad - pad // 2
        tensor = self.node(
            "Conv",
            [value.source,
             self.constant(name + "/w", value.weights.astype(np.float32)),
             self.constant(name + "/b", value.bias.astype(np.float32))],
            name + "/conv",
            kernel_shape=[kernel, kernel], strides=[stride, stride], group=value.group,
            pads=[before, before, after, after])
        if value.residual is not None:
            tensor = self.node("Add", [tensor, value.residual], name + "/sum")
        self.sides[tensor] = out
        return tensor

    # -- reading ------------------------------------------------------------------------------------------------
    def tensor(self, name):
        """The ONNX tensor of a TF node, written if it is not yet."""
        value = self.emit(self.value(name), name)
        self.made[name] = value
        return value

    def value(self, name):
        if name not in self.made:
            node = self.nodes.get(name)
            if node is None:
                raise Unexpected(f"it has no node {name}")
            handler = getattr(self, "op_" + node["op"].lower(), None)
            if handler is None:
                raise Unexpected(f"node {name} is a {node['op']}, which is not known here")
            self.made[name] = handler(name, node)
        return self.made[name]

    def split(self, node):
        """The operands of a sum or product: (the one that is computed, the constant or None, the other or None)."""
        left, right = node["input"]
        if left in self.values:
            left, right = right, left
        return (left, self.values[right], None) if right in self.values else (left, None, right)

    def convolution(self, name, node, weights, group):
        if text(node, "padding") != "SAME" or text(node, "data_format") != "NHWC":
            raise Unexpected(f"convolution {name} is not SAME and NHWC")
        strides = [int(n) for n in node["attr"]["strides"]["list"]["i"]]
        return Conv(name, self.tensor(node["input"][0]), weights, strides[1], group)

    def op_conv2d(self, name, node):
        return self.convolution(name, node, self.values[node["input"][1]].transpose(3, 2, 0, 1), 1)

    def op_depthwiseconv2dnative(self, name, node):
        weights = self.values[node["input"][1]]               # [height, width, channels, 1]
        return self.convolution(name, node, weights.transpose(2, 3, 0, 1), weights.shape[2])

    def op_mul(self, name, node):
        value, factor = self.pending(name, node)
        value.scale(factor.astype(np.float64))
        return value

    def op_biasadd(self, name, node):
        value, offset = self.pending(name, node)
        value.bias += offset.astype(np.float64)
        return value

    def op_fusedbatchnorm(self, name, node):
        value = self.value(node["input"][0])
        gamma, beta, mean, variance = (self.values[i].astype(np.float64) for i in node["input"][1:5])
        factor = gamma / np.sqrt(variance + float(node["attr"]["epsilon"]["f"]))
        value.scale(factor)
        value.bias += beta - mean * factor
        return value

    def op_add(self, name, node):
        computed, offset, other = self.split(node)
        if offset is not None:
            value, offset = self.pending(name, node)
            value.bias += offset.astype(np.float64)
            return value
        return self.residual(name, computed, other)

    def op_addn(self, name, node):
        return self.residual(name, *node["input"])

    def residual(self, name, left, right):
        value = self.value(left)
        if not isinstance(value, Conv) or value.residual is not None:
            raise Unexpected(f"{name} does not add a residual to a convolution")
        value.residual = self.tensor(right)
        return value

    def op_relu6(self, name, node):
        source = self.tensor(node["input"][0])
        tensor = self.node("Clip", [source, "zero", "six"], name)
        self.sides[tensor] = self.sides[source]
        return tensor

    def pending(self, name, node):
        computed, constant, _ = self.split(node)
        value = self.value(computed)
        if not isinstance(value, Conv) or constant is None:
            raise Unexpected(f"{name} does not follow a convolution with a constant")
        return value, constant


def text(node, attribute):
    """A string attribute; TensorFlow.js writes it as base64 or as a list of character codes."""
    value = node["attr"][attribute]["s"]
    if isinstance(value, list):
        return bytes(value).decode()
    import base64
    return base64.b64decode(value).decode()


def read_weights(folder, manifest):
    values = {}
    for group in manifest:
        data = b""
        for path in group["paths"]:
            with open(os.path.join(folder, os.path.basename(path)), "rb") as file:
                data += file.read()
        at = 0
        for weight in group["weights"]:
            kind = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}.get(weight["dtype"])
            if kind is None or "quantization" in weight:
                raise Unexpected(f"weight {weight['name']} is neither float32 nor int32")
            count = int(np.prod(weight["shape"], dtype=np.int64))
            if at + count * kind.itemsize > len(data):
                raise Unexpected("the weight files are shorter than the graph says")
            values[weight["name"]] = np.frombuffer(data, kind, count, at).reshape(weight["shape"])
            at += count * kind.itemsize
        if at != len(data):
            raise Unexpected("the weight files are longer than the graph says")
    return values


def predictor(graph, index, kind, keep):
    """One predictor as [1, anchors, keep]; the channels before the last `keep` of each anchor are left out."""
    name = f"BoxPredictor_{index}/{kind}"
    conv = graph.value(name + "/BiasAdd")
    width = {"BoxEncodingPredictor": 4, "ClassPredictor": CLASSES}[kind]
    conv.weights = conv.weights.reshape(-1, width, *conv.weights.shape[1:])[:, width - keep:]
    conv.weights = conv.weights.reshape(-1, *conv.weights.shape[2:])
    conv.bias = conv.bias.reshape(-1, width)[:, width - keep:].reshape(-1)
    tensor = graph.node("Transpose", [graph.emit(conv, name)], name + "/nhwc", perm=[0, 2, 3, 1])
    shape = graph.constant(name + "/shape", np.array([1, -1, keep], np.int64))
    return graph.node("Reshape", [tensor, shape], name + "/rows")


def decode(graph, encodings):
    """Box encodings and anchors to corners, as TensorFlow's Faster R-CNN box coder does."""
    anchors = graph.values["Postprocessor/ExpandDims"].astype(np.float64)
    scale_yx = float(graph.values["ConstantFolding/Postprocessor/Decode/div_recip"])
    scale_hw = float(graph.values["ConstantFolding/Postprocessor/Decode/div_2_recip"])
    size = anchors[..., 2:] - anchors[..., :2]
    centre = anchors[..., :2] + size / 2
    axis = graph.constant("decode/axis", np.array([2], np.int64))
    cuts = [graph.constant(f"decode/cut_{n}", np.array([n], np.int64)) for n in (0, 2, 4)]
    f32 = lambda name, array: graph.constant("decode/" + name, array.astype(np.float32))
    step = lambda op, inputs, name: graph.node(op, inputs, "decode/" + name)
    yx = step("Slice", [encodings, cuts[0], cuts[1], axis], "yx")
    hw = step("Slice", [encodings, cuts[1], cuts[2], axis], "hw")
    centre = step("Add", [step("Mul", [yx, f32("reach", size * scale_yx)], "shift"), f32("centre_of_anchor", centre)], "centre")
    grown = step("Exp", [step("Mul", [hw, f32("scale_hw", np.array(scale_hw))], "log_size")], "growth")
    half = step("Mul", [grown, f32("half_anchor", size / 2)], "half")
    low, high = step("Sub", [centre, half], "low"), step("Add", [centre, half], "high")
    graph.node("Concat", [low, high], "boxes", axis=2)
    return anchors.shape[1]


def convert(folder):
    graph = Graph(folder)
    graph.constant("zero", np.array(0, np.float32))
    graph.constant("six", np.array(6, np.float32))
    boxes = [predictor(graph, n, "BoxEncodingPredictor", 4) for n in range(PREDICTORS)]
    classes = [predictor(graph, n, "ClassPredictor", CLASSES - 1) for n in range(PREDICTORS)]
    anchors = decode(graph, graph.node("Concat", boxes, "encodings", axis=1))
    graph.node("Sigmoid", [graph.node("Concat", classes, "logits", axis=1)], "scores")
    describe = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    onnx_graph = helper.make_graph(
        graph.onnx_nodes, "ssd_mobilenet_v2_coco",
        [describe("image", [1, 3, SIDE, SIDE])],
        [describe("boxes", [1, anchors, 4]), describe("scores", [1, anchors, CLASSES - 1])],
        graph.initializers)
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    model.producer_name, model.producer_version = "gridpost models/convert.py", ""
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def main(arguments):
    if len(arguments) != 2:
        print("usage: convert.py GRAPH_DIR OUT.onnx", file=sys.stderr)
        return 2
    folder, out = arguments
    try:
        data = convert(folder)
    except (OSError, KeyError, ValueError, Unexpected) as error:
        print(f"convert.py: {folder} is not the TensorFlow.js graph that was expected: {error}; "
              "delete it and run models/fetch again", file=sys.stderr)
        return 1
    part = out + ".part"
    with open(part, "wb") as file:
        file.write(data)
    os.replace(part, out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
