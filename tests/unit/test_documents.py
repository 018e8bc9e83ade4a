"""Documents: what an update changes, what it never touches, and how it is written."""

import re
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffbench.data.errors import ReportError
from diffbench.documents.filling import stale, update, update_documents, write_document
from diffbench.documents.markers import KINDS, named_datasets, parse, read_document
from marked_documents import BLOCK, CELL, END, TABLE, render


def test_a_block_is_put_between_blank_lines():
    text = f"# Speed\n\n{BLOCK}\nold\n{END}\nafter\n"
    assert update(text, "page.md", render) == f"# Speed\n\n{BLOCK}\n\n{TABLE}\n\n{END}\nafter\n"


@pytest.mark.parametrize("space", ["\n", "\n\n", "\nold\n\n- text\n", "  \n\n   \n", f"\n\n{TABLE}\n\n"])
def test_whatever_stood_between_the_markers_goes(space):
    assert update(f"{BLOCK}{space}  {END}", "page.md", render).replace("  \n", "\n") == f"{BLOCK}\n\n{TABLE}\n\n  {END}"


def test_blank_lines_around_the_rendered_text_are_not_doubled():
    text = f"{BLOCK}\n{END}\n"
    assert update(text, "page.md", lambda marker: f"\n \n{TABLE}\n\n\n") == update(text, "page.md", render)
    assert update(text, "page.md", lambda marker: "") == text


def test_numbers_inside_a_sentence_and_a_table():
    text = f"It makes {CELL}{END} iterations,\nthen {CELL}1.0{END}.\n\n| a |\n|---|\n| {CELL}?{END} |\n"
    assert update(text, "page.md", render) == re.sub(f"(?<={CELL})[1.0?]*", "49.74", text)


def test_text_for_a_sentence_is_put_on_one_line():
    filled = update(f"a {CELL}{END} b", "page.md", lambda marker: " 20.21 /\r\n  13.84\n")
    assert filled == f"a {CELL}20.21 / 13.84{END} b"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_line_endings_and_byte_order_mark_are_kept(newline, bom):
    lines = [f"{bom}{BLOCK}", "", *TABLE.split("\n"), "", END, f"a {CELL}49.74{END}"]
    text = f"{bom}{BLOCK}{newline}old{newline}{END}{newline}a {CELL}{END}"
    assert update(text, "page.md", render) == newline.join(lines)


def test_mixed_line_endings_outside_are_kept_and_the_begin_marker_rules_inside():
    text = f"a\nb\r\n\r{BLOCK}\r\nold\n{END}\nc\r\n\n"
    table = TABLE.replace("\n", "\r\n")
    assert update(text, "page.md", render) == f"a\nb\r\n\r{BLOCK}\r\n\r\n{table}\r\n\r\n{END}\nc\r\n\n"


def test_a_page_with_many_tables():
    gpus, sizes = ["A100", "V100", "T4", "RTX 3090", "RTX 4090"], [1, 4, 16]
    marks = [f'<!-- diffbench:begin table gpu="{gpu}" batch_size={size} -->' for gpu in gpus for size in sizes]
    text = "# PyTorch 2.0\n\n" + "\n".join(f"{mark}\n{END}\n\nSome text.\n" for mark in marks)
    filled = update(
        text, "page.md", lambda marker: "### {gpu} ({batch_size})".format(**marker.options) + f"\n\n{TABLE}"
    )
    assert re.findall(r"### (.*) \((\d+)\)", filled) == [(gpu, str(size)) for gpu in gpus for size in sizes]
    assert len(parse(filled, "page.md")) == 15


