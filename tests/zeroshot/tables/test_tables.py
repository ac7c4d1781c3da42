import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from smie_pipe.zeroshot.methods.registry import METHODS
from smie_pipe.zeroshot.tables.published import LATER, LATER_SETTING, TABLE_2, TABLE_3
from smie_pipe.zeroshot.tables.table import Table
from smie_pipe.zeroshot.tables.tables import tables
from smie_pipe.zeroshot.trials.results import Result, Results

CLIPS = 40
FOLDS = ("ntu60-smie-1", "ntu60-smie-2", "ntu60-smie-3")


def _result(run_dir, method="smie", split="ntu60-smie-1", seed=0, right=20, **fields) -> Result:
    """Return a result whose first ``right`` clips of 40 are right, with its scores written."""
    changed = fields.pop("changed", {})
    variant = "_".join([method, *(f"{k}-{v}" for k, v in changed.items())])
    tail = "".join(f"_{fields[k]}" for k in ("text", "text_model", "select") if k in fields)
    folder = f"{split}/{variant}{tail}/seed-{seed}"
    truth = np.arange(CLIPS) % 5
    guess = np.where(np.arange(CLIPS) < right, truth, (truth + 1) % 5)
    (run_dir / folder).mkdir(parents=True)
    scores = np.eye(5, dtype=np.float32)[guess]
    save_file({"scores": scores, "truth": truth}, run_dir / folder / "scores.safetensors")
    plain = {
        "dataset": "ntu60",
        "backbone": "stgcn",
        "protocol": "xsub",
        "mask": "key-frames",
        "options": {"beta": 0.1, **changed},
        "text": "labels",
        "text_model": "all-mpnet-base-v2",
        "text_width": 768,
        "select": "last",
        "chosen": None,
        "classes": list("abcde"),
        "clips": CLIPS,
        "accuracy": right / CLIPS,
        "class_mean": right / CLIPS,
        "chance": 0.2,
        "top": [right / CLIPS],
        "confusion": np.zeros((5, 5), int).tolist(),
        "epochs": 1,
        "losses": {},
        "seconds": {},
        "optimistic": None,
        "gzsl": None,
        "device": "cpu",
        "digest": "",
    }
    return Result(
        **{**plain, **fields},
        method=method,
        variant=variant,
        changed=changed,
        split=split,
        seed=seed,
        folder=folder,
    )


def _tables(run_dir, *entries) -> dict[str, Table]:
    return {t.title.partition(",")[0]: t for t in tables(Results(run_dir, list(entries)))}


def _column(table: Table, header: str) -> dict[str, str]:
    at = table.header.index(header)
    return {row[0]: row[at] for row in table.rows}


def test_methods_with_mean_deviation_chance_and_interval(tmp_path):
    entries = [
        _result(tmp_path, method, split, seed, right + seed)
        for method, right in (("ridge", 26), ("smie", 20))
        for split in ("ntu60-smie-1", "ntu60-smie-2")
        for seed in (0, 1)
    ]
    table = _tables(tmp_path, *entries)["Methods"]
    accuracy = _column(table, "accuracy %")
    assert accuracy["SMIE"] == "51.25"
    assert accuracy["ridge regression"] == "66.25"
    assert _column(table, "± splits")["SMIE"] == "0.00"
    assert _column(table, "± seeds")["SMIE"] == "1.77"
    assert accuracy["chance"] == "20.00"
    against = _column(table, "less SMIE [95 %]")
    assert against["SMIE"] == "–"
    # In each split 5 of 40 clips always differ and 2 of them half the time: 15 points.
    assert against["ridge regression"].startswith("+15.00 [+")
    assert table.notes[0].startswith("Mean over 2 split(s), 1 backbone(s) of each and 2 seed(s).")
    assert [row[0] for row in table.rows] == ["SMIE", "ridge regression", "chance"]


def test_methods_on_other_splits_have_no_paired_interval(tmp_path):
    entries = [_result(tmp_path), _result(tmp_path, "ridge", "ntu60-smie-2")]
    table = _tables(tmp_path, *entries)["Methods"]
    assert "less SMIE [95 %]" not in table.header


def test_rows_with_fewer_trainings_are_told_by_their_counts(tmp_path):
    entries = [_result(tmp_path, seed=s) for s in (0, 1)] + [_result(tmp_path, "ridge")]
    counts = _column(_tables(tmp_path, *entries)["Methods"], "splits x backbones x seeds")
    assert counts == {"SMIE": "1 x 1 x 2", "ridge regression": "1 x 1 x 1", "chance": ""}


