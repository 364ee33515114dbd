"""The peers that search is compared with, each as its own documentation shows it. Knows nothing of Footnote.

Imported by `peer_search_child.py` in the environment of the peer; every library is imported by its own class.
"""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

K = 10
CONNECTIONS, CONSTRUCTION = 16, 128  # of a graph: the same for every peer that has one
EFFORTS = (16, 32, 64, 128, 256, 512)
BATCH = 1000
_REFINED = 4  # times K: what LanceDB compares anew with the columns

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]


class _Here:
    """Keeps all it has in its own process and folder."""

    efforts = EFFORTS

    def elsewhere(self) -> int:
        return 0


class Hnswlib(_Here):
    """A graph in memory. A filter is a function of Python that is called for every row on the way."""

    filters = "inside"

    def __init__(self, disk: Path) -> None:
        self._module: Any = importlib.import_module("hnswlib")
        self._disk = disk
        self._buckets: Ids = np.empty(0, np.int64)
        self._index: Any = None

    def build(self, rows: Vectors, buckets: Ids) -> None:
        index = self._module.Index(space="ip", dim=rows.shape[1])
        index.init_index(max_elements=len(rows), ef_construction=CONSTRUCTION, M=CONNECTIONS)
        index.add_items(rows, np.arange(len(rows)), num_threads=1)
        index.save_index(str(self._disk / "index"))
        np.save(self._disk / "buckets.npy", buckets)
        self._dimension = rows.shape[1]

    def open(self) -> None:
        self._buckets = np.load(self._disk / "buckets.npy")
        self._index = self._module.Index(space="ip", dim=self._dimension)
        self._index.load_index(str(self._disk / "index"))

    def ask(self, question: Vectors, effort: int, below: int | None) -> Ids:
        self._index.set_ef(max(effort, K))
        options = {} if below is None else {"filter": lambda at: self._buckets[at] < below}
        try:
            found, _ = self._index.knn_query(question, k=K, num_threads=1, **options)
        except RuntimeError:  # it found fewer than K, and then gives none
            return np.empty(0, np.int64)
        ids: Ids = found[0].astype(np.int64)
        return ids

    def close(self) -> None:
        self._index = None


class Usearch(_Here):
    """A graph, mapped from its file. It has no filters: more are asked for, and what does not pass is left out."""

    filters = "after"

    def __init__(self, disk: Path) -> None:
        self._module: Any = importlib.import_module("usearch.index")
        self._file = str(disk / "index")
        self._disk = disk
        self._index: Any = None

    def build(self, rows: Vectors, buckets: Ids) -> None:
        index = self._module.Index(
            ndim=rows.shape[1], metric="ip", connectivity=CONNECTIONS, expansion_add=CONSTRUCTION
        )
        index.add(np.arange(len(rows)), rows, threads=1)
        index.save(self._file)
        np.save(self._disk / "buckets.npy", buckets)

    def open(self) -> None:
        self._buckets: Ids = np.load(self._disk / "buckets.npy")
        self._index = self._module.Index.restore(self._file, view=True)

    def ask(self, question: Vectors, effort: int, below: int | None) -> Ids:
        share = 1.0 if below is None else float(np.mean(self._buckets < below))
        count = min(len(self._buckets), int(K / max(share, 1e-9) * (1 if below is None else 2)))
        self._index.expansion_search = max(effort, count)
        ids: Ids = np.asarray(self._index.search(question, count, threads=1).keys, np.int64)
        return ids[:K] if below is None else ids[self._buckets[ids] < below][:K]

    def close(self) -> None:
        self._index = None


class Lancedb(_Here):
    """A graph of bytes over columns on disk, and the best anew with the columns."""

    filters = "inside"

    def __init__(self, disk: Path) -> None:
        self._module: Any = importlib.import_module("lancedb")
        self._disk = str(disk)
        self._table: Any = None

    def build(self, rows: Vectors, buckets: Ids) -> None:
        arrow: Any = importlib.import_module("pyarrow")
        index: Any = importlib.import_module("lancedb.index")
        vectors = arrow.FixedSizeListArray.from_arrays(arrow.array(rows.ravel()), rows.shape[1])
        data = arrow.table({"id": np.arange(len(rows)), "bucket": buckets, "vector": vectors})
        table = self._module.connect(self._disk).create_table("rows", data)
        graph = index.HnswSq(distance_type="dot", num_partitions=1, m=CONNECTIONS, ef_construction=CONSTRUCTION)
        table.create_index("vector", config=graph)
        table.create_index("bucket", config=index.BTree())

    def open(self) -> None:
        self._table = self._module.connect(self._disk).open_table("rows")

    def ask(self, question: Vectors, effort: int, below: int | None) -> Ids:
        query = self._table.search(question, vector_column_name="vector").distance_type("dot").limit(K)
        query = query.ef(max(effort, _REFINED * K))
        if below is not None:
            query = query.where(f"bucket < {below}", prefilter=True)
        found = query.refine_factor(_REFINED).select(["id"]).to_arrow()
        return np.asarray(found["id"], np.int64)

    def close(self) -> None:
        self._table = None


