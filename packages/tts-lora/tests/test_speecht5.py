"""SpeechT5 with the real classes at toy size: what is taught is what is spoken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    PreTrainedTokenizerFast,
    SpeechT5Config,
    SpeechT5FeatureExtractor,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)
from transformers.models.speecht5 import modeling_speecht5 as source
from weighing import check_positions

from tts_lora.contract import check_alignment
from tts_lora.families.speecht5 import SpeechT5, load
from tts_lora.families.speecht5_decoder import steps, teach, without_prenet_dropout
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import SpeechModelError

MELS = 8
TEXTS = ("abca", "hello", "deed")


def _tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    letters = ["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz .,'"]
    rules = Tokenizer(models.WordLevel({c: i for i, c in enumerate(letters)}, unk_token="<unk>"))
    rules.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    rules.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=rules, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def _model(*, seed: int = 0) -> SpeechT5:
    torch.manual_seed(seed)
    config = SpeechT5Config(
        vocab_size=33, hidden_size=32, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=48,
        decoder_ffn_dim=48, num_mel_bins=MELS, speech_decoder_prenet_units=32,
        speech_decoder_postnet_units=16,
        speech_decoder_postnet_layers=2, speaker_embedding_dim=24, max_speech_positions=60,
        max_text_positions=30, pad_token_id=0, bos_token_id=1, eos_token_id=1,
        decoder_start_token_id=1, initializer_range=0.05, conv_dim=(8,), conv_stride=(5,),
        conv_kernel=(10,),
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, positional_dropout=0.0,
        hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
        speech_decoder_postnet_dropout=0.0,
    )  # fmt: skip
    voice = SpeechT5HifiGanConfig(
        model_in_dim=MELS, upsample_initial_channel=16, upsample_rates=[4, 4, 4, 4],
        upsample_kernel_sizes=[8, 8, 8, 8], resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
    )  # fmt: skip
    vocoder = SpeechT5HifiGan(voice)
    extractor = SpeechT5FeatureExtractor(num_mel_bins=MELS)
    network = SpeechT5ForTextToSpeech(config).eval()
    with torch.no_grad():  # statistics that are not those of a batch
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2.0)
    return SpeechT5(network, _tokenizer(), extractor, vocoder.eval())


def _example(index: int = 0, *, rate: int = 16_000, seconds: float = 0.0, **changes: object):
    seconds = seconds or 0.2 + 0.05 * index
    time = np.arange(int(rate * seconds)) / rate
    pitch = 200 + 150 * index + 900 * time
    sound = (0.4 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
    fields = {"id": f"c{index}", "audio": f"c{index}.wav", "text": TEXTS[index % 3], **changes}
    return Example(utterance=Utterance(**fields), audio=Audio(sound, rate))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model() -> SpeechT5:
    return _model()


@pytest.fixture
def undropped(model: SpeechT5):
    with without_prenet_dropout(model.network):
        yield model


@pytest.fixture(scope="module")
def encoded(model: SpeechT5):
    return [model.encode(_example(index)) for index in range(3)]


def test_encoding_has_the_shapes_it_says_and_is_deterministic(model, encoded) -> None:
    first = encoded[0]
    assert first["ids"].tolist()[-1] == 1  # the tokenizer's end
    assert len(first["ids"]) == len(TEXTS[0]) + 1
    assert first["mel"].shape[1] == MELS
    assert len(first["mel"]) % 2 == 0
    assert model.length(first) == len(first["mel"]) // 2
    assert first["speaker"].shape == (24,)
    again = model.encode(_example(0))
    assert all(torch.equal(again[key], first[key]) for key in first)
    assert not torch.allclose(first["speaker"], encoded[2]["speaker"], atol=1e-2)


def test_a_given_speaker_vector_is_taken(model) -> None:
    vector = [float(n) for n in range(24)]
    encoded = model.encode(_example(extra={"speaker_embedding": vector}))
    assert encoded["speaker"].tolist() == vector
    unit = torch.tensor(vector) / torch.tensor(vector).norm()
    assert torch.allclose(model.condition([encoded])["speaker"], unit)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (_example(rate=24_000), "24000 Hz and 16000 Hz"),
        (_example(seconds=0.1), "0.100 s"),
        (_example(text=" "), "no text"),
        (_example(text="a" * 40), "41 characters and SpeechT5 takes 30"),
        (_example(seconds=4.0), "steps and SpeechT5 takes 60"),
        (_example(extra={"speaker_embedding": [1.0]}), "1 numbers and 24"),
        (_example(extra={"speaker_embedding": "x"}), "must be a list of numbers"),
    ],
)
def test_unusable_clips_are_refused(model, example, message) -> None:
    with pytest.raises(SpeechModelError, match=message):
        model.encode(example)


def test_loss_is_the_librarys_where_that_is_right(undropped, encoded) -> None:
    """On one clip, where the library's post-net sees no padding."""
    model = undropped
    batch = model.collate(encoded[:1])
    loss = model.loss(batch)
    library = model.network(
        input_ids=batch["ids"],
        attention_mask=batch["text_mask"].long(),
        labels=batch["mel"],
        speaker_embeddings=batch["speaker"],
    ).loss
    assert loss.total.item() == pytest.approx(library.item(), rel=1e-5)
    assert set(loss.parts) == {"mel", "mel_refined", "stop", "attention"}
    assert sum(loss.parts.values()) == pytest.approx(loss.total.item(), rel=1e-5)


