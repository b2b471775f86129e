#!/usr/bin/env python3
"""quantise.py FP32.onnx RANGES.json OUT.onnx: the same model in 8 bits (static QDQ), with numpy and onnx alone.

RANGES.json says between which values each tensor lay on the calibration pictures (models/calibrate.py makes it, once,
and it is checked in); so nothing is run here and the same input gives the same bytes on every machine.
  weights      int8, symmetric, one scale a channel
  activations  uint8, asymmetric, one scale a tensor; a Relu6 becomes the bounds of its own range
  biases       int32 with the scale of what they are added to
The predictors, which are the last convolutions, stay in 32 bits, and so does everything after them: they cost little,
and 8 bits would cut each score at the surest that was seen when the ranges were taken."""
import json
import os
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Quantiser:
    def __init__(self, model, ranges):
        self.model, self.ranges = model, ranges
        self.weights = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
        self.nodes, self.initializers = [], []
        self.steps = {}              # activation -> (scale, zero point)
        self.ready = {}              # activation -> its name after quantise and dequantise
        self.last = last_convolutions(model.graph)

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def step(self, tensor):
        """(scale, zero point) of a tensor: zero itself is exact, as padding needs it."""
        low, high = self.ranges[tensor]
        low, high = min(float(low), 0.0), max(float(high), 0.0)
        scale = np.float32((high - low) / 255.0)
        return scale, np.uint8(np.clip(round(-low / float(scale)), 0, 255))

    def rounded(self, tensor, source=None):
        """`tensor` after a trip through 8 bits; `source` is what carries its values if it is not written itself."""
        if tensor not in self.ready:
            scale, zero = self.steps[tensor] = self.step(tensor)
            names = [self.constant(f"{tensor}/scale", scale), self.constant(f"{tensor}/zero", zero)]
            self.nodes.append(helper.make_node("QuantizeLinear", [source or tensor, *names], [f"{tensor}/u8"],
                                               name=f"{tensor}/quantise"))
            self.nodes.append(helper.make_node("DequantizeLinear", [f"{tensor}/u8", *names], [f"{tensor}/q"],
                                               name=f"{tensor}/dequantise"))
            self.ready[tensor] = f"{tensor}/q"
        return self.ready[tensor]

    def conv(self, node):
        source, weight_name, bias_name = node.input
        data = self.rounded(source)
        weight, bias = self.weights[weight_name].astype(np.float64), self.weights[bias_name].astype(np.float64)
        most = np.abs(weight.reshape(weight.shape[0], -1)).max(axis=1)
        scale = (np.where(most > 0, most, 1.0) / 127.0).astype(np.float32)
        whole = np.clip(np.rint(weight / scale.astype(np.float64).reshape(-1, 1, 1, 1)), -127, 127).astype(np.int8)
        sum_scale = (scale.astype(np.float64) * float(self.steps[source][0])).astype(np.float32)
        whole_bias = np.clip(np.rint(bias / sum_scale.astype(np.float64)), -2**31, 2**31 - 1).astype(np.int32)
        names = []
        for name, values, scales, kind in ((weight_name, whole, scale, np.int8), (bias_name, whole_bias, sum_scale, np.int32)):
            inputs = [self.constant(name, values), self.constant(f"{name}/scale", scales),
                      self.constant(f"{name}/zero", np.zeros(len(scales), kind))]
            names.append(f"{name}/q")
            self.nodes.append(helper.make_node("DequantizeLinear", inputs, [names[-1]], name=f"{name}/dequantise", axis=0))
        made = helper.make_node("Conv", [data, *names], list(node.output), name=node.name)
        made.attribute.extend(node.attribute)
        self.nodes.append(made)

    def run(self):
        graph = self.model.graph
        clipped = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "Clip"}
        for node in graph.node:
            out = node.output[0]
            if node.op_type == "Conv" and node.name not in self.last:
                self.conv(node)
                # Saturation at the bounds of the range is the Relu6.
                self.rounded(clipped[out], source=out) if out in clipped else self.rounded(out)
            elif node.op_type == "Clip":
                continue
            elif node.op_type == "Add" and out in self.ranges:
                self.nodes.append(helper.make_node("Add", [self.rounded(name) for name in node.input], [out], name=node.name))
                self.rounded(out)
            else:
                copy = onnx.NodeProto()
                copy.CopyFrom(node)
                for index, name in enumerate(copy.input):
                    copy.input[index] = self.ready.get(name, name)
                self.nodes.append(copy)
        used = {name for node in self.nodes for name in node.input}
        kept = [item for item in graph.initializer if item.name in used and item.name not in
                {made.name for made in self.initializers}]
        made = helper.make_graph(self.nodes, graph.name + "_int8", graph.input, graph.output, self.initializers + kept)
        model = helper.make_model(made, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)
        model.producer_name, model.producer_version = "gridpost models/quantise.py", ""
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)


def last_convolutions(graph):
    """Names of the convolutions that no other one comes after."""
    last, before = set(), set()          # `before`: what a convolution is made from, near or far
    for node in reversed(graph.node):
        if node.op_type == "Conv" and not before.intersection(node.output):
            last.add(node.name)
        if node.op_type == "Conv" or before.intersection(node.output):
            before.update(node.input)
    return last


def main(arguments):
    if len(arguments) != 3:
        print("usage: quantise.py FP32.onnx RANGES.json OUT.onnx", file=sys.stderr)
        return 2
    try:
        with open(arguments[1], encoding="utf-8") as file:
            ranges = json.load(file)["ranges"]
        data = Quantiser(onnx.load(arguments[0]), ranges).run()
    except (OSError, KeyError, ValueError) as error:
        print(f"quantise.py: {arguments[0]} with {arguments[1]} cannot be quantised: {error!r}", file=sys.stderr)
        return 1
    part = arguments[2] + ".part"
    with open(part, "wb") as file:
        file.write(data)
    os.replace(part, arguments[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
