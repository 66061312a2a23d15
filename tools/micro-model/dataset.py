"""Phrases on disk: 16-bit 8 kHz speech in one file, texts and offsets in another.

    dataset.py OUT_DIR --count 36000 --seed 1 --workers 2 [--held-out]
"""

import argparse
import json
import random
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from telephony import LINE_RATE, TELEPHONE_BAND, WIDE_BAND, to_line
from vocabulary import random_phrase
from voices import Espeak, Manner, random_voice

LONGEST_SECONDS = 5.5
# Taking a voice for one of another rate stretches its formants and pitch, as if the talker's throat were longer or
# shorter: more voices than espeak-ng has. Held-out voices are left as they are.
STRETCHES = [0.9, 0.935, 0.965, 1.0, 1.0, 1.0, 1.035, 1.07, 1.1]


def speak_phrases(count: int, seed: int, held_out: bool) -> list[tuple[str, str, np.ndarray]]:
    """(text, voice, 8 kHz samples of peak 1) for `count` random phrases."""
    rng, espeak, phrases = random.Random(seed), Espeak(), []
    while len(phrases) < count:
        text, voice = random_phrase(rng), random_voice(rng, held_out)
        band = TELEPHONE_BAND if rng.random() < 0.5 else WIDE_BAND
        rate = espeak.sample_rate if held_out else round(espeak.sample_rate * rng.choice(STRETCHES) / 50) * 50
        samples = to_line(espeak.speak(text, voice, Manner.random(rng)), rate, band)
        if len(samples) <= LONGEST_SECONDS * LINE_RATE:
            phrases.append((text, voice, samples))
    return phrases


class Phrases:
    """A set made by this program, opened for reading; samples stay on disk until asked for."""

    def __init__(self, directory: Path) -> None:
        index = json.loads((directory / "index.json").read_text())
        self.texts: list[str] = index["texts"]
        self.ends = np.cumsum(index["lengths"])
        self.lengths = np.array(index["lengths"])
        self._samples = np.memmap(directory / "samples.i16", np.int16, "r")

    def __len__(self) -> int:
        return len(self.texts)

    def samples(self, number: int) -> np.ndarray:
        """Floats of peak 1."""
        end = self.ends[number]
        return self._samples[end - self.lengths[number] : end].astype(np.float32) / 32767


def _shard(job: tuple[int, int, bool]) -> list[tuple[str, str, np.ndarray]]:
    return [(text, voice, np.round(x * 32767).astype(np.int16)) for text, voice, x in speak_phrases(*job)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=36000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--held-out", action="store_true", help="speak with the voices that are never trained on")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shard_size = 500
    jobs = [
        (min(shard_size, options.count - first), options.seed * 100_000 + first, options.held_out)
        for first in range(0, options.count, shard_size)
    ]
    texts, voices, lengths = [], [], []
    with Pool(options.workers) as pool, open(options.out / "samples.i16", "wb") as samples_file:
        for shard in pool.imap(_shard, jobs):
            for text, voice, samples in shard:
                texts.append(text), voices.append(voice), lengths.append(len(samples))
                samples_file.write(samples.tobytes())
            print(f"{len(texts)} phrases, {sum(lengths) / LINE_RATE / 3600:.2f} hours", flush=True)
    index = {"texts": texts, "voices": voices, "lengths": lengths}
    (options.out / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    main()
