"""IndexTTS's language model: GPT-2 over a voice, a text and its codes, under the published names.

A row is the voice, the text between its start and stop, and the codes after their start, side by
side without padding between. Each part has learned positions of its own, which count from its
start; GPT-2's are left out. Letters: B batch, C conditioning positions, N text tokens with start
and stop, T codes, L = C + N + T + 1 positions, D width, V codes that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from tts_lora.families.indextts_conditioning import Conformer, Perceiver
from tts_lora.families.sampling import SamplingConfig, draw
from tts_lora.families.weights import evaluating

if TYPE_CHECKING:
    from torch import Tensor

    from tts_lora.families.indextts_config import IndexTTSConfig
    from voice_data.speech import Trace

MEL_BANDS = 100


class States(NamedTuple):
    """Normed states that say the text [B, N - 1, D] and the codes with the stop [B, T + 1, D]."""

    text: Tensor
    codes: Tensor


class Labels(NamedTuple):
    """Units [B, U] and the mask [B, U] of those that count."""

    units: Tensor
    mask: Tensor


class IndexTTSNetwork(nn.Module):
    """IndexTTS 1.5, or 2 where ``config.emo_condition_module`` is set."""

    def __init__(self, config: IndexTTSConfig) -> None:
        from transformers import GPT2Config, GPT2Model

        super().__init__()
        self.config, width, emo = config, config.model_dim, config.emo_condition_module
        bands = MEL_BANDS if emo is None else config.feature_dim
        self.conditioning_encoder = Conformer(bands, config.condition_module)
        self.perceiver_encoder = Perceiver(
            width, config.condition_num_latent, config.condition_module
        )
        if emo is not None:
            self.emo_conditioning_encoder = Conformer(bands, emo)
            self.emo_perceiver_encoder = Perceiver(config.feature_dim, 1, emo)
            self.emovec_layer = nn.Linear(config.feature_dim, width)
            self.emo_layer = nn.Linear(width, width)
            self.speed_emb = nn.Embedding(2, width)
        self.text_embedding = nn.Embedding(config.number_text_tokens + 1, width)
        self.mel_embedding = nn.Embedding(config.number_mel_codes, width)
        self.text_pos_embedding = _Positions(config.max_text_tokens + 2, width)
        places = config.max_mel_tokens + 2 + config.max_conditioning_inputs
        self.mel_pos_embedding = _Positions(places, width)
        self.gpt = GPT2Model(
            GPT2Config(
                vocab_size=1, n_positions=1, n_embd=width, n_layer=config.layers,
                n_head=config.heads, bos_token_id=None, eos_token_id=None,
            )
        )  # fmt: skip
        del self.gpt.wte
        self.gpt.wpe = _NoPositions()  # pyright: ignore[reportAttributeAccessIssue]
        self.final_norm = nn.LayerNorm(width)
        self.text_head = nn.Linear(width, config.number_text_tokens + 1)
        self.mel_head = nn.Linear(width, config.number_mel_codes)

    def hear(self, frames: Tensor) -> dict[str, Tensor]:
        """``latents`` [C, D] of one voice's frames [F, M]; IndexTTS 2 adds ``emovec`` [D]."""
        heard = {"latents": self.perceiver_encoder(self.conditioning_encoder(frames[None]))[0]}
        if self.config.emo_condition_module is not None:
            feeling = self.emo_perceiver_encoder(self.emo_conditioning_encoder(frames[None]))
            heard["emovec"] = self.emo_layer(self.emovec_layer(feeling[0, 0]))
        return heard

    def prefix(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Voice and text [B, C + N, D] of ``latents``, ``emovec`` and ``text``."""
        voice = batch["latents"]
        if self.config.emo_condition_module is not None:
            speeds = self.speed_emb(torch.tensor([1, 0], device=voice.device))  # as it was trained
            voice = voice + batch["emovec"][:, None]
            voice = torch.cat([voice, speeds.expand(len(voice), -1, -1)], 1)
        return torch.cat([voice, self._text(batch["text"])], 1)

    def forward(self, batch: Mapping[str, Tensor]) -> States:
        """All positions at once: ``text`` [B, N], ``codes`` [B, T], their lengths ``text_length``
        and ``codes_length`` [B], ``latents`` [B, C, D], and ``emovec`` [B, D] of IndexTTS 2.
        """
        text, counts = batch["text"], batch["codes_length"]
        start = batch["codes"].new_full((len(text), 1), self.config.start_mel_token)
        codes = torch.cat([start, batch["codes"]], 1)
        parts = torch.cat([self.prefix(batch), self.code(codes)], 1)  # padded after the text
        ends = (parts.shape[1] - codes.shape[1] - text.shape[1] + batch["text_length"])[:, None]
        places = torch.arange(parts.shape[1], device=text.device)
        gaps = text.shape[1] - batch["text_length"][:, None]
        sources = torch.where(places < ends, places, places + gaps)
        rows = torch.arange(len(text), device=text.device)[:, None]
        joined = parts[rows, sources.clamp_max(parts.shape[1] - 1)]
        mask = places < ends + 1 + counts[:, None]
        states = self.state(joined, attention_mask=mask)
        first = parts.shape[1] - codes.shape[1] - text.shape[1]
        said = (ends + torch.arange(codes.shape[1], device=text.device)).clamp_max(len(places) - 1)
        return States(states[:, first : first + text.shape[1] - 1], states[rows, said])

    def state(self, embeds: Tensor, *, attention_mask: Tensor) -> Tensor:
        """Normed states [B, L, D] of embeddings [B, L, D]."""
        out = self.gpt(inputs_embeds=embeds, attention_mask=attention_mask, use_cache=False)
        return self.final_norm(out.last_hidden_state)

    def code(self, codes: Tensor, first: int = 0) -> Tensor:
        """Embeddings [B, T, D] of codes [B, T] whose places count from ``first`` (the start: 0)."""
        return self.mel_embedding(codes) + self.mel_pos_embedding(codes.shape[1], first)

    def _text(self, text: Tensor) -> Tensor:
        return self.text_embedding(text) + self.text_pos_embedding(text.shape[1])


class CodeWriter:
    """One sentence, written code by code: the only path of generation.

    Without its cache it reads everything again for each code, which gives the same.
    """

    def __init__(self, network: IndexTTSNetwork, prefix: Tensor, *, cached: bool = True) -> None:
        """``prefix`` [1, C + N, D] is voice and text."""
        self._network, self._cached, self._past, self._count = network, cached, None, 0
        start = torch.tensor([[network.config.start_mel_token]], device=prefix.device)
        self._read, self._unread = prefix[:, :0], torch.cat([prefix, network.code(start)], 1)

    def state(self) -> Tensor:
        """The normed state [D] that says the next code: the latent of that code, too."""
        if not self._cached:
            self._read = self._unread = torch.cat([self._read, self._unread], 1)
        out = self._network.gpt(
            inputs_embeds=self._unread, past_key_values=self._past, use_cache=self._cached
        )
        self._past = out.past_key_values if self._cached else None
        return self._network.final_norm(out.last_hidden_state[0, -1])

    def write(self, code: int) -> None:
        """Go on with ``code``. Its place follows the one before, as in training: published
        inference with a cache leaves out place 1.
        """
        self._count += 1
        codes = torch.tensor([[code]], device=self._unread.device)
        self._unread = self._network.code(codes, self._count)


class Written(NamedTuple):
    """Codes [T] int64 on the CPU and the states [T, D] that said them."""

    codes: Tensor
    states: Tensor


def write_codes(
    network: IndexTTSNetwork, batch: Mapping[str, Tensor], sampling: SamplingConfig, most: int
) -> Written:
    """One sentence, up to its stop or ``most`` codes; ``batch`` is that of
    :meth:`IndexTTSNetwork.prefix` with one row.
    """
    config, codes, states = network.config, [], []
    with evaluating(network), torch.no_grad():
        prefix = network.prefix(batch)
        writer = CodeWriter(network, prefix)
        while len(codes) < most:
            state = writer.state()
            logits = network.mel_head(state)
            logits[config.start_mel_token] = -torch.inf  # no code has that
            code = draw(logits, sampling, said=codes)
            if code == config.stop_mel_token:
                break
            codes.append(code)
            states.append(state)
            writer.write(code)
    every = torch.stack(states) if states else prefix[0, :0]
    return Written(torch.tensor(codes, dtype=torch.int64), every)


def code_labels(network: IndexTTSNetwork, batch: Mapping[str, Tensor]) -> Labels:
    """The codes with their stop."""
    codes, counts = batch["codes"], batch["codes_length"][:, None]
    times = torch.arange(codes.shape[1] + 1, device=codes.device)
    stop = network.config.stop_mel_token
    labels = nn.functional.pad(codes, (0, 1)).masked_fill(times >= counts, stop)
    return Labels(labels, times <= counts)


def text_labels(batch: Mapping[str, Tensor]) -> Labels:
    """The text [B, N - 1] after its start."""
    text = batch["text"][:, 1:]
    times = torch.arange(text.shape[1], device=text.device)
    return Labels(text, times < batch["text_length"][:, None] - 1)


def fed(network: IndexTTSNetwork, batch: Mapping[str, Tensor], *, cached: bool) -> Trace:
    """What generation says where it is fed the batch's codes, and then the stop."""
    from voice_data.speech import Trace

    rows: list[Tensor] = []
    units: list[Tensor] = []
    with torch.no_grad():
        for row, count in enumerate(batch["codes_length"].tolist()):
            one = {key: value[row : row + 1] for key, value in batch.items()}
            one["text"] = one["text"][:, : int(one["text_length"])]
            writer, logits = CodeWriter(network, network.prefix(one), cached=cached), []
            said = [*one["codes"][0, :count].tolist(), network.config.stop_mel_token]
            for code in said:
                logits.append(network.mel_head(writer.state()))
                writer.write(code)
            rows.append(torch.stack(logits))
            units.append(batch["codes"].new_tensor(said))
    pad = nn.utils.rnn.pad_sequence
    labels = pad(units, batch_first=True)
    mask = torch.arange(labels.shape[1], device=labels.device) <= batch["codes_length"][:, None]
    return Trace(outputs=pad(rows, batch_first=True), labels=labels, mask=mask)


class _Positions(nn.Module):
    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(length, width)
        nn.init.normal_(self.emb.weight, std=0.02)

    def forward(self, length: int, first: int = 0) -> Tensor:
        return self.emb(torch.arange(first, first + length, device=self.emb.weight.device))


class _NoPositions(nn.Module):
    def forward(self, positions: Tensor) -> Tensor:
        return torch.zeros((), device=positions.device)
