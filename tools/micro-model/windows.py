"""Training windows: phrases on a noisy line as the engine would be given them, and the tokens it should answer."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from dataset import Phrases
from features import log_mel
from network import AUDIO_POSITIONS, COMPACT, ENGLISH, END, FIRST_TIMESTAMP, NO_SPEECH, NO_TIMESTAMPS
from network import PREVIOUS, START, TRANSCRIBE
from telephony import NoiseBank, decibels, through_g711, upsample
from vocabulary import WORD_INDEX, WORDS

POSITION_SAMPLES = 160  # an encoder position is 20 ms of 8 kHz
SILENT_REPRESENTATIVES = 32
_IGNORED = -1  # target of positions that are given, not guessed
_LATEST_FIRST_TIMESTAMP = 50  # whisper.cpp lets the first timestamp be 1.0 s at most


@dataclass(frozen=True)
class Segment:
    """One phrase in a window; times in encoder positions from its beginning."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Batch:
    mel: torch.Tensor
    floor: torch.Tensor
    first: int
    silent: torch.Tensor | None
    bias: torch.Tensor | None
    tokens: torch.Tensor
    targets: torch.Tensor
    spoken: torch.Tensor
    spoken_lengths: torch.Tensor


class WindowMaker:
    def __init__(self, phrases: Phrases, rng: np.random.Generator) -> None:
        self._phrases, self._rng = phrases, rng
        self._by_length = np.argsort(phrases.lengths)
        self._sorted_lengths = phrases.lengths[self._by_length]
        some = [phrases.samples(int(i)) for i in rng.integers(0, len(phrases), 400)]
        self._noise = NoiseBank(rng, some)

    def sound(self, positions: int) -> tuple[np.ndarray, list[Segment]]:
        """8 kHz line sound of 1 to 3 phrases (or, in 3 of 100 windows, none) with noise, out of a G.711 decoder."""
        rng, length = self._rng, positions * POSITION_SAMPLES
        sound, segments = np.zeros(length, np.float32), []
        at = int(rng.integers(0, 1000) if rng.random() < 0.5 else rng.integers(0, min(8000, length // 2)))
        level = rng.uniform(-24, -1)
        wanted = 0 if rng.random() < 0.03 else (1 if rng.random() < 0.4 else 3)
        for _ in range(wanted):
            fitting = int(np.searchsorted(self._sorted_lengths, length - at - 500, "right"))
            if fitting <= 20:
                break
            number = int(self._by_length[rng.integers(fitting)])
            speech = self._phrases.samples(number)
            sound[at : at + len(speech)] += speech * decibels(min(-0.5, level + rng.uniform(-4, 4)))
            segments.append(self._segment(at, at + len(speech), self._phrases.texts[number]))
            at += len(speech) + int(rng.integers(2400, 7200))
        return self._line(sound, round(segments[-1].end * POSITION_SAMPLES) if segments else length // 2), segments

    def _segment(self, start: int, end: int, text: str) -> Segment:
        return Segment(round(start / POSITION_SAMPLES), round(end / POSITION_SAMPLES), text)

    def _line(self, sound: np.ndarray, speech_end: int) -> np.ndarray:
        """Noise at a random level, lost packets, G.711, and the end of the cut, after which the engine pads zeros."""
        rng = self._rng
        if rng.random() < 0.85:
            sound = sound + self._noise.take(len(sound)) * decibels(rng.uniform(-90, -38))
        sound = through_g711(np.clip(sound, -1, 1), "mulaw" if rng.random() < 0.6 else "alaw")
        if rng.random() < 0.1:
            lost = int(rng.integers(0, len(sound) // 160)) * 160
            sound[lost : lost + 160 * int(rng.integers(1, 3))] = 0
        if rng.random() < 0.7:
            sound[speech_end + int(rng.integers(400, 5000)) :] = 0
        return sound

    def batch(self, size: int, positions: int, elsewhere: bool, whole_window: bool) -> Batch:
        """`elsewhere`: not always at the window's start. `whole_window`: with its silent rest."""
        rng = self._rng
        first = int(rng.integers(0, AUDIO_POSITIONS - positions)) if elsewhere else 0
        made = [self.sound(positions) for _ in range(size)]
        eight = np.stack([sound for sound, _ in made])
        method = "linear" if rng.random() < 0.25 else "polyphase"
        mel, floor = log_mel(torch.from_numpy(upsample(eight, method)))
        if rng.random() < 0.5:
            self._mask(mel, floor)
        examples = [self._tokens(segments, first) for _, segments in made]
        silent, bias = self._silence(first, positions) if whole_window else (None, None)
        words = [[WORD_INDEX[w] + 1 for s in segments for w in s.text.split()] for _, segments in made]
        return Batch(
            mel, floor, first, silent, bias,
            tokens=_padded([given for given, _ in examples], COMPACT[END]),
            targets=_padded([wanted for _, wanted in examples], _IGNORED),
            spoken=torch.tensor([w for said in words for w in said]),
            spoken_lengths=torch.tensor([len(said) for said in words]),
        )  # fmt: skip

    def _mask(self, mel: torch.Tensor, floor: torch.Tensor) -> None:
        """Blanks a few frames and bands (SpecAugment), so that no single cue carries a word."""
        for one, quiet in zip(mel, floor):
            for _ in range(int(self._rng.integers(0, 3))):
                frame = int(self._rng.integers(0, mel.shape[2]))
                one[:, frame : frame + int(self._rng.integers(1, 10))] = quiet
            band = int(self._rng.integers(0, mel.shape[1]))
            one[band : band + int(self._rng.integers(0, 9))] = quiet

    def _silence(self, first: int, positions: int) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Positions that stand for the window's silent rest, and their attention bias; see Encoder.forward."""
        total = int(self._rng.choice([512, 750, 1000, 1500, 1500]))  # the engine's audio_ctx
        free = [*range(0, first), *range(first + positions, max(first + positions, total))]
        if len(free) <= SILENT_REPRESENTATIVES:
            return None, None
        silent = torch.from_numpy(self._rng.choice(free, SILENT_REPRESENTATIVES, replace=False))
        bias = torch.zeros(positions + SILENT_REPRESENTATIVES)
        bias[positions:] = math.log(len(free) / SILENT_REPRESENTATIVES)
        return silent, bias

    def _tokens(self, segments: list[Segment], first: int) -> tuple[list[int], list[int]]:
        """(given, wanted) tokens of one window: with or without timestamps, sometimes after a previous text."""
        rng = self._rng
        without_times = rng.random() < 0.3
        answer: list[int] = []
        for number, segment in enumerate(segments):
            words = [WORD_INDEX[word] for word in segment.text.split()]
            if without_times:
                answer += words
                continue
            start = min(first + segment.start, _LATEST_FIRST_TIMESTAMP if number == 0 else 1500)
            end = min(first + segment.end, 1500)
            answer += [COMPACT[FIRST_TIMESTAMP] + start, *words, COMPACT[FIRST_TIMESTAMP] + end]
        if not segments and not without_times:
            answer = [COMPACT[FIRST_TIMESTAMP]]
        answer.append(COMPACT[END])
        before: list[int] = []
        if rng.random() < 0.15:
            before = [COMPACT[PREVIOUS], *(int(i) for i in rng.integers(0, len(WORDS), rng.integers(1, 12)))]
        head = [COMPACT[START], COMPACT[ENGLISH], COMPACT[TRANSCRIBE]] + ([COMPACT[NO_TIMESTAMPS]] * without_times)
        language = COMPACT[ENGLISH] if segments else COMPACT[NO_SPEECH]
        wanted = [_IGNORED] * len(before) + [language] + [_IGNORED] * (len(head) - 2) + answer
        return before + head + answer[:-1], wanted


def _padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