def test_padding_changes_nothing(undropped, encoded) -> None:
    model = undropped
    together = teach(model.network, model.collate(encoded))
    for row, clip in enumerate(encoded):
        alone = teach(model.network, model.collate([clip]))
        frames = len(clip["mel"])
        assert torch.allclose(together.before[row, :frames], alone.before[0], atol=1e-5)
        assert torch.allclose(together.after[row, :frames], alone.after[0], atol=1e-5)


def test_speaking_equals_the_librarys_generation(encoded) -> None:
    model = _model()
    voice = model.condition(encoded)
    ids = torch.tensor([model._ids("abc")])
    torch.manual_seed(3)
    library = model.network.generate_speech(
        ids, speaker_embeddings=voice["speaker"][None], maxlenratio=20.0
    )
    torch.manual_seed(3)
    assert torch.allclose(model.mel("abc", voice), library, atol=1e-5)


def test_traces_agree(model, encoded) -> None:
    batch = model.collate(encoded)
    loss, cached, uncached = (model.trace(batch, p) for p in ("loss", "cached", "uncached"))
    for other in (cached, uncached):
        assert torch.equal(loss.mask, other.mask)
        assert torch.equal(loss.labels[loss.mask], other.labels[loss.mask])
        assert torch.allclose(loss.outputs[loss.mask], other.outputs[loss.mask], atol=1e-5)
    frames = loss.outputs[..., : 2 * MELS] - loss.labels[..., : 2 * MELS]
    with without_prenet_dropout(model.network):
        taught = model.loss(batch).parts["mel"]
    assert frames[loss.mask].abs().mean().item() == pytest.approx(taught, rel=1e-5)
    shifted = {**batch, "mel": batch["mel"] + 1.0}
    moved = model.trace(shifted, "cached").outputs
    assert torch.equal(moved[:, 0], cached.outputs[:, 0])  # nothing was fed yet
    assert not torch.allclose(moved[:, 1], cached.outputs[:, 1], atol=1e-3)


def _adapted() -> SpeechT5:
    from peft import LoraConfig, inject_adapter_in_model

    model = _model()
    names = list(model.targets["all"])
    inject_adapter_in_model(LoraConfig(target_modules=names), model.network)
    return model


def test_contract(encoded) -> None:
    report = check_alignment(_adapted(), encoded)
    assert report.ok, report.findings
    assert set(report.terms) == {"total", "mel", "mel_refined", "stop", "attention"}
    assert "intermediate_dense" in report.groups


def test_a_planted_double_shift_is_found(encoded, monkeypatch) -> None:
    shift = source.shift_spectrograms_right

    def twice(mel: torch.Tensor, reduction: int, mask: torch.Tensor | None = None):
        return shift(shift(mel, reduction)[0], 1)

    monkeypatch.setattr(source, "shift_spectrograms_right", twice)
    report = check_alignment(_adapted(), encoded)
    assert any("outputs differ" in finding for finding in report.findings)


