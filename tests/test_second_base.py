"""Another family than jepa-tts under the same hypernetwork: CSM at toy size, through the port."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import save_file

from tts_lora.families.csm import Csm
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.encoded import EncodedSet
from voice_data.encoded.clips import EncodedClip, Index, Source, write_index
from voice_data.manifest import Utterance
from voice_data.storage import file_sha256
from voice_hypernet import HypernetConfig, LoraShape, Voice, VoiceConfig, VoiceHypernet
from voice_hypernet.config import Shares, TrainConfig
from voice_hypernet.corpus import write_voices
from voice_hypernet.train import train

RATE, BOOKS, VOICES, CLIPS = 24_000, 4, 4, 4
SPECIAL = ("<bos>", "<eos>", "<|AUDIO|>", "<|audio_eos|>", "<pad>", "<unk>")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789[] ."


def tokenizer() -> Any:
    """A token per letter."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate((*SPECIAL, *LETTERS))}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>",
        unk_token="<unk>", additional_special_tokens=["<|AUDIO|>", "<|audio_eos|>"],
    )  # fmt: skip


def csm() -> Csm:
    """All of CSM in a tenth of a second; equal weights at every call."""
    from transformers import CsmConfig, CsmForConditionalGeneration, MimiConfig

    codec = MimiConfig(
        hidden_size=16, num_filters=4, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, intermediate_size=32, codebook_size=32, codebook_dim=8,
        vector_quantization_hidden_dimension=8, num_quantizers=BOOKS, upsample_groups=16,
    )  # fmt: skip
    config = CsmConfig(
        num_codebooks=BOOKS, vocab_size=35, text_vocab_size=len(SPECIAL) + len(LETTERS),
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=0, pad_token_id=4,
        codebook_pad_token_id=34, codebook_eos_token_id=0, audio_token_id=2, audio_eos_token_id=3,
        depth_decoder_config={
            "num_codebooks": BOOKS, "backbone_hidden_size": 32, "vocab_size": 35, "hidden_size": 16,
            "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 2, "max_position_embeddings": BOOKS + 1,
        },
        codec_config=codec.to_dict(),
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CsmForConditionalGeneration(config).eval()
        for parameter in model.parameters():  # an untrained network hardly prefers any code
            parameter.data.add_(0.15 * torch.randn_like(parameter))
        return Csm(model, tokenizer())


def clips_of(model: Csm) -> dict[str, list[dict[str, torch.Tensor]]]:
    """Clips of each voice, which says eight codes of its own again and again."""
    found: dict[str, list[dict[str, torch.Tensor]]] = {}
    for voice in range(VOICES):
        drawn = torch.Generator().manual_seed(voice)
        for clip in range(CLIPS):
            silence = Audio(np.full(RATE, 0.1, np.float32), RATE)
            said = Utterance(id=f"{voice}-{clip}", audio="a.wav", text="one two.", speaker="ada")
            encoded = dict(model.encode(Example(utterance=said, audio=silence)))
            codes = torch.randint(1 + 8 * voice, min(32, 9 + 8 * voice), (10, BOOKS),
                                  generator=drawn)  # fmt: skip
            found.setdefault(f"voice-{voice}", []).append({**encoded, "codes": codes})
    return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``set`` and ``voices`` for the toy; a clip's features say whose it is."""
    root, model = tmp_path_factory.mktemp("csm"), csm()
    tensors, clips, features, speakers = {}, [], [], {}
    for number, (voice, encoded) in enumerate(clips_of(model).items()):
        for place, each in enumerate(encoded):
            name = f"{voice}-{place}"
            tensors |= {f"{name}/{part}": value for part, value in each.items()}
            length = model.length(each)
            clips.append(EncodedClip(id=name, text="one two.", audio=f"{name}.wav", speaker=voice,
                                     length=length, duration=1.0, shard=0))  # fmt: skip
            features.append(np.eye(VOICES, dtype=np.float32)[number])
        speakers[voice] = {"tags": ["pitch=low"], "measures": {"duration": 1.0}}
    folder = root / "set"
    folder.mkdir()
    save_file(tensors, folder / "shard-00000.safetensors")
    shards = {"shard-00000.safetensors": file_sha256(folder / "shard-00000.safetensors")}
    write_index(folder, Index(
        base="csm", base_sha256=model.weights_sha256, sample_rate=model.sample_rate,
        manifest_sha256="0" * 64, clips=tuple(clips), shards=shards, sources=(Source(name="toy"),),
        licence="CC0-1.0", consent="synthetic",
    ))  # fmt: skip
    write_voices(root / "voices", EncodedSet(folder), speakers, np.stack(features))
    return root


@pytest.fixture(scope="module")
def run(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run."""
    kinds = [f"self_attn.{name}_proj" for name in "qkvo"] + ["mlp.down_proj"]
    targets = tuple(f"backbone_model.layers.{layer}.{kind}" for layer in (0, 1) for kind in kinds)
    shape = HypernetConfig(lora=LoraShape(rank=4, alpha=8.0, targets=targets), condition=16,
                           width=32, inner=32, blocks=1)  # fmt: skip
    out = tmp_path_factory.mktemp("run")
    train(
        TrainConfig(
            data=str(prepared / "set"), voices=str(prepared / "voices"), base="csm", out=str(out),
            model=VoiceConfig(hypernet=shape, text=1, clip=VOICES), steps=30, batch=600,
            shares=Shares(text=0, both=0, none=0), learning_rate=0.02, warm_up=2, held_out=0.0,
            log_every=1, sentence="",
        ),
        model=csm(),  # pyright: ignore
    )  # fmt: skip
    return out


def test_the_loss_falls_through_another_family(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    losses = [line["total"] for line in lines if line["part"] == "train"]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:3])


def voices(run: Path) -> list[Voice]:
    """One of each clip's features."""
    hypernet = VoiceHypernet.from_pretrained(run)
    eye = np.eye(VOICES, dtype=np.float32)
    return [hypernet.generate_lora_adapters(audio_features=row) for row in eye]


def test_each_voice_is_said_best_in_its_own_adapter(run: Path) -> None:
    model, made = csm(), voices(run)
    clips, losses = list(clips_of(model).values()), np.zeros((VOICES, VOICES))
    for place, voice in enumerate(made):
        with voice.worn(model) as told, torch.no_grad():  # pyright: ignore
            assert set(told) == {"text", "codes", "role"}
            for other, some in enumerate(clips):
                torch.manual_seed(0)
                batch = model.collate(some, [told] * len(some))
                losses[place, other] = float(model.loss(batch).total)
    assert (losses.argmin(0) == np.arange(VOICES)).all()


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
def test_peft_loads_what_it_makes(run: Path, tmp_path: Path) -> None:
    voice, model = voices(run)[0], csm()
    voice.save(tmp_path / "voice")
    plain = copy.deepcopy(model.network)
    merged = peft.PeftModel.from_pretrained(plain, str(tmp_path / "voice")).merge_and_unload()
    worn = dict(voice.deltas())
    assert len(worn) == 10
    for name, change in worn.items():
        before = model.network.get_submodule(name).weight
        after: Any = merged.get_submodule(name).weight
        np.testing.assert_allclose((after - before).detach().numpy(), change, atol=1e-5)
