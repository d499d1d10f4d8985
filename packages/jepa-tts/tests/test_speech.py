"""The port: what a clip becomes, the contract of training and generation, and voices."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from jepa_tts.adaptation import unadapted
from jepa_tts.aligner import align
from jepa_tts.checkpoint import load_model
from jepa_tts.chorus import mels
from jepa_tts.prompt import VoiceError
from jepa_tts.speech import OWN_VOICE, JepaSpeech, load
from jepa_tts.text_mel import TextMel, noised
from jepa_tts.tts import JepaTTS
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.mel import log_mel
from voice_data.speech import Encoded, SpeechModelError

RATE = 24_000
PARTS = {"mse", "deviation", "stop", "duration", "mel"}


def example(text: str, seconds: float, rate: int = RATE) -> Example:
    """A clip of a rising tone that swells and fades."""
    times = np.arange(int(seconds * rate)) / rate
    wave = np.sin(2 * np.pi * (150 + 100 * times) * times) * np.sin(np.pi * times / seconds)
    utterance = Utterance(id=text[:3].strip(), audio="a.wav", text=text, speaker="someone")
    return Example(utterance=utterance, audio=Audio((0.3 * wave).astype(np.float32), rate))


@pytest.fixture
def speech(package: Path) -> JepaSpeech:
    """A model of one's own, to train."""
    return load(package)


@pytest.fixture
def clips(speech: JepaSpeech) -> list[Encoded]:
    """Two clips of different length."""
    return [speech.encode(example("One two three.", 1.5)), speech.encode(example("Four.", 0.7))]


class Adapted(torch.nn.Module):
    """A linear layer with a LoRA, which is switched off as PEFT's layers are."""

    def __init__(self, layer: torch.nn.Module, rank: int) -> None:
        super().__init__()
        self.base_layer, self.disable_adapters = layer, False
        self.lora_a = torch.nn.Parameter(torch.randn(rank, layer.weight.shape[1]) * 0.1)
        self.lora_b = torch.nn.Parameter(torch.zeros(len(layer.weight), rank))

    def enable_adapters(self, enabled: bool) -> None:
        self.disable_adapters = not enabled
        self.lora_a.requires_grad_(enabled)
        self.lora_b.requires_grad_(enabled)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        plain = self.base_layer(x)
        return plain if self.disable_adapters else plain + x @ self.lora_a.T @ self.lora_b.T


def adapt(speech: JepaSpeech, preset: str, rank: int = 8) -> None:
    """Attach a LoRA without effect to the layers of a preset; nothing else is trained."""
    speech.network.requires_grad_(False)
    for name in speech.targets[preset]:
        parent, _, child = name.rpartition(".")
        layer = speech.network.get_submodule(name)
        setattr(speech.network.get_submodule(parent), child, Adapted(layer, rank))


def disturb(speech: JepaSpeech, scale: float = 0.3) -> None:
    """Give every adapter an effect."""
    torch.manual_seed(5)
    with torch.no_grad():
        for name, parameter in speech.network.named_parameters():
            if "lora_b" in name:
                parameter.normal_(std=scale)


def assert_same(first: Encoded, second: Encoded) -> None:
    """Equal to the last bit but one, which depends on where memory lies."""
    assert set(first) == set(second)
    for name in first:
        torch.testing.assert_close(first[name], second[name], atol=1e-5, rtol=1e-5)


def test_a_clip_is_encoded_whole(speech: JepaSpeech) -> None:
    clip = example("Twelve 12.", 1.0)
    encoded = speech.encode(clip)
    assert bytes(i - 3 for i in encoded["ids"].tolist()[1:-1]).decode() == "Twelve twelve."
    mel = log_mel(torch.from_numpy(clip.audio.samples)[None])[0].T
    torch.testing.assert_close(encoded["mel"], mel[:92])
    with torch.inference_mode():
        means = speech.tts.model.audio_encoder(mel[:92].T[None]).mean[0]
    torch.testing.assert_close(encoded["latents"], means)
    assert speech.length(encoded) == len(encoded["latents"]) == 23
    assert encoded["durations"].shape == encoded["ids"].shape
    assert float(encoded["durations"].sum()) == pytest.approx(23.0)
    assert float(encoded["durations"].min()) >= 0.0
    assert 0.0 < float(encoded["mismatch"]) < 2.0


