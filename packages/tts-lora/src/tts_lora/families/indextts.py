"""IndexTTS: text and a voice's latents in, mel codes out. Adapters sit in its GPT-2 blocks.

The codes are those of a codec that is in no package: they come with the clips, or from a codec that
is given; sound comes from a vocoder that is given. Letters: B batch, N text tokens with start and
stop, T codes, C latents, D width, V codes that there are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from tts_lora.families import indextts_checkpoint as checkpoint
from tts_lora.families.clip import check_clip, no_names
from tts_lora.families.codec import located
from tts_lora.families.family import Family
from tts_lora.families.indextts_clip import codes_of, emotion_of, given_tensors, voice_of
from tts_lora.families.indextts_emotions import Emotions
from tts_lora.families.indextts_text import Tokens
from tts_lora.families.sampling import GREEDY, SamplingConfig
from tts_lora.families.weights import evaluating
from voice_data.speech import Condition, Encoded, Loss, Path, SpeechModelError, Trace

if TYPE_CHECKING:
    from torch import Tensor

    from tts_lora.families.indextts_network import Written
    from voice_data.dataset import Example

TEXT_WEIGHT = 0.01
"""Of the text's own loss: as in XTTS, whose language model this is. The text is given when it is
spoken; to say it too only keeps what the states know of it."""
SAMPLING = SamplingConfig(temperature=1.0, top_k=30, top_p=0.8, repetition_penalty=10.0)
"""What IndexTTS speaks with, but without its beams."""
SECONDS_PER_TOKEN, SECONDS_AT_LEAST = 1.0, 3.0  # speech that goes on for longer lost its text
TOKENS_PER_SENTENCE = 120
_GPT = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
_HEADS, _EMBEDDINGS = ("text_head", "mel_head"), ("text_embedding", "mel_embedding")

_log = logging.getLogger(__name__)


class IndexTTS(Family):
    """A :class:`voice_data.speech.SpeechModel` around IndexTTS's language model."""

    def __init__(
        self,
        network: Any,
        tokens: Any,
        settings: checkpoint.Settings,
        *,
        emotions: Emotions | None = None,
        folder: File | None = None,
        codec: Any = None,
        vocoder: checkpoint.Vocoder | None = None,
    ) -> None:
        """``folder`` has a folder ``codes`` with a file for each clip; ``codec.encode`` makes codes
        [1, T] of samples [S] for clips without. The vocoder of ``settings`` is loaded when heard.
        """
        super().__init__(network)
        self.codec, self.vocoder, self.sampling = codec, vocoder, SAMPLING
        self._tokens, self._settings = Tokens(tokens, settings.gpt), settings
        self._emotions, self._folder = emotions, folder

    @property
    def sample_rate(self) -> int:
        """Hz of what it reads and speaks."""
        return self._settings.sample_rate

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]:
        """``gpt`` (attention and feed-forward), ``attention``, ``heads`` (``gpt`` and both heads),
        ``all`` (and both embeddings).
        """
        heads = _GPT + _HEADS
        return {"gpt": _GPT, "attention": _GPT[:2], "heads": heads, "all": heads + _EMBEDDINGS}

    @property
    def context(self) -> int:
        """Positions of voice, text and codes with their starts and stops."""
        gpt = self._settings.gpt
        return gpt.conditioning_length + gpt.max_text_tokens + 2 + gpt.max_mel_tokens + 1

    def encode(self, example: Example) -> Encoded:
        """``text`` [N] and ``codes`` [T] int64, ``latents`` [C, D], and where known ``emovec`` [D],
        ``emotion`` [8], ``style`` [X].

        Codes are ``utterance.extra["codes"]``, or in the clip's file, or the codec's. A file may
        hold each of these tensors, or ``features`` [F, M] for the network to hear the voice in;
        IndexTTS 1.5 hears it in the clip itself. ``utterance.extra["emotion"]`` has eight weights.

        Raises:
            SpeechModelError: for a clip at another rate, too short, too long, without text, codes
                or a voice, or whose tensors do not fit.
        """
        check_clip(example, self.sample_rate)
        name = example.utterance.id
        known, gpt = given_tensors(self._folder, name), self._settings.gpt
        text = self._tokens(self._normal(example.utterance.text))
        encoded = {"text": text, "codes": codes_of(example, known, gpt, self.codec)}
        encoded |= voice_of(example, known, gpt, self._hear)
        if (emotion := emotion_of(example, known)) is not None:
            self._known_emotions()
            encoded["emotion"] = emotion
        if (count := len(encoded["codes"])) > gpt.max_mel_tokens:
            raise SpeechModelError(
                f"clip {name!r} has {count} codes and IndexTTS takes {gpt.max_mel_tokens}: "
                "segment it"
            )
        return encoded

    def length(self, encoded: Encoded) -> int:
        """Positions of voice, text and codes with their starts and stops."""
        gpt = self._settings.gpt
        return gpt.conditioning_length + len(encoded["text"]) + len(encoded["codes"]) + 1

    def condition(self, encoded: Sequence[Encoded]) -> Condition:
        """The voice of the clip whose latents are nearest to the mean of all; no emotion."""
        import torch

        if not encoded:
            raise SpeechModelError("a condition needs a clip")
        latents = torch.stack([each["latents"] for each in encoded])
        nearest = int(((latents - latents.mean(0)) ** 2).flatten(1).sum(1).argmin())
        told = encoded[nearest]
        return {key: told[key] for key in ("latents", "emovec", "style") if key in told}

    def collate(
        self, encoded: Sequence[Encoded], conditions: Sequence[Condition] | None = None
    ) -> dict[str, Tensor]:
        """``text`` [B, N], ``codes`` [B, T], ``text_length``, ``codes_length`` [B], ``latents``
        [B, C, D], and ``emovec`` [B, D] of IndexTTS 2: a condition's voice, the clip's own emotion.

        Raises:
            SpeechModelError: if there are no clips.
        """
        import torch

        from voice_data.dataset import pad

        if not encoded:
            raise SpeechModelError("there is nothing to collate: a batch needs a clip")
        told = encoded if conditions is None else conditions
        text, codes = (pad([each[key] for each in encoded]) for key in ("text", "codes"))
        batch = {
            "text": text.values,
            "text_length": text.lengths,
            "codes": codes.values,
            "codes_length": codes.lengths,
            "latents": torch.stack([voice["latents"] for voice in told]),
        }
        if self._feels:
            felt = [each.get("emotion") for each in encoded]
            pairs = zip(told, felt, strict=True)
            batch["emovec"] = torch.stack([self._emovec(*pair) for pair in pairs])
        return batch

    def loss(self, batch: Mapping[str, Tensor]) -> Loss:
        """Cross-entropy of the codes with their stop, and a little of the text's."""
        terms = self._terms(batch)
        total = terms["codes"] + TEXT_WEIGHT * terms["text"]
        named = {k: float(v.detach()) for k, v in terms.items()}
        return Loss(total=total, parts=named, positions=int((batch["codes_length"] + 1).sum()))

    def _terms(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What :meth:`loss` weighs. Neither asks anything of the head of the other."""
        from torch.nn.functional import cross_entropy

        from tts_lora.families import indextts_network as layout

        batch, network = self._here(batch), self._network
        states = network(batch)
        labels, mask = layout.code_labels(network, batch)
        text, said = layout.text_labels(batch)
        return {
            "codes": cross_entropy(network.mel_head(states.codes[mask]).float(), labels[mask]),
            "text": cross_entropy(network.text_head(states.text[said]).float(), text[said]),
        }

    def trace(self, batch: Mapping[str, Tensor], path: Path = "loss") -> Trace:
        """Logits [B, T + 1, V] and codes with the stop [B, T + 1]. No dropout."""
        from tts_lora.families import indextts_network as layout

        batch = self._here(batch)
        with evaluating(self._network):
            if path != "loss":
                return layout.fed(self._network, batch, cached=path == "cached")
            labels, mask = layout.code_labels(self._network, batch)
            logits = self._network.mel_head(self._network(batch).codes)
        return Trace(outputs=logits, labels=labels, mask=mask)

    def generate_units(self, text: str, condition: Condition) -> Tensor:
        """The likeliest codes [T] of a text of one sentence."""
        return self._written(text, condition, GREEDY).codes

    def save_pretrained(self, folder: str | File) -> None:
        """Write what :func:`load` reads: settings, weights, tokens, emotions."""
        tokens = self._tokens.processor
        checkpoint.write(File(folder), self._network, self._settings, tokens, self._emotions)

    @property
    def _feels(self) -> bool:
        return self._settings.gpt.emo_condition_module is not None

    @property
    def _most_units(self) -> int:
        return min(TOKENS_PER_SENTENCE, self._settings.gpt.max_text_tokens)

    def _units(self, text: str) -> int:
        return len(self._tokens.processor.encode(text.upper()))

    def _hear(self, frames: Tensor) -> dict[str, Tensor]:
        import torch

        with evaluating(self._network), torch.no_grad():
            heard = self._network.hear(self._here({"frames": frames})["frames"])
        return {key: value.cpu() for key, value in heard.items()}

    def _known_emotions(self) -> Emotions:
        if self._emotions is None or not self._feels:
            raise SpeechModelError(
                "this checkpoint has no emotions: IndexTTS 2 has them, with the tensors 'matrix' "
                "and 'styles' in emotions.safetensors beside its weights"
            )
        return self._emotions

    def _emovec(self, voice: Mapping[str, Tensor], emotion: Tensor | None) -> Tensor:
        if emotion is None:
            return voice["emovec"]
        return self._known_emotions().mixed(voice["emovec"], emotion, voice.get("style"))

    def _written(self, text: str, voice: Condition, sampling: SamplingConfig) -> Written:
        from tts_lora.families.indextts_network import write_codes

        gpt, ids = self._settings.gpt, self._tokens(text)
        batch = {"text": ids[None], "latents": voice["latents"][None]}
        if self._feels:
            batch["emovec"] = self._emovec(voice, voice.get("emotion"))[None]
        seconds = SECONDS_AT_LEAST + SECONDS_PER_TOKEN * len(ids)
        most = min(gpt.max_mel_tokens, round(seconds * gpt.codes_per_second))
        written = write_codes(self._network, self._here(batch), sampling, most)
        if len(written.codes) == most:
            _log.warning("%r did not end by itself in %d codes", text, most)
        return written

    def _sound(self, text: str, voice: str | Condition | None) -> Tensor:
        import torch

        no_names(voice, "IndexTTS")
        if voice is None or isinstance(voice, str):
            raise SpeechModelError(
                "IndexTTS speaks with a voice that it has heard: pass the condition of some clips "
                "(SpeechModel.condition)"
            )
        if self.vocoder is None:
            self.vocoder = checkpoint.find_vocoder(self._settings.vocoder)
        written = self._written(text, voice, self.sampling)
        if not len(written.codes):
            _log.warning("nothing was said for %r: the model ended at once", text)
            return torch.zeros(self.sample_rate)
        return self.vocoder(written.states, written.codes, voice)


def load(path: str | None = None) -> IndexTTS:
    """The entry point ``indextts``: a folder or hub id with settings, safetensors and tokens.

    Raises:
        SpeechModelError: if it cannot be loaded; the reason is named.
        ImportError: without sentencepiece.
    """
    from tts_lora.families.indextts_network import IndexTTSNetwork

    if path is None:
        raise SpeechModelError(
            "the published weights of IndexTTS are pickles, which are not read here: fetch "
            "IndexTeam/IndexTTS-1.5 yourself, and name its folder, as in indextts:FOLDER"
        )
    folder = located(path, ("*.json", "*.yaml", "*.safetensors", "*.model"))
    settings = checkpoint.read_settings(folder)
    network = IndexTTSNetwork(settings.gpt).eval()
    checkpoint.read_weights(folder, network)
    emotions = checkpoint.read_emotions(folder, settings.emotion_counts)
    tokens = checkpoint.read_tokens(folder)
    return IndexTTS(network, tokens, settings, emotions=emotions, folder=folder)
