"""espeak-ng through its C library: text to speech, with the voices to train on and those held out."""

import ctypes
import random
from dataclasses import dataclass

import numpy as np

BASES = ["en", "en-us", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"]
VARIANTS = [
    "", "m1", "m2", "m3", "m4", "m5", "m7", "m8", "f1", "f2", "f3", "f5", "Alex", "Alicia", "Andrea", "Andy", "Annie",
    "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mr serious",
    "RicishayMax", "Storm", "adam", "anika", "antonio", "belinda", "benjamin", "boris", "caleb", "david", "ed",
    "edward", "gustave", "iven", "john", "linda", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "pedro",
    "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "zac", "klatt2", "klatt3",
]  # fmt: skip
# Never trained on: the figures and the demo speak with these alone.
HELD_OUT_BASES = ["en-us", "en", "en-gb-scotland"]
HELD_OUT_VARIANTS = ["m6", "f4", "Mike", "Nguyen", "aunty", "edward2", "paul", "steph2", "iven2", "klatt4"]

_SYNCHRONOUS_OUTPUT = 2
_RATE, _PITCH, _PITCH_RANGE, _WORD_GAP = 1, 3, 4, 7  # espeak_PARAMETER numbers of speak_lib.h


@dataclass(frozen=True)
class Manner:
    """How a voice speaks: words per minute, pitch and its range (0 to 100), pause between words in 10 ms."""

    rate: int = 150
    pitch: int = 50
    pitch_range: int = 50
    word_gap: int = 0

    @staticmethod
    def random(rng: random.Random) -> "Manner":
        gap = rng.choice([0, 0, 0, 2, 5, 10, 18])
        return Manner(int(rng.uniform(100, 200)), int(rng.uniform(20, 80)), int(rng.uniform(20, 80)), gap)


def random_voice(rng: random.Random, held_out: bool) -> str:
    """An espeak-ng voice name such as `en-us+f4`."""
    base = rng.choice(HELD_OUT_BASES if held_out else BASES)
    variant = rng.choice(HELD_OUT_VARIANTS if held_out else VARIANTS)
    return f"{base}+{variant}" if variant else base


class Espeak:
    """One loaded espeak-ng library. It keeps global state, so a process has one of these."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self.sample_rate: int = self._library.espeak_Initialize(_SYNCHRONOUS_OUTPUT, 200, None, 0)
        if self.sample_rate <= 0:
            raise RuntimeError("espeak-ng did not start: is espeak-ng-data installed?")
        self._pieces: list[np.ndarray] = []
        callback_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = callback_type(self._receive)  # held here, or ctypes would free it
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples, count: int, _events) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def speak(self, text: str, voice: str, manner: Manner = Manner()) -> np.ndarray:
        """Float samples in -1..1 at `sample_rate`. An unknown voice raises ValueError."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        parameters = ((_RATE, manner.rate), (_PITCH, manner.pitch), (_PITCH_RANGE, manner.pitch_range))
        for number, value in (*parameters, (_WORD_GAP, manner.word_gap)):
            self._library.espeak_SetParameter(number, value, 0)
        self._pieces.clear()
        zero_terminated = text.encode() + b"\0"
        self._library.espeak_Synth(zero_terminated, len(zero_terminated), 0, 1, 0, 1, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._pieces).astype(np.float32) / 32768
