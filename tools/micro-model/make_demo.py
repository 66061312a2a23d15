"""The demo call: two legs of one conversation and its script, the same bytes on every run.

    make_demo.py OUT_DIR            writes caller.wav, agent.wav (8 kHz, 16 bit, mono, equally long) and script.json

Both voices are held out: the model was never trained on them. Every sample is a value of G.711 mu-law, so a PCMU call
carries the files unchanged.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from telephony import LINE_RATE, TELEPHONE_BAND, decibels, through_g711, to_line
from voices import Espeak, Manner
from wav_file import write_wav

LEAD_MS, TAIL_MS = 800, 1500
SPEECH_PEAK_DB, NOISE_DB = -6, -66


@dataclass(frozen=True)
class Speaker:
    label: str
    name: str
    aor: str
    role: str
    voice: str
    manner: Manner

    @property
    def file(self) -> str:
        return f"{self.role}.wav"


SPEAKERS = [
    Speaker("1", "Anna Berg", "sip:+15550100@example.com", "caller", "en-us+f4", Manner(140, 60, 50, 3)),
    Speaker("2", "Tom Reed", "sip:agent7@example.com", "agent", "en+m6", Manner(140, 40, 40, 3)),
]
CALLER, AGENT = 0, 1

# Who, what, and the pause before it in ms; a negative one speaks into the turn before.
TURNS: list[tuple[int, str, int]] = [
    (AGENT, "hello billing support", 0),
    (CALLER, "hello please help me cancel my order", 900),
    (AGENT, "okay account number please", 800),
    (CALLER, "my account number is four two seven nine", 1000),
    (AGENT, "thanks order number please", 900),
    (CALLER, "my order number is eight zero five", 1000),
    (AGENT, "please confirm order number eight zero five", 1100),
    (CALLER, "yes please cancel my order", 800),
    (AGENT, "okay payment back to account four two seven nine", 900),
    (CALLER, "yes thanks", -200),
    (AGENT, "thanks goodbye", 900),
    (CALLER, "okay thanks goodbye", 800),
]


def build(speakers: list[Speaker], turns: list[tuple[int, str, int]]) -> tuple[list[np.ndarray], list[dict]]:
    """(8 kHz sound of each speaker, the turns with their times)."""
    espeak, placed, end_ms = Espeak(), [], LEAD_MS
    for number, text, pause_ms in turns:
        speaker = speakers[number]
        speech = to_line(espeak.speak(text, speaker.voice, speaker.manner), espeak.sample_rate, TELEPHONE_BAND)
        start_ms = end_ms + pause_ms
        end_ms = start_ms + round(len(speech) * 1000 / LINE_RATE)
        placed.append(({"speaker": number, "text": text, "startMs": start_ms, "endMs": end_ms}, speech))
    rng, length = np.random.default_rng(2), (end_ms + TAIL_MS) * LINE_RATE // 1000
    legs = [rng.standard_normal(length) * decibels(NOISE_DB) for _ in speakers]
    for turn, speech in placed:
        start = turn["startMs"] * LINE_RATE // 1000
        legs[turn["speaker"]][start : start + len(speech)] += speech * decibels(SPEECH_PEAK_DB)
    return [through_g711(np.clip(leg, -1, 1), "mulaw") for leg in legs], [turn for turn, _ in placed]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    legs, turns = build(SPEAKERS, TURNS)
    for speaker, leg in zip(SPEAKERS, legs):
        write_wav(options.out / speaker.file, leg, LINE_RATE)
    people = [
        {"label": s.label, "name": s.name, "aor": s.aor, "role": s.role, "file": s.file, "voice": s.voice}
        for s in SPEAKERS
    ]
    script = {"title": "Billing support: an order is cancelled", "speakers": people, "turns": turns}
    (options.out / "script.json").write_text(json.dumps(script, indent=2) + "\n")
    print(f"{len(turns)} turns, {len(legs[0]) / LINE_RATE:.1f} s")


if __name__ == "__main__":
    main()
