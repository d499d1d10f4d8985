"""IndexTTS at toy size: real GPT-2 blocks, real tokens, a made-up codec and vocoder.

The references are written here anew, from the published layout, or are torch's own layers.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tts_lora.contract import check_alignment
from tts_lora.families import indextts, indextts_checkpoint, indextts_network
from tts_lora.families.indextts import IndexTTS, load
from tts_lora.families.indextts_checkpoint import Settings
from tts_lora.families.indextts_conditioning import Conformer, Perceiver
from tts_lora.families.indextts_config import ConditionerConfig, IndexTTSConfig
from tts_lora.families.indextts_emotions import Emotions
from tts_lora.families.indextts_network import CodeWriter, IndexTTSNetwork
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import SpeechModelError

RATE, WIDTH, CODES = 24_000, 32, 20
TEXTS = ("One two.", "Three!", "Four five six.", "Seven?")
EAR = ConditionerConfig(output_size=16, linear_units=32, attention_heads=2, num_blocks=1)
GPT = IndexTTSConfig(
    layers=2, model_dim=WIDTH, heads=2, max_text_tokens=40, max_mel_tokens=60,
    number_text_tokens=60, number_mel_codes=CODES + 2, start_mel_token=CODES,
    stop_mel_token=CODES + 1, condition_num_latent=4, condition_module=EAR,
)  # fmt: skip
GPT2 = replace(GPT, emo_condition_module=EAR, feature_dim=24)


@pytest.fixture(scope="module")
def tokens() -> Any:
    """A SentencePiece model with the ids that IndexTTS has: start 0, stop 1."""
    import sentencepiece

    lines = iter(["ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN. HI! WHY? A, B - IT'S"] * 20)
    stream = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=stream, vocab_size=60, model_type="bpe", bos_id=0,
        eos_id=1, unk_id=2, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    return sentencepiece.SentencePieceProcessor(model_proto=stream.getvalue())


def network(gpt: IndexTTSConfig = GPT, seed: int = 0) -> IndexTTSNetwork:
    """Random, and far from ties."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = IndexTTSNetwork(gpt).eval()
        for parameter in made.parameters():
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    return made


def example(text: str, count: int = 6, seconds: float = 0.5, **extra: Any) -> Example:
    """Noise with ``count`` codes."""
    random = np.random.default_rng(len(text) + count)
    samples = random.normal(0, 0.1, int(seconds * RATE)).astype(np.float32)
    codes = random.integers(0, CODES, count).tolist()
    utterance = Utterance(
        id=text[:3].strip(), audio="a.wav", text=text, extra={"codes": codes, **extra}
    )
    return Example(utterance=utterance, audio=Audio(samples, RATE))


@pytest.fixture
def model(tokens: Any, monkeypatch: pytest.MonkeyPatch) -> IndexTTS:
    """IndexTTS 1.5, one's own to change; what it says ends soon."""
    monkeypatch.setattr(indextts, "SECONDS_PER_TOKEN", 0.0)
    monkeypatch.setattr(indextts, "SECONDS_AT_LEAST", 1.0)
    return IndexTTS(network(), tokens, Settings(gpt=GPT))


@pytest.fixture
def second(tokens: Any, tmp_path: Path) -> IndexTTS:
    """IndexTTS 2 with two speakers' emotions and the features of two clips."""
    generator = torch.Generator().manual_seed(0)
    (tmp_path / "codes").mkdir()
    for name in ("One", "Hi."):
        features = torch.randn(30, 24, generator=generator)
        style = torch.randn(5, generator=generator)
        save_file({"features": features, "style": style}, tmp_path / f"codes/{name}.safetensors")
    emotions = Emotions(
        matrix=torch.randn(16, WIDTH, generator=generator),
        counts=(2,) * 8,
        styles=torch.randn(16, 5, generator=generator),
    )
    settings = Settings(gpt=GPT2)
    return IndexTTS(network(GPT2), tokens, settings, emotions=emotions, folder=tmp_path)


def trainable(model: IndexTTS, preset: str = "gpt") -> IndexTTS:
    """What an adapter would train, and nothing else."""
    model.network.requires_grad_(False)
    for name, module in model.network.named_modules():
        if name.endswith(model.targets[preset]):
            module.requires_grad_(True)
    return model


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


