"""A second language beside the checkpoint's own: packed, chosen by script, refused if it is bad."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from jepa_tts.catalogue import shipped
from jepa_tts.checkpoint import load_model, save_model
from jepa_tts.cli import main
from jepa_tts.ensemble import Ensemble
from jepa_tts.language_pack import package_language
from jepa_tts.languages import LANGUAGES, read_language, script_of, scripts_in, speaking
from jepa_tts.low_rank import attach
from jepa_tts.narrator import Narrator
from jepa_tts.request import Request
from jepa_tts.script import sentences
from jepa_tts.studio import Studio
from jepa_tts.tts import JepaTTS
from jepa_tts.weights import read_weights
from voice_data.artefact import ArtefactError
from voice_data.audio import Audio
from voice_data.mel import log_mel

ENGLISH, GREEK = "Four hours of steady work.", "Καλημέρα σε όλους."
RANK = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of a run that changed what a language may change."""
    torch.manual_seed(3)
    model = load_model(shipped())
    attach(model.predictor, RANK)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".up"):
                parameter.normal_(std=0.02)
            if name.startswith(("text_encoder.embedding", "durations.first", "predictor.stop_out")):
                parameter.add_(0.05 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("run") / "model"
    save_model(model, folder)
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One line of Greek."""
    path = tmp_path_factory.mktemp("manifest") / "manifest.jsonl"
    path.write_text(json.dumps({"id": "a", "audio": "a.wav", "text": GREEK}) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def bilingual(tmp_path_factory: pytest.TempPathFactory, run: Path, manifest: Path) -> Path:
    """The shipped checkpoint with a language that speaks Greek letters."""
    folder = tmp_path_factory.mktemp("bilingual") / "small"
    shutil.copytree(shipped(), folder, ignore=shutil.ignore_patterns(LANGUAGES))
    facts = {"code": "el", "manifest": manifest, "card": "# Greek\n", "licence": "CC0-1.0"}
    package_language(run, folder / LANGUAGES / "el", **facts)
    return folder


def voice_of(tts: JepaTTS) -> np.ndarray:
    """The first named voice."""
    return tts.voice_vector(None)[0].numpy()


def mel_distance(one: Audio, other: Audio) -> float:
    """Mean absolute difference of log-mels over what both last."""
    mels = [log_mel(torch.from_numpy(audio.samples)[None])[0] for audio in (one, other)]
    frames = min(mel.shape[1] for mel in mels)
    return float((mels[0][:, :frames] - mels[1][:, :frames]).abs().mean())


def test_a_script_is_that_of_most_letters() -> None:
    assert script_of(GREEK + " ok") == "GREEK"
    assert script_of("12:30!") == "LATIN"
    assert script_of("नमस्ते, आप कैसे हैं?") == "DEVANAGARI"


def test_another_script_is_not_read_as_english() -> None:
    assert sentences("I have 2 cats. Έχω 2 γάτες.") == ["I have two cats.", "Έχω 2 γάτες."]
    assert sentences("मेरे पास 2 बिल्लियाँ हैं।") == ["मेरे पास दो बिल्लियाँ हैं।"]


def test_what_was_trained_is_what_speaks(bilingual: Path, run: Path) -> None:
    """The packed language is the run's model, to eight bits."""
    folder = scripts_in(bilingual)["GREEK"]
    language = read_language(folder, read_weights(bilingual).weights_sha256)
    made = speaking(load_model(bilingual), language).state_dict()
    trained, base = load_model(run).state_dict(), load_model(bilingual).state_dict()
    for name, weight in trained.items():
        change = (weight - base[name]).norm()
        if name.startswith(("text_encoder", "durations")):
            assert (made[name] - weight).norm() <= 0.02 * weight.norm() + 1e-3, name
        else:
            assert (made[name] - weight).norm() <= 0.03 * change + 1e-4, name


def test_less_strength_keeps_less_of_the_predictor(
    run: Path, manifest: Path, tmp_path: Path
) -> None:
    facts = {"code": "el", "manifest": manifest, "card": "# x\n", "licence": "CC0-1.0"}
    package_language(run, tmp_path / "half", strength=0.5, **facts)
    package_language(run, tmp_path / "none", strength=0.0, **facts)
    base, trained = load_model(shipped()), load_model(run).state_dict()
    sha256 = read_weights(shipped()).weights_sha256
    half, none = (
        speaking(base, read_language(tmp_path / name, sha256)).state_dict()
        for name in ("half", "none")
    )
    for name in ("predictor.latent_out.weight", "predictor.stop_out.weight"):
        start = base.state_dict()[name]
        torch.testing.assert_close(none[name], start, atol=1e-3, rtol=0.02)
        change = trained[name] - start
        assert (half[name] - start - change / 2).norm() < 0.05 * change.norm()


def test_the_own_language_is_untouched(bilingual: Path) -> None:
    mixed = list(JepaTTS.from_pretrained(bilingual).stream(f"{ENGLISH} {GREEK} {ENGLISH}"))
    alone = list(JepaTTS.from_pretrained(bilingual).stream(f"{ENGLISH} {ENGLISH} {ENGLISH}"))
    assert len(mixed) == 3
    np.testing.assert_array_equal(mixed[0].samples, alone[0].samples)
    foreign = JepaTTS.from_pretrained(bilingual).speak(GREEK).samples
    narrator = Narrator(read_weights(shipped()))
    plain = next(narrator.spoken([GREEK], voice_of(JepaTTS.from_pretrained()), 1.0, 0)).samples
    assert not np.array_equal(foreign, plain)


def test_torch_and_the_narrator_agree(bilingual: Path) -> None:
    weights, studio = read_weights(bilingual), Studio.open(bilingual)
    narrator = Narrator(weights, precision="float32")
    voice = weights.tensors["voices.table.weight"][0]
    for text in (GREEK, ENGLISH):
        made = next(narrator.spoken([text], voice, 1.0, 7)).samples
        want = next(studio.spoken([text], voice, 1.0, 7)).samples
        assert len(made) == len(want)
        assert narrator.planned(text, voice) == studio.planned(text, voice)
        assert np.corrcoef(made, want)[0, 1] > 0.99


def test_an_ensemble_speaks_each_request_in_its_script(bilingual: Path) -> None:
    narrator = Narrator(read_weights(bilingual), precision="float32")
    voice = narrator.weights.tensors["voices.table.weight"][0]
    requests = [Request(text=text, voice=voice, seed=5) for text in (ENGLISH, GREEK, ENGLISH)]
    replies = {reply.index: reply for reply in Ensemble(narrator, seats=2).speak(requests)}
    for index, request in enumerate(requests):
        alone = next(narrator.spoken([request.text], voice, 1.0, 5)).samples
        audio = replies[index].audio
        assert audio is not None
        np.testing.assert_allclose(audio.samples, alone, atol=2e-3)


def test_what_is_added_to_the_base_is_heard_in_the_language(bilingual: Path) -> None:
    layer = "predictor.latent_out"
    change = 0.05 * np.random.default_rng(0).standard_normal((72, 256)).astype(np.float32)
    narrated = JepaTTS.from_pretrained(bilingual)
    before = narrated.speak(GREEK).samples
    narrated.add([(layer, change)])
    after = narrated.speak(GREEK).samples
    assert len(before) != len(after) or not np.allclose(before, after, atol=1e-3)
    studio = Studio.open(bilingual)
    weight = studio.fluent(GREEK).get_parameter(f"{layer}.weight").clone()
    studio.add([(layer, change)])
    changed = studio.fluent(GREEK).get_parameter(f"{layer}.weight")
    torch.testing.assert_close(changed, weight + torch.from_numpy(change))


def test_a_hooked_adapter_is_missed_aloud(
    bilingual: Path, caplog: pytest.LogCaptureFixture
) -> None:
    studio = Studio.open(bilingual)
    studio.fluent(GREEK)
    assert not caplog.records
    layer = studio.model.get_submodule("predictor.latent_out")
    layer.register_forward_hook(lambda *_: None)
    studio.fluent(ENGLISH)
    assert not caplog.records
    studio.fluent(GREEK)
    assert "not heard in Greek: merge them first" in caplog.text


def test_a_language_of_another_checkpoint_is_refused(bilingual: Path) -> None:
    with pytest.raises(ArtefactError, match="base_sha256 does not match"):
        read_language(bilingual / LANGUAGES / "el", "0" * 64)


def test_a_damaged_language_spoils_nothing_else(bilingual: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(bilingual, folder)
    weights = folder / LANGUAGES / "el" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    tts = JepaTTS.from_pretrained(folder)
    assert tts.speak("Yes.").duration > 0.1
    with pytest.raises(ArtefactError, match=r"el/model\.safetensors"):
        tts.speak(GREEK)
    assert tts.narrator is not None
    voice = voice_of(tts)
    requests = [Request(text=text, voice=voice) for text in ("Yes.", GREEK)]
    replies = {reply.index: reply for reply in Ensemble(tts.narrator).speak(requests)}
    assert replies[0].audio is not None
    assert isinstance(replies[1].error, ArtefactError)


def test_two_languages_of_one_script_are_refused(bilingual: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(bilingual, folder)
    shutil.copytree(folder / LANGUAGES / "el", folder / LANGUAGES / "grc")
    with pytest.raises(ArtefactError, match="both for GREEK"):
        JepaTTS.from_pretrained(folder)


def test_a_folder_that_is_no_language_is_refused(tmp_path: Path) -> None:
    (tmp_path / LANGUAGES / "xx").mkdir(parents=True)
    (tmp_path / LANGUAGES / "xx" / "config.json").write_text("[]", "utf-8")
    with pytest.raises(ArtefactError, match="does not describe a language"):
        scripts_in(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [("mel_decoder.refine.weight", "shares with its base"), ("predictor.latent_in.weight", "rank")],
)
def test_a_run_that_changed_too_much_is_refused(
    run: Path, manifest: Path, tmp_path: Path, change: str, message: str
) -> None:
    model = load_model(run)
    with torch.no_grad():
        weight = model.state_dict()[change]
        weight += torch.randn_like(weight)
    save_model(model, tmp_path / "model")
    facts = {"code": "el", "manifest": manifest, "card": "# x\n", "licence": "CC0-1.0"}
    with pytest.raises(ValueError, match=message):
        package_language(tmp_path / "model", tmp_path / "out", **facts)
    assert not (tmp_path / "out").exists()


def test_the_own_script_is_refused_by_the_command(run: Path, tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("# x\n", "utf-8")
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps({"id": "a", "audio": "a.wav", "text": ENGLISH}) + "\n", "utf-8")
    options = ["--run", run, "--out", tmp_path / "out", "--code", "en", "--manifest", manifest,
               "--card", tmp_path / "card.md", "--licence", "CC0-1.0"]  # fmt: skip
    result = CliRunner().invoke(main, ["pack-language", *map(str, options)])
    assert result.exit_code != 0
    assert "own script" in result.output


def test_the_checkpoint_that_ships_speaks_hindi() -> None:
    """At a speaker's pace, and not as the same bytes read as English."""
    text = "मेरी बहन दिल्ली में पढ़ाती है।"
    tts = JepaTTS.from_pretrained()
    audio = tts.speak(text)
    assert 8 < len(text) / audio.duration < 25
    own = read_weights(shipped())
    english = Narrator(replace(own, languages={}))
    assert (
        abs(next(english.spoken([text], voice_of(tts), 1.0, 0)).duration / audio.duration - 1) > 0.1
    )


def test_languages_go_along_when_a_model_is_saved(bilingual: Path, tmp_path: Path) -> None:
    tts = JepaTTS.from_pretrained(bilingual)
    said = tts.speak(GREEK, seed=1)
    tts.save_pretrained(tmp_path / "copy")
    again = JepaTTS.from_pretrained(tmp_path / "copy")
    copied = again.speak(GREEK, seed=1)
    assert len(copied.samples) == len(said.samples)
    near, far = (mel_distance(said, other) for other in (copied, again.speak(GREEK[::-1], seed=1)))
    assert near < 0.2 * far
    card = tmp_path / "copy" / LANGUAGES / "el" / "README.md"
    assert card.read_text("utf-8") == "# Greek\n"


def test_a_language_of_another_checkpoint_does_not_go_along(
    bilingual: Path, tmp_path: Path
) -> None:
    studio = Studio.open(bilingual)
    studio.learn(bilingual, "0" * 64)
    with pytest.raises(ArtefactError, match="base_sha256"):
        studio.pass_on({}, tmp_path / "copy", "1" * 64)
    assert not (tmp_path / "copy").exists()
