import json
from pathlib import Path

import pytest

from dasksom.cli.configuration import config_from
from dasksom.config import RunConfig, load_config
from dasksom.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs"


def test_nothing_given_is_the_defaults():
    assert load_config(None, {}) == RunConfig()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_is_valid(path):
    load_config(path, {})


def test_quantize_yaml__explains_every_key_and_holds_the_defaults():
    path = CONFIGS / "quantize.yaml"
    assert load_config(path, {}) == RunConfig()
    text = path.read_text()
    for section, field in RunConfig.model_fields.items():
        assert f"\n{section}:" in text
        part = text.partition(f"\n{section}:")[2].partition("\n\n")[0]
        for key in field.annotation.model_fields:
            lines = [line for line in part.splitlines() if line.strip().startswith(f"{key}:")]
            if not field.annotation.model_fields[key].exclude:
                assert len(lines) == 1, key
                assert "#" in lines[0], key


def test_credentials_are_neither_shown_nor_dumped():
    config = load_config(None, {name: {"storage": {"secret": "hidden-word"}} for name in ("input", "output")})
    assert config.input.opening()["storage"] == config.output.storage == {"secret": "hidden-word"}
    assert "hidden-word" not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"
    with pytest.raises(InputError) as refused:
        load_config(
            None, {"input": {"storage": "hidden-word", "level": "hidden-word"}, "output": {"storage": "hidden-word"}}
        )
    assert "hidden-word" not in str(refused.value)


def test_the_command_line_wins(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("map: {grid: 3x4, epochs: 7}\n")
    config = load_config(path, {"map": {"epochs": 9, "seed": None}, "cluster": {"workers": 2}})
    assert config.map.grid == (3, 4)
    assert config.map.epochs == 9
    assert config.map.seed == 0
    assert config.cluster.workers == 2


def test_later_files_win_key_by_key(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("map: {grid: 3x4, epochs: 7}\ncluster: {name: slurm, options: {cores: 1, queue: day}}\n")
    second.write_text("map: {epochs: 8}\ncluster: {options: {queue: night}}\n")
    config = load_config([first, second], {"map": {"seed": 3}})
    assert (config.map.grid, config.map.epochs, config.map.seed) == ((3, 4), 8, 3)
    assert config.cluster.options == {"cores": 1, "queue": "night"}


def test_only_what_looks_like_a_number_is_one(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "cluster: {name: slurm, options: {walltime: 12:30:45, a: 1e-4, b: 010, c: no, d: on, e: 0x10, f: 1_000,"
        " g: -2.5E+3, h: .5, i: 7, j: true, k: null, l: 2020-01-01, m: 1., n: '1'}}"
    )
    assert load_config(path, {}).cluster.options == {
        "walltime": "12:30:45",
        "a": 1e-4,
        "b": "010",
        "c": "no",
        "d": "on",
        "e": "0x10",
        "f": "1_000",
        "g": -2500.0,
        "h": 0.5,
        "i": 7,
        "j": True,
        "k": None,
        "l": "2020-01-01",
        "m": 1.0,
        "n": "1",
    }


def test_a_mark_of_utf_8_is_no_content(tmp_path):
    (tmp_path / "run.yaml").write_bytes(b"\xef\xbb\xbfmap: {epochs: 3}")
    assert load_config(tmp_path / "run.yaml", {}).map.epochs == 3


def test_numbers_that_yaml_takes_for_text(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("map: {sigma: [8, 1e-4]}\n")  # YAML 1.1 reads 1e-4 as a string
    assert load_config(path, {}).map.sigma == (8.0, 1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("map: {epoch: 3}", "unknown key 'map.epoch'; did you mean 'epochs'"),
        ("mapp: {}", "unknown key 'mapp'; did you mean 'map'"),
        ("map: {zzz: 3}", "unknown key 'map.zzz'; known are grid, epochs"),
        ("map: {epochs: 3, epochs: 4}", "'epochs' is given twice"),
        ("map: {epochs: many}", "map.epochs: .*integer"),
        ("map: {epochs: 2.5}", "map.epochs"),
        ("map: {grid: 3by3}", "'3by3' is not ROWSxCOLUMNS"),
        ("map: {grid: 9}", "map.grid"),
        ("map: {sigma: [1]}", "map.sigma"),
        ("map: 3", "map: "),
        ("- a\n- b", "found a list"),
        ("map: {", "not a YAML file"),
        ("map: !!python/object/apply:os.system ['touch canary']", "not a YAML file"),
        ("map: {grid: &a 3x3}\ncluster: {name: *a}", "aliases"),
        ("cluster: {tls: {ca: x, cert: y, kay: z}}", "cluster.tls.kay'; did you mean 'key'"),
        ("cluster: {tls: {ca: x, cert: y}}", "cluster.tls.key"),
        ("cluster: {adapt: 3}", "cluster.adapt"),
        ("\tmap: 3", "not a YAML file"),
        ("cluster: {workers: 0}", "at least 1"),
        ("cluster: {memory_limit: lots}", "not a size"),
        ("cluster: {memory_limit: 1MiB}", "at least 256MiB"),
        ("cluster: {name: nowhere}", "auto, threads, local"),
        ("input: {cache: disk}", "not one of auto, memory, none"),
        ("input: {chunk_size: big}", "chunk_size"),
        ("output: {overwrite: perhaps}", "output.overwrite"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_config("run.yaml", {})
    assert not Path("canary").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a" * (1 << 21)], ids=["not text", "too large"])
def test_files_that_are_none(tmp_path, content):
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"run\.yaml"):
        load_config(path, {})


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load_config(tmp_path / "none.yaml", {})
    (tmp_path / "empty.yaml").write_text("")
    assert load_config(tmp_path / "empty.yaml", {}) == RunConfig()


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("map", {"grid": "0x3"}, r"map\.grid: 0x3 has no units"),
        ("map", {"grid": 9}, r"map\.grid: 9 is not ROWSxCOLUMNS"),
        ("map", {"grid": [3, 0]}, r"map\.grid: 3x0 has no units"),
        ("map", {"seed": -1}, r"map\.seed: must be null, an int of at least 0"),
        ("map", {"sigma": 3}, r"map\.sigma: two numbers are expected"),
        ("map", 3, "map: a mapping of its keys is expected"),
    ],
)
def test_refusals_are_in_the_words_of_a_configuration(tmp_path, section, value, message):
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps({section: value}))
    with pytest.raises(InputError, match=message):
        load_config(path, {})


def test_tls__files_go_together(tmp_path):
    given = {"config_paths": (), "ca": "ca.pem", "key": "key.pem"}
    with pytest.raises(InputError, match=r"--tls-cert: missing; .* are given together"):
        config_from(given)