def test_encoding_is_deterministic_and_sees_no_adapter(speech: JepaSpeech) -> None:
    clip = example("One two.", 1.0)
    before, told = speech.encode(clip), speech.condition([speech.encode(clip)])
    adapt(speech, "all")
    disturb(speech)
    speech.network.train()
    trained = [p.requires_grad for p in speech.network.parameters()]
    after = speech.encode(clip)
    assert_same(before, after)
    assert_same(speech.condition([after]), told)
    assert speech.network.training
    assert [p.requires_grad for p in speech.network.parameters()] == trained
    assert not after["latents"].requires_grad
    assert not after["latents"].is_inference()


def test_pefts_own_layers_are_switched_off_too(speech: JepaSpeech) -> None:
    import peft

    clip = example("One two.", 1.0)
    before = speech.encode(clip)
    config = peft.LoraConfig(target_modules=list(speech.targets["all"]), init_lora_weights=False)
    peft.inject_adapter_in_model(config, speech.network)
    states = [p.requires_grad for p in speech.network.parameters()]
    after = speech.encode(clip)
    assert_same(before, after)
    assert [p.requires_grad for p in speech.network.parameters()] == states
    frames = speech.trace(speech.collate([after]))
    with unadapted(speech.network):
        plain = speech.trace(speech.collate([after]))
    assert not torch.allclose(frames.outputs, plain.outputs)


def test_encode_refuses(speech: JepaSpeech) -> None:
    for clip, message in (
        (example("Hi", 1.0, rate=16_000), "clip 'Hi' has 16000 Hz and 24000 Hz are wanted"),
        (example("Hi", 0.1), r"clip 'Hi' lasts 0\.10 s: drop it"),
        (example("Hi", 14.0), r"clip 'Hi' lasts 14\.0 s and at most 13\.7 s fit: cut it"),
        (example("...", 1.0), r"clip '\.\.\.' cannot be trained on: "),
        (example("Far too much " * 8, 1.0), r"clip 'Far' has 103 characters in 1\.00 s, which"),
    ):
        with pytest.raises(SpeechModelError, match=message):
            speech.encode(clip)
    torch.nn.init.constant_(speech.tts.model.durations.out.bias, -99.0)
    with pytest.raises(SpeechModelError, match="clip 'Hi': the model gives the text no duration"):
        speech.encode(example("Hi", 1.0))


