"""Exports a network as ONNX with free sides, and quantises it to INT8 with NNCF on calibration cases.

    python3 bench/peers/export.py onnx NET MODEL OUT.onnx
    python3 bench/peers/export.py int8 IN.onnx OUT.xml CASE.npy...      (the first steps of post-training quantisation)
"""
import sys, warnings

warnings.filterwarnings("ignore")


def onnx(name, model, out):
    import torch

    from net import load

    net = load(name, model)
    side = 2 * net.spec.multiple()
    sides = {2: "d", 3: "h", 4: "w"}
    image = torch.randn(1, net.spec.inputs, side, side, side)
    torch.onnx.export(
        net, (image,), out, input_names=["image"], output_names=["logits"], opset_version=17, dynamo=False,
        dynamic_axes={"image": sides, "logits": sides},
    )


def int8(source, out, *cases):
    import nncf, numpy, openvino

    network = openvino.Core().read_model(source)
    images = [numpy.load(case) for case in cases]
    if len({image.shape for image in images}) == 1:
        network.reshape(list(images[0].shape))
    quantised = nncf.quantize(network, nncf.Dataset(images), subset_size=len(images), preset=nncf.QuantizationPreset.PERFORMANCE)
    openvino.save_model(quantised, out, compress_to_fp16=False)


if __name__ == "__main__":
    {"onnx": onnx, "int8": int8}[sys.argv[1]](*sys.argv[2:])
