"""Reading the CSV files that measuring writes, and checking them. pandas, never torch."""
