"""The rows of a DataFrame as Python's own values, like pandas' to_dict and itertuples, which are slow with columns of text."""


def lists_of(frame):
    """The values of each column, as a list."""
    return [frame[column].to_numpy().tolist() for column in frame]


def records(frame):
    """A list of {column: value}."""
    columns = list(frame)
    return [dict(zip(columns, values)) for values in zip(*lists_of(frame))]


def tuples(frame):
    """A list of tuples."""
    return list(zip(*lists_of(frame)))


def is_number(value):
    """Whether a value of a summary's row is a number, and not the NaN that stands for none."""
    return isinstance(value, int | float) and value == value
