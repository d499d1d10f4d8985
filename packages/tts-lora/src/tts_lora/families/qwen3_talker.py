"""The talker of Qwen3-TTS: its prompt, a clip taught at once, and speech frame by frame.

A frame has K codes. The talker says the first of the next frame, the code predictor the others one
after another. What the talker reads for a frame is the sum of its codes' embeddings and of the next
text token: text goes in while speech comes out. The package's own losses shift labels that are
already the next units, so they are not used. Letters: B batch, N text tokens, P positions of the
prompt, T frames, K codes of a frame, D width, V first codes, W other codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tts_lora.families.sampling import SamplingConfig, draw
from voice_data.speech import Trace

if TYPE_CHECKING:
    from torch import Tensor

ROLE, CLOSING = 3, 5
"""Tokens of ``<|im_start|>assistant\\n`` before the text, and of what follows it."""

RESERVED = 1024
"""The last of the first codes are marks, of which only that of the end may be said."""

_LANGUAGES = {
    "zh": "chinese", "en": "english", "ja": "japanese", "ko": "korean", "de": "german",
    "fr": "french", "ru": "russian", "pt": "portuguese", "es": "spanish", "it": "italian",
}  # fmt: skip

Choose = Callable[["Tensor", int], int]
"""The code to say, from logits [V or W], and which of the frame's codes it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the talker reads first, ``start`` [P, D], and ``text`` [N, D], a token per frame."""

    start: Tensor
    text: Tensor
    pad: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """Logits for the next units: ``first`` [B, T + 1, V], ``others`` [B, T, K - 1, W]."""

    first: Tensor
    others: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One frame: logits ``first`` [V] and ``others`` [K - 1, W], and the ``codes`` [K] it goes on
    from. At the end of speech there are no others, and the only code is the end's.
    """

    first: Tensor
    others: Tensor | None
    codes: list[int]


def language_code(network: Any, tag: str) -> int:
    """The mark of a language such as ``en-GB``, -1 where the checkpoint knows none."""
    codes = network.config.talker_config.codec_language_id or {}
    name = tag.lower().replace("_", "-").split("-")[0]
    return codes.get(_LANGUAGES.get(name, name), -1)


def prompt(talker: Any, config: Any, row: Mapping[str, Tensor]) -> Prompt:
    """The prompt of ``generate`` for a ``row``: ``ids`` [N] with role and closing, ``speaker`` [D]
    (empty: none), and ``language``, a code or -1; ``states`` [N, D], if given, replace the text.
    """
    import torch

    codec, device = talker.config, row["ids"].device

    def read(ids: Tensor) -> Tensor:
        return talker.text_projection(talker.get_text_embeddings()(ids))

    def said(*codes: int) -> Tensor:
        return talker.get_input_embeddings()(torch.tensor(codes, device=device))

    special = [config.tts_bos_token_id, config.tts_eos_token_id, config.tts_pad_token_id]
    begin, end, pad = read(torch.tensor(special, device=device)).split(1)
    language = int(row["language"])
    thought = (
        [codec.codec_nothink_id, codec.codec_think_bos_id]
        if language < 0
        else [codec.codec_think_id, codec.codec_think_bos_id, language]
    )
    tags = [said(*thought, codec.codec_think_eos_id)]
    if len(row["speaker"]):
        tags.append(row["speaker"][None].to(begin.dtype))
    tags.append(said(codec.codec_pad_id, codec.codec_bos_id))
    tag = torch.cat(tags)  # [P - ROLE, D]
    told = row["states"] if "states" in row else read(row["ids"][ROLE:-CLOSING])
    text = torch.cat([told, end])
    beside = torch.cat([pad.expand(len(tag) - 2, -1), begin, text[:1]])
    start = torch.cat([read(row["ids"][:ROLE]), beside + tag])
    return Prompt(start=start, text=text[1:], pad=pad)


def frame_embedding(talker: Any, codes: Tensor) -> Tensor:
    """The K codes of each frame [T, K] as embeddings [T, K, D]."""
    import torch

    others = talker.code_predictor.get_input_embeddings()
    rows = [talker.get_input_embeddings()(codes[:, 0])]
    rows += [embed(codes[:, place + 1]) for place, embed in enumerate(others)]
    return torch.stack(rows, 1)


def teach(talker: Any, config: Any, batch: Mapping[str, Tensor]) -> Taught:
    """All frames at once; the position that says a frame is the one before that reads it."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    rows, starts, embedded = [], [], []
    lengths = batch["mask"].sum(1).tolist()
    for index, frames in enumerate(lengths):
        first = prompt(talker, config, row_of(batch, index))
        heard = frame_embedding(talker, batch["codes"][index, :frames])
        rest = first.pad.expand(max(0, frames - len(first.text)), -1)
        text = torch.cat([first.text, rest])[:frames]
        rows.append(torch.cat([first.start, heard.sum(1) + text]))
        starts.append(len(first.start) - 1)
        embedded.append(heard)
    out = talker.model(inputs_embeds=pad_sequence(rows, batch_first=True), use_cache=False)
    hidden = [
        states[start : start + frames + 1]
        for states, start, frames in zip(out.last_hidden_state, starts, lengths, strict=True)
    ]
    first = pad_sequence([talker.codec_head(states) for states in hidden], batch_first=True)
    seen = torch.cat([states[:-1] for states in hidden])  # [all frames, D]
    inner = torch.cat([seen[:, None], torch.cat(embedded)[:, :-1]], 1)
    # Without labels: with them it would shift what is already the next code.
    others = talker.code_predictor.forward_finetune(inputs_embeds=inner, use_cache=False).logits
    return Taught(first=first, others=pad_sequence(others.split(lengths), batch_first=True))


