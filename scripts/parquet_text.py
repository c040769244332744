"""Parquet on standard input, columns of it on standard output: one JSON object a row.

`gpttrain prepare` runs it for parquet files: python3 parquet_text.py KEY... < FILE. A key is a column, or
"a.b" for what is inside of the column a; "?a" is a column that may be missing. It needs pyarrow; GPTTRAIN_PYTHON names a Python that has it.
"""
import json
import sys


def main():
    try:
        import pyarrow.parquet
    except ImportError:
        sys.exit("pyarrow is not installed; pip install pyarrow, or set GPTTRAIN_PYTHON to a Python that has it")
    try:
        table = pyarrow.parquet.ParquetFile(open(0, "rb"))
        names = table.schema_arrow.names
        columns = []
        for key in sys.argv[1:]:
            optional, key = key.startswith("?"), key.removeprefix("?")
            column = key if key in names else key.split(".")[0]
            if optional and column not in names:
                continue
            if column not in names:
                sys.exit(f"there is no column {column!r}, only {', '.join(names)}; name one with --text_key")
            columns.append(column)
        if not columns:
            sys.exit(f"there is none of the columns {', '.join(k.removeprefix('?') for k in sys.argv[1:])}, only "
                     f"{', '.join(names)}; name others with --text_template")
        for batch in table.iter_batches(batch_size=1024, columns=list(dict.fromkeys(columns))):
            for row in batch.to_pylist():
                sys.stdout.write(json.dumps(row, default=str) + "\n")
    except pyarrow.ArrowException as error:
        sys.exit(str(error).splitlines()[0])


if __name__ == "__main__":
    main()
