"""The nine networks of Won et al. (2020) as plain PyTorch modules, for `zoo.py`.

What somebody would write without keras_musictag: `torch.stft`, a matrix product with
the mel filters, and the layers of `torch.nn`. Waveforms `(batch, samples)` at 16 kHz
go in, scores `(batch, 50)` come out. Sizes are (channels, frequency, time), as usual
in PyTorch.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

RATE, N_FFT, HOP, TAGS = 16000, 512, 256, 50
WIDE = (128, 128, 256, 256, 256, 256, 512)
SAMPLE = (128, 128, 128, 256, 256, 256, 256, 256, 256, 512)
CONV = {1: nn.Conv1d, 2: nn.Conv2d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d}


# From the waveform to a normalised spectrogram


class PowerSpectrum(nn.Module):
    """(batch, samples) to (batch, 257, frames)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, x):
        bins = torch.stft(x, N_FFT, HOP, window=self.window, return_complex=True)
        return bins.real.square() + bins.imag.square()


def decibels(power):
    return 10 * torch.log10(power.clamp(min=1e-10))


def mel_filters(bands):
    """Triangles of height 1 on the HTK mel scale, (bands, 257)."""
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    mel = torch.linspace(0, top, bands + 2, dtype=torch.float64)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = torch.linspace(0, RATE / 2, N_FFT // 2 + 1, dtype=torch.float64)
    left, centre, right = (edges[i : bands + i, None] for i in range(3))
    sides = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return torch.minimum(*sides).clamp(min=0).float()


class LogMel(nn.Module):
    """(batch, samples) to (batch, 1, bands, frames)."""

    def __init__(self, bands):
        super().__init__()
        self.power = PowerSpectrum()
        self.register_buffer("filters", mel_filters(bands), persistent=False)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x):
        return self.norm(decibels(self.filters @ self.power(x))[:, None])


class Harmonics(nn.Module):
    """(batch, samples) to (batch, 6, 128, frames)."""

    def __init__(self):
        super().__init__()
        self.q = nn.Parameter(torch.ones(1))
        self.power = PowerSpectrum()
        notes = 24 + torch.arange(128, dtype=torch.float64) / 2
        fundamentals = 440 * 2 ** ((notes - 69) / 12)
        centres = torch.outer(torch.arange(1.0, 7.0).double(), fundamentals)
        centres = centres.reshape(-1, 1).float()
        bins = torch.linspace(0, RATE / 2, N_FFT // 2 + 1)
        for name, value in (
            ("distances", (bins - centres).abs()),
            ("widths", 0.1079 * centres + 24.7),
        ):
            self.register_buffer(name, value, persistent=False)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x):
        filters = (1 - 2 * self.distances * self.q / self.widths).clamp(min=0)
        bands = (filters @ self.power(x)).unflatten(1, (6, 128))
        return self.norm(decibels(bands))


# Blocks


def conv_norm(rank, inputs, outputs, kernel=3, stride=1):
    conv = CONV[rank](inputs, outputs, kernel, stride, padding=kernel // 2)
    return nn.Sequential(conv, NORM[rank](outputs))


def conv_block(rank, inputs, outputs, kernel=3, stride=1, pool=1):
    layers = [conv_norm(rank, inputs, outputs, kernel, stride), nn.ReLU()]
    return nn.Sequential(*layers, *([POOL[rank](pool)] if pool != 1 else []))


def conv_stack(inputs, widths, pools):
    blocks = []
    for width, pool in zip(widths, pools, strict=True):
        blocks.append(conv_block(2, inputs, width, pool=pool))
        inputs = width
    return nn.Sequential(*blocks)


class Excitation(nn.Module):
    """Squeeze and excitation over time, without a reduction."""

    def __init__(self, width):
        super().__init__()
        self.reduce, self.expand = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        scales = torch.sigmoid(self.expand(F.relu(self.reduce(x.mean(2)))))
        return x * scales[:, :, None]


class Residual(nn.Module):
    """Two convolutions beside a shortcut, which is a third one where shapes differ."""

    def __init__(self, rank, inputs, outputs, kernel=3, stride=1, excite=False):
        super().__init__()
        self.first = conv_norm(rank, inputs, outputs, kernel, stride)
        self.second = conv_norm(rank, outputs, outputs, kernel)
        self.excite = Excitation(outputs) if excite else nn.Identity()
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = conv_norm(rank, inputs, outputs, kernel, stride)

    def forward(self, x):
        y = self.excite(self.second(F.relu(self.first(x))))
        return F.relu(self.shortcut(x) + y)


def residual_stack(widths, strides):
    inputs = (1, *widths[:-1])
    return nn.Sequential(
        *(
            Residual(2, before, width, stride=stride)
            for before, width, stride in zip(inputs, widths, strides, strict=True)
        )
    )


class Head(nn.Sequential):
    """Dropout, dense layer, sigmoid; with `units` another dense layer before."""

    def __init__(self, inputs, units=None):
        first = []
        if units:
            first = [nn.Linear(inputs, units), nn.BatchNorm1d(units), nn.ReLU()]
        last = nn.Linear(units or inputs, TAGS)
        super().__init__(*first, nn.Dropout(0.5), last, nn.Sigmoid())


# The networks


class FCN(nn.Sequential):
    samples = 464000

    def __init__(self):
        pools = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))
        stack = conv_stack(1, (64, 128, 128, 128, 64), pools)
        super().__init__(LogMel(96), stack, nn.Flatten(), Head(64))


