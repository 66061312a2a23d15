"""Trains the micro model.

    train.py DATA_DIR OUT.pt --minutes 70                          from nothing
    train.py DATA_DIR OUT.pt --minutes 30 --init OUT.pt            goes on from a checkpoint
    train.py DATA_DIR OUT.pt --minutes 60 --init MODEL.bin         goes on from a model file

DATA_DIR holds the sets train/ and held/ of dataset.py. The schedule follows the clock, not the steps, so a slow
machine gives a weaker model and not a late one. OUT.pt is written every few minutes and can be exported at once.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dataset import Phrases
from evaluate import word_error_rate
from import_ggml import load_model
from network import MicroWhisper
from windows import Batch, WindowMaker

# (windows in a batch, encoder positions of 20 ms): about the same work each.
SHORT, MEDIUM = [(48, 64), (48, 80)], [(36, 80), (36, 112), (30, 144)]
LONG = [(32, 112), (24, 160), (16, 256), (12, 340)]
EMA_DECAY = 0.998
CTC_WEIGHT = 0.075
SAVE_SECONDS = 600


@dataclass
class Settings:
    minutes: float
    peak_rate: float
    continued: bool


def losses(model: MicroWhisper, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """(cross entropy of the decoder, CTC loss of the encoder)."""
    audio = model.encoder(batch.mel, batch.first, batch.floor, batch.silent, batch.bias)
    logits = model.decoder(batch.tokens, audio, batch.bias)
    reading = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=-1, label_smoothing=0.02)
    positions = batch.mel.shape[2] // 2
    guesses = model.ctc(audio[:, :positions]).log_softmax(-1).transpose(0, 1)
    lengths = torch.full((len(batch.spoken_lengths),), positions)
    hearing = F.ctc_loss(guesses, batch.spoken, lengths, batch.spoken_lengths, zero_infinity=True)
    return reading, hearing


def next_batch(maker: WindowMaker, rng: np.random.Generator, progress: float, continued: bool) -> Batch:
    """Short windows at position 0 first, then longer ones anywhere in the window."""
    if continued or progress >= 0.35:
        sizes = LONG
    else:
        sizes = SHORT if progress < 0.12 else MEDIUM
    size, positions = sizes[int(rng.integers(len(sizes)))]
    easy = progress < 0.08 and not continued
    return maker.batch(size, positions, not easy and rng.random() < 0.35, not easy and rng.random() < 0.7)


def learning_rate(step: int, progress: float, peak: float) -> float:
    """A short rise, then half a cosine down to almost nothing."""
    return peak * min(1, (step + 1) / 150) * (0.5 + 0.5 * math.cos(math.pi * progress)) + 1e-5


def make_optimiser(model: MicroWhisper) -> torch.optim.AdamW:
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        (decayed if parameter.ndim >= 2 and "embedding" not in name else free).append(parameter)
    groups = [{"params": decayed, "weight_decay": 0.03}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98))


class Average:
    """The running mean of the weights, which hears better than the weights of any single step."""

    def __init__(self, model: MicroWhisper) -> None:
        self.state = {name: value.clone() for name, value in model.state_dict().items()}

    def take_in(self, model: MicroWhisper, step: int) -> None:
        decay = min(EMA_DECAY, step / (step + 20))
        for name, value in model.state_dict().items():
            self.state[name].mul_(decay).add_(value, alpha=1 - decay)

    def model(self) -> MicroWhisper:
        averaged = MicroWhisper()
        averaged.load_state_dict(self.state)
        return averaged.eval()


def save(path: Path, model: MicroWhisper, average: Average) -> None:
    """Writes beside the old checkpoint first: an interruption leaves a whole one."""
    unfinished = path.with_suffix(".part")
    torch.save({"average": average.state, "last": model.state_dict()}, unfinished)
    unfinished.replace(path)


def report(line: str) -> None:
    print(line, flush=True)


def train(model: MicroWhisper, data: Path, out: Path, settings: Settings) -> None:
    rng = np.random.default_rng(int(time.time()) if settings.continued else 7)
    maker, held = WindowMaker(Phrases(data / "train"), rng), Phrases(data / "held")
    optimiser, average = make_optimiser(model), Average(model)
    begun, saved, step, seen, recent = time.monotonic(), time.monotonic(), 0, 0, []
    while (progress := (time.monotonic() - begun) / (settings.minutes * 60)) < 1:
        rate = learning_rate(step, progress, settings.peak_rate)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = next_batch(maker, rng, progress, settings.continued)
        reading, hearing = losses(model, batch)
        optimiser.zero_grad()
        (reading + (CTC_WEIGHT if progress < 0.7 else CTC_WEIGHT / 3) * hearing).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step, seen = step + 1, seen + len(batch.tokens)
        average.take_in(model, step)
        recent.append((reading.item(), hearing.item()))
        if step % 100 == 0:
            read, heard = np.mean(recent[-100:], 0)
            report(f"{progress * settings.minutes:5.1f} min step {step} windows {seen} decoder {read:.3f} ctc {heard:.2f}")
        if time.monotonic() - saved > SAVE_SECONDS:
            save(out, model, average)
            report(f"      held-out voices: word error rate {word_error_rate(average.model(), held, 100):.2%}")
            saved = time.monotonic()
    save(out, model, average)
    report(f"end: {step} steps, {seen} windows, word error rate {word_error_rate(average.model(), held, 300):.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=70)
    parser.add_argument("--init", type=Path, help="a checkpoint (.pt) or a model file (.bin) to go on from")
    parser.add_argument("--rate", type=float, help="peak learning rate (1.6e-3, or 5e-4 with --init)")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = load_model(options.init, averaged=False) if options.init else MicroWhisper()
    rate = options.rate or (5e-4 if options.init else 1.6e-3)
    train(model, options.data, options.out, Settings(options.minutes, rate, options.init is not None))


if __name__ == "__main__":
    main()
