"""The port: found by name, trainable without alignments, the same voice as the package's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from jepa_tts.checkpoint import load_model
from jepa_tts.speech import JepaSpeech, load
from jepa_tts.tts import JepaTTS
from voice_data.audio import Audio
from voice_data.dataset import Example
from voice_data.manifest import Utterance
from voice_data.speech import SpeechModelError

RATE = 24_000


def example(text: str, seconds: float, speaker: str = "ada", rate: int = RATE) -> Example:
    """A clip of a rising tone."""
    times = np.arange(int(seconds * rate)) / rate
    samples = (0.3 * np.sin(2 * np.pi * (150 + 100 * times) * times)).astype(np.float32)
    utterance = Utterance(id=text[:3], audio="a.wav", text=text, speaker=speaker)
    return Example(utterance=utterance, audio=Audio(samples, rate))


@pytest.fixture
def speech(package: Path) -> JepaSpeech:
    """A model of one's own, to train."""
    return load(package)


def test_speaks_like_the_package(speech: JepaSpeech, package: Path) -> None:
    assert speech.sample_rate == RATE
    assert speech.network is speech.tts.model
    own = JepaTTS.from_pretrained(package).speak("Two words.", voice="bert", seed=4)
    np.testing.assert_array_equal(speech.speak("Two words.", voice="bert", seed=4).samples,
                                  own.samples)  # fmt: skip
    parts = list(speech.stream("One. Two.", seed=1))
    assert len(parts) == 2
    assert speech.speak("One.").duration > 0


def test_collate_pads_and_names(speech: JepaSpeech) -> None:
    batch = speech.collate([example("Twelve 12.", 1.0), example("Hi.", 0.5, speaker="someone")])
    assert batch.voices.tolist() == [0, -1]
    assert batch.frames.tolist() == [23, 11]
    assert batch.mel.shape == (2, 100, 92)
    assert bytes(i - 3 for i in batch.ids[0].tolist() if i > 2).decode() == "Twelve twelve."


def test_collate_refuses(speech: JepaSpeech) -> None:
    with pytest.raises(SpeechModelError, match="nothing to collate"):
        speech.collate([])
    with pytest.raises(SpeechModelError, match="clip 'Hi' has 16000 Hz and 24000 Hz are wanted"):
        speech.collate([example("Hi", 1.0, rate=16_000)])
    with pytest.raises(SpeechModelError, match=r"clip 'Hi' lasts 0\.10 s: drop it"):
        speech.collate([example("Hi", 0.1)])


def test_padding_does_not_change_the_loss(speech: JepaSpeech) -> None:
    rows = [example("One two three.", 2.0), example("Four.", 0.7, speaker="else")]
    with torch.no_grad():
        both = speech.loss(speech.collate(rows)).parts["mse"]
        alone = [speech.loss(speech.collate([row])) for row in rows]
        frames = [int(speech.collate([row]).frames[0]) for row in rows]
    mean = sum(part.parts["mse"] * n for part, n in zip(alone, frames, strict=True)) / sum(frames)
    assert both == pytest.approx(mean, rel=1e-4)


def test_every_part_that_speaks_gets_a_gradient(speech: JepaSpeech) -> None:
    network = speech.network
    rows = [example("One two three.", 1.5), example("Four.", 0.7, speaker="else")]
    loss = speech.loss(speech.collate(rows))
    assert set(loss.parts) == {"mse", "stop", "tempo"}
    loss.total.backward()
    without = {
        name.split(".")[0]
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    touched = {
        name.split(".")[0]
        for name, parameter in network.named_parameters()
        if parameter.grad is not None and parameter.grad.any()
    }
    assert {"text_encoder", "predictor", "durations", "voices"} <= touched
    assert {"audio_encoder", "mel_decoder"} <= without
    assert {"audio_encoder", "mel_decoder"}.isdisjoint(touched)


def test_one_batch_is_learnt(speech: JepaSpeech) -> None:
    network = speech.network
    network.train()
    batch = speech.collate([example("One two three.", 1.5), example("Four.", 0.7)])
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    torch.manual_seed(0)
    losses = []
    for _ in range(40):
        loss = speech.loss(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.total.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_equal_random_state_gives_equal_loss(speech: JepaSpeech) -> None:
    speech.network.train()
    batch = speech.collate([example("One.", 1.0)])
    values = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        values.append(float(speech.loss(batch).total.detach()))
    assert values[0] == values[1] != values[2]


def test_training_folders_stay_loadable(speech: JepaSpeech, tmp_path: Path) -> None:
    from jepa_tts.checkpoint import save_model

    save_model(speech.network, tmp_path)
    for name, tensor in load_model(tmp_path).state_dict().items():
        assert torch.equal(tensor, speech.network.state_dict()[name])
