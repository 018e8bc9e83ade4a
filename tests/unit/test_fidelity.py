"""What runs made against what the baseline made: measures and badges."""

import math

import numpy as np
import pytest
from matplotlib.text import Text
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from diffbench.data.errors import ReportError
from diffbench.data.fidelity_csv import read_fidelity, write_fidelity
from diffbench.data.outputs import read_output, read_runs
from diffbench.statistics.fidelity import badge_of, badges, compare_images, compare_runs
from diffbench.vocabulary.columns import FIDELITY_COLUMNS
from kept import BASELINE, LATENTS, picture, shifted


@pytest.mark.parametrize("levels", [1, 3, 12])
def test_psnr_is_that_of_the_mean_squared_error(levels):
    base = picture()
    psnr_db, _ = compare_images(shifted(base, levels), base)
    assert psnr_db == pytest.approx(10 * math.log10(255**2 / levels**2))


def test_psnr_and_ssim_are_scikit_images():
    base, image = picture(32), picture(32, seed=1)
    psnr_db, ssim = compare_images(image, base)
    assert psnr_db == pytest.approx(peak_signal_noise_ratio(base, image))
    assert ssim == pytest.approx(structural_similarity(base, image, channel_axis=2, data_range=255))
    assert 0 < ssim < 0.5


def test_equal_images_have_infinite_psnr():
    assert compare_images(picture(), picture()) == (math.inf, 1)


@pytest.mark.parametrize("height, width, window", [(6, 9, 5), (8, 4, 3), (3, 3, 3), (7, 7, 7)])
def test_small_images_get_a_small_window(height, width, window):
    base = picture()[:height, :width]
    image = shifted(base, 1)
    image[0, 0] = 0
    expected = structural_similarity(base, image, channel_axis=2, data_range=255, win_size=window)
    assert compare_images(image, base)[1] == pytest.approx(expected)


def test_an_image_without_room_for_a_window_has_no_ssim():
    psnr_db, ssim = compare_images(shifted(picture(2), 1), picture(2))
    assert psnr_db == pytest.approx(48.13, abs=0.01)
    assert math.isnan(ssim)


BELOW = {limit: float(np.nextafter(limit, 0)) for limit in (40, 30, 0.97, 25)}


@pytest.mark.parametrize(
    "psnr_db, ssim, identical, noise_floor_db, badge",
    [
        (math.inf, 1, True, math.nan, "identical"),
        (math.inf, 1, False, math.nan, "equivalent"),  # the latents differ
        (40, 0.5, False, math.nan, "equivalent"),
        (BELOW[40], 1, False, math.nan, "close"),
        (30, 0.97, False, math.nan, "close"),
        (BELOW[30], 1, False, math.nan, "different"),
        (35, BELOW[0.97], False, math.nan, "different"),
        (35, math.nan, False, math.nan, "different"),
        (25, 0.5, False, 25, "equivalent"),  # no further from it than it is from itself
        (BELOW[25], 0.5, False, 25, "different"),
        (39, 1, False, math.inf, "close"),
        (math.nan, math.nan, False, math.nan, ""),
        (math.nan, math.nan, True, math.nan, "identical"),
    ],
)
def test_badge(psnr_db, ssim, identical, noise_floor_db, badge):
    assert badge_of(psnr_db, ssim, identical, noise_floor_db) == badge


def test_a_run_is_held_against_the_first_round_of_the_baseline(runs):
    runs.add(shifted(picture(), 7), LATENTS, round=2)  # the files come in any order
    runs.add(picture(), LATENTS, round=1)
    runs.add(shifted(picture(), 2), LATENTS + np.float32(0.5), variant="compile")
    runs.add(picture(), LATENTS, variant="compile", batch_size=4)  # no baseline there
    rows = runs.compare().set_index(["variant", "round"])
    assert len(rows) == 3
    row = rows.loc["compile", 1]
    assert row["psnr_db"] == pytest.approx(10 * math.log10(255**2 / 4))
    assert (row["latents_difference"], row["latents_scale"]) == (pytest.approx(0.5), 3)
    assert row["baseline_round"] == 1
    assert not row["identical"]
    assert rows.loc[("eager", 1), "identical"]
    assert not rows.loc[("eager", 2), "identical"]


def test_badges_are_those_of_the_worst_round_and_the_noise_floor_is_the_baselines(runs):
    for number, levels in [(1, 0), (2, 20), (3, 30)]:
        runs.add(shifted(picture(), levels), LATENTS, round=number)
    for variant, levels in [("within", (1, 30)), ("beyond", (1, 31))]:
        for number, level in enumerate(levels, start=1):
            runs.add(shifted(picture(), level), LATENTS, variant=variant, round=number)
    found = runs.badges().loc["2.0"]
    floor = 10 * math.log10(255**2 / 30**2)
    assert list(found["noise_floor_db"]) == [pytest.approx(floor)] * 3
    assert dict(found["fidelity"]) == {"eager": "different", "within": "equivalent", "beyond": "different"}
    assert found.loc["beyond", "psnr_db"] == pytest.approx(10 * math.log10(255**2 / 31**2))
    assert found.loc["beyond", "ssim"] == pytest.approx(compare_images(shifted(picture(), 31), picture())[1])