def test_a_method_that_draws_nothing_has_no_deviation_over_seeds(tmp_path):
    fixed = [
        _result(tmp_path, "ridge", split, seed, right)
        for split, right in (("ntu60-smie-1", 26), ("ntu60-smie-2", 30))
        for seed in (0, 1)
    ]
    drawn = [
        _result(tmp_path, "smie", split, seed, 20 + seed, confusion=[[seed]])
        for split in ("ntu60-smie-1", "ntu60-smie-2")
        for seed in (0, 1)
    ]
    table = _tables(tmp_path, *fixed, *drawn)["Methods"]
    assert _column(table, "± seeds")["ridge regression"] == "–"
    assert _column(table, "± seeds")["SMIE"] == "1.77"
    assert _column(table, "± splits")["ridge regression"] == "7.07"


def test_spread_over_backbones_is_told_apart(tmp_path):
    entries = [
        _result(tmp_path, split=f"ntu60-smie-1{more}", seed=seed, right=right + seed)
        for more, right in (("", 20), ("/pretraining-2", 24))
        for seed in (0, 1)
    ]
    table = _tables(tmp_path, *entries)["Methods"]
    assert table.notes[0].startswith("Mean over 1 split(s), 2 backbone(s) of each and 2 seed(s).")
    assert _column(table, "± backbones")["SMIE"] == "7.07"
    assert "± splits" not in table.header


def test_a_column_for_every_split_when_asked(tmp_path):
    entries = [_result(tmp_path, split=f, right=20 + 2 * i) for i, f in enumerate(FOLDS)]
    (table,) = tables(Results(tmp_path, entries), per_split=True)
    assert [_column(table, fold)["SMIE"] for fold in FOLDS] == ["50.00", "55.00", "60.00"]
    assert FOLDS[0] not in tables(Results(tmp_path, entries))[0].header


def test_every_variant_asked_for_is_a_row_and_the_rest_stands_apart(tmp_path):
    tried = [
        _result(tmp_path, "rnd", changed=c, right=20 + i)
        for i, c in enumerate([{}, {"k": 9}, {"k": 5}])
    ]
    asked = {entry.folder for entry in tried[1:]}
    methods, also = tables(Results(tmp_path, tried, asked))
    assert _column(methods, "accuracy %") == {
        "rnd, k 5": "55.00",
        "rnd, k 9": "52.50",
        "chance": "20.00",
    }
    assert also.title == "Also in this folder"
    assert _column(also, "accuracy %") == {"rnd": "50.00"}
    assert len(tables(Results(tmp_path, tried, asked), only=True)) == 1


def test_a_sweep_prints_its_sweep_whatever_else_lies_in_the_folder(tmp_path):
    before = _result(tmp_path, changed={"beta": 0.5, "epochs": 2})
    sweep = [
        _result(tmp_path, changed={"epochs": 5, **({} if b == 0.1 else {"beta": b})})
        for b in (0.01, 0.1, 0.5)
    ]
    asked = {entry.folder for entry in sweep}
    found = tables(Results(tmp_path, [before, *sweep], asked))
    assert [row[0] for row in found[0].rows] == ["0.01", "0.1", "0.5", "chance"]
    assert "Every row with epochs 5." in found[0].notes
    assert [table.title.partition(",")[0] for table in found] == [
        "SMIE over beta",
        "Also in this folder",
    ]


def test_a_backbone_that_saw_unseen_classes_marks_every_table(tmp_path):
    figures = {"S": 0.8, "U": 0.2, "H": 0.32}
    gzsl = {"plain": figures, "ausuc": 0.25, "curve": {"S": [], "U": []}}
    entries = [
        _result(tmp_path, text=text, changed=c, gzsl=gzsl, saw_unseen="wave, bow")
        for text in ("labels", "descriptions")
        for c in ({}, {"beta": 1.0}, {"negatives": "roll"})
    ]
    found = tables(Results(tmp_path, entries, {entries[0].folder, entries[1].folder}))
    found += tables(Results(tmp_path, entries))
    assert len(found) > 8
    for table in found:
        assert table.title.startswith("NOT ZERO-SHOT: ")
        assert table.notes[0] == "The backbone was trained on unseen classes: wave, bow."