class Chroma(_Here):
    """A graph beside SQLite."""

    filters = "inside"

    def __init__(self, disk: Path) -> None:
        self._module: Any = importlib.import_module("chromadb")
        self._disk = str(disk)
        self._rows: Any = None
        self._effort = 0

    def build(self, rows: Vectors, buckets: Ids) -> None:
        graph = {"space": "ip", "ef_construction": CONSTRUCTION, "max_neighbors": CONNECTIONS, "num_threads": 1}
        made = self._client().create_collection("rows", embedding_function=None, configuration={"hnsw": graph})
        for at in range(0, len(rows), BATCH):
            part = slice(at, at + BATCH)
            ids = [str(n) for n in range(at, min(at + BATCH, len(rows)))]
            made.add(ids=ids, embeddings=rows[part], metadatas=[{"bucket": int(b)} for b in buckets[part]])

    def open(self) -> None:
        self._rows = self._client().get_collection("rows", embedding_function=None)

    def ask(self, question: Vectors, effort: int, below: int | None) -> Ids:
        if effort != self._effort:
            self._rows.modify(configuration={"hnsw": {"ef_search": effort}})
            self._effort = effort
        options = {} if below is None else {"where": {"bucket": {"$lt": below}}}
        found = self._rows.query(query_embeddings=[question], n_results=K, include=[], **options)
        return np.array([int(each) for each in found["ids"][0]], np.int64)

    def close(self) -> None:
        self._rows = None

    def _client(self) -> Any:
        settings: Any = importlib.import_module("chromadb.config").Settings(anonymized_telemetry=False)
        return self._module.PersistentClient(path=self._disk, settings=settings)


class MilvusLite(_Here):
    """Milvus in one process: a graph over segments on disk."""

    filters = "inside"

    def __init__(self, disk: Path) -> None:
        self._module: Any = importlib.import_module("pymilvus")
        self._file = str(disk / "rows.db")
        self._client: Any = None

    def build(self, rows: Vectors, buckets: Ids) -> None:
        client = self._module.MilvusClient(self._file)
        kinds = self._module.DataType
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", kinds.INT64, is_primary=True)
        schema.add_field("bucket", kinds.INT64)
        schema.add_field("vector", kinds.FLOAT_VECTOR, dim=rows.shape[1])
        graph = client.prepare_index_params()
        shape = {"M": CONNECTIONS, "efConstruction": CONSTRUCTION}
        graph.add_index("vector", index_type="HNSW", metric_type="IP", params=shape)
        client.create_collection("rows", schema=schema, index_params=graph)
        for at in range(0, len(rows), BATCH):
            part = range(at, min(at + BATCH, len(rows)))
            client.insert("rows", [{"id": n, "bucket": int(buckets[n]), "vector": rows[n]} for n in part])
        client.flush("rows")
        client.load_collection("rows")
        client.search("rows", data=[rows[0]], limit=K, anns_field="vector")  # builds what is built late
        client.close()

    def open(self) -> None:
        self._client = self._module.MilvusClient(self._file)
        self._client.load_collection("rows")

    def ask(self, question: Vectors, effort: int, below: int | None) -> Ids:
        search = {"metric_type": "IP", "params": {"ef": effort}}
        only = "" if below is None else f"bucket < {below}"
        found = self._client.search(
            "rows", data=[question], limit=K, anns_field="vector", filter=only, search_params=search
        )
        return np.array([each["id"] for each in found[0]], np.int64)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class Pgvector(_Here):
    """A graph in a table of PostgreSQL; the server is given by `FOOTNOTE_BENCH_POSTGRES`."""

    filters = "inside"

    def __init__(self, _disk: Path) -> None:
        self._psycopg: Any = importlib.import_module("psycopg")
        self._connection: Any = None

    def build(self, rows: Vectors, buckets: Ids) -> None:
        self.open()
        run = self._connection.execute
        run("CREATE EXTENSION IF NOT EXISTS vector")
        run(f"CREATE TABLE rows (id bigint, bucket bigint, embedding vector({rows.shape[1]}))")
        with self._connection.cursor() as cursor, cursor.copy("COPY rows FROM STDIN") as copy:
            for n, row in enumerate(rows):
                copy.write_row((n, int(buckets[n]), _text(row)))
        run("SET maintenance_work_mem = '1GB'")
        run("SET max_parallel_maintenance_workers = 0")
        shape = f"m = {CONNECTIONS}, ef_construction = {CONSTRUCTION}"
        run(f"CREATE INDEX ON rows USING hnsw (embedding vector_ip_ops) WITH ({shape})")
        run("CREATE INDEX ON rows (bucket)")
        run("ANALYZE rows")

    def open(self) -> None:
        address = os.environ["FOOTNOTE_BENCH_POSTGRES"]
        self._connection = self._psycopg.connect(address, autocommit=True)
        self._connection.execute("SET hnsw.iterative_scan = relaxed_order")

    def ask(self, question: Vectors, effort: int, below: int | None) -> Ids:
        self._connection.execute(f"SET hnsw.ef_search = {effort}")
        if below is None:
            nearest = "SELECT id FROM rows ORDER BY embedding <#> %s::vector LIMIT %s"
            found = self._connection.execute(nearest, (_text(question), K))
        else:
            nearest = "SELECT id FROM rows WHERE bucket < %s ORDER BY embedding <#> %s::vector LIMIT %s"
            found = self._connection.execute(nearest, (below, _text(question), K))
        return np.array([row[0] for row in found], np.int64)

    def elsewhere(self) -> int:
        size: int = self._connection.execute("SELECT pg_total_relation_size('rows')").fetchone()[0]
        return size

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _text(row: Vectors) -> str:
    return "[" + ",".join(f"{number:.7g}" for number in row.tolist()) + "]"


_SIDES: dict[str, type[Any]] = {
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "lancedb": Lancedb,
    "chroma": Chroma,
    "milvus-lite": MilvusLite,
    "pgvector": Pgvector,
}


def open_side(name: str, disk: Path) -> Any:
    """A peer that keeps its files under `disk`; see the protocol in `peer_search_child.py`."""
    return _SIDES[name](disk)
