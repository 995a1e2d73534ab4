"""What is read of a statement: no literal in its text, its operations and tables in its summary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumentation.integrations.sql_statement import MAX_CACHED, MAX_TEXT_CHARACTERS, _statement, statement

SUMMARIES = [
    ('SELECT a FROM orders o, "order items" AS i, s.t WHERE a = 1', "SELECT orders order items s.t", ""),
    ("INSERT INTO t (a, b) SELECT x, y FROM u JOIN s.v ON u.a = v.b", "INSERT t SELECT u s.v", ""),
    ("WITH c AS (SELECT * FROM t) SELECT EXTRACT(YEAR FROM d) FROM c FOR UPDATE", "SELECT t SELECT c", ""),
    ("INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = excluded.b", "INSERT t", "t"),
    ("UPDATE t SET a = 1 WHERE b IS DISTINCT FROM c", "UPDATE t", "t"),
    ("delete from t where id in (select id from t)", "DELETE t SELECT t", "t"),
    ("CREATE UNIQUE INDEX IF NOT EXISTS i ON t USING btree (a)", "CREATE INDEX i", "i"),
    ("CREATE TABLE x (a INTEGER, FOREIGN KEY (a) REFERENCES o (id) ON DELETE CASCADE)", "CREATE TABLE x", "x"),
    ("BEGIN IMMEDIATE", "BEGIN", ""),
    ("SAVEPOINT sa_savepoint_17", "SAVEPOINT", ""),
    ('PRAGMA main.table_info("products")', "PRAGMA", ""),
    ("SELECT count(*) FROM (SELECT 1 FROM a) AS s", "SELECT SELECT a", "a"),
    ("-- nothing", "", ""),
]


@pytest.mark.parametrize(("text", "summary", "collection"), SUMMARIES)
def test_summary_is_operations_and_tables(text, summary, collection):
    """The summary names operations and tables in their order; the collection is the table if there is one only."""
    said = statement(text, "postgresql")
    assert (said.summary, said.collection) == (summary, collection)


TEXTS = [
    ("postgresql", "a = 'O''Neil' AND b = -1.5e3 AND c = $1 AND d = :p AND e = %(f)s", "a = ? AND b = -? AND c = $1 "),
    ("postgresql", r"a = '\' AND b = 'x'", "a = ? AND b = ?"),
    (
        "postgresql",
        r"a = E'it\'s' AND b = $tag$ it's $tag$ AND c = ARRAY['x', 'y']",
        "a = ? AND b = ? AND c = ARRAY[?,",
    ),
    ("postgresql", "a = x::int AND b = 'unclosed /* ", "a = x::int AND b = ?"),
    ("mysql", r"""a = 'it\'s' AND b = "x" AND `c` = 0x1F # gone""", "a = ? AND b = ? AND `c` = ?"),
    ("mssql", "[a 1] = N'x'", "[a 1] = ?"),
    ("sqlite", "a2 = 2 /* gone */ AND b = x'00' AND c = ?1", "a2 = ?   AND b = ? AND c = ?1"),
]


@pytest.mark.parametrize(("dialect", "condition", "expected"), TEXTS)
def test_literals_become_question_marks(dialect, condition, expected):
    """Strings and numbers of each dialect become `?`; names, parameters and casts stay."""
    said = statement(f"SELECT * FROM t WHERE {condition}", dialect)
    assert said.text.startswith(f"SELECT * FROM t WHERE {expected}")


@given(st.text(max_size=40), st.sampled_from(["postgresql", "sqlite", "mssql"]))
def test_no_quoted_string_survives(value, dialect):
    """Whatever a string holds, quoted as the standard has it, none of it is left."""
    quoted = value.replace("'", "''")
    assert statement(f"SELECT * FROM t WHERE a = '{quoted}' AND b = 1", dialect).text == (
        "SELECT * FROM t WHERE a = ? AND b = ?"
    )


@given(st.text(max_size=200))
def test_any_text_can_be_read(value):
    """No text raises."""
    for dialect in ("postgresql", "mysql", "mssql"):
        statement(value, dialect)


def test_memory_and_work_are_bounded():
    """Of a long statement the head is read alone, and no more than the bound of statements is kept."""
    long = "SELECT '" + "x" * 1_000_000
    assert statement(long, "sqlite").text == "SELECT ?"
    head = "SELECT " + "a, " * MAX_TEXT_CHARACTERS
    assert len(statement(head, "sqlite").text) <= MAX_TEXT_CHARACTERS
    assert len(statement("SELECT * FROM " + ", ".join(f"table_{n}" for n in range(200)), "sqlite").summary) <= 255
    for number in range(MAX_CACHED + 10):
        statement(f"SELECT a{number}", "sqlite")
    assert _statement.cache_info().currsize == MAX_CACHED
