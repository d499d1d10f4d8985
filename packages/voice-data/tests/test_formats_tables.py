from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from voice_data.formats import read_dataset
from voice_data.manifest import ManifestError, Utterance

Reader = Callable[..., "list[Utterance]"]


@pytest.fixture
def load(tmp_path: Path) -> Reader:
    """Read a list with this content; the named clips exist."""

    def read(
        content: str | bytes, dialect: str, name: str = "metadata.csv", files: tuple[str, ...] = ()
    ) -> list[Utterance]:
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(raw)
        return read_dataset(tmp_path / name, dialect)

    return read


def test_ljspeech_speaks_the_normalised_text_and_keeps_the_raw(load: Reader) -> None:
    first, second = load(
        'LJ1|He said "10."|He said "ten."\nLJ2|Same.|Same.\n', "ljspeech", files=("wavs/LJ1.wav",)
    )
    assert first == Utterance(
        id="LJ1",
        audio="wavs/LJ1.wav",
        text='He said "ten."',
        extra={"raw_text": 'He said "10."'},
    )
    assert second == Utterance(id="LJ2", audio="wavs/LJ2.wav", text="Same.")


def test_ljspeech_finds_other_audio(load: Reader) -> None:
    assert load("a|x|y\n", "ljspeech", files=("wavs/a.flac",))[0].audio == "wavs/a.flac"


def test_pipe_takes_names_with_and_without_ending_and_folder(load: Reader) -> None:
    lines = "a.wav|one\nb|two\naudio/c.wav|three\nd.wav|four\ne|five\n"
    items = load(lines, "pipe", files=("wavs/a.wav", "audio/b.mp3", "audio/c.wav", "d.wav"))
    assert [(item.id, item.audio) for item in items] == [
        ("a", "wavs/a.wav"),
        ("b", "audio/b.mp3"),
        ("c", "audio/c.wav"),
        ("d", "d.wav"),
        ("e", "wavs/e.wav"),
    ]


def test_windows_line_ends_and_byte_order_mark(load: Reader) -> None:
    items = load("\ufeffa.wav|naïve\r\n\r\nb.wav|two\r\n", "pipe")
    assert [(item.id, item.text) for item in items] == [("a", "naïve"), ("b", "two")]


def test_tab_list(load: Reader) -> None:
    assert load('x/a.wav\tHello, "you" | me\n', "tab")[0] == Utterance(
        id="x/a", audio="x/a.wav", text='Hello, "you" | me'
    )


@pytest.mark.parametrize("delimiter", ["|", "\t", ",", ";"])
def test_header_names_the_columns(load: Reader, delimiter: str) -> None:
    rows = [
        ["text", "age", "audio_file", "speaker_name", "duration"],
        ["Hi", "9", "a.wav", "s", "1.5"],
    ]
    item = load("\n".join(delimiter.join(row) for row in rows), "csv")[0]
    assert item == Utterance(
        id="a", audio="wavs/a.wav", text="Hi", speaker="s", duration=1.5, extra={"age": "9"}
    )


def test_quotes_hold_commas_line_ends_and_quotes(load: Reader) -> None:
    items = load('audio,text\na.wav,"Hello, ""you""\nthere"\nb.wav,5" disk\n', "csv")
    assert [item.text for item in items] == ['Hello, "you"\nthere', '5" disk']


def test_quotes_are_ordinary_where_nothing_is_quoted(load: Reader) -> None:
    assert load('audio_file|text\na.wav|"Hello\n', "csv")[0].text == '"Hello'


@pytest.mark.parametrize(
    ("dialect", "content", "line", "message"),
    [
        ("csv", "file,words\na,b\n", 1, "no column for the audio|no column for the text"),
        ("csv", "audio,speech\na.wav,b\n", 1, "no column for the text: found audio, speech; call"),
        ("csv", "name,text\na.wav,b\n", 1, "no column for the audio: found name, text; call one"),
        ("csv", "audio,text,text\na,b,c\n", 1, "the column 'text' stands twice: rename one"),
        ("csv", "audio,text\na.wav,x\nb.wav\n", 3, "1 column where the header has 2: complete"),
        ("csv", "audio,text\na.wav,x,y\n", 2, "3 columns where the header has 2: remove a ','"),
        ("csv", 'audio,text\na.wav,"x\nb.wav,y\n', 2, "wrong quotes .*close the quote"),
        ("csv", 'audio,text\na.wav,x\nb.wav,"x" y\n', 3, "wrong quotes .*twice"),
        ("csv", "audio,text\na.wav,x\na.wav,y\n", 3, "the clip 'a' was on line 2 already"),
        ("csv", "audio,text,duration\na.wav,x,long\n", 2, "duration must be a number, not 'long'"),
        ("csv", "audio,text\n../a.wav,x\n", 2, r"'\.\./a\.wav' leaves the data folder"),
        ("csv", "audio,text\n/etc/a.wav,x\n", 2, "is absolute"),
        ("pipe", "a.wav|x\nb.wav\n", 2, "1 column where 2 are needed .*: complete the line"),
        ("pipe", "a.wav|x|y\n", 1, "3 columns where 2 are needed .*: take the delimiter out"),
        ("pipe", "../../a.wav|x\n", 1, "leaves the data folder"),
        ("pipe", "|x\n", 1, "the name of the audio file is empty: fill it in"),
        ("csv", "audio,text\n,x\n", 2, "the name of the audio file is empty: fill it in"),
        ("ljspeech", "a|x\n", 1, r"2 columns where 3 are needed \(id\|text\|normalised text\)"),
        ("tab", "a.wav x\n", 1, "1 column where 2 are needed"),
    ],
)
def test_errors_name_file_and_line(
    load: Reader, tmp_path: Path, dialect: str, content: str, line: int, message: str
) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        load(content, dialect)
    assert str(caught.value).startswith(f"{tmp_path / 'metadata.csv'}:{line}: ")


@pytest.mark.parametrize("dialect", ["csv", "pipe", "ljspeech", "tab"])
def test_latin_1_is_named_with_file_and_line(load: Reader, tmp_path: Path, dialect: str) -> None:
    with pytest.raises(ManifestError, match=r"byte 0xe9 .* save the file as UTF-8") as caught:
        load(b"audio|text\na.wav|caf\xe9\n", dialect)
    assert str(caught.value).startswith(f"{tmp_path / 'metadata.csv'}:2: ")