def test_two_embedding_files_of_one_name_are_two_sources(tmp_path):
    one = _result(tmp_path, text_model="emb.npy", text_digest="11111111")
    other = _result(tmp_path, "ridge", text_model="emb.npy", text_digest="22222222")
    titles = [table.title for table in tables(Results(tmp_path, [one, other]))]
    assert "emb.npy (11111111)" in titles[0] and "emb.npy (22222222)" in titles[1]


def test_scores_that_are_gone_cost_the_interval_only(tmp_path):
    entries = [_result(tmp_path), _result(tmp_path, "ridge")]
    (tmp_path / entries[1].folder / "scores.safetensors").unlink()
    table = _tables(tmp_path, *entries)["Methods"]
    assert _column(table, "accuracy %")["ridge regression"] == "50.00"
    assert "less SMIE [95 %]" not in table.header


def test_no_optimistic_figure_unless_asked_and_then_named_so(tmp_path):
    plain = _result(tmp_path)
    assert not any("optimistic" in head for head in _tables(tmp_path, plain)["Methods"].header)
    asked = replace(plain, optimistic={"accuracy": 0.75, "epoch": 3})
    table = _tables(tmp_path, asked)["Methods"]
    assert table.header[-1].startswith("optimistic")
    assert table.header.index("accuracy %") < len(table.header) - 1
    assert table.rows[0][-1] == "75.00"


def test_the_papers_figures_stand_beside_its_own_setting(tmp_path):
    entries = [
        _result(tmp_path, method, "ntu60-synse-55-5", backbone="shift-gcn")
        for method in ("smie", "synse", "ridge")
    ]
    paper = _column(_tables(tmp_path, *entries)["Methods"], "paper")
    assert paper["SMIE"] == "77.98" and paper["SynSE"] == "75.81"
    assert paper["ridge regression"] == "–"


@pytest.mark.parametrize(
    "other",
    [
        {"backbone": "stgcn"},
        {"text": "descriptions"},
        {"text_width": 384},
        {"text_model": "clip-ViT-L-14"},
        {"text_model": "ntu60_des_embeddings.npy"},
        {"protocol": "xview"},
        {"protocol": "subjects:1,2"},
        {"split": "ntu60-synse-55"},
        {"changed": {"negatives": "roll"}},
    ],
)
def test_the_papers_figures_stand_beside_no_other_setting(other, tmp_path):
    same = {"split": "ntu60-synse-55-5", "backbone": "shift-gcn"}
    table = _tables(tmp_path, _result(tmp_path, **{**same, **other}))["Methods"]
    assert not any(head.startswith("paper") for head in table.header)


def test_the_papers_smie_never_stands_beside_smie_without_its_constraint(tmp_path):
    same = {"split": "ntu60-synse-55-5", "backbone": "shift-gcn", "mask": "none"}
    entries = [_result(tmp_path, method, **same) for method in ("smie-wo-l2", "synse")]
    table = _tables(tmp_path, *entries)["Methods"]
    assert _column(table, "paper") == {"SMIE w/o L2": "–", "SynSE": "75.81", "chance": ""}
    assert "less SMIE w/o L2 [95 %]" in table.header
    assert any("77.98 for SMIE with its temporal constraint" in note for note in table.notes)


def test_one_fold_is_not_the_papers_mean_of_three(tmp_path):
    entries = [_result(tmp_path, method) for method in ("smie", "smie-wo-l2")]
    header = _tables(tmp_path, *entries)["Methods"].header
    assert not any(head.startswith("paper") for head in header)


def test_of_table_3_only_differences_are_known(tmp_path):
    entries = [
        _result(tmp_path, method, split)
        for method in ("smie", "smie-wo-l2", "revise", "devise")
        for split in FOLDS
    ]
    table = _tables(tmp_path, *entries)["Methods"]
    assert "paper" not in table.header
    differences = _column(table, "paper, less SMIE")
    assert differences["ReViSE"] == "-6.60" and differences["SMIE w/o L2"] == "-1.40"
    assert differences["DeViSE"] == "-13.77 (DeViSE or RelationNet)"
    assert "Ablation of SMIE" in _tables(tmp_path, *entries)


def test_published_figures_are_those_of_the_papers_text():
    gains = {name: f["smie"] - f["synse"] for name, f in TABLE_2.items()}
    assert gains == pytest.approx(
        {
            "ntu60-synse-55-5": 2.17,
            "ntu60-synse-48-12": 6.88,
            "ntu120-synse-110-10": 3.05,
            "ntu120-synse-96-24": 6.60,
        }
    )
    assert set(TABLE_3) == {"ntu60-smie", "ntu120-smie", "pku51-smie"}


