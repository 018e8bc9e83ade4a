"""The published dataset prints as the page prints it."""

import re

import pytest

from conftest import ROOT
from diffbench.catalogue.labels import read_labels
from diffbench.catalogue.yaml_file import read_yaml
from diffbench.data.errors import ReportError
from diffbench.documents.render import write_tables
from diffbench.statistics.published import read_about, read_published
from diffbench.tables.table_options import TableOptions
from diffbench.tables.tables import render_tables

FACTS = ROOT / "resources/published/pytorch2.csv"


@pytest.fixture(scope="module")
def tables():
    labels = read_labels([ROOT / "config" / f"{kind}.yaml" for kind in ("gpus", "pipelines", "variants")])
    labels["marks"] = read_about(FACTS.with_suffix(".yaml"))["marks"]
    return render_tables(read_published(FACTS), labels)


def rows_of(table):
    """{first cell: the others} of a Markdown table, header included."""
    lines = [line for line in table.splitlines() if line.startswith("|") and "---" not in line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: others for first, *others in cells}


@pytest.mark.parametrize("config", ["config", "full", "gpu"])
def test_the_configs_measure_the_pipelines_of_the_page(config):
    published = read_published(FACTS)["pipeline"].unique()
    assert sorted(read_yaml(ROOT / f"config/{config}.yaml")["pipelines"]) == sorted(published)


def test_the_sessions_on_a_gpu_measure_the_pipelines_of_the_page():
    work = read_yaml(ROOT / "config/gpu-sessions.yaml")["work"]
    six = {tuple(entry.get("pipelines", entry.get("bare_loop", ()))) for entry in work}
    assert [sorted(names) for names in six if len(names) == 6] == [sorted(read_published(FACTS)["pipeline"].unique())]


def test_the_fifteen_tables_stand_in_the_order_of_the_page(tables):
    headings = [table.splitlines()[0] for table in tables.values()]
    gpus = ["A100", "V100", "T4", "RTX 3090", "RTX 4090"]
    assert headings == [f"### {gpu} (batch size: {size})" for gpu in gpus for size in (1, 4, 16)]


def test_all_cells_are_those_of_the_page(tables):
    """tests/data/pytorch2.md holds the page's tables, its typing slip read as 12.79."""
    expected = (ROOT / "tests/data/pytorch2.md").read_text(encoding="utf-8").split("### ")[1:]
    assert len(expected) == 15
    for page, table in zip(expected, tables.values(), strict=True):
        assert rows_of(table) == rows_of(page)


def test_a_table_with_every_peculiarity_of_the_page(tables):
    rows = rows_of(tables["T4", 16])
    assert list(rows.items()) == [
        (
            "**Pipeline**",
            [
                "**torch 2.0 - <br>no compile**",
                "**torch nightly - <br>no compile**",
                "**torch 2.0 - <br>compile**",
                "**torch nightly - <br>compile**",
            ],
        ),
        ("SD - txt2img", ["2.34s", "2.30s", "OOM after 2nd iteration", "1.99s"]),
        ("SD - img2img", ["2.35s", "2.31s", "OOM after warmup", "2.00s"]),
        ("SD - inpaint", ["2.30s", "2.26s", "OOM after 2nd iteration", "1.95s"]),
        ("SD - controlnet", ["OOM after 2nd iteration"] * 2 + ["OOM after warmup"] * 2),
        ("IF *", ["1.44", "1.44", "❌", "1.94"]),
        ("SDXL - txt2img", ["OOM", "OOM", "-", "-"]),
    ]
    assert "batch was used in the first stage of IF alone" in tables["T4", 16]


def test_numbers_stay_as_printed_and_stages_in_one_cell(tables):
    assert rows_of(tables["V100", 1])["SD - inpaint"] == ["19.14", "19.06", "21.08", "22.20"]
    assert rows_of(tables["RTX-3090", 16])["IF"] == ["5.01", "5.00", "❌", "6.33"]
    assert rows_of(tables["A100", 1])["IF"][3] == "97.34 / <br>27.23 / <br>111.66"
    assert rows_of(tables["RTX-4090", 4])["SD - img2img"][1] == "12.79"
    assert rows_of(tables["T4", 4])["SDXL - txt2img"] == ["0.288", "0.289", "-", "-"]


