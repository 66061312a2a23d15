"""Reads a model of this recipe back from a checkpoint or a ggml file, so that training can go on from it."""

import struct
from pathlib import Path

import numpy as np
import torch

from network import FIRST_TIMESTAMP, FREE_ROWS, TIMESTAMPS, TOKENS, MicroWhisper

_F32, _F16, _Q5_0, _Q8_0 = 0, 1, 6, 8


def load_model(path: Path, averaged: bool) -> MicroWhisper:
    """A `.pt` of train.py (its averaged or its last weights) or a `.bin` of export_ggml.py."""
    model = MicroWhisper()
    if path.suffix == ".bin":
        state = _model_state(read_tensors(path), model)
    else:
        state = torch.load(path)["average" if averaged else "last"]
    model.load_state_dict(state)
    return model


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a ggml Whisper file as floats."""
    data = path.read_bytes()
    mel_rows, mel_columns = struct.unpack_from("<2i", data, 48)
    at = 56 + 4 * mel_rows * mel_columns
    (words,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(words):
        at += 4 + struct.unpack_from("<I", data, at)[0]
    tensors: dict[str, np.ndarray] = {}
    while at < len(data):
        dimensions, name_length, kind = struct.unpack_from("<3i", data, at)
        shape = struct.unpack_from(f"<{dimensions}i", data, at + 12)[::-1]
        at += 12 + 4 * dimensions
        name = data[at : at + name_length].decode()
        at += name_length
        values, size = _floats(data, at, kind, int(np.prod(shape)))
        tensors[name] = values.reshape(shape)
        at += size
    return tensors


def _floats(data: bytes, at: int, kind: int, count: int) -> tuple[np.ndarray, int]:
    """(values, size in bytes) of one tensor."""
    if kind in (_F32, _F16):
        values = np.frombuffer(data, "<f4" if kind == _F32 else "<f2", count, at)
        return values.astype(np.float32), values.nbytes
    block_bytes = {_Q5_0: 22, _Q8_0: 34}[kind]
    blocks = np.frombuffer(data, np.uint8, count // 32 * block_bytes, at).reshape(-1, block_bytes)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    if kind == _Q8_0:
        levels = blocks[:, 2:].copy().view(np.int8).astype(np.float32)
    else:
        fifth = (blocks[:, 2:6].copy().view("<u4") >> np.arange(32, dtype=np.uint32)) & 1
        levels = np.concatenate([blocks[:, 6:] & 15, blocks[:, 6:] >> 4], 1).astype(np.float32) + 16.0 * fifth - 16
    return (levels * scale).astype(np.float32).ravel(), blocks.size


def _model_state(tensors: dict[str, np.ndarray], model: MicroWhisper) -> dict[str, torch.Tensor]:
    """A file has no CTC head, which starts anew, and one row per timestamp, which become a projection again."""
    state = model.state_dict()
    rows = tensors.pop("decoder.token_embedding.weight")[TOKENS]
    features = state["decoder.timestamp_features"].numpy()
    times = rows[TOKENS.index(FIRST_TIMESTAMP) :][:TIMESTAMPS]
    state["decoder.embedding"] = torch.from_numpy(rows[:FREE_ROWS].copy())
    state["decoder.timestamp_projection"] = torch.from_numpy(np.linalg.lstsq(features, times, rcond=None)[0])
    for name, values in tensors.items():
        state[name] = torch.from_numpy(values.copy()).reshape(state[name].shape)
    return state
