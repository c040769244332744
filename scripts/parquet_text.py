"""Parquet on standard input, a column's texts on standard output: one JSON object a row.

`gpttrain prepare` runs it for .parquet files: python3 parquet_text.py COLUMN < FILE. It needs pyarrow;
GPTTRAIN_PYTHON names a Python that has it.
"""
import json
import sys


def main():
    column = sys.argv[1]
    try:
        import pyarrow.parquet
    except ImportError:
        sys.exit("pyarrow is not installed; pip install pyarrow, or set GPTTRAIN_PYTHON to a Python that has it")
    try:
        table = pyarrow.parquet.ParquetFile(open(0, "rb"))
        names = table.schema_arrow.names
        if column not in names:
            sys.exit(f"there is no column {column!r}, only {', '.join(names)}; name one with --text_key")
        for batch in table.iter_batches(batch_size=1024, columns=[column]):
            for text in batch.column(0).to_pylist():
                sys.stdout.write(json.dumps({column: text}) + "\n")
    except pyarrow.ArrowException as error:
        sys.exit(str(error).splitlines()[0])


if __name__ == "__main__":
    main()
