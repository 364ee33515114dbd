"""A process that writes made-up documents at a rate: `hybrid_writer.py URL COLLECTION RATE SECONDS CHUNKS`.

RATE counts chunks a second, CHUNKS those of a document. It steps back behind those who ask, as a worker beside a server
does. Knows no view. Prints a line when it begins.
"""

import sys
import time
from itertools import count

from bench.hybrid import documents
from bench.made_up import made_up
from index.catalog import Catalog
from index.database import Database
from rag.processors import WORKER_NICE, step_back


def main() -> None:
    """What the module's docstring says; slower where the database is."""
    url, collection, rate, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    chunks_each = int(sys.argv[5])
    step_back(WORKER_NICE)
    database = Database(url)
    catalog = Catalog(database)
    corpus = made_up(2000, seed=7)
    count_all = int(rate * seconds / chunks_each) + 1
    ready = list(documents(corpus, collection, 10_000_000, count_all, chunks_each))
    sys.stdout.write("writing\n")
    sys.stdout.flush()
    began = time.monotonic()
    for number in count():
        if number >= len(ready) or time.monotonic() - began > seconds:
            break
        catalog.put_document(ready[number])
        time.sleep(max(0.0, began + (number + 1) * chunks_each / rate - time.monotonic()))
    database.close()


if __name__ == "__main__":
    main()
