"""IndexTTS at toy size: real GPT-2 blocks, real tokens, a made-up codec and vocoder.

The references are written here anew, from the published layout, or are torch's own layers.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from indextts_toy import (
    CODES,
    GPT,
    TEXTS,
    WIDTH,
    example,
    made_tokens,
    network,
    second_generation,
    trainable,
)
from safetensors.torch import save_file
from weighing import check_positions

from tts_lora.contract import check_alignment
from tts_lora.families import indextts, indextts_network
from tts_lora.families.indextts import IndexTTS
from tts_lora.families.indextts_checkpoint import Settings
from tts_lora.families.indextts_emotions import Emotions
from tts_lora.families.indextts_network import CodeWriter, IndexTTSNetwork
from voice_data.dataset import Example
from voice_data.speech import SpeechModelError


@pytest.fixture(scope="module")
def tokens() -> Any:
    return made_tokens()


@pytest.fixture
def model(tokens: Any, monkeypatch: pytest.MonkeyPatch) -> IndexTTS:
    """IndexTTS 1.5, one's own to change; what it says ends soon."""
    monkeypatch.setattr(indextts, "SECONDS_PER_TOKEN", 0.0)
    monkeypatch.setattr(indextts, "SECONDS_AT_LEAST", 1.0)
    return IndexTTS(network(), tokens, Settings(gpt=GPT))


@pytest.fixture
def second(tokens: Any, tmp_path: Path) -> IndexTTS:
    return second_generation(tokens, tmp_path)


def test_a_clip_is_encoded(model: IndexTTS, tokens: Any) -> None:
    clip = example("It's 4.", 6)
    encoded = model.encode(clip)
    assert encoded["text"].tolist() == [0, *tokens.encode("IT'S FOUR."), 1]
    assert encoded["codes"].tolist() == clip.utterance.extra["codes"]
    assert encoded["latents"].shape == (4, WIDTH)
    assert set(encoded) == {"text", "codes", "latents"}
    assert model.length(encoded) == 4 + len(encoded["text"]) + 7
    assert model.context == 4 + 42 + 61
    assert model.encode(clip)["latents"].equal(encoded["latents"])


