"""The history of the tables: one revision a change, forward and backward, on SQLite and on PostgreSQL.

`integrations.store.schema` runs them. A change to a table is three things: the row's class, a revision
(``aitia database revise "what changes"`` in the source tree drafts it from the difference) and nothing else,
since the tests compare the two and walk the whole history on both databases.

A revision is run inside one transaction, on SQLite with foreign keys off until its end. SQLite changes
a column by making the table anew (``op.batch_alter_table``), which forgets its triggers: whoever changes
``audit`` so must make them again.
"""
