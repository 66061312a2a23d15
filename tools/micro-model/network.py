"""OpenAI's Whisper architecture in small, with the parameter names of the original."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from features import MEL_BANDS
from vocabulary import WORDS

WIDTH, HEADS, ENCODER_LAYERS, DECODER_LAYERS = 128, 2, 4, 3
AUDIO_POSITIONS, TEXT_POSITIONS = 1500, 128

# Token numbers of a multilingual model. whisper.cpp derives them from the size of the vocabulary alone, so this
# size is a must although the model knows only a few dozen words.
VOCABULARY_SIZE = 51865
FIRST_WORD = 256  # 0 to 255 are single bytes
END, START, ENGLISH, TRANSLATE, TRANSCRIBE = 50257, 50258, 50259, 50358, 50359
PREVIOUS, NO_SPEECH, NO_TIMESTAMPS, FIRST_TIMESTAMP = 50361, 50362, 50363, 50364
TIMESTAMPS = 1501  # 0.00 to 30.00 s in steps of 20 ms

_SPECIAL = [END, START, ENGLISH, TRANSLATE, TRANSCRIBE, PREVIOUS, NO_SPEECH, NO_TIMESTAMPS]
# The network works on this compact list; export_ggml.py spreads it over the 51,865 rows.
TOKENS: list[int] = [
    *range(FIRST_WORD, FIRST_WORD + len(WORDS)),
    *_SPECIAL,
    *range(FIRST_TIMESTAMP, FIRST_TIMESTAMP + TIMESTAMPS),
]
FREE_ROWS = len(WORDS) + len(_SPECIAL)  # rows with an embedding of their own; the rest are timestamps
COMPACT: dict[int, int] = {token: index for index, token in enumerate(TOKENS)}
TIMESTAMP_FEATURES = 128


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's sines and cosines of positions, [length, width]."""
    scales = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * scales[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.value, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor, source: Tensor, bias: Tensor | None = None) -> Tensor:
        batch, length, _ = x.shape
        query = self.query(x).view(batch, length, HEADS, -1).transpose(1, 2)
        key = self.key(source).view(batch, source.shape[1], HEADS, -1).permute(0, 2, 3, 1)
        value = self.value(source).view(batch, source.shape[1], HEADS, -1).transpose(1, 2)
        weights = (query * (WIDTH // HEADS) ** -0.5) @ key
        if bias is not None:
            weights = weights + bias
        return self.out((weights.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, WIDTH))


class Block(nn.Module):
    def __init__(self, cross: bool = False) -> None:
        super().__init__()
        self.attn, self.attn_ln = Attention(), nn.LayerNorm(WIDTH)
        self.cross_attn = Attention() if cross else None
        self.cross_attn_ln = nn.LayerNorm(WIDTH) if cross else None
        # ggml's GELU is the tanh approximation.
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(approximate="tanh"), nn.Linear(4 * WIDTH, WIDTH))
        self.mlp_ln = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, bias: Tensor | None = None, audio: Tensor | None = None, audio_bias=None) -> Tensor:
        normed = self.attn_ln(x)
        x = x + self.attn(normed, normed, bias)
        if self.cross_attn is not None:
            x = x + self.cross_attn(self.cross_attn_ln(x), audio, audio_bias)
        return x + self.mlp(self.mlp_ln(x))


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MEL_BANDS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(AUDIO_POSITIONS, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(ENCODER_LAYERS))
        self.ln_post = nn.LayerNorm(WIDTH)

    def _convolve(self, mel: Tensor) -> Tensor:
        hidden = F.gelu(self.conv1(mel), approximate="tanh")
        return F.gelu(self.conv2(hidden), approximate="tanh").transpose(1, 2)

    def forward(
        self, mel: Tensor, first: int = 0, floor: Tensor | None = None, silent: Tensor | None = None, bias=None
    ) -> Tensor:
        """mel [batch, 80, 2 x positions], standing at position `first` of the window.

        The rest of the 30 s window is silence, and attention sees all of it. Training on 1500 positions would cost
        ten times as much, so a few positions `silent` stand for all silent ones: their feature is the `floor`, and
        `bias` adds the logarithm of how many positions each of them stands for to the attention weights.
        """
        x = self._convolve(mel)
        x = x + self.positional_embedding[first : first + x.shape[1]]
        if silent is not None and floor is not None:
            quiet = self._convolve(floor[:, None, None].expand(-1, MEL_BANDS, 8))[:, 2:3]
            x = torch.cat([x, quiet + self.positional_embedding[silent]], 1)
        for block in self.blocks:
            x = block(x, bias)
        return self.ln_post(x)


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(FREE_ROWS, WIDTH) * 0.1)
        # 1501 timestamps share a projection of their sines, so that each need not be seen in training.
        self.timestamp_projection = nn.Parameter(torch.randn(TIMESTAMP_FEATURES, WIDTH) * 0.02)
        self.register_buffer("timestamp_features", sinusoids(TIMESTAMPS, TIMESTAMP_FEATURES))
        self.positional_embedding = nn.Parameter(torch.randn(TEXT_POSITIONS, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(Block(cross=True) for _ in range(DECODER_LAYERS))
        self.ln = nn.LayerNorm(WIDTH)
        learned = torch.ones(WIDTH)
        learned[0] = 0
        self.register_buffer("learned_dimensions", learned)

    def token_table(self) -> Tensor:
        return torch.cat([self.embedding, self.timestamp_features @ self.timestamp_projection])

    def forward(self, tokens: Tensor, audio: Tensor, audio_bias: Tensor | None = None) -> Tensor:
        """Logits over the compact tokens, [batch, length, tokens]."""
        table, length = self.token_table(), tokens.shape[1]
        x = table[tokens] + self.positional_embedding[:length]
        future = torch.full((length, length), -1e9).triu(1)
        for block in self.blocks:
            x = block(x, future, audio, audio_bias)
        # Dimension 0 of the output is a constant 1, so column 0 of the embedding is a bias of each token. The format
        # has no output bias, and the 50,000 tokens that are never said need a low one.
        learned = self.learned_dimensions
        x = F.layer_norm(x, (WIDTH,), self.ln.weight * learned, self.ln.bias * learned + (1 - learned))
        return x @ table.t()


class MicroWhisper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        # Only for training: a CTC head makes the encoder find words long before the decoder learns to read it.
        self.ctc = nn.Linear(WIDTH, len(WORDS) + 1)