def test_a_clip_unlike_its_text_is_named(
    speech: JepaSpeech, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, expected in ((0.0, ["clip 'One' hardly sounds like its text"]), (9.0, [])):
        caplog.clear()
        monkeypatch.setattr("jepa_tts.clip.MISMATCH", limit)
        with caplog.at_level(logging.WARNING):
            speech.encode(example("One two.", 1.0))
        assert [m.split(" (")[0] for m in caplog.messages] == expected


def test_the_context_bounds_what_is_encoded(speech: JepaSpeech) -> None:
    longest = speech.encode(example("A long one.", 13.6))
    assert 318 <= speech.length(longest) <= speech.context


def test_collate_pads(speech: JepaSpeech, clips: list[Encoded]) -> None:
    batch = speech.collate(clips)
    long, short = map(speech.length, clips)
    assert batch.frames.tolist() == [long, short]
    assert batch.mel.shape == (2, 100, 4 * long)
    assert torch.equal(batch.mel[1, :, : 4 * short], clips[1]["mel"].T)
    assert torch.equal(batch.latents[0], clips[0]["latents"])
    assert batch.mask.sum(1).tolist() == [long, short]
    assert float(batch.durations[1].sum()) == pytest.approx(short)
    told = [{"voice": torch.full((32,), value)} for value in (1.0, 2.0)]
    assert speech.collate(clips, told).voices.mean(1).tolist() == [1.0, 2.0]
    assert isinstance(batch.to("cpu"), TextMel)


def test_each_clip_conditions_itself_by_what_is_heard(
    speech: JepaSpeech, clips: list[Encoded]
) -> None:
    batch = speech.collate(clips)
    assert not batch.voices.requires_grad
    for row, clip in enumerate(clips):
        latents = clip["latents"][None]
        mask = torch.ones(latents.shape[:2], dtype=torch.bool)
        heard = speech.tts.model.voices.hear(latents, mask)[0].detach()
        torch.testing.assert_close(batch.voices[row], heard)


def test_collate_and_condition_refuse(speech: JepaSpeech, clips: list[Encoded]) -> None:
    with pytest.raises(SpeechModelError, match="there are no clips"):
        speech.collate([])
    with pytest.raises(SpeechModelError, match="there are no clips"):
        speech.condition([])
    with pytest.raises(SpeechModelError, match="2 clips need as many voices, not 1"):
        speech.collate(clips, [{"voice": torch.zeros(32)}])
    with pytest.raises(SpeechModelError, match="unknown key 'style'; jepa-tts knows: voice"):
        speech.collate(clips[:1], [{"voice": torch.zeros(32), "style": torch.zeros(1)}])
    with pytest.raises(SpeechModelError, match="no key 'voice'"):
        speech.speak("Hi.", voice={})
    with pytest.raises(SpeechModelError, match=r"voice is \[7\] and this model wants \[32\]"):
        speech.speak("Hi.", voice={"voice": torch.zeros(7)})


def test_a_condition_is_the_voice_that_says_the_clips_most_alike(
    speech: JepaSpeech, clips: list[Encoded]
) -> None:
    found = speech.condition(clips)["voice"]
    assert not found.requires_grad
    named = [speech.tts.model.voices.named(name)[0].detach() for name in speech.voices]
    heard = speech.collate(clips).voices  # one window each, so their mean weighted by length
    lengths = torch.tensor([float(speech.length(clip)) for clip in clips])
    candidates = [(heard * lengths[:, None]).sum(0) / lengths.sum(), *named]
    scores = [
        sum(align(speech.tts.model, c["ids"], c["mel"], voice[None]).mismatch for c in clips)
        for voice in candidates
    ]
    assert len({round(score, 4) for score in scores}) == 3
    torch.testing.assert_close(found, candidates[scores.index(min(scores))])


def test_the_shipped_model_finds_its_own_voices() -> None:
    speech = load()
    for name in ("joe", "alto"):
        spoken = speech.speak("The sea was calm and the sky was blue.", voice=name, seed=0)
        utterance = Utterance(
            id=name, audio="a.wav", text="The sea was calm and the sky was blue.", language="en"
        )
        clip = speech.encode(Example(utterance=utterance, audio=spoken))
        found = speech.condition([clip])["voice"]
        distance = {n: float((speech.tts.voice_vector(n)[0] - found).norm()) for n in speech.voices}
        assert min(distance, key=distance.__getitem__) == name


def test_training_is_aligned_with_generation(speech: JepaSpeech, clips: list[Encoded]) -> None:
    speech.network.eval()
    batch = speech.collate(clips)
    loss, cached, uncached = (speech.trace(batch, p) for p in ("loss", "cached", "uncached"))
    for other in (cached, uncached):
        assert torch.equal(other.mask, loss.mask)
        assert torch.equal(other.labels, loss.labels)
        torch.testing.assert_close(
            other.outputs[loss.mask], loss.outputs[loss.mask], atol=1e-5, rtol=0
        )
    mse = ((loss.outputs - loss.labels)[loss.mask] ** 2).mean()
    assert speech.loss(batch).parts["mse"] == pytest.approx(float(mse), rel=1e-5)
    assert not torch.allclose(loss.outputs[:, 1:], loss.outputs[:, :-1], atol=1e-3)


def test_a_shift_of_the_labels_would_show(
    speech: JepaSpeech, clips: list[Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    speech.network.eval()
    batch = speech.collate(clips)
    right, predict = speech.trace(batch, "cached"), speech.tts.model.predict
    shifted = lambda plan, history: predict(plan, history.roll(1, dims=1))  # noqa: E731
    monkeypatch.setattr(speech.tts.model, "predict", shifted)
    wrong = speech.trace(batch, "loss")
    assert float((wrong.outputs - right.outputs)[right.mask].abs().max()) > 1e-3


def test_padding_does_not_change_the_loss(speech: JepaSpeech, clips: list[Encoded]) -> None:
    speech.network.eval()
    with torch.no_grad():
        both = speech.loss(speech.collate(clips)).parts
        alone = [speech.loss(speech.collate([clip])).parts for clip in clips]
    for name, lengths in (
        ("mse", [speech.length(clip) for clip in clips]),
        ("deviation", [speech.length(clip) for clip in clips]),
        ("mel", [speech.length(clip) for clip in clips]),
        ("stop", [speech.length(clip) for clip in clips]),
        ("duration", [len(clip["ids"]) for clip in clips]),
    ):
        mean = sum(p[name] * n for p, n in zip(alone, lengths, strict=True)) / sum(lengths)
        assert both[name] == pytest.approx(mean, rel=1e-4), name


def test_noise_comes_in_training_only(speech: JepaSpeech, clips: list[Encoded]) -> None:
    batch, values = speech.collate(clips), []
    for training, seed in ((False, 1), (False, 2), (True, 1), (True, 1), (True, 2)):
        speech.network.train(training)
        torch.manual_seed(seed)
        values.append(float(speech.loss(batch).total.detach()))
    assert values[0] == values[1]
    assert values[2] == values[3]
    assert len(set(values)) == 3


def test_noise_is_measured_in_deviations_of_real_frames() -> None:
    latents = torch.cat(
        (torch.randn(64, 200, 2) * torch.tensor([1.0, 5.0]), torch.ones(64, 9, 2)), 1
    )
    mask = torch.arange(209).expand(64, -1) < 200
    added = noised(latents, mask, 0.8) - latents
    strength = added.std(1)[:, 0]
    assert float(strength.min()) >= 0.0
    assert 0.6 < float(strength.max()) < 1.0
    torch.testing.assert_close(added.std(1)[:, 1], 5 * strength, rtol=0.3, atol=0.05)


@pytest.mark.parametrize("preset", ["default", "attention", "all"])
def test_every_adapted_layer_learns_from_the_loss(
    speech: JepaSpeech, clips: list[Encoded], preset: str
) -> None:
    adapt(speech, preset)
    disturb(speech)
    loss = speech.loss(speech.collate(clips))
    assert set(loss.parts) == PARTS
    loss.total.backward()
    trained = {n: p for n, p in speech.network.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    assert len(trained) == 2 * len(speech.targets[preset])
    silent = [n for n, p in trained.items() if p.grad is None or not bool(p.grad.any())]
    assert silent == []


@pytest.mark.parametrize("part", sorted(PARTS))
def test_every_part_of_the_loss_moves_its_own_head(
    speech: JepaSpeech, clips: list[Encoded], part: str
) -> None:
    head = {"mse": "predictor.latent_out", "deviation": "predictor.latent_out",
            "stop": "predictor.stop_out", "duration": "durations.out",
            "mel": "mel_decoder.refine"}[part]  # fmt: skip
    speech.loss(speech.collate(clips)).total.backward()
    gradient = speech.network.get_parameter(f"{head}.weight").grad
    assert gradient is not None
    assert bool(gradient.any())
    assert speech.network.get_parameter("audio_encoder.projection.weight").grad is None


def test_four_clips_are_learnt_by_heart(speech: JepaSpeech) -> None:
    """After training, speech that hears only itself says their latents."""
    clips = [speech.encode(example(t, s)) for t, s in
             (("Ah.", 0.4), ("Be so.", 0.5), ("Cold sea.", 0.6), ("Down.", 0.45))]  # fmt: skip
    told = [{"voice": speech.condition(clips)["voice"]}] * 4
    network, batch = speech.network.train(), speech.collate(clips, told)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3)
    torch.manual_seed(0)
    for _ in range(240):
        loss = speech.loss(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    network.eval()
    with torch.inference_mode():
        plan = speech.tts.model.plan(batch.ids, batch.voices)
        latents, lengths = speech.tts.model.generate(plan)
    assert (lengths - batch.frames).abs().max() <= 1
    frames = min(latents.shape[1], batch.latents.shape[1])
    mask = batch.mask[:, :frames]
    wrong = ((latents[:, :frames] - batch.latents[:, :frames])[mask] ** 2).mean()
    spread = batch.latents[batch.mask].var(0).mean()
    assert float(wrong) < 0.25 * float(spread)


def test_speaks_like_the_package(speech: JepaSpeech, package: Path) -> None:
    assert speech.sample_rate == RATE
    assert speech.network is speech.tts.model
    own = JepaTTS.from_pretrained(package)
    assert own.model is not speech.network  # and speaks in torch, as a port does
    np.testing.assert_array_equal(
        speech.speak("Two words.", voice="bert", seed=4).samples,
        own.speak("Two words.", voice="bert", seed=4).samples,
    )
    parts = list(speech.stream("One. Two.", seed=1))
    assert len(parts) == 2
    assert speech.speak("One.").duration > 0
    assert speech.voices == ("ada", "bert")


def test_a_condition_is_a_voice(speech: JepaSpeech) -> None:
    bert = {"voice": speech.tts.model.voices.named("bert")[0].detach()}
    spoken = [speech.speak("Two words.", voice=v, seed=4).samples for v in (bert, "bert", "ada")]
    np.testing.assert_array_equal(spoken[0], spoken[1])
    assert spoken[0].shape != spoken[2].shape or not np.allclose(spoken[0], spoken[2])


def test_an_adapter_is_heard_at_once(speech: JepaSpeech) -> None:
    before = speech.speak("Two words.", seed=4).samples
    adapt(speech, "default")
    np.testing.assert_allclose(speech.speak("Two words.", seed=4).samples, before, atol=1e-4)
    disturb(speech, 0.05)
    after = speech.speak("Two words.", seed=4).samples
    assert before.shape != after.shape or not np.allclose(before, after, atol=1e-2)


def test_gradients_reach_the_conditions(speech: JepaSpeech, clips: list[Encoded]) -> None:
    told = [torch.randn(speech.tts.config.width, requires_grad=True) for _ in clips]
    speech.loss(speech.collate(clips, [{"voice": vector} for vector in told])).total.backward()
    assert all(vector.grad is not None and bool(vector.grad.any()) for vector in told)


def test_a_batch_says_what_each_says_alone(speech: JepaSpeech) -> None:
    texts = ["One two three four five. And six. Seven!", "Two.", "A longer sentence here. Yes."]
    told = {"voice": torch.randn(32) * 0.1}
    voices = ["ada", None, told]
    together = speech.speak_batch(texts, voices=voices, seed=3)
    for text, voice, made in zip(texts, voices, together, strict=True):
        alone = speech.speak(text, voice=voice, seed=3)
        assert len(made.samples) == len(alone.samples)
        np.testing.assert_allclose(made.samples, alone.samples, atol=1e-3)
    lines = ["One two three.", "Hi."]
    vectors = torch.cat([speech.tts.voice_vector(v) for v in ("ada", "bert")])
    for line, vector, mel in zip(lines, vectors, mels(speech.tts, lines, vectors), strict=True):
        torch.testing.assert_close(
            mel, mels(speech.tts, [line], vector[None])[0], atol=1e-3, rtol=0
        )


def test_rows_of_a_batch_stay_with_their_text(speech: JepaSpeech) -> None:
    """Whoever chooses an adapter per row relies on it."""
    seen: list[int] = []
    layer = speech.tts.model.predictor.self_attention[0]
    layer.register_forward_hook(lambda _m, inputs, _o: seen.append(len(inputs[0])))
    speech.speak_batch(["One. Two. Three.", "Four.", "Five."], seed=0)
    assert set(seen) == {3}


def test_speak_batch_refuses(speech: JepaSpeech) -> None:
    with pytest.raises(SpeechModelError, match="2 texts and 1 voices: give a voice for each text"):
        speech.speak_batch(["One.", "Two."], voices=["ada"])
    with pytest.raises(SpeechModelError, match="0 texts"):
        speech.speak_batch([])
    with pytest.raises(VoiceError, match="unknown voice 'eve'"):
        speech.speak_batch(["One."], voices=["eve"])


def test_the_hash_is_the_base_models_whatever_is_attached(speech: JepaSpeech, tts: JepaTTS) -> None:
    own = JepaSpeech(JepaTTS(speech.tts.model, tts.vocoder))
    before = own.weights_sha256
    assert len(before) == 64
    assert speech.weights_sha256 == speech.tts.weights_sha256
    adapt(own, "default")
    assert own.weights_sha256 == before


def test_presets_name_layers_of_the_shipped_model() -> None:
    speech = load()
    total = sum(p.numel() for p in speech.network.parameters())
    shares = {}
    for preset, names in speech.targets.items():
        layers = [speech.network.get_submodule(name) for name in names]
        assert all(type(layer) is torch.nn.Linear for layer in layers)
        assert not any(name.startswith(("audio_encoder", "voices")) for name in names)
        shares[preset] = 8 * sum(layer.in_features + layer.out_features for layer in layers) / total
    assert list(shares) == ["default", "attention", "all"]
    assert 0.001 < shares["attention"] < shares["default"] < 0.01 < shares["all"] < 0.03


def test_training_folders_stay_loadable(speech: JepaSpeech, tmp_path: Path) -> None:
    from jepa_tts.checkpoint import save_model

    save_model(speech.network, tmp_path)
    for name, tensor in load_model(tmp_path).state_dict().items():
        assert torch.equal(tensor, speech.network.state_dict()[name])


def test_saved_with_a_condition_it_speaks_in_it_untold(speech: JepaSpeech, tmp_path: Path) -> None:
    condition = {"voice": torch.randn(speech.tts.config.width)}
    speech.save_pretrained(tmp_path / "own", voice=condition)
    made = JepaSpeech(JepaTTS.from_pretrained(tmp_path / "own"))
    assert made.voices == (OWN_VOICE, *speech.voices)
    told = made.speak("The same.", voice=OWN_VOICE, seed=1).samples
    np.testing.assert_array_equal(made.speak("The same.", seed=1).samples, told)
    vector = made.tts.voice_vector(None)[0]
    torch.testing.assert_close(vector, condition["voice"], rtol=1e-3, atol=1e-3)