def test_training_leaves_the_statistics_of_the_base_alone(encoded) -> None:
    model = _model()
    before = model.weights_sha256
    model.network.train()
    model.loss(model.collate(encoded)).total.backward()
    norms = [m for m in model.network.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert all(norm.training for norm in norms)
    del model.__dict__["weights_sha256"]
    assert model.weights_sha256 == before
    silent = [n for n, p in model.network.named_parameters() if p.grad is None]
    assert silent == []


def test_the_hash_is_the_bases_under_adapters() -> None:
    assert _adapted().weights_sha256 == _model().weights_sha256
    assert _model(seed=1).weights_sha256 != _model().weights_sha256


def test_clips_are_memorised_and_spoken_again(encoded) -> None:
    """To a mean error of 0.25 in log10 units, and half as far as from any other clip."""
    model = _model()
    batch = model.collate(encoded)
    optimizer = torch.optim.Adam(model.network.parameters(), 1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, 150)
    with without_prenet_dropout(model.network):
        for _ in range(150):
            optimizer.zero_grad()
            model.loss(batch).total.backward()
            optimizer.step()
            plan.step()
        for index, clip in enumerate(encoded):
            mel = model.mel(TEXTS[index], model.condition([clip]))
            assert mel.shape == clip["mel"].shape
            error = (mel - clip["mel"]).abs().mean()
            assert error < 0.25
            for other in (encoded[o]["mel"] for o in range(3) if o != index):
                shorter = min(len(mel), len(other))
                assert (mel[:shorter] - other[:shorter]).abs().mean() > 2 * error


def test_speech_is_bounded_repeatable_and_streams(model, encoded, caplog) -> None:
    voice = model.condition(encoded)
    sound = model.speak("hello. deed.", voice=voice, seed=1)
    assert sound.rate == 16_000
    assert len(sound.samples) <= 2 * 60 * 2 * 256  # two sentences of 60 steps
    assert np.array_equal(sound.samples, model.speak("hello. deed.", voice=voice, seed=1).samples)
    pieces = list(model.stream("hello. deed.", voice=voice, seed=1))
    assert len(pieces) == 2
    assert np.array_equal(np.concatenate([p.samples for p in pieces]), sound.samples)
    with torch.no_grad():
        model.network.speech_decoder_postnet.prob_out.bias.sub_(50.0)
    assert len(model.mel("ab")) == 3 * 20  # characters with the end
    assert "did not end by itself" in caplog.text
    with torch.no_grad():
        model.network.speech_decoder_postnet.prob_out.bias.add_(50.0)
    with pytest.raises(SpeechModelError, match="knows no voice by name"):
        model.speak("hello", voice="anna")


def test_the_decoders_dropout_is_part_of_speaking(encoded) -> None:
    model = _model()
    batch = model.collate(encoded[:1])
    first, second = (next(steps(model.network, batch)).frames for _ in range(2))
    assert torch.equal(first, second)  # zeros have nothing to drop
    truth = [torch.ones(1, 2 * MELS)] * 3
    drawn = [list(steps(model.network, batch, truth=truth))[-1].frames for _ in range(2)]
    assert not torch.equal(*drawn)
    with without_prenet_dropout(model.network):
        fixed = [list(steps(model.network, batch, truth=truth))[-1].frames for _ in range(2)]
    assert torch.equal(*fixed)


def test_saved_is_loaded(model, encoded, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.weights_sha256 == model.weights_sha256
    assert again.encode(_example(1))["ids"].tolist() == encoded[1]["ids"].tolist()
    voice = model.condition(encoded)
    sounds = [each.speak("abc", voice=voice, seed=1).samples for each in (again, model)]
    assert np.allclose(*sounds, rtol=1e-3, atol=np.abs(sounds[0]).max() * 1e-5)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="is no SpeechT5 checkpoint"):
        load(str(tmp_path))


def test_the_loss_counts_frames(undropped, encoded) -> None:
    check_positions(undropped, encoded, [len(clip["mel"]) for clip in encoded], "mel")
