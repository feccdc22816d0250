"""Asteroid's separators by name, with their hyper-parameters under Asteroid's own names.

The defaults are sizes that two processor cores train; each docstring gives Asteroid's own. What follows from
the wrapper is not offered: the number of sources is one, and the masks are as wide as the filterbank.
A softmax over one source would be constant, so no mask is one.
"""

from __future__ import annotations

from typing import Literal

from uss_plugins.separators.asteroid_separator import AsteroidSeparator


def asteroid_conv_tasnet(
    *,
    condition_size: int,
    sample_rate: int = 16000,
    channels: int = 1,
    fb_name: Literal["free", "analytic_free", "param_sinc", "stft"] = "free",
    n_filters: int = 256,
    kernel_size: int = 32,
    stride: int = 16,
    encoder_activation: Literal["linear", "relu"] = "linear",
    n_blocks: int = 8,
    n_repeats: int = 2,
    bn_chan: int = 64,
    hid_chan: int = 128,
    skip_chan: int = 64,
    conv_kernel_size: int = 3,
    norm_type: Literal["gLN", "cLN", "cgLN", "bN"] = "gLN",
    mask_act: Literal["sigmoid", "relu", "tanh", "linear"] = "sigmoid",
    causal: bool = False,
) -> AsteroidSeparator:
    """Conv-TasNet (Luo and Mesgarani, arXiv 1809.07454): dilated convolutions on a learned filterbank.

    Asteroid's own sizes: n_filters 512, kernel_size 16, stride 8, n_repeats 3, bn_chan 128, hid_chan 512,
    skip_chan 128.
    """
    return AsteroidSeparator(
        "ConvTasNet",
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        hyper_parameters={
            "fb_name": fb_name,
            "n_filters": n_filters,
            "kernel_size": kernel_size,
            "stride": stride,
            "encoder_activation": encoder_activation,
            "n_blocks": n_blocks,
            "n_repeats": n_repeats,
            "bn_chan": bn_chan,
            "hid_chan": hid_chan,
            "skip_chan": skip_chan,
            "conv_kernel_size": conv_kernel_size,
            "norm_type": norm_type,
            "mask_act": mask_act,
            "causal": causal,
        },
    )


def asteroid_dprnn(
    *,
    condition_size: int,
    sample_rate: int = 16000,
    channels: int = 1,
    fb_name: Literal["free", "analytic_free", "param_sinc", "stft"] = "free",
    n_filters: int = 64,
    kernel_size: int = 32,
    stride: int = 16,
    encoder_activation: Literal["linear", "relu"] = "linear",
    bn_chan: int = 64,
    hid_size: int = 64,
    chunk_size: int = 64,
    hop_size: int | None = None,
    n_repeats: int = 3,
    norm_type: Literal["gLN", "cLN", "cgLN", "bN"] = "gLN",
    mask_act: Literal["sigmoid", "relu", "tanh", "linear"] = "sigmoid",
    bidirectional: bool = True,
    rnn_type: Literal["LSTM", "GRU", "RNN"] = "LSTM",
    num_layers: int = 1,
    dropout: float = 0.0,
    use_mulcat: bool = False,
) -> AsteroidSeparator:
    """DPRNN-TasNet (Luo et al., arXiv 1910.06379): recurrent layers within chunks, then across them.

    hop_size: frames between chunks; None is half of chunk_size.

    Asteroid's own sizes: kernel_size 16, stride 8, bn_chan 128, hid_size 128, chunk_size 100, n_repeats 6.
    """
    return AsteroidSeparator(
        "DPRNNTasNet",
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        hyper_parameters={
            "fb_name": fb_name,
            "n_filters": n_filters,
            "kernel_size": kernel_size,
            "stride": stride,
            "encoder_activation": encoder_activation,
            "bn_chan": bn_chan,
            "hid_size": hid_size,
            "chunk_size": chunk_size,
            "hop_size": hop_size,
            "n_repeats": n_repeats,
            "norm_type": norm_type,
            "mask_act": mask_act,
            "bidirectional": bidirectional,
            "rnn_type": rnn_type,
            "num_layers": num_layers,
            "dropout": dropout,
            "use_mulcat": use_mulcat,
        },
    )


