"""Each stage learns one batch by heart, touches only its own parts, and measures what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jepa_tts.audio_encoder import PITCH_DIMENSIONS
from jepa_tts.checkpoint import load_model, save_model
from jepa_tts.config import STRIDE
from jepa_tts.model import JepaModel
from jepa_tts.stages import autoencode, make_stage, vocode
from jepa_tts.stages.autoencode import Autoencode
from jepa_tts.stages.predict import Predict
from jepa_tts.stages.stage import Stage
from jepa_tts.train import TrainConfig, optimise, validate

BATCH = {
    "pronounce": 60, "autoencode": 384, "predict": 90, "decode": 90, "vocode": 128, "shrink": 192,
}  # fmt: skip
STAGES = tuple(BATCH)
# steps, learning rate, and the share of the first loss that may be left
LESSON = {
    "pronounce": (80, 0.01, 0.15),
    "autoencode": (60, 0.01, 0.5),
    "predict": (80, 0.01, 0.3),
    "decode": (60, 0.01, 0.6),
    "vocode": (40, 0.01, 0.7),
    "shrink": (60, 0.0001, 0.8),
}


def settings(stage: str, folders: dict[str, Path], **values: Any) -> TrainConfig:
    base: dict[str, Any] = {
        "stage": stage,
        "cache": str(folders["cache"]),
        "out": "unused",
        "size": "tiny",
        "start": "" if stage == "pronounce" else str(folders["start"]),
        "vocoder": str(folders["vocoder"]),
        "layers": 1,
        "batch": BATCH[stage],
        "final_rate": 1.0,
        "warm_up": 0,
        "history_noise": 0.0,
        "history_drop": 0.0,
    }
    return TrainConfig(**(base | values))


@pytest.fixture(scope="module")
def folders(training_cache: Path, start: Path, tiny_vocoder: Path) -> dict[str, Path]:
    return {"cache": training_cache, "start": start, "vocoder": tiny_vocoder}


def study(stage: Stage, config: TrainConfig, steps: int) -> list[float]:
    """Losses of many steps on the first batch."""
    parameters, batch = stage.trained(), stage.epoch(0, 0)[0]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(0)
    stage.network.train()
    run = (
        optimise(stage, batch, optimizer, parameters, generator, config, 0) for _ in range(steps)
    )
    return [float(loss.total.detach()) for loss in run]


@pytest.mark.parametrize("name", STAGES)
def test_learns_one_batch_by_heart(name: str, folders: dict[str, Path]) -> None:
    steps, rate, left = LESSON[name]
    config = settings(name, folders, learning_rate=rate)
    losses = study(make_stage(config), config, steps)
    assert np.mean(losses[-5:]) < left * losses[0]


@pytest.mark.parametrize(
    ("name", "values", "parts"),
    [
        ("pronounce", {}, {"text_encoder"}),
        ("autoencode", {}, {"audio_encoder", "mel_decoder"}),
        ("predict", {}, {"text_encoder", "durations", "predictor", "voices"}),
        ("predict", {"freeze_text": True}, {"durations", "predictor", "voices"}),
        ("decode", {}, {"mel_decoder"}),
    ],
)
def test_only_its_own_parts_change(
    name: str, values: dict[str, Any], parts: set[str], folders: dict[str, Path]
) -> None:
    config = settings(name, folders, **values)
    stage = make_stage(config)
    before = {key: value.clone() for key, value in stage.network.state_dict().items()}
    study(stage, config, 2)
    after = stage.network.state_dict()
    changed = {key for key, value in before.items() if not torch.equal(after[key], value)}
    assert {key.split(".")[0] for key in changed} == parts
    assert not any("audio_encoder.projection" in key for key in changed)


@pytest.mark.parametrize("name", STAGES)
def test_epochs_are_seeded_and_use_training_rows_alone(name: str, folders: dict[str, Path]) -> None:
    stage = make_stage(settings(name, folders))
    first, again, other = stage.epoch(3, 0), stage.epoch(3, 0), stage.epoch(3, 1)
    assert first == again
    assert first != other
    items = [item for batch in first for item in batch]
    if name == "pronounce":
        assert len({item.text for item in items}) == len(items) == 8
        assert not {item.text for item in items} & {row.text for row in stage.held_out}
    else:
        rows = [item if isinstance(item, int) else item[0] for item in items]
        assert set(rows) <= set(range(8))
        assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("name", STAGES)
def test_validation_is_repeatable_and_finite(name: str, folders: dict[str, Path]) -> None:
    stage = make_stage(settings(name, folders))
    figures = validate(stage)
    assert figures == pytest.approx(validate(stage), nan_ok=True)
    assert all(np.isfinite(v) for k, v in figures.items() if not k.startswith("pitch"))
    assert stage.network.training
    with torch.no_grad():
        media = stage.media()
    for picture in media.pictures.values():
        assert picture.shape[0] == 100
    for sound in media.sounds.values():
        assert sound.ndim == 1
        assert np.abs(sound).max() <= 1.0


def test_lexicon_words_join_the_sentences(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "words.jsonl").write_text('{"text": "toll", "phonemes": "tol"}\n', "utf-8")
    config = settings("pronounce", folders, lexicon=str(tmp_path / "words.jsonl"))
    items = [item for batch in make_stage(config).epoch(0, 0) for item in batch]
    words = [item for item in items if set(item.text.split()) == {"toll"}]
    assert len(words) == int(0.3 * 8)
    assert all(item.phonemes == item.text.replace("toll", "tol") for item in words)


def test_autoencoder_starts_as_principal_components(folders: dict[str, Path]) -> None:
    stage = make_stage(settings("autoencode", folders))
    assert isinstance(stage, Autoencode)
    stacked = np.concatenate([stage.corpus.mel_of(i).numpy() for i in stage.rows])
    stacked = stacked.reshape(-1, STRIDE * 100).astype(np.float64)
    mean = stacked.mean(0)
    basis = np.linalg.svd(stacked - mean, full_matrices=False)[2][: 24 - PITCH_DIMENSIONS]
    mel = stage.corpus.mel_of(stage.held_out[0]).T[None]
    with torch.no_grad():
        got = stage.network.mel_decoder(stage.network.audio_encoder(mel).mean)[0].T.numpy()
    rows = mel[0].T.reshape(-1, STRIDE * 100).double().numpy() - mean
    want = (rows @ basis.T @ basis + mean).reshape(-1, 100)
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_autoencoder_does_not_start_twice(folders: dict[str, Path], tmp_path: Path) -> None:
    config = settings("autoencode", folders)
    stage = make_stage(config)
    study(stage, config, 2)
    stage.save(tmp_path)
    again = make_stage(replace(config, start=str(tmp_path), seed=7)).network.state_dict()
    for name, tensor in stage.network.state_dict().items():
        assert torch.equal(again[name], tensor), name


def test_autoencoder_wants_pitch(folders: dict[str, Path], manifest: Path, tmp_path: Path) -> None:
    from jepa_tts.preprocess import preprocess

    preprocess(manifest, tmp_path, pitch_share=0.0, limit=2)
    with pytest.raises(ValueError, match="no training rows of a second or more with measured"):
        make_stage(settings("autoencode", folders | {"cache": tmp_path}))


def test_latents_carry_the_pitch_that_the_loss_asks_for() -> None:
    pitch = torch.tensor([[0.0, 110.0, 220.0, 0.0, 333.0, 95.0, 0.0, 0.0]])
    mean = torch.zeros(1, 2, 24)
    for frame, hertz in enumerate(pitch[0].tolist()):
        latent, slot = divmod(frame, STRIDE)
        scaled = (np.log(max(hertz, 1.0)) - autoencode.PITCH_CENTRE) / autoencode.PITCH_SPREAD
        mean[0, latent, 2 * slot] = scaled * (hertz > 0)
        mean[0, latent, 2 * slot + 1] = 1.0 if hertz > 0 else -1.0
    assert float(autoencode.pitch_loss(mean, pitch)) == pytest.approx(0.0, abs=1e-8)
    torch.testing.assert_close(autoencode.latent_pitch(mean), pitch, atol=1e-2, rtol=0)
    assert float(autoencode.pitch_loss(mean + 0.5, pitch)) == pytest.approx(0.5, abs=1e-5)


def test_history_is_noised_and_dropped(folders: dict[str, Path]) -> None:
    plain = make_stage(settings("predict", folders))
    assert isinstance(plain, Predict)
    latents = 1.0 + torch.rand(64, 50, 24)
    assert torch.equal(plain.corrupt(latents, torch.Generator()), latents)
    dropping = make_stage(settings("predict", folders, history_drop=0.25))
    gone = (dropping.corrupt(latents, torch.Generator()) == 0).all(-1)
    assert float(gone.float().mean()) == pytest.approx(0.25, abs=0.02)
    noisy = make_stage(settings("predict", folders, history_noise=0.5))
    noise = noisy.corrupt(latents, torch.Generator().manual_seed(0)) - latents
    spread = noise.std((0, 1)) / noisy.deviation
    torch.testing.assert_close(spread, torch.full((24,), 0.5 / 3**0.5), atol=0.03, rtol=0)


def test_own_output_is_fed_back_late(folders: dict[str, Path]) -> None:
    stage = make_stage(settings("predict", folders, feedback=1.0))
    batch = stage.epoch(0, 0)[0]
    with torch.no_grad():
        early, late = (
            float(stage.loss(batch, progress, torch.Generator().manual_seed(0)).total)
            for progress in (0.0, 1.0)
        )
    assert early != late


def test_unnamed_speakers_are_heard(folders: dict[str, Path], tmp_path: Path) -> None:
    """A model without named voices still trains: every voice comes from a clip."""
    from jepa_tts.checkpoint import load_model
    from jepa_tts.model import JepaModel

    config = replace(load_model(folders["start"]).config, speakers=())
    save_model(JepaModel(config), tmp_path)
    stage = make_stage(settings("predict", folders | {"start": tmp_path}))
    loss = stage.loss(stage.epoch(0, 0)[0], 0.0, torch.Generator().manual_seed(0))
    loss.total.backward()
    voices = stage.network.voices
    assert voices.out.weight.grad is not None
    assert bool(voices.out.weight.grad.any())


def test_waveform_losses_are_zero_on_equal_speech_only() -> None:
    real = 0.1 * torch.randn(2, 8000)
    for loss in (vocode.stft_loss, vocode.mel_loss):
        assert float(loss(real, real)) == 0.0
        assert float(loss(0.5 * real, real)) > 0.1
        assert float(loss(real.roll(1, 0), real)) > 0.01


def test_vocoder_pitch_loss() -> None:
    pitch = torch.tensor([[0.0, 164.0, 220.0]])
    heard = torch.zeros(1, 3, 2)
    heard[..., 0] = (pitch.clamp_min(1).log() - vocode.PITCH_CENTRE) / vocode.PITCH_SPREAD
    heard[..., 1] = torch.tensor([-50.0, 50.0, 50.0])
    assert float(vocode.pitch_loss(heard, pitch)) == pytest.approx(0.0, abs=1e-6)
    heard[..., 0] += 0.25
    assert float(vocode.pitch_loss(heard, pitch)) == pytest.approx(0.25, abs=1e-6)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_judges_and_vocoder_pull_apart() -> None:
    """The judges do not learn from being fooled, nor the speech from being recognised."""
    from vocos.loss import DiscriminatorLoss

    from jepa_tts.stages.adversary import RESOLUTION_WEIGHT, Judges, adversarial_loss

    judges = Judges()
    real, made = 0.1 * torch.randn(2, 1, 4096)
    made.requires_grad_(True)
    loss = adversarial_loss(judges, real, made)
    loss.total.backward()
    got = {name: p.grad.clone() for name, p in judges.named_parameters() if p.grad is not None}
    assert made.grad is not None
    assert bool(made.grad.any())
    judges.zero_grad()
    alone = torch.zeros(())
    for weight, seen in zip((1.0, RESOLUTION_WEIGHT), judges(real, made.detach()), strict=True):
        alone = alone + weight * DiscriminatorLoss()(seen[0], seen[1])[0] / len(seen[0])
    alone.backward()
    for name, parameter in judges.named_parameters():
        torch.testing.assert_close(got[name], parameter.grad, msg=name)
    assert float(loss.total.detach()) == pytest.approx(sum(loss.parts.values()), rel=1e-4)
    assert loss.parts["judges"] == pytest.approx(float(alone.detach()), rel=1e-4)


def test_a_language_is_learnt_beside_what_is_there(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """The loss falls, a resumable state is kept, and the saved model is the base but for that."""
    config = settings("predict", folders, language="xx", rank=2, learning_rate=0.01)
    stage = make_stage(config)
    before = {k: v.clone() for k, v in load_model(folders["start"]).state_dict().items()}
    losses = study(stage, config, 40)
    assert losses[-1] < 0.6 * losses[0]
    stage.save(tmp_path)
    for name, weight in load_model(tmp_path).state_dict().items():
        change = weight - before[name]
        if name.startswith(("audio_encoder", "mel_decoder", "voices", "predictor.norms")):
            assert not change.any(), name
        elif name == "predictor.latent_out.weight":
            assert int(torch.linalg.matrix_rank(change, rtol=1e-4)) == config.rank
        elif name == "text_encoder.embedding.weight":
            assert change.any()


def test_a_language_spells_with_its_own_phonemes(folders: dict[str, Path], tmp_path: Path) -> None:
    """The head is new, the encoder under it is the base's."""
    base = replace(load_model(folders["start"]).config, phonemes="xyz")
    save_model(JepaModel(base), tmp_path)
    config = settings("pronounce", folders, language="xx", start=str(tmp_path))
    network = make_stage(config).network
    assert isinstance(network, JepaModel)
    assert set(network.config.phonemes) > set("aeh")
    known = load_model(tmp_path).state_dict()
    for name, weight in network.text_encoder.state_dict().items():
        if not name.startswith("phoneme_head"):
            torch.testing.assert_close(weight, known[f"text_encoder.{name}"])


def test_a_language_needs_a_model_to_be_added_to(folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="start must be the model that the language is added to"):
        settings("predict", folders, language="xx", start="")
