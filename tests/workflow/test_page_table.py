"""The table of the reader's page and a cell's rounds: order, texts and what stands beside a number, in a real browser."""

import pandas as pd
import pytest

from diffbench.vocabulary.columns import KEY, PROVENANCE
from pages import cells_in, choose, copied, facts_of, page_of

pytestmark = pytest.mark.slow

# batch size, variant, round: it/s, images/s, MiB on the device; each column sorts differently
MEASURED = {
    (1, "eager", 1): (30.0, 0.50, 2000), (1, "eager", 2): (30.1, 0.51, 2000),
    (4, "eager", 1): (9.0, 0.80, 9000), (4, "eager", 2): (9.05, 0.81, 9000),
    (16, "eager", 1): (2.5, 0.70, 70000), (16, "eager", 2): (2.51, 0.71, 70000),
    (1, "compile", 1): (120.0, 1.90, 3000), (1, "compile", 2): (120.5, 1.91, 3000),
    (4, "compile", 1): (8.0, 0.60, 1000), (4, "compile", 2): (8.05, 0.61, 1000),
    (1, "regional", 1): (37.5, 0.60, 4000), (1, "regional", 2): (37.6, 0.61, 4000),
    (4, "regional", 1): (13.5, 0.90, 5000), (4, "regional", 2): (13.575, 0.91, 5000),
}  # fmt: skip
FAILED = {"batch_size": 16, "variant": "compile", "status": "oom", "phase": "call", "detail": "CUDA out of memory."}


def rows_of(make_row):
    rows = [
        make_row(
            batch_size=size, variant=variant, round=number, iterations_per_second=rate, images_per_second=images,
            latency_s=size / images, peak_process_mib=memory, peak_allocated_mib=100,
        )
        for (size, variant, number), (rate, images, memory) in MEASURED.items()
    ]  # fmt: skip
    return rows + [make_row(round=number, **FAILED) for number in (1, 2)]


def numbers_in(page, column):
    """The texts of a column without their intervals."""
    return [text.partition(" (")[0] for text in cells_in(page, column)]


def order_of(page):
    """[batch size, variant] of each line of the table."""
    return list(zip(cells_in(page, "Batch"), cells_in(page, "Variant")))


ORDERS = {  # what a column is sorted by first; the failed cell, which has no number, is last in both directions
    "batch_size": (["1", "1", "1", "4", "4", "4", "16", "16"], "Batch", "ascending"),
    "value": (["120", "37.5", "30.1", "13.5", "9.03", "8.03", "2.50"], "it/s", "descending"),
    "speedup": (["4.00x", "1.50x", "1.25x", "1.00x", "1.00x", "1.00x", "0.89x"], "Speed-up", "descending"),
    "memory": (["70000", "9000", "5000", "4000", "3000", "2000", "1000"], "Peak MiB, on the device", "descending"),
}


@pytest.mark.parametrize("column", ORDERS)
def test_a_column_is_sorted_both_ways_and_then_not(tmp_path, make_row, visit, column):
    page = visit(page_of(tmp_path, rows_of(make_row)))
    before = order_of(page)
    expected, header, first = ORDERS[column]
    button = page.locator(f"[data-sort={column}]")
    button.click()
    head = page.locator(f"th:has([data-sort={column}])")
    assert head.get_attribute("aria-sort") == first
    assert numbers_in(page, header)[: len(expected)] == expected
    button.click()
    assert head.get_attribute("aria-sort") == {"ascending": "descending", "descending": "ascending"}[first]
    assert numbers_in(page, header)[: len(expected)] == expected[::-1]
    if len(expected) < len(before):
        assert order_of(page)[-1] == ("16", "compile")
    button.click()
    assert head.get_attribute("aria-sort") == "none" and order_of(page) == before


def test_a_failure_stands_in_the_place_of_the_number_with_its_reason(tmp_path, make_row, visit):
    page = visit(page_of(tmp_path, rows_of(make_row)), "batch_size=16&variant=compile")
    assert cells_in(page, "it/s") == ["OOM"]
    for column in ("Speed-up", "Verdict", "Peak MiB, on the device"):
        assert cells_in(page, column) == ["-"], column
    assert page.locator("#cells td.failed").get_attribute("title") == FAILED["detail"]
    page.locator("[data-cell]").click()
    facts = facts_of(page)
    assert (facts["Status"], facts["Reason"]) == ("out of memory", FAILED["detail"])
    assert facts["iterations per second"] == "OOM"
    page = visit(page_of(tmp_path, rows_of(make_row)), "batch_size=4&unit=images/s")
    assert numbers_in(page, "images/s") == ["0.805", "0.605", "0.905"]
    assert cells_in(page, "Verdict") == ["baseline", "slower", "faster"]


