"""A run as tables, for tools that know tables: Parquet, CSV and DuckDB."""
