"""A small run is judged whole: every system, the other voices, the choice, the files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from listening import Deaf, NamedToy, ToneEncoder, make_run
from toy import ToySpeech

from tts_lora.assessment import AssessmentError, assess, kept, promote, trained_on
from tts_lora.card import VoiceCard
from tts_lora.folder import read_adapter
from tts_lora.heldout import HeldOutError, held_out
from tts_lora.selection import Selection, SelectionConfig, SelectionError
from tts_lora.validate import ADAPTER, BASE, PROMPT, RECORDING, ValidateConfig, choose, validate
from tts_lora.validation import Standing, Validation
from voice_data.encoded import EncodedSet, EncodedSetError
from voice_data.score import Statistic, scorer

METRICS = ("wer", "similarity", "rate")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run; tests that change it copy it."""
    return make_run(tmp_path_factory.mktemp("run"), model=NamedToy()).folder


@pytest.fixture(autouse=True)
def _quick_ears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer, "SpeakerEncoder", ToneEncoder)


def config_of(**values: Any) -> ValidateConfig:
    return ValidateConfig(**{"metrics": METRICS, "limit": 3, "voice_sentences": 2, **values})


@pytest.mark.parametrize("texts", ["one two", ("one", " ")])
def test_texts_are_a_list_of_texts(texts: Any) -> None:
    with pytest.raises(ValueError, match=r"texts must be a list of texts"):
        ValidateConfig(texts=texts)


def test_every_system_is_judged_and_the_model_is_left_alone(finished: Path, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(finished, tmp_path / "run"))
    model = NamedToy()
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    found = assess(adapter, config_of(), model=model, recogniser=Deaf(), out=tmp_path / "out")
    names = [each.name for each in found.standings]
    assert names == [RECORDING, BASE, PROMPT, ADAPTER, "step-000002"]
    for standing in found.standings:
        assert standing.figures["similarity"].count == 3
        assert {"wer", "similarity_ceiling", "words_per_second"} <= set(standing.figures)
    assert {(each.system, each.voice) for each in found.others} == {
        (system, voice) for system in (ADAPTER, "step-000002") for voice in ("low", "high")
    }
    adapted = next(each for each in found.standings if each.kind == "adapter")
    mine = [each for each in found.others if each.system == ADAPTER]
    changes = [(each.wer or 0.0) - (each.base_wer or 0.0) for each in mine]
    assert adapted.degradation == pytest.approx(sum(changes) / 2)
    assert found.probe is not None
    assert found.probe.reload_equal
    assert found.probe.output_change > 0
    for key, value in model.network.state_dict().items():
        assert torch.equal(value, before[key]), key
    check_files(tmp_path / "out", adapter, found)


def test_other_texts_can_be_judged_by(finished: Path) -> None:
    data, model = EncodedSet(trained_on(finished)), NamedToy()
    config = config_of(texts=("one two", "three"), probe=False)
    heard = validate(model, finished, data, config, recogniser=Deaf())
    own = [each.text for each in held_out(data, limit=3)][:2]
    for standing in heard.validation.standings:
        texts = [each.sentence.text for each in heard.spoken if each.system == standing.name]
        assert texts == (own if standing.name == RECORDING else ["one two", "three"])
        assert standing.figures["similarity"].count == 2


def check_files(out: Path, adapter: Path, found: Validation) -> None:
    values = json.loads((out / "validation.json").read_text("utf-8"))
    assert [row["name"] for row in values["rows"]] == [each.name for each in found.standings]
    page = (out / "validation.html").read_text("utf-8")
    assert page.count("<audio ") == 3 * 5  # sentences x systems
    assert "data:audio/flac;base64," in page
    metrics = VoiceCard.read(adapter).metrics
    assert metrics["step"] == 4  # what training wrote is kept
    assert metrics["validation"]["rows"][ADAPTER]["similarity"] == pytest.approx(
        next(e for e in found.standings if e.kind == "adapter").mean("similarity")
    )
    assert metrics["validation"]["selection"] == found.to_dict()["selection"]
    read_adapter(adapter)  # the card still fits its files


def test_the_same_call_finds_the_same(finished: Path) -> None:
    data = EncodedSet(trained_on(finished))
    options: dict[str, Any] = {"recogniser": Deaf(), "condition": read_adapter(finished).condition}
    config = config_of(probe=False)
    tables = [
        validate(NamedToy(), finished, data, config, **options).validation.to_dict()
        for _ in range(2)
    ]
    assert tables[0] == tables[1]


