"""A checkpoint of train.py as a model file for whisper.cpp.

    export_ggml.py CHECKPOINT.pt OUT.bin --type q5_0
"""

import argparse
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from features import MEL_BANDS, mel_filters
from import_ggml import load_model
from network import (
    AUDIO_POSITIONS, DECODER_LAYERS, ENCODER_LAYERS, ENGLISH, HEADS, TEXT_POSITIONS, TOKENS, TRANSCRIBE, TRANSLATE,
    VOCABULARY_SIZE, WIDTH, MicroWhisper,
)  # fmt: skip
from vocabulary import WORDS

MAGIC = 0x67676D6C
TENSOR_TYPES = {"f32": 0, "f16": 1, "q5_0": 6, "q8_0": 8}
# The file's own type differs from that of its tensors; quantised files carry their quantisation version times 1000.
FILE_TYPES = {"f32": 0, "f16": 1, "q5_0": 2008, "q8_0": 2007}
LANGUAGES = 99
NEVER_SAID = -30.0
_NOT_IN_FILE = ("ctc.", "decoder.embedding", "decoder.timestamp_", "decoder.learned_dimensions")


def quantise(values: np.ndarray, kind: str) -> bytes:
    """Blocks of 32 weights with a half-precision scale, as ggml lays them out."""
    values = np.ascontiguousarray(values, np.float32)
    if kind in ("f32", "f16"):
        return values.astype("<f4" if kind == "f32" else "<f2").tobytes()
    blocks = values.reshape(-1, 32)
    if kind == "q8_0":
        scale = np.abs(blocks).max(1) / 127
        levels = np.rint(blocks * _inverse(scale)[:, None]).astype(np.int8)
        return np.concatenate([_half(scale), levels.view(np.uint8)], 1).tobytes()
    largest = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(1)]
    scale = largest / -16
    levels = np.clip((blocks * _inverse(scale)[:, None] + 16.5).astype(np.int32), 0, 31)
    fifth_bits = ((levels >> 4).astype(np.uint32) << np.arange(32, dtype=np.uint32)).sum(1, dtype=np.uint32)
    low = ((levels[:, :16] & 15) | ((levels[:, 16:] & 15) << 4)).astype(np.uint8)
    return np.concatenate([_half(scale), fifth_bits.astype("<u4").view(np.uint8).reshape(-1, 4), low], 1).tobytes()


def _inverse(scale: np.ndarray) -> np.ndarray:
    return np.where(scale != 0, 1 / np.where(scale != 0, scale, 1), 0)


def _half(scale: np.ndarray) -> np.ndarray:
    return scale.astype("<f2").view(np.uint8).reshape(-1, 2)


def token_embedding(model: MicroWhisper) -> np.ndarray:
    """All 51,865 rows. Column 0 meets a constant 1 (see Decoder.forward), so it keeps unknown tokens silent."""
    rows = np.zeros((VOCABULARY_SIZE, WIDTH), np.float32)
    rows[:, 0] = NEVER_SAID
    rows[TOKENS] = model.decoder.token_table().detach().numpy()
    for language in range(1, LANGUAGES):  # any language acts as English, but detection says English
        rows[ENGLISH + language] = rows[ENGLISH]
        rows[ENGLISH + language, 0] -= 2
    rows[TRANSLATE] = rows[TRANSCRIBE]
    return rows


def _write_head(file: BinaryIO, kind: str) -> None:
    sizes = (VOCABULARY_SIZE, AUDIO_POSITIONS, WIDTH, HEADS, ENCODER_LAYERS, TEXT_POSITIONS, WIDTH, HEADS)
    file.write(struct.pack("<12i", MAGIC, *sizes, DECODER_LAYERS, MEL_BANDS, FILE_TYPES[kind]))
    filters = mel_filters()
    file.write(struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes())
    words = [bytes([byte]) for byte in range(256)] + [f" {word}".encode() for word in WORDS]
    file.write(struct.pack("<i", len(words)))
    for word in words:
        file.write(struct.pack("<I", len(word)) + word)


def _write_tensor(file: BinaryIO, name: str, values: np.ndarray, kind: str) -> None:
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        values = values.reshape(-1, 1)  # whisper.cpp expects them so
    if values.ndim < 2 or values.shape[-1] == 1 or name.endswith("positional_embedding"):
        kind = "f32"
    elif ".conv" in name and kind != "f32":
        kind = "f16"
    file.write(struct.pack("<3i", values.ndim, len(name), TENSOR_TYPES[kind]))
    file.write(struct.pack(f"<{values.ndim}i", *values.shape[::-1]) + name.encode() + quantise(values, kind))


def export(model: MicroWhisper, path: Path, kind: str) -> int:
    """Writes the file and returns its size in bytes."""
    with open(path, "wb") as file:
        _write_head(file, kind)
        for name, tensor in model.state_dict().items():
            if name.startswith(_NOT_IN_FILE):
                continue
            values = tensor.numpy().copy()
            if name == "decoder.ln.weight":
                values[0] = 0
            if name == "decoder.ln.bias":
                values[0] = 1
            _write_tensor(file, name, values, kind)
        _write_tensor(file, "decoder.token_embedding.weight", token_embedding(model), kind)
        return file.tell()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", choices=sorted(TENSOR_TYPES), default="q5_0")
    options = parser.parse_args()
    size = export(load_model(options.checkpoint, averaged=True), options.out, options.type)
    print(f"{options.out}: {size} bytes")


if __name__ == "__main__":
    main()
