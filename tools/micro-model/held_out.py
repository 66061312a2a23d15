"""Utterances of held-out voices as 8 kHz WAV files with refs.json, for score_through_engine.mjs.

    held_out.py OUT_DIR --count 300 [--seed 5] [--law alaw] [--noise -75 -45 | --no-noise] [--linear]

One or two phrases each, 0.1 to 0.8 s of line before and 0.4 to 0.9 s after each phrase.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np

from dataset import speak_phrases
from telephony import LINE_RATE, decibels, through_g711, upsample
from wav_file import write_wav


def silence(rng: random.Random, least: float, most: float) -> np.ndarray:
    return np.zeros(int(rng.uniform(least, most) * LINE_RATE), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--law", choices=["mulaw", "alaw"], default="mulaw")
    parser.add_argument("--noise", type=float, nargs=2, default=[-75, -45], metavar=("LEAST", "MOST"), help="dBFS")
    parser.add_argument("--no-noise", action="store_true", help="digital silence around the words")
    parser.add_argument("--linear", action="store_true", help="write 16 kHz from a cheap linear upsampler")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rng, noise_rng = random.Random(options.seed), np.random.default_rng(options.seed)
    phrases = iter(speak_phrases(2 * options.count, options.seed, held_out=True))
    references: dict[str, dict[str, str]] = {}
    for number in range(options.count):
        parts, texts, voices = [silence(rng, 0.1, 0.8)], [], []
        for _ in range(rng.choice([1, 1, 1, 2])):
            text, voice, speech = next(phrases)
            parts += [speech * decibels(rng.uniform(-16, -1)), silence(rng, 0.4, 0.9)]
            texts.append(text), voices.append(voice)
        line = np.concatenate(parts)
        if not options.no_noise:
            line = line + noise_rng.standard_normal(len(line)) * decibels(rng.uniform(*options.noise))
        heard, rate = through_g711(np.clip(line, -1, 1), options.law), LINE_RATE
        if options.linear:
            heard, rate = upsample(heard, "linear"), 2 * LINE_RATE
        name = f"u{number:04d}.wav"
        write_wav(options.out / name, heard, rate)
        references[name] = {"text": " ".join(texts), "voices": " ".join(voices)}
    (options.out / "refs.json").write_text(json.dumps(references, indent=1))
    print(f"{len(references)} utterances, {sum(len(r['text'].split()) for r in references.values())} words")


if __name__ == "__main__":
    main()