def test_rounds_stand_under_their_headers(tmp_path, make_row, visit):
    """Two rounds: one with a number in each column, one that failed."""
    measured = {
        "iterations_per_second": 20.5, "latency_s": 3.25, "load_s": 77, "first_call_s": 8.5, "startup_s": 6.75, "cache": "cold",
        "calls": 7, "stopped_by": "target", "started_at": "2026-11-20T10:00:00Z", "evidence": "2 of 2 blocks",
    }  # fmt: skip
    rows = [
        make_row(round=1, variant="compile", **measured),
        make_row(round=2, variant="compile", status="crashed", phase="call", calls="", detail="GPU is lost"),
    ]
    page = visit(page_of(tmp_path, rows), "cell=A100%2F2.0%2Fsd-txt2img%2F1%2Fcompile%2F1")
    headers = page.locator("#cell table th").all_inner_texts()
    first, second = [
        dict(zip(headers, line.locator("td").all_inner_texts())) for line in page.locator("#cell tbody tr").all()
    ]
    assert first == {
        "Round": "1", "Status": "ok", "it/s": "20.5", "Latency (s)": "3.25", "First call (s)": "8.50", "Start-up (s)": "6.75",
        "Cache": "cold", "Calls": "7", "Stopped by": "target", "Started": "2026-11-20T10:00:00Z",
    }  # fmt: skip
    assert (second["Round"], second["Status"], second["it/s"], second["Calls"]) == ("2", "crashed", "-", "-")
    notes = page.locator("#cell .scroll ~ p").all_inner_texts()
    assert notes[:2] == ["Round 1: 2 of 2 blocks", "Round 2: GPU is lost"]


def test_the_caption_of_calls_names_each_rounds_first_call(tmp_path, make_row, visit):
    row = make_row()
    kinds = {1: ("first", "warmup", "call", "call"), 2: ("first", "call")}
    calls = pd.DataFrame(
        {**{key: row[key] for key in KEY}, "round": number, "kind": kind, "latency_s": 10 * number + place}
        for number, of_round in kinds.items()
        for place, kind in enumerate(of_round)
    ).astype({"batch_size": int, "stage": int})
    file = page_of(tmp_path, [make_row(round=number) for number in kinds], calls)
    page = visit(file, "cell=A100%2F2.0%2Fsd-txt2img%2F1%2Feager%2F1")
    caption = page.locator("#cell figcaption").inner_text()
    assert "filled when measured (3 calls)." in caption
    assert "First calls, not drawn: round 1: 10 s, round 2: 20 s." in caption


def test_a_cell_has_its_own_provenance_and_images(tmp_path, make_row, visit):
    """No two columns of the provenance have the same value, and the two GPUs differ in each."""
    names = [name for name in PROVENANCE if name not in ("started_at", "steps", "weights")]
    own = {
        gpu: {name: start + place for place, name in enumerate(names)} for gpu, start in (("A100", 100), ("T4", 500))
    }
    rows = [make_row(gpu=gpu, **values) for gpu, values in own.items()]
    strips = {f"{gpu}/2.0/sd-txt2img/1": f"data:image/webp;base64,{gpu}" for gpu in own}
    page = visit(page_of(tmp_path, rows, strips=strips), "cell=T4%2F2.0%2Fsd-txt2img%2F1%2Feager%2F1")
    facts = facts_of(page)
    assert {name: facts[name] for name in names} == {name: str(value) for name, value in own["T4"].items()}
    assert facts["source"] == "tests"
    assert page.locator("#cell img").get_attribute("src") == strips["T4/2.0/sd-txt2img/1"]


FLAGS = {
    "eager": "spread (round 2): 4%: measure again; drift (round 1): 2%",
    "compile": "",
    "regional": "throttled (round 1): why",
}


