"""What a telephone line does to speech: 8 kHz, G.711 in both laws, filters, noise; and the way back to 16 kHz."""

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

LINE_RATE = 8000
PIECE_SECONDS = 10  # of noise
TELEPHONE_BAND = butter(3, [300, 3400], "band", fs=LINE_RATE, output="sos")
WIDE_BAND = butter(2, 120, "high", fs=LINE_RATE, output="sos")


def _mulaw_table() -> np.ndarray:
    code = ~np.arange(256, dtype=np.int32) & 255
    magnitude = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132
    return (np.where(code & 128, -magnitude, magnitude) / 32768).astype(np.float32)


def _alaw_table() -> np.ndarray:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
    return (np.where(code & 128, magnitude, -magnitude) / 32768).astype(np.float32)


# Decision levels lie halfway between the neighbouring values of a law, which is what G.711 tables 1a to 2b do.
_LEVELS = {"mulaw": np.unique(_mulaw_table()), "alaw": np.unique(_alaw_table())}
_THRESHOLDS = {law: (levels[1:] + levels[:-1]) / 2 for law, levels in _LEVELS.items()}


def through_g711(samples: np.ndarray, law: str) -> np.ndarray:
    """Samples as they come out of a decoder after one trip through G.711, law `mulaw` or `alaw`."""
    return _LEVELS[law][np.searchsorted(_THRESHOLDS[law], samples)]


def to_line(speech: np.ndarray, rate: int, band: np.ndarray) -> np.ndarray:
    """Speech of any rate as filtered 8 kHz, trimmed to 20 ms around the words, peak at 1."""
    divisor = np.gcd(rate, LINE_RATE)
    samples = sosfilt(band, resample_poly(speech, LINE_RATE // divisor, rate // divisor))
    envelope = np.sqrt(np.convolve(samples * samples, np.ones(160) / 160, "same"))
    loud = np.flatnonzero(envelope > 0.02 * envelope.max())
    samples = samples[max(0, loud[0] - 160) : loud[-1] + 160]
    return (samples / np.abs(samples).max()).astype(np.float32)


def upsample(samples: np.ndarray, method: str) -> np.ndarray:
    """8 kHz to 16 kHz along the last axis: `polyphase` (a good filter) or `linear` (what cheap gateways do)."""
    if method == "polyphase":
        return resample_poly(samples, 2, 1, axis=-1).astype(np.float32)
    following = np.concatenate([samples[..., 1:], samples[..., -1:]], -1)
    doubled = np.stack([samples, (samples + following) / 2], -1)
    return doubled.reshape(*samples.shape[:-1], -1).astype(np.float32)


def decibels(level: float) -> float:
    """dB to an amplitude factor."""
    return 10 ** (level / 20)


class NoiseBank:
    """Pieces of line noise of RMS 1: white, pink, brown, mains hum and, given speech, babble."""

    def __init__(self, rng: np.random.Generator, speech: list[np.ndarray], pieces: int = 120) -> None:
        length = PIECE_SECONDS * LINE_RATE
        self._pieces = np.stack([_noise(kind % 5, length, rng, speech) for kind in range(pieces)])
        self._rng = rng

    def take(self, length: int) -> np.ndarray:
        """A random stretch, repeated where `length` is more than a piece has."""
        piece = self._pieces[self._rng.integers(len(self._pieces))]
        return np.resize(np.roll(piece, self._rng.integers(len(piece))), length)


def _noise(kind: int, length: int, rng: np.random.Generator, speech: list[np.ndarray]) -> np.ndarray:
    noise = rng.standard_normal(length)
    if kind in (1, 2):  # pink falls by 3 dB, brown by 6 dB an octave
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20) ** (0.5 * kind), length)
    elif kind == 3:
        mains, time = rng.choice([50, 60]), np.arange(length) / LINE_RATE
        harmonics = (np.sin(2 * np.pi * h * mains * time + rng.random() * 6) / h for h in range(1, 12))
        noise = noise * 0.2 + sum(harmonics)
    elif kind == 4 and speech:
        talkers = (np.concatenate([speech[i] for i in rng.integers(0, len(speech), 8)]) for _ in range(6))
        noise = sum(np.resize(talker, length) for talker in talkers)
    noise = sosfilt(TELEPHONE_BAND if rng.random() < 0.5 else WIDE_BAND, noise)
    return (noise / noise.std()).astype(np.float32)
