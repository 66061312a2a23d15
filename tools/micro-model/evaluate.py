"""Word errors: the distance of two texts, and a quick estimate of a network's rate inside PyTorch.

The estimate only steers training. What counts is the rate through the real engine; see score_through_engine.mjs.
"""

import numpy as np
import torch

from dataset import Phrases
from features import log_mel
from network import COMPACT, END, ENGLISH, FIRST_TIMESTAMP, NO_TIMESTAMPS, START, TRANSCRIBE, MicroWhisper
from telephony import decibels, through_g711, upsample
from vocabulary import WORDS

_LINE_SAMPLES = 64_000  # 8 s: 400 positions, most of them digital silence
_LEAD_SAMPLES = 2400
_LONGEST_ANSWER = 14


def word_errors(reference: list[str], heard: list[str]) -> int:
    """Substitutions, deletions and insertions between the two (Levenshtein over words)."""
    row = list(range(len(heard) + 1))
    for i, expected in enumerate(reference):
        diagonal, row[0] = row[0], i + 1
        for j, word in enumerate(heard):
            diagonal, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, diagonal + (expected != word))
    return row[-1]


def _line(speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    cut = np.zeros(_LEAD_SAMPLES + len(speech) + 2000, np.float32)
    cut[_LEAD_SAMPLES : _LEAD_SAMPLES + len(speech)] = speech * decibels(rng.uniform(-16, -1))
    cut += rng.standard_normal(len(cut)).astype(np.float32) * decibels(rng.uniform(-75, -45))
    return np.pad(through_g711(np.clip(cut, -1, 1), "mulaw"), (0, _LINE_SAMPLES - len(cut)))


@torch.no_grad()
def word_error_rate(model: MicroWhisper, phrases: Phrases, count: int) -> float:
    """Greedy decoding of the first `count` phrases, each in a noisy line before digital silence."""
    rng, errors, words = np.random.default_rng(3), 0, 0
    for first in range(0, count, 25):
        numbers = range(first, min(first + 25, count))
        sound = np.stack([_line(phrases.samples(i), rng) for i in numbers])
        audio = model.encoder(log_mel(torch.from_numpy(upsample(sound, "polyphase")))[0])
        head = [COMPACT[START], COMPACT[ENGLISH], COMPACT[TRANSCRIBE], COMPACT[NO_TIMESTAMPS]]
        tokens = torch.tensor([head] * len(numbers))
        for _ in range(_LONGEST_ANSWER):
            logits = model.decoder(tokens, audio)[:, -1, : COMPACT[FIRST_TIMESTAMP]]
            tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)
        for number, answer in zip(numbers, tokens[:, len(head) :].tolist()):
            end = answer.index(COMPACT[END]) if COMPACT[END] in answer else len(answer)
            heard = [WORDS[token] if token < len(WORDS) else "?" for token in answer[:end]]
            reference = phrases.texts[number].split()
            errors, words = errors + word_errors(reference, heard), words + len(reference)
    return errors / words