def test_flags_are_shown_by_kind_and_filter_the_table(tmp_path, make_row, visit):
    rows = [make_row(variant=variant) for variant in FLAGS]
    file = page_of(tmp_path, rows, change=lambda summary: summary.assign(flags=summary["variant"].map(FLAGS)))
    page = visit(file)
    assert cells_in(page, "Flags") == ["spread, drift", "-", "throttled"]
    page.locator("#flagged").check()
    assert cells_in(page, "Flags") == ["spread, drift", "throttled"]
    assert page.inner_text("#shown").startswith("2 of 3") and page.inner_text("#shown").endswith("flagged only.")
    page.locator("[data-cell]").first.click()
    assert facts_of(page)["Flags"] == FLAGS["eager"]


def test_memory_of_several_kinds_is_marked(tmp_path, make_row, visit):
    rows = [
        make_row(gpu="A100", peak_process_mib=3000, peak_reserved_mib=2000, peak_allocated_mib=1000, peak_rss_mib=500),
        make_row(gpu="T4", peak_reserved_mib=2001, peak_allocated_mib=1001, peak_rss_mib=501),
        make_row(gpu="CPU", peak_rss_mib=502),
    ]
    page = visit(page_of(tmp_path, rows))
    found = cells_in(page, "Peak MiB")
    assert found == ["3000 (on the device)", "2001 (reserved by torch)", "502 (of the process)"]


def test_numbers_have_the_digits_that_they_are_worth(tmp_path, make_row, visit):
    page = visit(page_of(tmp_path, rows_of(make_row)))
    cases = {
        None: "-", "inf": "∞", 0: "0", 7: "7", 0.05: "0.05", 0.012345: "0.0123", 0.99951: "1", 1.005: "1.00", 9.994: "9.99",
        10.04: "10.0", 99.96: "100.0", 100.4: "100", 1234.6: "1235", 2000000.5: "2.00e+6", -3.14159: "-3.14",
    }  # fmt: skip
    assert page.evaluate("(cases) => cases.map(digits)", list(cases)) == list(cases.values())


def test_the_copied_table_is_the_shown_one_with_every_page(tmp_path, make_row, visit):
    """In the order in which it is sorted, with intervals, of the cells that the filters leave."""
    page = visit(page_of(tmp_path, rows_of(make_row)), "sort=-memory&batch_size=1,4")
    lines = [line.strip("| ").split(" | ") for line in copied(page)]
    header, found = lines[0], lines[2:8]
    peaks = [dict(zip(header, line))["Peak MiB, on the device"] for line in found]
    assert peaks == ["9000", "5000", "4000", "3000", "2000", "1000"]
    for column in header[1:]:
        shown = [text.strip() for text in cells_in(page, column)]
        assert [dict(zip(header, line))[column].replace("\\", "") for line in found] == shown, column
    choose(page, "variant", "compile")
    assert [line.split(" | ")[header.index("Batch")] for line in copied(page)[2:4]] == ["1", "4"]


def test_more_cells_than_a_page_holds_are_copied_all(tmp_path, make_row, visit):
    rows = [make_row(batch_size=size) for size in range(1, 121)]
    page = visit(page_of(tmp_path, rows))
    assert len(cells_in(page, "Batch")) == 100
    assert [line.split(" | ")[2] for line in copied(page)[2:122]] == [str(size) for size in range(1, 121)]


def test_a_baseline_of_torch_and_variant_is_one_column(tmp_path, make_row, visit):
    """With torch 2.0's eager as baseline, its compile and torch 2.1's eager are no baselines, and figures show them."""
    rates = {("2.0", "eager"): 10, ("2.0", "compile"): 15, ("2.1", "eager"): 12, ("2.1", "compile"): 20}
    rows = [
        make_row(
            torch=torch, variant=variant, torch_version=torch, round=number, iterations_per_second=rate * 1.001**number
        )
        for (torch, variant), rate in rates.items()
        for number in (1, 2)
    ]
    page = visit(page_of(tmp_path, rows), "baseline=torch:2.0,variant:eager")
    columns = zip(
        cells_in(page, "Torch"), cells_in(page, "Variant"), numbers_in(page, "Speed-up"), cells_in(page, "Verdict")
    )
    assert sorted(columns) == [
        ("2.0", "compile", "1.50x", "faster"),
        ("2.0", "no compile", "1.00x", "baseline"),
        ("2.1", "compile", "2.00x", "faster"),
        ("2.1", "no compile", "1.20x", "faster"),
    ]
    assert page.locator("#figures figure:has(> h3)").first.locator("circle").count() == 3