def test_codes_come_from_file_or_codec(model: IndexTTS, tokens: Any, tmp_path: Path) -> None:
    clip = example("One.", 3)
    bare = Example(utterance=replace(clip.utterance, extra={}), audio=clip.audio)
    with pytest.raises(SpeechModelError, match="clip 'One' has no codes, and IndexTTS's codec"):
        model.encode(bare)

    class Codec:
        def encode(self, samples: torch.Tensor) -> torch.Tensor:
            return torch.full((1, len(samples) // 1024), 5)

    model.codec = Codec()
    assert model.encode(bare)["codes"].tolist() == [5] * 11
    (tmp_path / "codes").mkdir()
    latents = torch.randn(4, WIDTH)
    given = {"codes": torch.tensor([1, 2]), "latents": latents}
    save_file(given, tmp_path / "codes" / "One.safetensors")
    filed = IndexTTS(network(), tokens, Settings(gpt=GPT), folder=tmp_path)
    assert filed.encode(bare)["codes"].tolist() == [1, 2]
    assert filed.encode(bare)["latents"].equal(latents)


def test_chinese_letters_stand_apart(model: IndexTTS, tokens: Any) -> None:
    text = model._tokens("ab你好c")
    assert text[1:-1].tolist() == tokens.encode("AB 你 好 C")


def reference_states(net: IndexTTSNetwork, row: dict[str, torch.Tensor]) -> torch.Tensor:
    """The states of one clip, by GPT-2's own forward with its positions set to zero."""
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(
        n_positions=200, n_embd=WIDTH, n_layer=2, n_head=2, vocab_size=1, bos_token_id=None,
        eos_token_id=None,
    )  # fmt: skip
    gpt = GPT2Model(config).eval()
    missing = gpt.load_state_dict(net.gpt.state_dict(), strict=False).missing_keys
    assert set(missing) == {"wte.weight", "wpe.weight"}
    gpt.wpe.weight.data.zero_()
    text, codes = row["text"], torch.cat([torch.tensor([CODES]), row["codes"]])
    said = net.text_embedding.weight[text] + net.text_pos_embedding.emb.weight[: len(text)]
    heard = net.mel_embedding.weight[codes] + net.mel_pos_embedding.emb.weight[: len(codes)]
    with torch.no_grad():
        whole = torch.cat([row["latents"], said, heard])[None]
        return net.final_norm(gpt(inputs_embeds=whole).last_hidden_state)[0]


def test_layout_and_loss_are_the_published_ones(model: IndexTTS) -> None:
    rows = [dict(model.encode(example("One two three.", 9))), dict(model.encode(example("Hi!", 4)))]
    with torch.no_grad():
        terms = model._terms(model.collate(rows))
        loss = model.loss(model.collate(rows))
    codes, texts = [], []
    model.network.requires_grad_(False)
    for row in rows:
        states, count = reference_states(model.network, row), len(row["codes"]) + 1
        said = states[4 : 4 + len(row["text"]) - 1]
        log_codes = model.network.mel_head(states[-count:]).log_softmax(-1)
        log_text = model.network.text_head(said).log_softmax(-1)
        wanted = torch.cat([row["codes"], torch.tensor([CODES + 1])])
        codes.append(-log_codes[torch.arange(count), wanted])
        texts.append(-log_text[torch.arange(len(said)), row["text"][1:]])
    assert float(terms["codes"]) == pytest.approx(float(torch.cat(codes).mean()), abs=1e-5)
    assert float(terms["text"]) == pytest.approx(float(torch.cat(texts).mean()), abs=1e-5)
    assert float(loss.total) == pytest.approx(float(terms["codes"] + 0.01 * terms["text"]))


def test_training_is_aligned_with_generation(model: IndexTTS, second: IndexTTS) -> None:
    rows = [model.encode(example("One two three.", 9)), model.encode(example("Hi.", 4))]
    report = check_alignment(trainable(model), rows)
    assert report.findings == ()
    assert set(report.groups) == {"c_attn", "c_proj", "c_fc"}
    report = check_alignment(trainable(model, "all"), rows)
    assert report.findings == ()
    assert {"text_head", "mel_head", "text_embedding", "mel_embedding"} < set(report.groups)
    rows = [second.encode(example("One two three.", 9)),
            second.encode(example("Hi.", 4, emotion=[0, 0.5, 0, 0, 0.2, 0, 0, 0]))]  # fmt: skip
    assert check_alignment(trainable(second), rows).findings == ()


def test_a_planted_double_shift_is_found(model: IndexTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [model.encode(example("One two three.", 9)), model.encode(example("Hi.", 4))]
    labels = indextts_network.code_labels
    monkeypatch.setattr(
        indextts_network,
        "code_labels",
        lambda *these: labels(*these)._replace(units=labels(*these).units.roll(-1, 1)),
    )
    report = check_alignment(trainable(model), rows)
    for path in ("cached", "uncached"):
        assert any(path in found and "shifted twice" in found for found in report.findings)


def test_a_skipped_place_is_found(model: IndexTTS, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of published inference: the second code has place 2."""
    rows = [model.encode(example("One two three.", 9))]

    def write(self: CodeWriter, code: int) -> None:
        self._count = max(1, self._count)
        right(self, code)

    right = CodeWriter.write
    monkeypatch.setattr(CodeWriter, "write", write)
    report = check_alignment(trainable(model), rows)
    assert any("outputs differ" in found for found in report.findings)


def test_each_head_reaches_what_it_should(model: IndexTTS) -> None:
    terms = model._terms(model.collate([model.encode(example("One two three.", 9))]))
    parameters = dict(model.network.named_parameters())
    ears = {"conditioning_encoder", "perceiver_encoder"}  # heard once, when a clip is encoded
    codes = {"mel_head", "mel_embedding", "mel_pos_embedding"}
    for term, unreached in (("codes", ears | {"text_head"}), ("text", ears | codes)):
        grads = torch.autograd.grad(
            terms[term], list(parameters.values()), retain_graph=True, allow_unused=True
        )
        missed = {
            name.split(".")[0]
            for name, grad in zip(parameters, grads, strict=True)
            if grad is None or not grad.any()
        }
        assert missed == unreached


def test_presets_name_the_published_layers(model: IndexTTS) -> None:
    names = [name for name, _ in model.network.named_modules()]
    hit = {name for name in names if name.endswith(model.targets["gpt"])}
    assert hit == {
        f"gpt.h.{layer}.{part}"
        for layer in range(2)
        for part in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    }
    for preset in model.targets.values():
        assert all(any(name.endswith(suffix) for name in names) for suffix in preset)


def test_four_clips_are_learnt_and_said_again(model: IndexTTS) -> None:
    rows = [model.encode(example(text, 4 + i)) for i, text in enumerate(TEXTS)]
    batch = model.collate(rows)
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=5e-3)
    torch.manual_seed(0)
    for _ in range(100):
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    for text, row in zip(TEXTS, rows, strict=True):
        assert model.generate_units(text, row).equal(row["codes"]), text


def test_emotions_are_added_as_in_the_second(second: IndexTTS) -> None:
    weights = [0, 0.5, 0, 0, 0.2, 0, 0, 0]
    plain, moved = (
        second.encode(example("Hi.", 4)),
        second.encode(example("Hi.", 4, emotion=weights)),
    )
    emotions = second._emotions
    assert emotions is not None
    assert emotions.styles is not None
    wanted = 0.3 * plain["emovec"]
    for emotion, weight in ((1, 0.5), (4, 0.2)):
        pair = emotions.styles[2 * emotion : 2 * emotion + 2]
        cosines = [float(s @ plain["style"] / s.norm() / plain["style"].norm()) for s in pair]
        wanted = wanted + weight * emotions.matrix[2 * emotion + int(np.argmax(cosines))]
    batch = second.collate([plain, moved])  # two data sets, one without emotions
    torch.testing.assert_close(batch["emovec"][0], plain["emovec"])
    torch.testing.assert_close(batch["emovec"][1], wanted)
    prefix = second.network.prefix(batch)
    speeds = second.network.speed_emb.weight
    torch.testing.assert_close(prefix[1, :4], moved["latents"] + wanted)
    assert prefix[1, 4].equal(speeds[1])
    assert prefix[1, 5].equal(speeds[0])
    mean = Emotions(matrix=emotions.matrix, counts=(2,) * 8).mixed(
        torch.zeros(WIDTH), torch.eye(8)[7]
    )
    torch.testing.assert_close(mean, emotions.matrix[14:].mean(0))


def test_a_mixed_batch_trains(second: IndexTTS) -> None:
    rows = [second.encode(example("One.", 5)),
            second.encode(example("Hi.", 4, emotion=[0.4, 0, 0, 0, 0, 0, 0, 0.1]))]  # fmt: skip
    trainable(second)
    optimizer = torch.optim.AdamW([p for p in second.network.parameters() if p.requires_grad], 5e-3)
    losses = []
    for _ in range(20):
        loss = second.loss(second.collate(rows))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_the_condition_is_a_real_voice(model: IndexTTS) -> None:
    rows = [model.encode(example("One.", 4)) for _ in range(2)] + [
        model.encode(example("Two three."))
    ]
    told = model.condition(rows)
    assert set(told) == {"latents"}
    assert told["latents"].equal(rows[0]["latents"])  # two of three are alike
    batch = model.collate(rows[2:], [told])
    assert batch["latents"][0].equal(told["latents"])


def test_speaks_through_the_vocoder(model: IndexTTS) -> None:
    seen: list[tuple[int, ...]] = []

    def vocoder(latents: torch.Tensor, codes: torch.Tensor, voice: Any) -> torch.Tensor:
        seen.append((*latents.shape, *codes.shape))
        return (codes.float() / 100).repeat_interleave(1024)

    voice = model.condition([model.encode(example("One."))])
    with pytest.raises(SpeechModelError, match="needs a vocoder to be heard and none is named"):
        model.speak("Hi.", voice=voice)
    model.vocoder = vocoder
    model.sampling = replace(model.sampling, temperature=20.0)
    model.network.mel_head.bias.data[CODES + 1] = -1e4  # it goes on to the bound
    sound = model.speak("One two. Three four!", voice=voice, seed=1)
    assert len(seen) == 2
    assert all(width == WIDTH and length == count for length, width, count in seen)
    pieces = [p.samples for p in model.stream("One two. Three four!", voice=voice, seed=1)]
    np.testing.assert_array_equal(np.concatenate(pieces), sound.samples)
    assert (
        sound.samples.tolist()
        != model.speak("One two. Three four!", voice=voice, seed=9).samples.tolist()
    )
    with pytest.raises(SpeechModelError, match="a voice that it has heard"):
        model.speak("Hi.")
    with pytest.raises(SpeechModelError, match="IndexTTS knows no voice by name"):
        model.speak("Hi.", voice="ada")


def test_the_latents_are_those_of_a_second_pass(model: IndexTTS) -> None:
    row = model.encode(example("One."))
    batch = model.collate([row])
    with torch.no_grad():
        written = indextts_network.write_codes(
            model.network, {"text": batch["text"], "latents": batch["latents"]}, indextts.GREEDY, 9
        )
        states = model.network(model.collate([{**row, "codes": written.codes}])).codes[0]
    torch.testing.assert_close(written.states, states[: len(written.codes)], atol=1e-5, rtol=0)


def test_speech_is_bounded(model: IndexTTS, caplog: pytest.LogCaptureFixture) -> None:
    head = model.network.mel_head
    head.bias.data[CODES + 1] = -1e4  # it never stops
    row = model.encode(example("One."))
    assert len(model.generate_units("Hi.", row)) == 23
    assert "did not end by itself in 23 codes" in caplog.text
    head.bias.data[CODES] = 1e4  # the start is no code
    assert int(model.generate_units("Hi.", row).max()) < CODES
    head.bias.data[CODES + 1] = 1e4
    assert model.generate_units("Hi.", row).shape == (0,)
    model.vocoder = lambda *_: torch.ones(9)
    assert not model.speak("Hi.", voice=row).samples.any()


def test_bad_clips_are_refused(model: IndexTTS, second: IndexTTS, tmp_path: Path) -> None:
    for extra, message in (
        ({"codes": [3, CODES]}, rf"has the code {CODES}: codes are from 0"),
        ({"codes": [-1]}, "has the code -1"),
        ({"codes": [1] * 61}, "has 61 codes and IndexTTS takes 60: segment it"),
        ({"codes": "a"}, "must be a list of numbers"),
        ({"emotion": [0.5] * 7}, "eight weights of 0 or more are wanted, happy, angry"),
        ({"emotion": [-1] + [0] * 7}, "eight weights of 0 or more"),
        ({"emotion": [0.1] * 8}, "this checkpoint has no emotions"),
    ):
        with pytest.raises(SpeechModelError, match=message):
            model.encode(example("Hi.", **extra))
    with pytest.raises(SpeechModelError, match="takes 40: segment or shorten it"):
        model.encode(example("One two three. " * 20))
    with pytest.raises(SpeechModelError, match="IndexTTS 2 hears a voice in features of another"):
        second.encode(example("Two."))
    save_file({"latents": torch.zeros(2, 2)}, tmp_path / "codes" / "Two.safetensors")
    with pytest.raises(SpeechModelError, match="has no emovec, and IndexTTS 2"):
        second.encode(example("Two."))
    given = {"latents": torch.zeros(2, 2), "emovec": torch.zeros(WIDTH)}
    save_file(given, tmp_path / "codes" / "Two.safetensors")
    with pytest.raises(SpeechModelError, match=r"has latents \[2, 2\] and \[4, 32\] is wanted"):
        second.encode(example("Two."))
    (tmp_path / "codes" / "Two.safetensors").write_bytes(b"nothing")
    with pytest.raises(SpeechModelError, match="cannot be read"):
        second.encode(example("Two."))
    with pytest.raises(SpeechModelError, match="nothing to collate"):
        model.collate([])
    with pytest.raises(SpeechModelError, match="a condition needs a clip"):
        model.condition([])


def test_the_loss_counts_codes_with_the_stop(model: IndexTTS) -> None:
    rows = [model.encode(example("One two three.", 9)), model.encode(example("Four.", 4))]
    check_positions(model, rows, (10, 5), "codes")