def steps(
    talker: Any,
    config: Any,
    row: Mapping[str, Tensor],
    choose: Choose,
    *,
    cached: bool = True,
) -> Iterator[Step]:
    """Speak frame by frame what ``choose`` takes, until it takes the end of speech."""
    import torch

    begin = prompt(talker, config, row)
    history, cache, frame = begin.start[None], None, 0
    new = history
    while True:
        out = talker.model(
            inputs_embeds=new if cached else history, past_key_values=cache, use_cache=cached
        )
        cache = out.past_key_values if cached else None
        hidden = out.last_hidden_state[:, -1:]
        logits = talker.codec_head(hidden)[0, 0]
        codes = [choose(logits, 0)]
        if codes[0] == talker.config.codec_eos_token_id:
            yield Step(first=logits, others=None, codes=codes)
            return
        others = []
        for values in _others(talker, hidden, codes, cached):
            others.append(values)
            codes.append(choose(values, len(codes)))
        yield Step(first=logits, others=torch.stack(others), codes=codes)
        heard = frame_embedding(talker, torch.tensor([codes], device=hidden.device)).sum(1)
        text = begin.text[frame : frame + 1] if frame < len(begin.text) else begin.pad
        new = (heard + text)[None]
        history, frame = torch.cat([history, new], 1), frame + 1


def _others(talker: Any, hidden: Tensor, codes: list[int], cached: bool) -> Iterator[Tensor]:
    """Logits [W] of each further code of a frame; ``codes`` grows by each between them."""
    import torch

    predictor = talker.code_predictor
    tables = [talker.get_input_embeddings(), *predictor.get_input_embeddings()]
    history, cache = hidden, None
    for place, head in enumerate(predictor.lm_head):
        newest = tables[place](torch.tensor([[codes[place]]], device=hidden.device))
        history = torch.cat([history, newest], 1)
        new = history if place == 0 or not cached else newest
        out = predictor.model(
            inputs_embeds=predictor.small_to_mtp_projection(new),
            past_key_values=cache,
            use_cache=cached,
        )
        cache = out.past_key_values if cached else None
        yield head(out.last_hidden_state[0, -1])


def row_of(batch: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    """One row's prompt without padding."""
    length = int(batch["text_mask"][index].sum())
    row = {
        "ids": batch["ids"][index, :length],
        "speaker": batch["speaker"][index],
        "language": batch["language"][index],
    }
    if "states" in batch:
        row["states"] = batch["states"][index, : length - ROLE - CLOSING]
    return row


def chooser(codec: Any, first: SamplingConfig, others: SamplingConfig) -> Choose:
    """Draw codes for one sentence, as ``generate`` does: no marks, and two frames at least."""
    said: list[int] = []

    def choose(logits: Tensor, place: int) -> int:
        if place:
            return draw(logits, others)
        allowed = logits.clone()
        allowed[-RESERVED:] = -float("inf")
        if len(said) >= 2:
            allowed[codec.codec_eos_token_id] = logits[codec.codec_eos_token_id]
        said.append(draw(allowed, first, said=said))
        return said[-1]

    return choose


def follow(talker: Any, config: Any, batch: Mapping[str, Tensor], *, cached: bool) -> Trace:
    """:func:`steps` whose choices are a clip's codes and then the end, row by row.

    Outputs [B, T + 1, V + (K - 1) * W], labels [B, T + 1, K], zeros where the end has no others.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    outputs, labels = [], []
    for index, frames in enumerate(batch["mask"].sum(1).tolist()):
        codes = batch["codes"][index, :frames]
        truth = iter([*codes.flatten().tolist(), talker.config.codec_eos_token_id])
        row = row_of(batch, index)
        said = list(steps(talker, config, row, lambda *_, t=truth: next(t), cached=cached))
        heard = next(step.others for step in said if step.others is not None)  # not of the end
        nothing = torch.zeros_like(heard)
        others = [nothing if step.others is None else step.others for step in said]
        rows = [torch.cat([s.first, o.flatten()]) for s, o in zip(said, others, strict=True)]
        fed = [step.codes + [0] * (codes.shape[1] - len(step.codes)) for step in said]
        outputs.append(torch.stack(rows))
        labels.append(torch.tensor(fed, device=codes.device))
    mask = [torch.ones(len(row), dtype=torch.bool, device=row.device) for row in labels]
    return Trace(
        outputs=pad_sequence(outputs, True),
        labels=pad_sequence(labels, True),
        mask=pad_sequence(mask, True),
    )
