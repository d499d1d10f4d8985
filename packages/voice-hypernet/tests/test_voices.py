"""The package as one object: from descriptions and clips to voices."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from humming import HumModel
from toy import CLIP, CONFIG, save_toy

from voice_data.artefact import ArtefactError
from voice_data.audio import Audio, write
from voice_hypernet import VoiceHypernet
from voice_hypernet.catalogue import located
from voice_hypernet.checkpoint import load_hypernet
from voice_hypernet.clip import ClipError, hear
from voice_hypernet.descriptions import consider, load_encoder
from voice_hypernet.plain_words import PlainWords
from voice_hypernet.voice import Voice, VoiceError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def hypernet(folder: Path) -> VoiceHypernet:
    return VoiceHypernet.from_pretrained(folder)


def speech(seconds: float = 2.0, rate: int = 16_000) -> Audio:
    """A gliding tone that comes and goes, with some noise."""
    times = np.arange(int(seconds * rate)) / rate
    loud = np.abs(np.sin(2 * np.pi * 2 * times)) ** 3
    tone = np.sin(2 * np.pi * 500 * times + 200 * np.sin(2 * np.pi * times))
    noise = np.random.default_rng(0).normal(size=len(times))
    return Audio((loud * (0.3 * tone + 0.02 * noise)).astype(np.float32), rate)


def assert_equal(first: Voice, second: Voice, atol: float = 0.0) -> None:
    changes = dict(second.deltas())
    for name, change in first.deltas():
        np.testing.assert_allclose(change, changes[name], atol=atol)
    for name, value in first.condition.items():
        np.testing.assert_allclose(value, second.condition[name], atol=atol)


def test_a_voice_is_what_the_network_makes_of_both_inputs(
    hypernet: VoiceHypernet, folder: Path
) -> None:
    voice = hypernet.generate_lora_adapters("a calm man", speech())
    network = load_hypernet(folder).network
    encoder = load_encoder(str(folder.parent / "text"))
    words = torch.from_numpy(consider(encoder, ["a calm man"], PlainWords(encoder))[1])
    made = network(words, torch.from_numpy(hear(speech()).features[None]))
    for kind, factors in made.adapters.items():
        np.testing.assert_allclose(voice.adapters[kind].a, factors.a[0], atol=1e-4)
        np.testing.assert_allclose(voice.adapters[kind].b, factors.b[0], atol=1e-4)
    np.testing.assert_allclose(voice.condition["voice"], made.told["voice"][0], atol=1e-4)
    assert voice.condition["kind"].tolist() == 3
    assert (voice.rank, voice.alpha, voice.description) == (3, 6.0, "a calm man")
    assert voice.origin.base_sha256 == HumModel().weights_sha256
    assert len(voice.origin.clip_sha256) == len(voice.origin.hypernet_sha256) == 64


def test_a_list_of_descriptions_gives_the_voices_of_each(hypernet: VoiceHypernet) -> None:
    texts = ["a calm man", "여자 목소리", "a fast speaker", "a calm man"]
    voices = hypernet.generate_lora_adapters(texts)
    assert [voice.description for voice in voices] == texts
    for text, voice in zip(texts, voices, strict=True):
        assert_equal(voice, hypernet.generate_lora_adapters(text), atol=1e-4)
    with pytest.raises(AssertionError):
        assert_equal(voices[0], voices[1], atol=1e-3)


def test_many_descriptions_are_shared_among_threads(hypernet: VoiceHypernet) -> None:
    texts = [f"a {how} {who}" for how in ("deep", "calm", "loud") for who in ("man", "girl", "boy")]
    voices = hypernet.generate_lora_adapters(texts * 3, strength=1.5)
    assert [voice.description for voice in voices] == texts * 3
    for text, voice, again in zip(texts, voices, voices[9:], strict=False):
        assert_equal(voice, hypernet.generate_lora_adapters(text, strength=1.5), atol=1e-5)
        assert_equal(voice, again, atol=1e-5)


def test_a_clip_may_be_sound_a_file_or_features(hypernet: VoiceHypernet, tmp_path: Path) -> None:
    write(tmp_path / "clip.wav", speech())
    found = hypernet.generate_lora_adapters(audio_features=speech())
    assert_equal(found, hypernet.generate_lora_adapters(audio_features=hear(speech()).features))
    read = hypernet.generate_lora_adapters(audio_features=tmp_path / "clip.wav")
    assert_equal(found, read, atol=0.05)  # 16 bits
    assert (found.description, found.understood, found.warnings) == ("", {}, ())


def test_strength_scales_the_way_from_the_neutral_voice(hypernet: VoiceHypernet) -> None:
    whole, half, none = (
        hypernet.generate_lora_adapters("a calm man", strength=strength) for strength in (1, 0.5, 0)
    )
    for name, change in whole.deltas():
        np.testing.assert_allclose(dict(half.deltas())[name], change / 2, rtol=1e-5, atol=1e-6)
        assert not dict(none.deltas())[name].any()
    neutral = hypernet.network.neutral["voice"]
    np.testing.assert_array_equal(none.condition["voice"], neutral)
    middle = (neutral + whole.condition["voice"]) / 2
    np.testing.assert_allclose(half.condition["voice"], middle, atol=1e-6)


def test_words_alone_are_given_the_hypernetworks_own_strength(hypernet: VoiceHypernet) -> None:
    strong = VoiceHypernet(
        hypernet.network, hypernet.origin, encoder=hypernet.encoder, strength=1.5
    )
    assert strong.generate_lora_adapters("a calm man").strength == 1.5
    assert_equal(strong.generate_lora_adapters("a calm man", strength=1.0),
                 hypernet.generate_lora_adapters("a calm man"), atol=1e-6)  # fmt: skip
    assert strong.generate_lora_adapters("a calm man", speech()).strength == 1.0
    assert strong.shared_voice().strength == 1.0


def test_the_shared_voice_is_what_the_network_makes_of_nothing(
    hypernet: VoiceHypernet, folder: Path
) -> None:
    network = load_hypernet(folder).network
    made = network(None, torch.zeros(1, CLIP), None, torch.tensor([False]))
    voice = hypernet.shared_voice()
    for kind, factors in made.adapters.items():
        np.testing.assert_allclose(voice.adapters[kind].b, factors.b[0], atol=1e-4)
    np.testing.assert_allclose(voice.condition["voice"], made.told["voice"][0], atol=1e-4)
    assert voice.origin.clip_sha256 == ""


def test_blending_lies_between_and_can_be_made_small(hypernet: VoiceHypernet) -> None:
    first, second = hypernet.generate_lora_adapters(["a calm man", "a loud woman"])
    assert_equal(hypernet.blend([(first, 1.0), (second, 0.0)]), first, atol=1e-5)
    blended = hypernet.blend([(first, 0.25), (second.resized(2), 0.75)])
    assert blended.rank == 5
    assert blended.description == "0.25 x a calm man + 0.75 x a loud woman"
    other = dict(second.resized(2).deltas())
    for name, change in blended.deltas():
        wanted = 0.25 * dict(first.deltas())[name] + 0.75 * other[name]
        np.testing.assert_allclose(change, wanted, atol=1e-4)
    told = 0.25 * first.condition["voice"] + 0.75 * second.condition["voice"]
    np.testing.assert_allclose(blended.condition["voice"], told, atol=1e-5)
    assert blended.condition["kind"].tolist() == 3
    assert blended.resized(3).rank == 3


def test_an_untrained_hypernetwork_makes_the_base_itself(folder: Path) -> None:
    model = HumModel()
    fresh = VoiceHypernet.from_config(CONFIG, model, encoder=str(folder.parent / "text"))
    voice = fresh.generate_lora_adapters("a calm man")
    assert voice.condition == {}
    assert any(factors.a.any() for factors in voice.adapters.values())
    plain = model.speak("abc")
    with voice.worn(model) as told:
        assert told == {}
        np.testing.assert_array_equal(model.speak("abc").samples, plain.samples)


def test_warnings_of_description_and_clip_come_along(hypernet: VoiceHypernet) -> None:
    times = np.arange(32_000) / 16_000
    tone = Audio((0.3 * np.sin(2 * np.pi * 440 * times)).astype(np.float32), 16_000)
    voice = hypernet.generate_lora_adapters("a deep high voice", tone)
    assert any("exclude each other" in warning for warning in voice.warnings)
    assert any("it may be a tone" in warning for warning in voice.warnings)


def test_what_cannot_be_made_is_refused(hypernet: VoiceHypernet) -> None:
    silence = Audio(np.zeros(32_000, np.float32), 16_000)
    first = hypernet.generate_lora_adapters("a calm man")
    for message, call in {
        "needs a description or a clip": lambda: hypernet.generate_lora_adapters(),
        "a description or a clip: give": lambda: hypernet.generate_lora_adapters([]),
        "strength must be from 0 to 4, not 5": lambda: hypernet.generate_lora_adapters(
            "a man", strength=5
        ),
        "nothing to blend": lambda: hypernet.blend([]),
        "must be a number, not nan": lambda: hypernet.blend([(first, float("nan"))]),
    }.items():
        with pytest.raises(VoiceError, match=message):
            call()
    with pytest.raises(ClipError, match="the clip is silent"):
        hypernet.generate_lora_adapters("a calm man", silence)
    other = replace(first, origin=replace(first.origin, base_sha256="0" * 64))
    with pytest.raises(VoiceError, match="'a calm man' was made for another base"):
        hypernet.blend([(other, 1.0)])
    for features in (np.full(CLIP, np.nan, np.float32), np.zeros(3, np.float32)):
        with pytest.raises(ClipError, match=f"shape \\[{len(features)}\\] are no 400 features"):
            hypernet.generate_lora_adapters(audio_features=features)


def test_a_damaged_checkpoint_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"has no config\.json"):
        VoiceHypernet.from_pretrained(tmp_path)
    weights = (folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[:-5])
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(ArtefactError, match="is cut short"):
        VoiceHypernet.from_pretrained(tmp_path)


def test_a_runs_folder_stands_for_its_model(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert located(tmp_path) == tmp_path / "model"
    assert located(folder) == folder
    assert located(None).name == "jepa-tts"


def test_a_hub_id_without_the_hub_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="somebody/voices is no folder, and a hub id needs"):
        located("somebody/voices")


def test_a_hub_that_cannot_help_is_told_of_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = types.ModuleType("huggingface_hub")

    def missing(name: str) -> str:
        raise OSError(f"404 for {name}")

    monkeypatch.setattr(hub, "snapshot_download", missing, raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(ArtefactError, match=r"somebody/voices is no folder here, and no such"):
        VoiceHypernet.from_pretrained("somebody/voices")


def test_making_voices_loads_neither_torch_nor_librosa(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "clip.wav", speech())
    code = (
        "import json, sys\nfrom pathlib import Path\n"
        "from voice_hypernet import VoiceHypernet\n"
        "hypernet = VoiceHypernet.from_pretrained(sys.argv[1])\n"
        "voice = hypernet.generate_lora_adapters('a deep high voice', sys.argv[2])\n"
        "voice.save(sys.argv[3])\n"
        "loaded = [name for name in ('torch', 'librosa', 'scipy') if name in sys.modules]\n"
        "status = Path('/proc/self/status').read_text().splitlines()\n"
        "peak = next(line.split()[1] for line in status if line.startswith('VmHWM'))\n"
        "print(json.dumps([loaded, int(peak) / 1024]))\n"
    )
    call = [
        sys.executable,
        "-c",
        code,
        str(folder),
        str(tmp_path / "clip.wav"),
        str(tmp_path / "v"),
    ]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    loaded, peak = json.loads(done.stdout)
    assert loaded == []
    assert peak < 400  # MiB
    assert Voice.load(tmp_path / "v").rank == 3
