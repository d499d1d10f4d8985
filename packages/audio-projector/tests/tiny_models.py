"""Two models small enough to test with: a language model with its tokenizer, and a speech model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.speech import Condition, Encoded, Loss, SpeechModelError, Trace
from voice_data.text import normalize, split_sentences

TEXTS = (
    "The kettle is on.",
    "I read the paper and then I read it again.",
    "She will lead the way home, and they will follow.",
    "Nobody knows how the old machine works.",
    "A grey fox ran over the frozen field.",
    "The naïve café owner sold three pies.",
)
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WIDTH, BLOCKS, HEADS = 32, 3, 4


def make_tokenizer() -> Any:
    """A byte-level BPE of some hundred tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIAL[1],
        eos_token=SPECIAL[2],
        pad_token=SPECIAL[2],
        chat_template=CHAT_TEMPLATE,
    )


def make_llm_folder(folder: Path, seed: int = 0) -> Path:
    """A random Llama of three blocks in a folder."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        tie_word_embeddings=True,
    )
    network = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Hum:
    """A speech model that reads bytes and hums each for a while; it has every part of the port."""

    sample_rate = 16_000
    weights_sha256 = "ab" * 32
    targets: Mapping[str, tuple[str, ...]] = {"default": ("out",)}
    context = None
    states_width = 8
    voices = ("low", "high")

    def __init__(self, path: str | None = None) -> None:
        torch.manual_seed(7)
        self.path = path
        self.network = torch.nn.ModuleDict(
            {"text": torch.nn.Embedding(258, 8), "out": torch.nn.Linear(8, 2)}
        )

    def pieces(self, text: str, language: str = "en") -> list[str]:
        return [normalize(part, language) for part in split_sentences(normalize(text, language))]

    def spans(self, text: str) -> torch.Tensor:
        count = len(text.encode())
        rows = [(0, 0), *((i, i + 1) for i in range(count)), (count, count)]
        return torch.tensor(rows)

    def text_states(self, texts: Sequence[str]) -> torch.Tensor:
        rows = [torch.tensor([256, *text.encode(), 257]) for text in texts]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        with torch.no_grad():
            found = self.network["text"](padded.clamp_min(0))
        return found * (padded >= 0)[..., None]

    def distance(self, states: torch.Tensor, texts: Sequence[str]) -> Loss:
        true = self.text_states(texts)
        if states.shape != true.shape:
            raise SpeechModelError(f"states {list(states.shape)} are not {list(true.shape)}")
        mask = true.abs().sum(-1) > 0
        total = (states - true)[mask].square().mean()
        return Loss(total=total, parts={"state": float(total.detach())}, positions=int(mask.sum()))

    def loss_of_states(self, batch: Any, states: torch.Tensor) -> Loss:
        said = self.network["out"](states).mean(1)
        total = (said - batch["level"]).square().mean()
        return Loss(total=total, parts={"level": float(total.detach())}, positions=len(said))

    def speak_states(
        self, states: torch.Tensor, *, voice: Any = None, seed: int | None = None
    ) -> Audio:
        if isinstance(voice, str) and voice not in self.voices:
            raise SpeechModelError(f"unknown voice {voice!r}; there are: {', '.join(self.voices)}")
        pitch = 440.0 if voice == "high" else 220.0
        with torch.no_grad():
            levels = self.network["out"](states)[:, 0].sigmoid().repeat_interleave(160).numpy()
        times = np.arange(len(levels)) / self.sample_rate
        wave = 0.5 * levels * np.sin(2 * np.pi * pitch * times)
        return Audio(wave.astype(np.float32), self.sample_rate)

    def speak(self, text: str, *, voice: Any = None, seed: int | None = None) -> Audio:
        sounds = [
            self.speak_states(self.text_states([each])[0], voice=voice, seed=seed).samples
            for each in self.pieces(text)
        ]
        return Audio(np.concatenate(sounds), self.sample_rate)

    def stream(self, text: str, *, voice: Any = None, seed: int | None = None) -> Iterator[Audio]:
        yield self.speak(text, voice=voice, seed=seed)

    def encode(self, example: Example) -> Encoded:
        loud = torch.from_numpy(np.abs(example.audio.samples))
        with torch.no_grad():
            states = self.text_states([normalize(example.utterance.text)])[0]
            wanted = self.network["out"](states)[:, 0].sigmoid()
        heard = loud[: len(loud) // 160 * 160].view(-1, 160).mean(1)
        return {"level": loud.mean().expand(2), "heard": heard, "wanted": wanted}

    def length(self, encoded: Encoded) -> int:
        return 3

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        return {"level": torch.zeros(1)}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> Any:
        return {
            "level": torch.stack([each["level"] for each in encoded]),
            "pairs": [(e["heard"], e["wanted"]) for e in encoded if "heard" in e],
        }

    def loss(self, batch: Any) -> Loss:
        """How loud each byte is against how loud it should be, whatever the whole's loudness."""
        apart = []
        for heard, wanted in batch["pairs"]:
            one, two = heard / heard.mean(), wanted / wanted.mean()
            shared = min(len(one), len(two))
            gap = (one[:shared] - two[:shared]).abs().mean()
            apart.append(gap + 0.01 * abs(len(one) - len(two)))
        total = torch.stack(apart).mean()
        return Loss(total=total, parts={"gap": float(total)}, positions=len(apart))

    def trace(self, batch: Any, path: str = "loss") -> Trace:
        raise NotImplementedError