def asteroid_dptnet(
    *,
    condition_size: int,
    sample_rate: int = 16000,
    channels: int = 1,
    fb_name: Literal["free", "analytic_free", "param_sinc", "stft"] = "free",
    n_filters: int = 64,
    kernel_size: int = 32,
    stride: int = 16,
    encoder_activation: Literal["linear", "relu"] = "relu",
    n_heads: int = 4,
    ff_hid: int = 64,
    chunk_size: int = 64,
    hop_size: int | None = None,
    n_repeats: int = 2,
    norm_type: Literal["gLN", "cLN", "cgLN", "bN"] = "gLN",
    ff_activation: Literal["relu", "gelu", "swish"] = "relu",
    mask_act: Literal["sigmoid", "relu", "tanh", "linear"] = "relu",
    bidirectional: bool = True,
    dropout: float = 0.0,
) -> AsteroidSeparator:
    """DPTNet (Chen et al., Interspeech 2020): transformers within chunks, then across them.

    hop_size: frames between chunks; None is half of chunk_size.

    Asteroid's own sizes: kernel_size 16, stride 8, ff_hid 256, chunk_size 100, n_repeats 6.
    """
    return AsteroidSeparator(
        "DPTNet",
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        hyper_parameters={
            "fb_name": fb_name,
            "n_filters": n_filters,
            "kernel_size": kernel_size,
            "stride": stride,
            "encoder_activation": encoder_activation,
            "n_heads": n_heads,
            "ff_hid": ff_hid,
            "chunk_size": chunk_size,
            "hop_size": hop_size,
            "n_repeats": n_repeats,
            "norm_type": norm_type,
            "ff_activation": ff_activation,
            "mask_act": mask_act,
            "bidirectional": bidirectional,
            "dropout": dropout,
        },
    )


def asteroid_sudormrf(
    *,
    condition_size: int,
    sample_rate: int = 16000,
    channels: int = 1,
    fb_name: Literal["free", "analytic_free", "param_sinc", "stft"] = "free",
    n_filters: int = 256,
    kernel_size: int = 41,
    bn_chan: int = 128,
    num_blocks: int = 6,
    upsampling_depth: int = 5,
    mask_act: Literal["sigmoid", "relu", "tanh", "linear"] = "relu",
) -> AsteroidSeparator:
    """SuDoRM-RF (Tzinis et al., MLSP 2020), Asteroid's improved version: small U-nets in a row.

    Its blocks need a stride of half the kernel_size.

    Asteroid's own sizes: n_filters 512, kernel_size 21, num_blocks 16, upsampling_depth 4.
    """
    return AsteroidSeparator(
        "SuDORMRFImprovedNet",
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        hyper_parameters={
            "fb_name": fb_name,
            "n_filters": n_filters,
            "kernel_size": kernel_size,
            "bn_chan": bn_chan,
            "num_blocks": num_blocks,
            "upsampling_depth": upsampling_depth,
            "mask_act": mask_act,
        },
    )


def asteroid_dcunet(
    *,
    condition_size: int,
    sample_rate: int = 16000,
    channels: int = 1,
    architecture: Literal[
        "DCUNet-10", "DCUNet-16", "DCUNet-20", "Large-DCUNet-20", "mini"
    ] = "DCUNet-10",
    stft_n_filters: int = 512,
    stft_kernel_size: int = 512,
    stft_stride: int = 256,
    fix_length_mode: Literal["pad", "trim"] = "pad",
    mask_bound: Literal["tanh", "sigmoid"] | None = "tanh",
) -> AsteroidSeparator:
    """DCUNet (Choi et al., arXiv 1903.03107): a U-net of complex convolutions on the STFT.

    fix_length_mode: whether frames are added or left out to make the U-net's multiple.

    Asteroid's own sizes: an STFT of 1024 samples (both sizes) every 256. The paper's best architecture is
    "Large-DCUNet-20".
    """
    return AsteroidSeparator(
        "DCUNet",
        condition_size=condition_size,
        sample_rate=sample_rate,
        channels=channels,
        hyper_parameters={
            "architecture": architecture,
            "stft_n_filters": stft_n_filters,
            "stft_kernel_size": stft_kernel_size,
            "stft_stride": stft_stride,
            "fix_length_mode": fix_length_mode,
            "mask_bound": mask_bound,
        },
    )
