"""Folders of Hugging Face's layout with random weights, of every kind that is opened natively."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

VOCABULARY, CONTEXT = 600, 512
EDGES = {"bos_token_id": 0, "eos_token_id": 1}
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "intermediate_size": 344,
    "max_position_embeddings": CONTEXT,
    **EDGES,
}
GPT2: dict[str, Any] = {
    "model_type": "gpt2",
    "vocab_size": VOCABULARY,
    "n_embd": 128,
    "n_layer": 4,
    "n_head": 8,
    "n_positions": CONTEXT,
    **EDGES,
}
GROUPED = {"num_key_value_heads": 2}
LINEAR = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
LLAMA_3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
    "rope_theta": 500_000.0,
}
KINDS: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "llama": LLAMA,
    "llama, grouped queries": {**LLAMA, **GROUPED},
    "llama, tied": {**LLAMA, **GROUPED, "tie_word_embeddings": True},
    "llama, wide heads": {**LLAMA, **GROUPED, "head_dim": 32},
    "llama, rope linear": {**LLAMA, **GROUPED, "rope_parameters": LINEAR},
    "llama, rope of Llama 3": {**LLAMA, **GROUPED, "rope_parameters": LLAMA_3},
}


def write_random(config: dict[str, Any], folder: Path, texts: Sequence[str]) -> Any:
    """A model of `transformers` with its folder, and a tokenizer of bytes learned from texts."""
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    facts = dict(config)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(facts.pop("model_type"), **facts))
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.05 * torch.randn_like(weight)
    model.eval().save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=_learn(texts), bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    return model


def _learn(texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