def test_identical_is_bit_for_bit_in_every_round_and_in_the_latents_too(runs):
    nearly = LATENTS.copy()
    nearly.flat[0] = np.nextafter(nearly.flat[0], np.float32(0))
    runs.add(picture(), LATENTS)
    runs.add(picture(), LATENTS, round=2)
    runs.add(picture(), LATENTS, variant="same")
    runs.add(picture(), LATENTS, variant="once")
    runs.add(picture(), nearly, variant="once", round=2)
    found = runs.badges().loc["2.0"]
    assert dict(found["fidelity"]) == {"eager": "identical", "same": "identical", "once": "equivalent"}
    assert math.isinf(found.loc["once", "psnr_db"])
    assert 0 < found.loc["once", "latents_difference"] < 1e-6


def test_one_round_of_the_baseline_gives_no_noise_floor_and_no_badge_of_its_own(runs):
    runs.add(picture(), LATENTS)
    runs.add(shifted(picture(), 3), LATENTS, variant="compile")
    found = runs.badges().loc["2.0"]
    assert found["noise_floor_db"].isna().all()
    assert dict(found["fidelity"]) == {"eager": "", "compile": "close"}
    assert math.isnan(found.loc["eager", "psnr_db"])


def test_a_failed_first_round_of_the_baseline_gives_way_to_the_next(runs):
    runs.add(shifted(picture(), 90), LATENTS, status="invalid", phase="call-1")
    runs.add(picture(), LATENTS, round=2)
    runs.add(picture(), LATENTS, variant="compile")
    assert list(runs.compare()["baseline_round"]) == [2, 2]
    assert runs.badges().loc[("2.0", "compile"), "fidelity"] == "identical"


def test_without_a_baseline_there_is_no_row(runs):
    runs.add(status="oom", phase="load")
    runs.add(picture(), LATENTS, variant="compile")
    assert runs.compare().empty
    assert runs.badges().empty


def test_failed_runs_and_runs_that_kept_nothing_have_no_row(runs):
    runs.add(picture(), LATENTS)
    runs.add(variant="oom", status="oom", phase="load")
    runs.add(picture(), LATENTS, variant="invalid", status="invalid", phase="call-1")
    runs.add(variant="older")
    assert list(runs.compare()["variant"]) == ["eager"]


def test_nothing_measured_is_nothing_compared():
    fidelity = compare_runs(read_runs([]), BASELINE)
    assert fidelity.empty and badges(fidelity, BASELINE).empty


def test_a_baseline_may_fix_the_torch_build(runs):
    runs.add(picture(), LATENTS)
    runs.add(shifted(picture(), 1), LATENTS, variant="compile")
    runs.add(shifted(picture(), 3), LATENTS, torch="2.1")
    runs.add(shifted(picture(), 5), LATENTS, torch="2.1", variant="compile")

    def distances(baseline):
        return {
            (row["torch"], row["variant"]): round(255 / 10 ** (row["psnr_db"] / 20))
            for row in runs.compare(baseline).to_dict("records")
        }

    cells = [("2.0", "eager"), ("2.0", "compile"), ("2.1", "eager"), ("2.1", "compile")]
    assert distances({"variant": "eager"}) == dict(zip(cells, [0, 1, 0, 2]))
    assert distances({"torch": "2.0"}) == dict(zip(cells, [0, 0, 3, 4]))
    assert distances({"torch": "2.0", "variant": "eager"}) == dict(zip(cells, [0, 1, 3, 5]))


def test_other_sizes_are_not_compared_and_say_so(runs):
    runs.add(picture(), LATENTS)
    runs.add(picture(8), LATENTS[:, :4, :4], variant="small")
    runs.add(picture(), LATENTS, variant="mixed")
    runs.add(picture(8), LATENTS, variant="mixed", round=2)
    found = runs.badges().loc["2.0"]
    note = "latents of 4 x 4 x 4, the baseline's of 4 x 8 x 8; image of 8 x 8 x 3, the baseline's of 16 x 16 x 3"
    assert found.loc["small", "note"] == note
    assert found.loc[["small", "mixed"], ["psnr_db", "ssim"]].isna().all(axis=None)
    assert list(found.loc[["small", "mixed"], "fidelity"]) == ["", ""]


OTHER = "weights differ from the baseline's: images are not compared"
ONE_UNKNOWN = "weights digest known for only one of the two: images are not compared"
ONE, TWO = "0123456789ab", "ba9876543210"