def written(folder, **texts):
    paths = [folder / f"{name}.md" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_bytes(text.encode())
    return paths


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_what_changes_is_written(tmp_path):
    done = f"a {CELL}49.74{END}\r\n"
    old, current = written(tmp_path, old=f"a {CELL}1{END}\r\n", current=done)
    time = current.stat().st_mtime_ns
    assert update_documents([old, current], render) == [old]
    assert old.read_bytes() == done.encode()
    assert current.stat().st_mtime_ns == time
    assert update_documents([old, current], render) == []


@pytest.mark.parametrize("text", ["no marker\n", f"```\n{BLOCK}\n{END}\n```\n", "{/* other */}\n"])
@pytest.mark.parametrize("work", [update_documents, stale])
def test_a_document_without_a_marker_has_nothing_to_fill(tmp_path, text, work):
    good, plain = written(tmp_path, good=f"{CELL}1{END}\n", plain=text)
    with pytest.raises(ReportError, match="plain.md: found no marker outside code, expected `<!-- diffbench:begin"):
        work([good, plain], render)
    assert good.read_text() == f"{CELL}1{END}\n"


def test_the_markers_that_are_filled_say_which_datasets_are_made(tmp_path):
    shown = f"````\n```\n{BLOCK}\n```\n````\n<!-- a comment: dataset=commented -->\n"
    compared = '<!-- diffbench:begin comparison dataset="my own" with=pytorch2 -->'
    one, other = written(tmp_path, one=f"{compared}\n{END}\n{shown}", other=f"`{BLOCK}` {CELL}{END}\n")
    assert named_datasets([one]) == {"my own", "pytorch2"}
    assert named_datasets([other]) == named_datasets([]) == set()
    (faulty,) = written(tmp_path, faulty=f"{BLOCK}\n")
    assert named_datasets([one, faulty]) == named_datasets([one, tmp_path / "missing.md"]) == set()


def test_one_faulty_document_and_none_is_written(tmp_path):
    good, faulty = written(tmp_path, good=f"{CELL}1{END}\n", faulty=f"a\n{END}\n")
    for paths in ([good, faulty], [good, tmp_path / "missing.md"]):
        with pytest.raises(ReportError):
            update_documents(paths, render)
        assert good.read_text() == f"{CELL}1{END}\n"
    assert names_in(tmp_path) == ["faulty.md", "good.md"]


def test_mode_and_links_are_kept(tmp_path):
    (path,) = written(tmp_path, page="old")
    path.chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to("page.md")
    assert write_document(link, "new")
    assert link.is_symlink() and path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names_in(tmp_path) == ["link.md", "page.md"]


def test_a_write_that_fails_leaves_the_document_and_no_other_file(tmp_path, monkeypatch):
    (path,) = written(tmp_path, page="old")

    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("diffbench.documents.filling.shutil.copymode", full)
    with pytest.raises(OSError):
        write_document(path, "new")
    assert names_in(tmp_path) == ["page.md"] and path.read_text() == "old"


def test_a_document_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ReportError, match="missing.md: no such document"):
        read_document(tmp_path / "missing.md")
    path = tmp_path / "latin.md"
    path.write_bytes("a\nGrüße\n".encode("latin-1"))
    with pytest.raises(ReportError, match="latin.md:2: byte 0xfc; expected text in UTF-8"):
        read_document(path)


def test_the_diff_of_what_is_stale(tmp_path):
    old, current = written(tmp_path, old=f"x\na {CELL}1{END}", current=f"a {CELL}49.74{END}")
    assert stale([old, current], render) == (
        f"--- {old}\tas it is\n+++ {old}\tas its data say\n@@ -1,2 +1,2 @@\n x\n"
        f"-a {CELL}1{END}\n\\ No newline at end of file\n+a {CELL}49.74{END}\n\\ No newline at end of file\n"
    )
    update_documents([old, current], render)
    assert stale([old, current], render) == ""


NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])
PLAIN = st.text(st.sampled_from("abé|*# >-1.\u2028\x0b"), max_size=12)
PIECES = st.lists(
    st.sampled_from(
        [BLOCK, CELL, END, "```", "~~~", "`", "``", "\\", "    ", "  ", "- ", "> ", "# ", "<!--", "-->", "text"]
    )
    | NEWLINES,
    max_size=14,
).map("".join)
VALUES = st.text(st.characters(exclude_characters="`\r\n\\", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(PLAIN, NEWLINES, st.booleans(), PLAIN), max_size=6), PLAIN, st.sampled_from(["", "\ufeff"]))
def test_every_byte_outside_the_markers_stays(parts, last, bom):
    text, expected = bom, bom
    for plain, newline, inline, old in parts:
        if inline:
            before, after = f"a {plain}x {CELL}", f"{END} {plain}"
            space = "49.74"
        else:
            before, after = f"{plain}{newline}{newline}{BLOCK}", f"{END}{newline}{newline}"
            old, space = newline + old + newline, f"\n\n{TABLE}\n\n".replace("\n", newline)
        text += before + old + after
        expected += before + space + after
    filled = update(text + last, "page.md", render)
    assert filled == expected + last
    assert update(filled, "page.md", render) == filled


@given(PIECES, PIECES)
def test_any_document_is_refused_with_a_line_or_updated_once_and_for_all(text, rendered):
    try:
        filled = update(text, "page.md", lambda marker: rendered)
    except ReportError as error:
        assert re.match(r"page\.md:\d+: ", str(error))
        assert int(str(error).split(":")[1]) <= len(re.findall(r"\r\n?|\n", text)) + 1
        return
    assert update(filled, "page.md", lambda marker: rendered) == filled
    if not parse(text, "page.md"):
        assert filled == text


@given(VALUES.filter(lambda value: "<!--" not in value and "-->" not in value), st.sampled_from(sorted(KINDS)))
def test_any_value_can_be_quoted(value, kind):
    quoted = value.replace('"', '\\"')
    gap = "" if kind == "cell" else "\n"
    (marker,) = parse(f'<!-- diffbench:begin {kind} title="{quoted}" gpu=A100 -->{gap}{END}', "page.md")
    assert marker[:2] == (kind, {"title": value, "gpu": "A100"})


@given(st.sampled_from("`~"), st.integers(3, 6), st.integers(0, 3), st.integers(0, 2), PIECES)
def test_nothing_in_a_fence_is_a_marker(character, length, indent, more, inside):
    fence = character * length
    inside = inside.replace(fence, "")
    text = f"{' ' * indent}{fence}\n{inside}\n{fence}{character * more}\n"
    if fence not in inside:
        assert update(text, "page.md", render) == text