def test_ablation_leaves_beta_to_its_own_table(tmp_path):
    changes = [{}, {"negatives": "roll"}, {"beta": 0.01}, {"beta": 1.0}]
    entries = [_result(tmp_path, changed=c, right=20 + i) for i, c in enumerate(changes)]
    entries.append(_result(tmp_path, "smie-wo-l2", right=18))
    found = _tables(tmp_path, *entries)
    names = [row[0] for row in found["Ablation of SMIE"].rows]
    assert names == ["SMIE", "SMIE w/o L2", "SMIE, negatives roll", "chance"]
    beta = found["SMIE over beta"]
    assert _column(beta, "accuracy %") == {
        "0.01": "55.00",
        "0.1": "50.00",
        "1": "57.50",
        "chance": "20.00",
    }
    assert _column(beta, "less beta 0.1 [95 %]")["0.1"] == "–"
    assert _column(beta, "less beta 0.1 [95 %]")["1"].startswith("+7.50 [")
    assert not any("alike" in note for note in beta.notes)
    assert "In the paper beta = 0.1 is best on this set of splits (table 4)." in beta.notes
    assert [row[0] for row in found["Methods"].rows] == [
        "SMIE",
        "SMIE, beta 0.01",
        "SMIE, beta 1",
        "SMIE, negatives roll",
        "SMIE w/o L2",
        "chance",
    ]


def test_ablation_at_another_beta_keeps_it(tmp_path):
    changes = [{"beta": 0.5}, {"beta": 0.5, "negatives": "roll"}]
    entries = [_result(tmp_path, changed=c) for c in changes]
    entries.append(_result(tmp_path, "smie-wo-l2"))
    names = [row[0] for row in _tables(tmp_path, *entries)["Ablation of SMIE"].rows]
    assert names == ["SMIE, beta 0.5", "SMIE w/o L2", "SMIE, beta 0.5, negatives roll", "chance"]


def test_a_beta_that_changes_nothing_is_said_to(tmp_path):
    entries = [_result(tmp_path, changed=c) for c in ({}, {"beta": 0.01}, {"beta": 1.0})]
    notes = _tables(tmp_path, *entries)["SMIE over beta"].notes
    assert any(note.startswith("Every beta names every clip alike.") for note in notes)


def test_text_sources_stand_side_by_side(tmp_path):
    entries = [
        _result(tmp_path, method, right=right + 4 * (text != "labels"), text=text)
        for method, right in (("smie", 20), ("ridge", 24))
        for text in ("labels", "descriptions")
    ]
    entries.append(_result(tmp_path, right=4, changed={"negatives": "roll"}))
    table = _tables(tmp_path, *entries)["Class texts"]
    assert table.header[1:] == [
        "labels (all-mpnet-base-v2)",
        "descriptions (all-mpnet-base-v2)",
        "less the first [95 %]",
    ]
    assert [row[:3] for row in table.rows] == [
        ["SMIE", "50.00", "60.00"],
        ["SMIE, negatives roll", "10.00", "–"],
        ["ridge regression", "60.00", "70.00"],
    ]
    assert table.rows[0][3].startswith("+10.00 [")


def test_ready_made_vectors_are_not_said_to_be_labels(tmp_path):
    entries = [_result(tmp_path, text_model=m) for m in ("ntu60.npy", "all-mpnet-base-v2")]
    found = tables(Results(tmp_path, entries))
    assert found[-1].header[1:3] == ["labels (all-mpnet-base-v2)", "ntu60.npy"]
    assert "texts: ntu60.npy, select last" in "".join(table.title for table in found)


def test_words_tell_jpose_the_same_under_any_text(tmp_path):
    entries = [_result(tmp_path, "jpose", text=text) for text in ("labels", "descriptions")]
    notes = _tables(tmp_path, *entries)["Class texts"].notes
    assert "JPoSE: from the class's verb and noun alone, whatever its text." in notes


def test_descriptions_meet_the_papers_figure_on_ntu120(tmp_path):
    entries = [
        _result(tmp_path, split=split.replace("60", "120"), dataset="ntu120", text=text)
        for text in ("labels", "descriptions")
        for split in FOLDS
    ]
    table = _tables(tmp_path, *entries)["Class texts"]
    assert "Paper: SMIE with descriptions 58.85." in table.notes