@pytest.mark.parametrize(
    ("base", "own", "badge", "note"),
    [
        (ONE, ONE, "identical", ""),
        ("", "", "identical", ""),  # rows from before there were digests
        (ONE, TWO, "", OTHER),
        (ONE, "", "", ONE_UNKNOWN),
        ("", ONE, "", ONE_UNKNOWN),
    ],
)
def test_a_badge_needs_the_same_weights(runs, tmp_path, base, own, badge, note):
    runs.add(picture(), LATENTS, weights_digest=base)
    runs.add(picture(), LATENTS, variant="compile", weights_digest=own)
    write_fidelity(runs.compare(), tmp_path / "fidelity.csv")  # what another machine reads says the same
    for fidelity in (runs.compare(), read_fidelity(tmp_path / "fidelity.csv")):
        found = badges(fidelity, BASELINE).set_index("variant").loc["compile"]
        assert (found["fidelity"], found["note"], math.isnan(found["psnr_db"])) == (badge, note, bool(note))


def test_weights_that_a_new_row_does_not_know_are_not_the_baselines(runs):
    runs.add(picture(), LATENTS, environment_variables="OMP_NUM_THREADS=2")
    runs.add(picture(), LATENTS, variant="compile", environment_variables="OMP_NUM_THREADS=2")
    found = runs.badges().loc[("2.0", "compile")]
    assert (found["fidelity"], found["note"]) == ("", ONE_UNKNOWN)


def test_one_round_with_other_weights_leaves_the_cell_without_a_badge(runs):
    runs.add(picture(), LATENTS, weights_digest=ONE)
    runs.add(picture(), LATENTS, variant="compile", weights_digest=ONE)
    runs.add(shifted(picture(), 90), LATENTS, variant="compile", round=2, weights_digest=TWO)
    found = runs.badges().loc[("2.0", "compile")]
    assert (found["fidelity"], found["note"]) == ("", OTHER)


def test_a_strip_shows_no_difference_of_images_of_other_weights(runs):
    runs.add(picture(), LATENTS, weights_digest=ONE)
    runs.add(shifted(picture(), 9), LATENTS, variant="compile", weights_digest=TWO)
    texts = [" ".join(text.get_text().split()) for text in runs.draw().findobj(Text)]
    assert f"not compared: {OTHER}" in texts
    assert not any("largest:" in text for text in texts)


def test_latents_of_three_channels_are_the_pixels_where_there_is_no_image(runs):
    latents = np.array([-1.2, -1, 0, 0.5, 1, 3], dtype=np.float32).repeat(3 * 6).reshape(6, 6, 3).transpose(2, 0, 1)
    folder = runs.add(latents=np.ascontiguousarray(latents))
    image = read_output(folder, 1).image
    assert image[:, 0, 0].tolist() == [0, 0, 128, 191, 255, 255]
    runs.add(latents=latents - np.float32(0.1), variant="compile")
    row = runs.compare().iloc[1]
    assert 25 < row["psnr_db"] < 35


def test_latents_alone_are_compared_as_far_as_they_go(runs):
    runs.add(latents=LATENTS)
    runs.add(latents=LATENTS, variant="same")
    runs.add(latents=LATENTS * np.float32(1.5), variant="other")
    found = runs.badges().loc["2.0"]
    assert list(found.loc[["same", "other"], "fidelity"]) == ["identical", ""]
    assert found.loc["other", "latents_difference"] == pytest.approx(1.5)
    assert found.loc["other", "note"] == "no image"


def test_stages_are_compared_each_for_itself(runs):
    for variant, level in [("eager", 0), ("compile", 20)]:
        runs.add(picture(), LATENTS, variant=variant, stage=1)
        runs.add(shifted(picture(), level), LATENTS, variant=variant, stage=2)
    found = badges(runs.compare(), BASELINE).set_index(["variant", "stage"])["fidelity"]
    assert (found["compile", 1], found["compile", 2]) == ("identical", "different")


def test_a_comparison_reads_back_as_it_was_written(runs, tmp_path):
    runs.add(picture(), LATENTS, torch="2.10")
    runs.add(picture(8), LATENTS, torch="2.10", variant="small")
    fidelity = runs.compare()
    write_fidelity(fidelity, tmp_path / "fidelity.csv")
    text = (tmp_path / "fidelity.csv").read_text()
    assert ",inf,1,0,3,True," in text
    found = read_fidelity(tmp_path / "fidelity.csv")
    assert list(found["torch"]) == ["2.10", "2.10"]
    assert found.to_csv() == fidelity.to_csv()
    assert badges(found, BASELINE)["fidelity"].tolist() == ["", ""]


COMPARED = "A100,2.0,sd-txt2img,1,native,eager,1,1,1,inf,1,0,3,True,"


