"""DuckDB as a process: a statement in JSON on each line of standard input, the seconds and the number of rows on standard output."""

import json
import sys
import time

import duckdb


def main():
    """Answers until the input ends."""
    connection = duckdb.connect(config={"threads": int(sys.argv[1])})
    for line in sys.stdin:
        try:
            began = time.perf_counter()
            rows = connection.execute(json.loads(line)).fetchall()
            answer = {"seconds": time.perf_counter() - began, "rows": len(rows)}
        except duckdb.Error as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
