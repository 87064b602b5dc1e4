"""Makes a language model of 0.4 million random parameters and adapters of it: tiny_model.py FOLDER."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "Which flights are late today, and which are on time?",
    "Answer the question of the user in one short sentence.",
    "The weather in the city is cold, and the train leaves at nine.",
]
CHAT = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
ADAPTERS = 10
RANK, HIDDEN, LAYERS, HEADS, KEY_HEADS, HEAD_SIZE = 8, 128, 2, 4, 2, 32

folder = Path(sys.argv[1])
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.train_from_iterator(
    SENTENCES,
    trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    ),
)
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
fast.chat_template = CHAT
fast.save_pretrained(folder / "tiny")

torch.manual_seed(1)
LlamaForCausalLM(
    LlamaConfig(
        vocab_size=len(fast),
        hidden_size=HIDDEN,
        intermediate_size=256,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        head_dim=HEAD_SIZE,
        max_position_embeddings=1024,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
).float().save_pretrained(folder / "tiny")

for number in range(1, ADAPTERS + 1):
    adapter = folder / f"adapter{number}"
    adapter.mkdir(parents=True)
    outputs = {"q_proj": HEADS * HEAD_SIZE, "v_proj": KEY_HEADS * HEAD_SIZE}
    weights = {}
    for layer in range(LAYERS):
        for name, out in outputs.items():
            key = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            weights[f"{key}.lora_A.weight"] = torch.randn(RANK, HIDDEN)
            weights[f"{key}.lora_B.weight"] = torch.randn(out, RANK)
    save_file(weights, adapter / "adapter_model.safetensors")
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny",
        "r": RANK,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(outputs),
    }
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