def test_the_published_names_are_loaded(model: IndexTTS, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    published = load_file(tmp_path / "gpt.safetensors")
    assert {
        "gpt.h.1.attn.c_attn.weight", "gpt.h.1.mlp.c_proj.bias", "gpt.ln_f.weight",
        "text_embedding.weight", "mel_embedding.weight", "text_pos_embedding.emb.weight",
        "mel_pos_embedding.emb.weight", "final_norm.weight", "text_head.weight", "mel_head.bias",
        "conditioning_encoder.embed.conv.0.weight", "conditioning_encoder.embed.out.0.bias",
        "conditioning_encoder.encoders.0.self_attn.pos_bias_u",
        "conditioning_encoder.encoders.0.conv_module.depthwise_conv.weight",
        "conditioning_encoder.after_norm.weight", "perceiver_encoder.latents",
        "perceiver_encoder.proj_context.weight", "perceiver_encoder.layers.1.0.to_kv.weight",
        "perceiver_encoder.layers.1.1.2.bias", "perceiver_encoder.norm.gamma",
    } <= set(published)  # fmt: skip
    assert published["gpt.h.0.attn.c_attn.weight"].shape == (WIDTH, 3 * WIDTH)
    assert published["mel_pos_embedding.emb.weight"].shape == (63, WIDTH)
    published["inference_model.lm_head.1.weight"] = torch.zeros(1)  # copies that a file may hold
    published["gpt.wte.weight"] = torch.zeros(1)
    published["conditioning_encoder.embed.pos_enc.pe"] = torch.zeros(1)
    save_file(published, tmp_path / "gpt.safetensors")
    (tmp_path / "config.json").unlink()
    gpt = json.dumps(asdict(GPT))
    (tmp_path / "config.yaml").write_text(f"dataset: {{sample_rate: 24000}}\ngpt: {gpt}\n")
    again = load(str(tmp_path))
    assert again.sample_rate == RATE
    assert again.weights_sha256 == model.weights_sha256
    clip = example("One two.")
    assert again.encode(clip)["latents"].equal(model.encode(clip)["latents"])
    assert again.encode(clip)["text"].equal(model.encode(clip)["text"])


def test_the_second_is_saved_and_loaded(second: IndexTTS, tmp_path: Path) -> None:
    second.save_pretrained(tmp_path)
    again = load(str(tmp_path))
    assert again.weights_sha256 == second.weights_sha256
    row = second.encode(example("Hi.", 4, emotion=[0, 0, 0.3, 0, 0, 0, 0.5, 0]))
    mine, other = (each.collate([row])["emovec"] for each in (second, again))
    assert mine.equal(other)


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


def test_a_vocoder_is_found_by_reference(
    tokens: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from importlib.metadata import EntryPoint

    entry = EntryPoint("flat", "types:SimpleNamespace", indextts_checkpoint.VOCODERS)
    made: list[str | None] = []

    def loader(path: str | None) -> Any:
        made.append(path)
        return lambda latents, codes, voice: torch.zeros(len(codes))

    monkeypatch.setattr(EntryPoint, "load", lambda self: loader)
    monkeypatch.setattr(indextts_checkpoint, "entry_points", lambda group: [entry])
    model = IndexTTS(network(), tokens, Settings(gpt=GPT, vocoder="flat:some/folder"))
    model.save_pretrained(tmp_path)
    model = load(str(tmp_path))
    assert model.speak("Hi.", voice=model.condition([model.encode(example("One."))])).rate == RATE
    assert made == ["some/folder"]
    with pytest.raises(SpeechModelError, match=r"'round' is not installed.*there is flat"):
        indextts_checkpoint.find_vocoder("round")


def test_the_conformer_attends_like_torch() -> None:
    """Without relative places, its attention is torch's; the rest is written out."""
    config = replace(EAR, num_blocks=1)
    torch.manual_seed(0)
    conformer = Conformer(10, config).eval()
    block = conformer.encoders[0]
    attention: Any = block.self_attn
    attention.linear_pos.weight.data.zero_()
    attention.pos_bias_u.data.zero_()
    torch_attention = nn.MultiheadAttention(16, 2, batch_first=True)
    parts = (attention.linear_q, attention.linear_k, attention.linear_v)
    torch_attention.in_proj_weight.data = torch.cat([part.weight for part in parts]).data
    torch_attention.in_proj_bias.data = torch.cat([part.bias for part in parts]).data
    torch_attention.out_proj.load_state_dict(attention.linear_out.state_dict())
    frames = torch.randn(1, 21, 10)
    with torch.no_grad():
        hidden = conformer.embed.conv(frames[:, None])  # [1, 16, 10, 4]
        rows = [conformer.embed.out(hidden[0, :, t].flatten()) for t in range(10)]
        x = torch.stack(rows)[None] * math.sqrt(16)
        y = block.norm_mha(x)
        x = x + torch_attention(y, y, y)[0]
        conv: Any = block.conv_module
        y = conv.pointwise_conv1(block.norm_conv(x).transpose(1, 2))
        y = conv.depthwise_conv(y[:, :16] * y[:, 16:].sigmoid()).transpose(1, 2)
        y = conv.norm(y)
        x = x + conv.pointwise_conv2((y * y.sigmoid()).transpose(1, 2)).transpose(1, 2)
        y = block.feed_forward.w_1(block.norm_ff(x))
        x = block.norm_final(x + block.feed_forward.w_2(y * y.sigmoid()))
        torch.testing.assert_close(conformer(frames), conformer.after_norm(x), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="at least 3 frames, not 2"):
        conformer(frames[:, :2])


def test_places_change_what_the_conformer_hears() -> None:
    torch.manual_seed(0)
    conformer = Conformer(10, EAR).eval()
    same = torch.randn(1, 1, 10).expand(1, 41, 10)
    with torch.no_grad():
        attention: Any = conformer.encoders[0].self_attn
        hidden = torch.randn(1, 1, 16).expand(1, 6, 16)
        from tts_lora.families.indextts_conditioning import _sinusoids

        places = _sinusoids(6, 16)
        assert conformer(same).shape == (1, 20, 16)
        two = torch.cat([hidden[:, :3], -hidden[:, :3]], 1)
        assert not torch.allclose(attention(two, places), attention(two, places.flip(1)))
    assert places[0, 3, :2].tolist() == pytest.approx([math.sin(3), math.cos(3)])
    assert places[0, 3, 2] == pytest.approx(math.sin(3 / 10_000 ** (2 / 16)))


def test_the_perceiver_asks_latents_and_frames() -> None:
    torch.manual_seed(0)
    perceiver = Perceiver(WIDTH, 3, EAR).eval()
    frames = torch.randn(1, 7, 16)
    with torch.no_grad():
        context, x = perceiver.proj_context(frames)[0], perceiver.latents
        for layer in perceiver.layers:
            attend, feed = layer.children()
            both = torch.cat([x, context])
            key, value = attend.to_kv(both)[:, :128], attend.to_kv(both)[:, 128:]
            query, heard = attend.to_q(x), []
            for head in range(2):
                at = slice(64 * head, 64 * head + 64)
                weights = (query[:, at] @ key[:, at].T / 8).softmax(-1)
                heard.append(weights @ value[:, at])
            x = attend.to_out(torch.cat(heard, 1)) + x
            y = feed[0](x)
            inner = y.shape[1] // 2
            assert inner == int(WIDTH * 2 * 2 / 3)
            x = feed[2](y[:, :inner] * nn.functional.gelu(y[:, inner:])) + x
        x = x / x.norm(dim=1, keepdim=True) * WIDTH**0.5 * perceiver.norm.gamma
        torch.testing.assert_close(perceiver(frames)[0], x, atol=1e-5, rtol=1e-5)


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


def test_bad_folders_are_refused(model: IndexTTS, tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="pickles, which are not read here"):
        load()
    with pytest.raises(SpeechModelError, match=r"has no config\.json or config\.yaml"):
        load(str(tmp_path))
    model.save_pretrained(tmp_path)
    good = (tmp_path / "config.json").read_text()
    for bad, message in (
        (good.replace('"heads": 2', '"heads": 3'), r"model_dim \(32\) must be divisible by heads"),
        (good.replace('"layers": 2', '"layer": 2'), "unknown key 'layer'"),
        (good.replace('"layers": 2', '"layers": 1'), "gpt.h.1.attn.c_attn.bias is unknown"),
        (good.replace('"layers": 2', '"layers": 3'), "gpt.h.2.attn.c_attn.bias is missing"),
        (good.replace('"max_mel_tokens": 60', '"max_mel_tokens": 61'), r"has \[63, 32\] and not"),
        ("[]", "is no IndexTTS configuration"),
        ("{", "cannot be used"),
    ):
        (tmp_path / "config.json").write_text(bad)
        with pytest.raises(SpeechModelError, match=message):
            load(str(tmp_path))
    (tmp_path / "config.json").write_text(good)
    (tmp_path / "bpe.model").write_bytes(b"nothing")
    with pytest.raises(SpeechModelError, match=r"bpe\.model cannot be read"):
        load(str(tmp_path))
    (tmp_path / "gpt.safetensors").rename(tmp_path / "gpt.pth")
    with pytest.raises(SpeechModelError, match=r"only .*gpt\.pth: pickles are not read.*python -c"):
        load(str(tmp_path))
    (tmp_path / "gpt.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(SpeechModelError, match="cannot be read"):
        load(str(tmp_path))


def test_bad_emotions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechModelError, match="eight counts"):
        Emotions(matrix=torch.zeros(9, 4))
    with pytest.raises(SpeechModelError, match="eight counts"):
        Emotions(matrix=torch.zeros(8, 4), styles=torch.zeros(7, 4))
    assert indextts_checkpoint.read_emotions(tmp_path, ()) is None
    save_file({"a": torch.zeros(8, 4)}, tmp_path / "emotions.safetensors")
    with pytest.raises(SpeechModelError, match="has no tensor 'matrix'"):
        indextts_checkpoint.read_emotions(tmp_path, ())
