"""The built-in components, registered by the same hooks as anyone else's."""

from __future__ import annotations

from registry import Register, hookimpl


@hookimpl
def register_query_nets(register: Register) -> None:
    """The PANNs family, and what transformers has."""
    panns = "uss_plugins.query_nets.panns"
    register(
        "cnn14", f"{panns}:cnn14", summary="PANNs Cnn14: clip tags and embedding, 82 M parameters"
    )
    register(
        "cnn14_decision_level_max",
        f"{panns}:cnn14_decision_level_max",
        summary="PANNs Cnn14 that tags every frame: detects as well as tags",
    )
    register(
        "cnn_small", f"{panns}:cnn_small", summary="a narrow PANNs detector, trainable on two cores"
    )
    register(
        "ast",
        "uss_plugins.query_nets.ast:Ast",
        summary="Audio Spectrogram Transformer: AudioSet's 527 classes (extra: transformers)",
    )
    register(
        "clap",
        "uss_plugins.query_nets.clap:Clap",
        summary="CLAP: audio and text into one embedding (extra: transformers)",
    )
    speaker = "uss_plugins.query_nets.speaker"
    register(
        "speechbrain_ecapa",
        f"{speaker}:speechbrain_ecapa",
        summary="SpeechBrain's ECAPA-TDNN: a voice sample is the query; embeds, tags nothing",
    )
    register(
        "speechbrain_xvector",
        f"{speaker}:speechbrain_xvector",
        summary="SpeechBrain's x-vectors: a voice sample is the query; embeds, tags nothing",
    )


@hookimpl
def register_embeddings(register: Register) -> None:
    """The four strategies of the paper."""
    strategies = "uss_plugins.embeddings"
    register("hard", f"{strategies}.hard:HardEmbedding", summary="one-hot of the wanted classes")
    register("soft", f"{strategies}.soft:SoftEmbedding", summary="class probabilities of the query")
    register("latent", f"{strategies}.latent:LatentEmbedding", summary="the query net's embedding")
    register(
        "learnable",
        f"{strategies}.learnable:LearnableEmbedding",
        summary="two trained layers on the latent or the soft vector",
    )


@hookimpl
def register_separators(register: Register) -> None:
    """The ResUNet family and Asteroid's separators, conditioned by FiLM."""
    resunet = "uss_plugins.separators.resunet"
    register(
        "resunet30",
        f"{resunet}:resunet30",
        summary="ResUNet of the paper, 21 M parameters and FiLM",
    )
    register(
        "resunet60", f"{resunet}:resunet60", summary="ResUNet30 with two residual blocks per stage"
    )
    register(
        "resunet_small",
        f"{resunet}:resunet_small",
        summary="a narrow ResUNet, trainable on two cores",
    )
    asteroid = "uss_plugins.separators.asteroid_models"
    register(
        "asteroid_conv_tasnet",
        f"{asteroid}:asteroid_conv_tasnet",
        summary="Asteroid's Conv-TasNet: dilated convolutions on a learned filterbank",
    )
    register(
        "asteroid_dprnn",
        f"{asteroid}:asteroid_dprnn",
        summary="Asteroid's DPRNN-TasNet: recurrent layers within chunks and across them",
    )
    register(
        "asteroid_dptnet",
        f"{asteroid}:asteroid_dptnet",
        summary="Asteroid's DPTNet: transformers within chunks and across them",
    )
    register(
        "asteroid_sudormrf",
        f"{asteroid}:asteroid_sudormrf",
        summary="Asteroid's SuDoRM-RF: small U-nets in a row",
    )
    register(
        "asteroid_dcunet",
        f"{asteroid}:asteroid_dcunet",
        summary="Asteroid's DCUNet: a U-net of complex convolutions on the STFT",
    )
    speechbrain = "uss_plugins.separators.speechbrain_separators"
    register(
        "speechbrain_sepformer",
        f"{speechbrain}:speechbrain_sepformer",
        summary="SpeechBrain's SepFormer with FiLM: transformers within chunks, then across",
    )
    register(
        "speechbrain_resepformer",
        f"{speechbrain}:speechbrain_resepformer",
        summary="SpeechBrain's RE-SepFormer with FiLM: its segments exchange means only",
    )


@hookimpl
def register_corpora(register: Register) -> None:
    """Corpora of weakly labelled clips."""
    corpora = "uss_plugins.corpora"
    register(
        "synthetic",
        f"{corpora}.synthetic:SyntheticCorpus",
        summary="clips generated on the fly, of AudioSet classes, with true times and sources",
    )
    register(
        "manifest",
        f"{corpora}.manifest:ManifestCorpus",
        summary="a CSV or Parquet of path, labels[, start, end] over audio files",
    )
    register(
        "audioset_csv",
        f"{corpora}.audioset_csv:AudioSetCsvCorpus",
        summary="AudioSet's own segment CSVs over a folder of files Y<YTID>.wav",
    )
    register(
        "audioset_hdf5",
        f"{corpora}.audioset_hdf5:AudioSetHdf5Corpus",
        summary="AudioSet packed in HDF5 in the released layout, by its index",
    )
