"""Published tables and documents through the real workflow, without measuring anything."""

import pytest

from diffbench.figures.figures import FIGURES

pytestmark = pytest.mark.slow

PAGE = """# Torch 2.0\r
\r
Compiled, SD txt2img runs at <!-- diffbench:begin cell dataset=pytorch2 gpu=A100 batch_size=1 pipeline=sd-txt2img \
torch=nightly variant=compile -->?<!-- diffbench:end --> it/s on an A100.\r
\r
<!-- diffbench:begin figure dataset=pytorch2 name=rates -->\r
<!-- diffbench:end -->\r
"""
GPUS = ["A100", "V100", "T4", "RTX 3090", "RTX 4090"]


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    from conftest import Project

    project = Project(tmp_path_factory.mktemp("documents") / "project")
    page = PAGE
    for gpu in GPUS:
        for size in (1, 4, 16):
            begin = f'<!-- diffbench:begin table dataset=pytorch2 gpu="{gpu}" batch_size={size} -->'
            page += f"\r\n{begin}\r\nold\r\n<!-- diffbench:end -->\r\n"
    page += "\r\n## Notes\r\n\r\n* last line without end"
    (project.folder / "docs").mkdir()
    (project.folder / "docs/page.md").write_bytes(page.encode())
    project.configure(documents=["docs/page.md"])
    project.stale = project.snakemake("documents_check", check=False)
    project.filled = project.snakemake("documents").output
    return project


def test_fifteen_tables_a_figure_and_a_number_are_filled_in(documented):
    text = (documented.folder / "docs/page.md").read_bytes().decode()
    assert "1 of 1 documents changed" in documented.filled
    assert text.count("### ") == 15
    assert "-->49.74<!--" in text
    assert "](../results/pytorch2/figures/rates.svg)" in text
    assert (documented.folder / "results/pytorch2/figures/rates.svg").is_file()
    assert text.endswith("## Notes\r\n\r\n* last line without end")
    assert "\n" not in text.replace("\r\n", "")


def test_a_stale_document_fails_the_check_with_a_diff(documented):
    assert documented.stale.returncode != 0
    assert "-old" in documented.stale.output
    assert "documents are stale" in documented.stale.output
    assert documented.snakemake("documents_check").returncode == 0


def test_filling_again_changes_nothing(documented):
    before = (documented.folder / "docs/page.md").read_bytes()
    assert "0 of 1 documents changed" in documented.snakemake("documents").output
    assert (documented.folder / "docs/page.md").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gpu=A100 batch_size=1 pipeline", "gpu=A1000 batch_size=1 pipeline", "unknown gpu 'A1000'"),
        ("variant=compile", "variant=turbo", "unknown variant 'turbo'"),
        ("name=rates", "name=rate", "did you mean 'rates'?"),
        ("dataset=pytorch2 name", "dataset=pytorch1 name", "unknown dataset 'pytorch1'"),
        ("<!-- diffbench:begin figure", "<!-- diffbench:begn figure", "docs/page.md:5"),
    ],
)
def test_a_faulty_marker_is_named_and_the_document_left_alone(documented, old, new, message):
    page = documented.folder / "docs/page.md"
    whole = page.read_bytes()
    page.write_bytes(whole.decode().replace(old, new).encode())
    damaged = page.read_bytes()
    try:
        result = documented.snakemake("documents", check=False)
        assert result.returncode != 0
        assert message in result.output
        assert "docs/page.md:" in result.output
        assert page.read_bytes() == damaged
    finally:
        page.write_bytes(whole)


def test_a_marker_in_code_plans_no_benchmark(documented):
    page = documented.folder / "docs/page.md"
    whole = page.read_text(encoding="utf-8")
    own = "<!-- diffbench:begin tables dataset=quickstart -->\n<!-- diffbench:end -->"
    try:
        page.write_text(f"{whole}\n````md\n```\n{own}\n```\n````\n", encoding="utf-8")
        assert documented.planned("documents_check") == 0
        page.write_text(f"{whole}\n{own}\n", encoding="utf-8")
        assert documented.planned("documents_check") > 0
    finally:
        page.write_text(whole, encoding="utf-8")


def test_documents_without_anything_to_fill_are_no_success(documented):
    (documented.folder / "docs/plain.md").write_text("{/* nothing */}\n", encoding="utf-8")
    plain = documented.snakemake("documents_check", "--config", "documents=[docs/plain.md]", check=False)
    assert plain.returncode != 0 and "error: docs/plain.md: found no marker outside code" in plain.output
    none = documented.snakemake("documents", "--config", "documents=[]", check=False)
    assert none.returncode != 0 and "error: config: documents: found none" in none.output


def test_nothing_was_measured(documented):
    assert not list(documented.folder.glob("results/*/runs"))


def test_the_page_of_the_published_tables(documented):
    documented.snakemake("published")
    results = documented.folder / "results/pytorch2"
    assert (results / "tables.md").read_text(encoding="utf-8").count("### ") == 15
    assert len(list((results / "figures").glob("*.png"))) == len(FIGURES)