def test_gpus_without_sdxl_on_the_page_have_no_such_row(tables):
    for gpu in ("V100", "RTX-3090"):
        assert "SDXL" not in "".join(tables[gpu, size] for size in (1, 4, 16))


def test_seconds_per_iteration_are_a_rate_too():
    facts = read_published(FACTS)
    row = facts[(facts["gpu"] == "T4") & (facts["batch_size"] == 16) & (facts["text"] == "2.34s")].iloc[0]
    assert row["iterations_per_second"] == pytest.approx(1 / 2.34, rel=1e-4)
    slow = facts[(facts["gpu"] == "T4") & (facts["batch_size"] == 16) & (facts["text"] == "1.99s")].iloc[0]
    assert slow["speedup"] == pytest.approx(2.30 / 1.99, rel=1e-4)


def test_every_number_of_the_page_is_there():
    facts = read_published(FACTS)
    assert len(facts) == 348
    assert (facts["status"] == "ok").sum() == 323
    assert all(re.fullmatch(r"[0-9.]+s?", text) for text in facts.loc[facts["status"] == "ok", "text"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",21.66,21.66,", ",fast,fast,", "found 'fast', expected a number"),
        ("stage,", "step,", "expected the columns gpu, torch"),
        (",21.66,21.66,\n", ",21.66,21.66,x\n", "mark 'x' is not explained"),
        (",oom,call-1,,,", ",oom,call-1,3.5,3.5,", "expected a number if the status is ok"),
        (",ok,,21.66,21.66,", ",ok,,,,", "expected a number if the status is ok"),
    ],
)
def test_a_damaged_dataset_is_refused(tmp_path, old, new, message):
    path = tmp_path / "pytorch2.csv"
    path.write_text(FACTS.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    path.with_suffix(".yaml").write_text(FACTS.with_suffix(".yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ReportError, match=re.escape(message)):
        read_published(path)


def blocks_below(table):
    return [block for block in table.strip().split("\n\n") if not block.startswith(("###", "|"))]


def test_the_unit_stands_below_each_table(tables):
    assert all("Iterations per second" in blocks_below(table)[-1] for table in tables.values())
    assert blocks_below(tables["A100", 1]) == ["Iterations per second."]
    assert blocks_below(tables["T4", 16])[-1] == "Iterations per second; a number with s is seconds per iteration."


def test_the_unit_is_that_of_the_options(tables):
    printed = render_tables(read_published(FACTS), {}, TableOptions(unit="s/it"))
    assert blocks_below(printed["T4", 16])[-1] == "Seconds per iteration."
    assert rows_of(printed["T4", 16])["sd-txt2img"][0] == "2.34"


def test_every_file_names_the_source(tmp_path):
    about = read_about(FACTS.with_suffix(".yaml"))
    write_tables(read_published(FACTS), {}, tmp_path, TableOptions(formats=("md", "html")), about)
    files = sorted((tmp_path / "tables").iterdir())
    assert len(files) == 15 * 2 * 2
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert text.count("Source: Diffusers documentation") == 1, path
        assert "Iterations per second" in text, path
    assert (tmp_path / "tables.md").read_text(encoding="utf-8").count("Source: ") == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",1,1,eager", ",1,1.5,eager", ":2: batch_size: found '1.5', expected a whole number above 0; copy"),
        (",1,1,eager", ",1,,eager", ":2: batch_size: found '', expected a whole number above 0; copy"),
        (
            ",21.66,21.66,",
            ",21.66,99.99,",
            ":2: text: found '99.99', expected the number of iterations_per_second; copy",
        ),
        ("A100,nightly,", "A100,2.0,", ":3: the same cell appears twice; copy the page's facts again"),
    ],
)
def test_a_fact_that_cannot_be_is_told_with_its_line(tmp_path, old, new, message):
    about = FACTS.with_suffix(".yaml").read_text(encoding="utf-8")
    (tmp_path / "facts.yaml").write_text(about, encoding="utf-8")
    text = FACTS.read_text(encoding="utf-8").replace(old, new, 1)
    (tmp_path / "facts.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ReportError) as error:
        read_published(tmp_path / "facts.csv")
    assert str(error.value).startswith(f"{tmp_path / 'facts.csv'}{message}")
