"""Tiny CLAP and AST networks with random weights, saved as the hub has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from uss_plugins.ecosystems import import_transformers
from uss_plugins.query_nets.hub import quiet

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")

CLAP_CONFIG: dict[str, Any] = {
    "projection_dim": 8,
    "audio_config": {
        "num_mel_bins": 64,
        "spec_size": 64,
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "window_size": 4,
    },
    "text_config": {
        "vocab_size": len(SPECIAL) + 256,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 66,
    },
}
FUSED: dict[str, Any] = {
    "enable_fusion": True,
    "fusion_type": "aff_2d",
    "aff_block_r": 2,
}
CLAP_FEATURES: dict[str, Any] = {"max_length_s": 1, "hop_length": 960}
AST_CONFIG: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
AST_FEATURES: dict[str, Any] = {"max_length": 98, "num_mel_bins": 32}


def clap_config(fused: bool = False) -> dict[str, Any]:
    """Settings of a tiny CLAP, with or without feature fusion."""
    audio = {**CLAP_CONFIG["audio_config"], **(FUSED if fused else {})}
    return {**CLAP_CONFIG, "audio_config": audio}


def save_clap(folder: Path, fused: bool = False, seed: int = 0) -> Path:
    """A tiny CLAP with a tokeniser of bytes, in the layout of the hub."""
    transformers = import_transformers()
    torch.manual_seed(seed)
    model = transformers.ClapModel(transformers.ClapConfig(**clap_config(fused)))
    spread(model.text_model)
    with quiet():
        model.save_pretrained(folder)
    truncation = "fusion" if fused else "rand_trunc"
    transformers.ClapFeatureExtractor(truncation=truncation, **CLAP_FEATURES).save_pretrained(
        folder
    )
    byte_tokenizer().save_pretrained(folder)
    return folder


def save_ast(
    folder: Path, labels: Mapping[int, str] | None = None, class_count: int = 527, seed: int = 0
) -> Path:
    """A tiny AST, in the layout of the hub; without labels it has LABEL_0 and so on."""
    transformers = import_transformers()
    torch.manual_seed(seed)
    settings = transformers.ASTConfig(
        **AST_CONFIG, **AST_FEATURES, num_labels=len(labels or range(class_count))
    )
    if labels is not None:
        settings.id2label = dict(labels)
    model = transformers.ASTForAudioClassification(settings)
    spread(model)
    with quiet():
        model.save_pretrained(folder)
    transformers.ASTFeatureExtractor(**AST_FEATURES).save_pretrained(folder)
    return folder


def spread(model: torch.nn.Module) -> None:
    """Larger weights than transformers starts with, so that what is heard makes a difference."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


def byte_tokenizer() -> Any:
    """A tokeniser in the manner of RoBERTa's whose words are bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return import_transformers().PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=64,
    )


def read_json(path: Path) -> dict[str, Any]:
    """A settings file."""
    settings = json.loads(path.read_text())
    assert isinstance(settings, dict)
    return settings
