"""Qwen3-TTS with the real classes at toy size, in the environment of the extra ``qwen``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from weighing import check_positions

pytest.importorskip("qwen_tts", reason="qwen-tts has an environment of its own: nox -s qwen")

from qwen3_toy import CODES, END, TEXTS, VOCABULARY, toy_example, toy_model

from tts_lora.contract import check_alignment
from tts_lora.families import qwen3_talker
from tts_lora.families.qwen3_tts import Qwen3TTS, load
from voice_data.speech import SpeechModelError


@pytest.fixture(scope="module")
def model() -> Qwen3TTS:
    return toy_model()


@pytest.fixture(scope="module")
def encoded(model):
    clips = [dict(model.encode(toy_example(index))) for index in range(3)]
    torch.manual_seed(1)  # a codec without training says little: codes that differ teach more
    for clip in clips:
        clip["codes"] = torch.randint(0, CODES, clip["codes"].shape)
    return clips


def _adapted() -> Qwen3TTS:
    from peft import LoraConfig, inject_adapter_in_model

    model = toy_model()
    names = list(model.targets["all"])
    inject_adapter_in_model(LoraConfig(target_modules=names), model.network)
    return model


def test_encoding_has_the_shapes_it_says_and_is_deterministic(model) -> None:
    first = model.encode(toy_example())
    assert first["codes"].shape == (4, 4)  # 0.3 s at 12.5 frames a second
    assert first["codes"].dtype == torch.int64
    assert len(first["ids"]) == len(TEXTS[0]) + 8
    assert first["speaker"].shape == (16,)
    assert int(first["language"]) == END + 7
    assert model.length(first) == 3 + 7 + 4
    again = model.encode(toy_example())
    assert all(torch.equal(again[key], first[key]) for key in first)
    assert int(model.encode(toy_example(language="xx"))["language"]) == -1
    assert not any(value.is_inference() for value in first.values())


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (toy_example(rate=16_000), "16000 Hz and 24000 Hz"),
        (toy_example(seconds=0.1), "0.100 s"),
        (toy_example(text=" "), "no text"),
        (toy_example(seconds=6.0), "positions and Qwen3-TTS takes 64"),
    ],
)
def test_unusable_clips_are_refused(model, example, message) -> None:
    with pytest.raises(SpeechModelError, match=message):
        model.encode(example)


def test_a_checkpoint_without_a_speaker_encoder_cannot_be_trained() -> None:
    with pytest.raises(SpeechModelError, match="fine-tune a Base checkpoint"):
        toy_model(kind="custom_voice").encode(toy_example())


@pytest.mark.parametrize("language", ["en", "xx"])
def test_speaking_equals_the_librarys_generation(model, encoded, language) -> None:
    vector = encoded[0]["speaker"]
    voice = {"speaker": vector, "language": torch.tensor(END + 7 if language == "en" else -1)}
    prompt = {
        "ref_spk_embedding": [vector], "ref_code": None, "x_vector_only_mode": [True],
        "icl_mode": [False],
    }  # fmt: skip
    codes, _ = model.network.generate(
        input_ids=[torch.tensor([model._ids("ab cd")])],
        voice_clone_prompt=prompt,
        languages=["english" if language == "en" else "auto"],
        max_new_tokens=12,
        do_sample=False,
        subtalker_dosample=False,
    )
    mine = model.codes("ab cd", voice)
    shared = min(len(mine), len(codes[0]))
    assert shared >= 2
    assert torch.equal(mine[:shared], codes[0][:shared])


def test_padding_changes_nothing(model, encoded) -> None:
    network = model.network
    together = qwen3_talker.teach(network.talker, network.config, model.collate(encoded))
    for row, clip in enumerate(encoded):
        alone = qwen3_talker.teach(network.talker, network.config, model.collate([clip]))
        frames = len(clip["codes"])
        assert torch.allclose(together.first[row, : frames + 1], alone.first[0], atol=1e-4)
        assert torch.allclose(together.others[row, :frames], alone.others[0], atol=1e-4)


def test_traces_agree_and_are_what_the_loss_is_made_of(model, encoded) -> None:
    batch = model.collate(encoded)
    loss, cached, uncached = (model.trace(batch, p) for p in ("loss", "cached", "uncached"))
    for other in (cached, uncached):
        assert torch.equal(loss.mask, other.mask)
        assert torch.equal(loss.labels[loss.mask], other.labels[loss.mask])
        assert torch.allclose(loss.outputs[loss.mask], other.outputs[loss.mask], atol=1e-4)
    first = loss.outputs[loss.mask][:, :VOCABULARY]
    expected = torch.nn.functional.cross_entropy(first, loss.labels[loss.mask][:, 0])
    assert model.loss(batch).parts["talker"] == pytest.approx(expected.item(), rel=1e-5)
    ends = loss.labels[torch.arange(3), loss.mask.sum(1) - 1]
    assert ends.tolist() == [[END, 0, 0, 0]] * 3


def test_contract(encoded) -> None:
    report = check_alignment(_adapted(), encoded)
    assert report.ok, report.findings
    assert set(report.terms) == {"total", "talker", "predictor"}
    assert "gate_proj" in report.groups


def test_a_planted_double_shift_is_found(encoded, monkeypatch) -> None:
    """What happens where labels that are already the next codes meet a loss that shifts them."""
    model = _adapted()
    first = model._first

    def twice(batch):
        return torch.cat([first(batch)[:, 1:], first(batch)[:, -1:]], 1)

    monkeypatch.setattr(model, "_first", twice)
    findings = check_alignment(model, encoded).findings
    assert any("labels differ" in finding for finding in findings)


def test_a_text_that_is_a_frame_late_is_found(encoded, monkeypatch) -> None:
    genuine, model = qwen3_talker.prompt, _adapted()

    def late(talker, config, row):
        found = genuine(talker, config, row)
        text = torch.cat([found.pad, found.text])
        return qwen3_talker.Prompt(start=found.start, text=text, pad=found.pad)

    teach = qwen3_talker.teach

    def teach_late(*arguments):
        with monkeypatch.context() as patched:
            patched.setattr(qwen3_talker, "prompt", late)
            return teach(*arguments)

    monkeypatch.setattr("tts_lora.families.qwen3_tts.teach", teach_late)
    findings = check_alignment(model, encoded).findings
    assert any("outputs differ" in finding for finding in findings)


def test_the_hash_is_the_bases_under_adapters(model) -> None:
    assert _adapted().weights_sha256 == model.weights_sha256


def test_clips_are_memorised_and_spoken_again(encoded) -> None:
    """Exactly, every code and the end."""
    model = toy_model()
    talker = model.network.talker
    batch = model.collate(encoded)
    optimizer = torch.optim.Adam(talker.parameters(), 1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        model.loss(batch).total.backward()
        optimizer.step()
    for index, clip in enumerate(encoded):
        assert torch.equal(model.codes(TEXTS[index], model.condition([clip])), clip["codes"])


def test_speech_is_bounded_repeatable_and_streams(model, encoded, caplog) -> None:
    voice = model.condition(encoded)
    sound = model.speak("ab. cd.", voice=voice, seed=1)
    assert sound.rate == 24_000
    again = model.speak("ab. cd.", voice=voice, seed=1)
    assert np.array_equal(sound.samples, again.samples)
    pieces = list(model.stream("ab. cd.", voice=voice, seed=1))
    assert len(pieces) == 2
    assert np.array_equal(np.concatenate([p.samples for p in pieces]), sound.samples)
    with torch.no_grad():
        model.network.talker.codec_head.weight[END].zero_()
    assert len(model.codes("ab")) == 64 - 10
    assert "did not end by itself" in caplog.text
    named = model.codes("ab", "Anna")
    assert named.shape[1] == 4
    with pytest.raises(SpeechModelError, match="no voice 'otto'; this checkpoint knows: anna"):
        model.speak("ab", voice="otto")


def test_the_condition_of_clips_in_two_languages_names_none(model, encoded) -> None:
    other = {**encoded[1], "language": torch.tensor(-1)}
    condition = model.condition([encoded[0], other])
    assert int(condition["language"]) == -1
    mean = (encoded[0]["speaker"] + other["speaker"]) / 2
    assert torch.allclose(condition["speaker"], mean)


def test_saved_is_loaded(tmp_path: Path) -> None:
    model = toy_model()
    model.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.weights_sha256 == model.weights_sha256
    fresh, known = again.encode(toy_example(1)), model.encode(toy_example(1))
    assert all(torch.allclose(fresh[key], known[key], atol=1e-6) for key in known)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="is no Qwen3-TTS checkpoint"):
        load(str(tmp_path))


def test_the_loss_counts_frames_with_the_end(model, encoded) -> None:
    check_positions(model, encoded, [len(clip["codes"]) + 1 for clip in encoded], "talker")
