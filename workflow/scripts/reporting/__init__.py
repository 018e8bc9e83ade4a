"""From measurement CSVs to tables and figures: needs pandas, tabulate and seaborn, never torch."""