def test_without_smie_the_ablation_is_of_smie_without_its_constraint(tmp_path):
    entries = [_result(tmp_path, "smie-wo-l2", changed=c) for c in ({"negatives": "roll"}, {})]
    table = _tables(tmp_path, *entries)["Ablation of SMIE"]
    assert _column(table, "less SMIE w/o L2 [95 %]")["SMIE w/o L2"] == "–"


def test_generalised_table_shows_every_way_that_was_tried(tmp_path):
    figures = {"S": 0.8, "U": 0.2, "H": 0.32}
    gzsl = {"plain": figures, "stacking": figures, "ausuc": 0.25, "curve": {"S": [], "U": []}}
    table = _tables(tmp_path, _result(tmp_path, gzsl=gzsl))["Generalised zero-shot"]
    assert table.header[1:4] == ["plain S", "plain U", "plain H"]
    assert not any("gate" in head for head in table.header)
    assert table.rows == [["SMIE", *["80.00", "20.00", "32.00"] * 2, "25.00"]]


def test_the_harmonic_mean_and_the_area_come_with_their_deviation(tmp_path):
    entries = [
        _result(tmp_path, seed=seed, gzsl={"plain": {"S": 0.8, "U": 0.2, "H": h}, "ausuc": h})
        for seed, h in enumerate((0.3, 0.4))
    ]
    table = _tables(tmp_path, *entries)["Generalised zero-shot"]
    assert table.rows == [["SMIE", "80.00", "20.00", "35.00 ± 7.07", "35.00 ± 7.07"]]


def test_options_unlike_the_defaults_name_the_row(tmp_path):
    entries = [
        _result(tmp_path, changed={"epochs": 5}),
        _result(tmp_path, changed={"epochs": 9}),
        _result(tmp_path, "devise", changed={"epochs": 5}),
    ]
    table = _tables(tmp_path, *entries)["Methods"]
    assert [row[0] for row in table.rows[:3]] == [
        "SMIE, epochs 5",
        "SMIE, epochs 9",
        "DeViSE, epochs 5",
    ]


def test_text_is_aligned_and_markdown_well_formed():
    table = Table("Title", ["", "accuracy %"], [["SMIE", "40.18"], ["chance", "8.33"]], ["Note."])
    assert table.text().splitlines() == [
        "Title",
        "        accuracy %",
        "------------------",
        "SMIE         40.18",
        "chance        8.33",
        "Note.",
    ]
    assert table.markdown().splitlines() == [
        "**Title**",
        "",
        "|  | accuracy % |",
        "| --- | ---: |",
        "| SMIE | 40.18 |",
        "| chance | 8.33 |",
        "",
        "Note.",
    ]


HOSTILE = Table("A & B_1", ["", "± 5%"], [["pay $5 \\x | y", "1,5"]], ["a\x1b[31mb"])


def test_latex_escapes_what_it_would_read():
    text = HOSTILE.latex()
    assert r"\caption{A \& B\_1}" in text
    assert r"pay \$5 \textbackslash{}x | y & 1,5 \\" in text
    assert r" & $\pm$ 5\% \\" in text and r"\begin{tabular}{lr}" in text


def test_markdown_cells_stay_cells():
    assert r"| pay \$5 \\x \| y | 1,5 |" in HOSTILE.markdown()


def test_csv_is_read_back():
    assert list(csv.reader(io.StringIO(HOSTILE.csv()))) == [HOSTILE.header, *HOSTILE.rows]


def test_control_characters_do_not_reach_the_terminal():
    assert r"a\x1b[31mb" in HOSTILE.text()


def test_a_narrow_terminal_gets_columns_below():
    table = Table("T", ["", "first column", "second column"], [["name", "1", "2"]], ["word " * 20])
    lines = table.text(30).splitlines()
    assert max(map(len, lines)) <= 30
    assert sum(line.startswith("name") for line in lines) == 2


def test_later_papers_stand_in_a_note_with_setting_and_dagger_never_in_a_cell(tmp_path):
    same = {"split": "ntu60-synse-55-5", "backbone": "shift-gcn"}
    entries = [_result(tmp_path, method, **same) for method in ("smie", "sa-dvae")]
    table = _tables(tmp_path, *entries)["Methods"]
    said = [note for note in table.notes if note.startswith("SA-DVAE")]
    assert len(said) == 1 and "82.37\N{DAGGER}" in said[0] and "another setting" in said[0]
    assert not any("82.37" in cell for row in table.rows for cell in row)


def test_every_later_figure_has_a_method_and_a_setting():
    for figures in LATER.values():
        assert set(figures) == set(LATER_SETTING) <= set(METHODS)
