"""Reads a store of pgai-sea through pgai's SQLAlchemy models: vectorizer_relationship, both ways.

It wants a table blog (id int primary key, content text) with 120 rows 'text 1' to 'text 120' and a vectorizer of 384
dimensions whose queue is empty, and an environment with pgai's worker:

    pip install 'pgai[vectorizer-worker]==0.12.1' 'sqlalchemy<3'
    DATABASE_URL=postgres://.. python tests/reads_with_sqlalchemy.py

It ends with: 120 embeddings; nearest to 'text 7': 'text 7', ...
"""

import os

from pgai.sqlalchemy import vectorizer_relationship
from sqlalchemy import Integer, Text, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column


class Base(DeclarativeBase):
    pass


class Blog(Base):
    __tablename__ = "blog"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    content_embeddings = vectorizer_relationship(dimensions=384)


engine = create_engine(os.environ["DATABASE_URL"].replace("postgres://", "postgresql://").replace("postgresql://", "postgresql+psycopg://"))
with Session(engine) as session:
    Embedding = Blog.content_embeddings
    count = session.scalar(select(func.count()).select_from(Embedding))

    # from the row to its embeddings
    blog = session.scalars(select(Blog).where(Blog.id == 7).options(joinedload(Blog._content_embeddings_relationship))).unique().one()
    own = blog.content_embeddings
    assert [(e.chunk_seq, e.chunk, e.id) for e in own] == [(0, "text 7", 7)], own
    assert len(own[0].embedding) == 384

    # from an embedding to its row, by distance
    nearest = session.scalars(
        select(Embedding).order_by(Embedding.embedding.cosine_distance(own[0].embedding)).limit(3).options(joinedload(Embedding.parent))
    ).all()
    assert nearest[0].parent is blog, nearest[0].chunk
    print(f"{count} embeddings; nearest to 'text 7':", ", ".join(repr(e.parent.content) for e in nearest))