def read_text(folder, *lines, end="\n"):
    path = folder / "fidelity.csv"
    path.write_text("\n".join([",".join(FIDELITY_COLUMNS), *lines]) + end, encoding="utf-8")
    return read_fidelity(path)


@pytest.mark.parametrize(
    ("text", "value"), [(text, text.lower() == "true") for text in ["True", "TRUE", "true", "False", "FALSE", "false"]]
)
def test_identical_reads_as_spreadsheets_save_it(tmp_path, text, value):
    assert read_text(tmp_path, COMPARED.replace("True", text))["identical"].tolist() == [value]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",inf,1,", ",-9,1,", "fidelity.csv:3: psnr_db: found '-9', expected a number of 0 or more, or inf; delete it"),
        (",inf,1,", ",inf,5,", "fidelity.csv:3: ssim: found '5', expected a number from -1 to 1; delete it"),
        ("A", "A", "fidelity.csv:3: round: found '1', expected another round: this one appears twice; delete it"),
        ("True", "yes", "fidelity.csv:3: identical: found 'yes', expected True or False; delete it"),
        ("True", "", "fidelity.csv:3: identical: found '', expected True or False; delete it"),
        (
            ",1,1,1,inf",
            ",1,1,,inf",
            "fidelity.csv:3: baseline_round: found '', expected an integer of 1 or more; delete",
        ),
        (
            ",inf,",
            ",12.5,",
            "fidelity.csv:3: identical: found 'True', expected False, because psnr_db is finite; delete it",
        ),
        (",1,1,1,inf", ",1,1.5,1,inf", "fidelity.csv:3: round: found '1.5', expected an integer of 1 or more; delete"),
    ],
)
def test_a_value_that_no_comparison_has_is_refused(tmp_path, old, new, message):
    with pytest.raises(ReportError, match=message):
        read_text(tmp_path, COMPARED, COMPARED.replace(old, new))


def test_a_comparison_that_is_cut_off_is_refused(tmp_path):
    with pytest.raises(
        ReportError, match="fidelity.csv: empty or cut off in its last line; delete it to have it made again"
    ):
        read_text(tmp_path, COMPARED, end="")
    with pytest.raises(ReportError, match="fidelity.csv:3: found 11 fields, expected the 15 of the header; delete it"):
        read_text(tmp_path, COMPARED, COMPARED.rpartition(",0,3")[0])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\xff"])
def test_a_file_that_is_no_comparison_is_told(tmp_path, text):
    (tmp_path / "fidelity.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ReportError, match="fidelity.csv: (empty or cut off|not a CSV of comparisons|not a text file)"):
        read_fidelity(tmp_path / "fidelity.csv")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n and no more", b"\x93NUMPY", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["stage-1.png", "stage-1.npy"])
def test_a_damaged_output_is_named(runs, name, content):
    folder = runs.add(picture(), LATENTS)
    (folder / name).write_bytes(content)
    with pytest.raises(ReportError, match=f"{name}: (not|an array)"):
        runs.compare()


def huge(header):
    return header.replace(b"(4, 8, 8), }          ", b"(4, 8, 99999999999), }")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (huge, "found a file of 1152 bytes, expected "),
        (lambda content: content[:-4], "found a file of 1148 bytes, expected 1152"),
        (lambda content: content + b"0", "found a file of 1153 bytes, expected 1152"),
        (lambda content: content.replace(b"(4, 8, 8), }", b"((((((((((((", 1), "not a NumPy array: "),
        (lambda content: content.replace(b"(4, 8, 8), }", b"(-4, 8, -8)}", 1), "not a NumPy array of numbers: "),
        (lambda content: content.replace(b"'<f4'", b"'<x4'", 1), "not a NumPy array: "),
        (lambda content: content.replace(b"'<f4'", b"'|O4'", 1), "not a NumPy array"),
        (lambda content: content.replace(b"'<f4'", b"'<U1'", 1), "not a NumPy array of numbers: "),
        (lambda content: content[:6] + b"\x09" + content[7:], "not a NumPy array: "),
        (lambda content: content[:8] + b"\xff\xff" + content[10:], "not a NumPy array: "),
        (lambda content: content[:11] + bytes(20) + content[31:], "not a NumPy array: "),
    ],
)
def test_a_damaged_array_is_told_in_one_line_before_it_is_read(runs, damage, message):
    path = runs.add(picture(), LATENTS) / "stage-1.npy"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ReportError) as error:
        runs.compare()
    assert str(error.value).startswith(f"{path}: {message}")
    assert str(error.value).endswith("; delete its run's folder to measure it again")
    assert "\n" not in str(error.value)


def test_pickled_latents_are_refused(runs):
    folder = runs.add(picture(), LATENTS)
    np.save(folder / "stage-1.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ReportError, match="not a NumPy array"):
        runs.compare()