class CRNN(nn.Module):
    samples = 464000

    def __init__(self):
        super().__init__()
        self.spectrogram = LogMel(96)
        self.stack = conv_stack(1, (64, 128, 128, 128), (2, 3, 4, 4))
        self.gru = nn.GRU(128, 32, num_layers=2, batch_first=True)
        self.head = Head(32)

    def forward(self, x):
        x = self.stack(self.spectrogram(x)).squeeze(2).transpose(1, 2)
        return self.head(self.gru(x)[0][:, -1])


class Musicnn(nn.Module):
    samples = 48000

    def __init__(self):
        super().__init__()
        self.spectrogram = LogMel(96)
        self.timbral = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(1, 204, (tall, 7), padding=(0, 3)),
                nn.BatchNorm2d(204),
                nn.ReLU(),
            )
            for tall in (67, 38)
        )
        self.temporal = nn.ModuleList(conv_block(1, 1, 51, n) for n in (129, 65, 33))
        self.back = nn.ModuleList(conv_block(1, n, 64, 7) for n in (561, 64, 64))
        self.head = Head(2 * (561 + 3 * 64), 200)

    def forward(self, x):
        x = self.spectrogram(x)
        branches = [branch(x).amax(2) for branch in self.timbral]
        mean = x.mean(2)
        front = torch.cat(branches + [branch(mean) for branch in self.temporal], 1)
        one = self.back[0](front)
        two = self.back[1](one) + one
        three = self.back[2](two) + two
        x = torch.cat([front, one, two, three], 1)
        return self.head(torch.cat([x.amax(2), x.mean(2)], 1))


class SampleCNN(nn.Sequential):
    samples = 3**10

    def __init__(self):
        blocks = [
            conv_block(1, before, width, pool=3)
            for before, width in zip(SAMPLE, SAMPLE[1:], strict=False)
        ]
        super().__init__(
            nn.Unflatten(1, (1, -1)),
            conv_block(1, 1, SAMPLE[0], stride=3),
            *blocks,
            conv_block(1, 512, 512, kernel=1),
            nn.Flatten(),
            Head(512),
        )


class SampleCNNSE(nn.Sequential):
    samples = 3**10

    def __init__(self):
        blocks = []
        for before, width in zip(SAMPLE, SAMPLE[1:], strict=False):
            blocks += [Residual(1, before, width, excite=True), nn.MaxPool1d(3)]
        super().__init__(
            nn.Unflatten(1, (1, -1)),
            Residual(1, 1, SAMPLE[0], stride=3, excite=True),
            *blocks,
            Residual(1, 512, 512, kernel=1, excite=True),
            nn.Flatten(),
            Head(512, 512),
        )


class SelfAttention(nn.Module):
    samples = 240000

    def __init__(self):
        super().__init__()
        self.spectrogram = LogMel(128)
        strides = (2, 2, 2, (2, 1), (2, 1), (2, 1), (2, 1))
        self.stack = residual_stack((*WIDE[:6], 256), strides)
        self.register_buffer("token", torch.rand(1, 1, 256), persistent=False)
        self.encoder = nn.Sequential(*(self.encoder_layer() for _ in range(2)))
        self.pooler = nn.Sequential(nn.Linear(256, 256), nn.Tanh())
        self.head = Head(256)

    @staticmethod
    def encoder_layer():
        layer = nn.TransformerEncoderLayer(
            256, 8, 1024, 0.4, "gelu", layer_norm_eps=1e-12, batch_first=True
        )
        # BERT drops half of the attention weights, and nothing after the GELU.
        layer.self_attn.dropout, layer.dropout.p = 0.5, 0.0
        return layer

    def forward(self, x):
        x = self.stack(self.spectrogram(x)).squeeze(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), 1, 256), x], 1)
        return self.head(self.pooler(self.encoder(x)[:, 0]))


class MaxOverRest(nn.Module):
    """(batch, channels, frequency, time) to (batch, channels)."""

    def forward(self, x):
        return x.amax((2, 3))


class ShortChunkCNN(nn.Sequential):
    samples = 59049

    def __init__(self):
        stack = conv_stack(1, WIDE, [2] * 7)
        super().__init__(LogMel(128), stack, MaxOverRest(), Head(512, 512))


class ShortChunkResNet(nn.Sequential):
    samples = 59049

    def __init__(self):
        stack = residual_stack(WIDE, [2] * 7)
        super().__init__(LogMel(128), stack, MaxOverRest(), Head(512, 512))


class HarmonicCNN(nn.Sequential):
    samples = 80000

    def __init__(self):
        blocks = [conv_block(2, 6, 128, pool=2)]
        for _ in range(3):
            blocks += [Residual(2, 128, 128), nn.MaxPool2d(2)]
        blocks.append(conv_block(2, 128, 256, pool=2))
        for _ in range(2):
            blocks += [Residual(2, 256, 256), nn.MaxPool2d((2, 3))]
        super().__init__(Harmonics(), *blocks, MaxOverRest(), Head(256, 256))
