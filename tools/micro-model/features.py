"""Log-mel features as whisper.cpp computes them from 16 kHz sound."""

import numpy as np
import torch

MEL_BANDS = 80
FRAME_SAMPLES = 160  # 10 ms at 16 kHz
_WINDOW_SAMPLES = 400
_POWER_FLOOR = 1e-10


def mel_filters(sample_rate: int = 16000, fft_size: int = _WINDOW_SAMPLES, bands: int = MEL_BANDS) -> np.ndarray:
    """Slaney's mel scale and area normalisation, [bands, fft_size // 2 + 1]; a model file carries this matrix."""

    def to_mel(hertz: np.ndarray) -> np.ndarray:
        logarithmic = 15 + np.log(np.maximum(hertz, 1e-9) / 1000) / (np.log(6.4) / 27)
        return np.where(hertz >= 1000, logarithmic, hertz * 3 / 200)

    def to_hertz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel >= 15, 1000 * np.exp((np.log(6.4) / 27) * (mel - 15)), 200 * mel / 3)

    bins = np.linspace(0, sample_rate / 2, fft_size // 2 + 1)
    edges = to_hertz(np.linspace(to_mel(np.array(0.0)), to_mel(np.array(sample_rate / 2)), bands + 2))
    widths, ramps = np.diff(edges), edges[:, None] - bins[None]
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


_MEL = torch.from_numpy(mel_filters())
_HANN = torch.hann_window(_WINDOW_SAMPLES)


def log_mel(sound: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[batch, samples] to ([batch, 80, samples / 160], floor [batch]).

    What follows the sound counts as digital silence, because the engine pads its 30 s window with zeros. The floor
    is the value of such a silent frame: 8 decades under the loudest point of the same window, so it moves with the
    speech. A model that never saw this moving floor hears nothing right in the real engine.
    """
    half = _WINDOW_SAMPLES // 2
    mirrored = sound[:, 1 : half + 1].flip(1)
    padded = torch.cat([mirrored, sound, sound.new_zeros(len(sound), half)], 1)
    spectrum = torch.stft(padded, _WINDOW_SAMPLES, FRAME_SAMPLES, window=_HANN, center=False, return_complex=True)
    power = spectrum[:, :, : sound.shape[1] // FRAME_SAMPLES].abs().pow(2)
    levels = (_MEL @ power).clamp(min=_POWER_FLOOR).log10()
    floor = (levels.amax((1, 2)) - 8).clamp(min=-10)
    levels = torch.maximum(levels, floor[:, None, None])
    return (levels + 4) / 4, (floor + 4) / 4
