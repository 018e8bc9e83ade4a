"""The printed names of a table's columns and of its pipelines' stages."""

from .labels import label_of, torch_label


def name_column(part, torch, variant, labels):
    """Torch build and variant, as a column is headed."""
    return [f"torch {torch_label(part, torch)}", label_of(labels, "variants", variant)]


def name_stage(row, part, labels):
    """`IF, stage 2`; the pipeline's name alone where it has one stage."""
    name = label_of(labels, "pipelines", row["pipeline"])
    staged = (part.loc[part["pipeline"] == row["pipeline"], "stage"] > 1).any()
    return f"{name}, stage {row['stage']}" if staged else name