def test_a_base_without_names_has_no_degradation(finished: Path) -> None:
    data = EncodedSet(trained_on(finished))
    found = validate(
        ToySpeech(), finished, data, config_of(probe=False, metrics=("rate",)), recogniser=Deaf()
    ).validation
    assert found.others == ()
    assert found.selection is None  # a rate says nothing about which is better
    assert all(each.degradation is None for each in found.standings)


def statistic(mean: float) -> Statistic:
    return Statistic(count=1, mean=mean, median=mean, low=mean, high=mean)


def standing(name: str, kind: Any, folder: str = "", **means: float) -> Standing:
    figures = {key: statistic(value) for key, value in means.items()}
    return Standing(name=name, kind=kind, folder=folder, figures=figures)


def test_the_choice_is_by_the_table() -> None:
    table = (
        standing("base", "base", wer=0.05),
        standing("base + prompt", "prompt", wer=0.05, similarity=0.99),
        standing("adapter", "adapter", wer=0.2, similarity=0.9),
        standing("step-2", "checkpoint", wer=0.06, similarity=0.8),
    )
    chosen = choose(table, SelectionConfig())
    assert chosen is not None
    assert chosen.chosen == "step-2"  # the prompt is no candidate, the adapter fails the gate
    assert list(chosen.refused) == ["adapter"]


def test_the_chosen_checkpoint_becomes_the_adapter(finished: Path, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(finished, tmp_path / "run"))
    early = kept(adapter)["step-000002"]
    wanted = (early / "adapter_model.safetensors").read_bytes()
    assert wanted != (adapter / "adapter_model.safetensors").read_bytes()
    table = (standing("step-000002", "checkpoint", folder=str(early), similarity=0.9),)
    chosen = Selection(chosen="step-000002", why="it is")
    found = Validation(
        adapter=str(adapter), standings=table, others=(), probe=None, selection=chosen, settings={}
    )
    promote(adapter, found)
    assert (adapter / "adapter_model.safetensors").read_bytes() == wanted
    assert read_adapter(adapter).card.metrics["promoted"] == "step-000002"
    assert "step-000002" not in kept(adapter)  # it is the adapter now
    nothing = Validation(
        adapter="", standings=(), others=(), probe=None, selection=None, settings={}
    )
    with pytest.raises(SelectionError, match="nothing to promote"):
        promote(adapter, nothing)


def test_held_out_sentences_are_drawn_with_references(finished: Path) -> None:
    data = EncodedSet(trained_on(finished))
    every = held_out(data, limit=99, references=5)
    assert {each.position for each in every} == set(data.of_split("validation"))
    for sentence in every:
        assert len(sentence.references) == 5
        assert sentence.recording not in sentence.references
        assert sentence.recording.is_file()
    splits = {data.audio_of(i): split for i, split in enumerate(data.splits)}
    first = [splits[path] for path in every[0].references]
    assert first == sorted(first, key=lambda split: split != "validation")  # held-out ones first
    few = held_out(data, limit=2, seed=1)
    assert few == held_out(data, limit=2, seed=1)
    assert len(few) == 2
    with pytest.raises(HeldOutError, match=r"no clips of speaker 'bob' \(there are 'ann'\)"):
        held_out(data, speaker="bob")


def test_another_base_and_lost_data(finished: Path, tmp_path: Path) -> None:
    data = EncodedSet(trained_on(finished))
    with pytest.raises(EncodedSetError, match="prepare the set for this base"):
        validate(ToySpeech(seed=1), finished, data, config_of())
    adapter = Path(shutil.copytree(finished, tmp_path / "run"))
    values = json.loads((adapter / "train.json").read_text("utf-8"))
    (adapter / "train.json").write_text(json.dumps({**values, "data": "gone"}), "utf-8")
    with pytest.raises(AssessmentError, match="gone, which is not there: give --data"):
        assess(adapter, config_of(), model=ToySpeech())
    (adapter / "train.json").unlink()
    with pytest.raises(AssessmentError, match="does not say what"):
        assess(adapter, config_of(), model=ToySpeech())


@pytest.mark.parametrize("values", [{"limit": 0}, {"threads": 0}, {"voices": -1}, {"seed": -1}])
def test_wrong_settings(values: dict[str, int]) -> None:
    (name,) = values
    with pytest.raises(ValueError, match=f"ValidateConfig.{name} must be at least"):
        ValidateConfig(**values)  # type: ignore[arg-type]
