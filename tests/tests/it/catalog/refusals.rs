//! What `ai.create_vectorizer` refuses: with which SQLSTATE on both catalogs, and in which words on ours.

use pgai_sea_tests::{Catalog, Snapshot, TestDatabase, on_both_catalogs};

use super::{refusal, vectorize};

const TABLES: &str = "create table blog (id int primary key, title text, content text, data bytea, views int, longer \
    vector(4), anylong vector);
    create table created (id int, created_at timestamptz, content text, primary key (id, created_at));
    create table sequences (chunk_seq int primary key, content text);
    create table embedded (id int primary key, embedding text, content text);
    create table keyless (content text);
    create table chunky (id int primary key, chunk text, content text);
    create table taken_embedding_store (id int);
    create table taken (id int primary key, content text)";

/// The refusal of a call on `source` with `arguments`, which may leave `loading` and `embedding` out.
async fn refused(test: &TestDatabase, source: &str, arguments: &str) -> Result<String, sea_orm::DbErr> {
    let mut call = format!("select ai.create_vectorizer('{source}'");
    for (name, default) in [
        ("loading", "ai.loading_column('content')"),
        ("embedding", "ai.embedding_openai('model', 3)"),
    ] {
        if !arguments.contains(&format!("{name} =>")) {
            call = format!("{call}, {name} => {default}");
        }
    }
    refusal(test, &format!("{call}, {arguments})")).await
}

/// Source, arguments, and the message on our catalog. pgai's refuses each with the same SQLSTATE.
const BOTH: &[(&str, &str, &str)] = &[
    ("blog", "embedding => null", "P0001 embedding is missing"),
    ("blog", "loading => null", "P0001 loading is missing"),
    (
        "blog",
        "embedding => ai.embedding_openai('m', null)",
        "P0001 embedding: dimensions is missing, it is the length of the vectors that the model gives",
    ),
    (
        "keyless",
        "name => null",
        "P0001 public.keyless has no primary key, by which embeddings find their row",
    ),
    (
        "blog",
        "loading => ai.loading_column('body')",
        "P0001 loading: public.blog has no column \"body\"",
    ),
    (
        "blog",
        "loading => ai.loading_column('views')",
        "P0001 loading: column \"views\" is of type int4, it must be text, varchar, char, bpchar or bytea",
    ),
    (
        "blog",
        "loading => ai.loading_column('content', retries => -1)",
        "P0001 loading: retries is -1, it must be a whole number from 0 to 2147483647",
    ),
    (
        "blog",
        "loading => ai.loading_column('content', retries => null)",
        "P0001 loading: retries is missing, it must be 0 or more",
    ),
    (
        "blog",
        "loading => ai.loading_uri('content', aws_role_arn => 'me')",
        "P0001 loading: aws_role_arn is \"me\", it must look like arn:aws:iam::123456789012:role/name",
    ),
    (
        "blog",
        "loading => ai.loading_uri('data')",
        "P0001 loading: column \"data\" is of type bytea, a uri must be text, varchar, char or bpchar",
    ),
    (
        "blog",
        "loading => ai.chunking_none()",
        "P0001 loading is not a loading configuration: {\"config_type\": \"chunking\", \"implementation\": \"none\"}",
    ),
    (
        "blog",
        "loading => ai.loading_column('data'), parsing => ai.parsing_none()",
        "P0001 parsing: column \"data\" is of type bytea, which has to be parsed",
    ),
    (
        "blog",
        "parsing => ai.parsing_pymupdf()",
        "P0001 parsing: pymupdf reads documents, and column \"content\" is of type text and not bytea",
    ),
    (
        "blog",
        "parsing => ai.parsing_docling()",
        "P0001 parsing: docling reads documents, and column \"content\" is of type text and not bytea",
    ),
    (
        "blog",
        "formatting => ai.formatting_python_template('$title')",
        "P0001 formatting: template \"$title\" does not contain $chunk",
    ),
    (
        "chunky",
        "name => null",
        "P0001 formatting: public.chunky has a column \"chunk\", which $chunk would hide",
    ),
    (
        "blog",
        "destination => ai.destination_column('embedding')",
        "P0001 destination: a column holds one vector per row, chunking must be ai.chunking_none() and not \
            recursive_character_text_splitter",
    ),
    (
        "blog",
        "indexing => ai.indexing_hnsw(opclass => 'cosine'), scheduling => ai.scheduling_timescaledb()",
        "P0001 indexing: opclass is \"cosine\", it must be vector_cosine_ops, vector_ip_ops, vector_l1_ops or \
            vector_l2_ops",
    ),
    (
        "blog",
        "indexing => ai.indexing_diskann(storage_layout => 'flat'), scheduling => ai.scheduling_timescaledb()",
        "P0001 indexing: storage_layout is \"flat\", it must be memory_optimized or plain",
    ),
    (
        "blog",
        "processing => ai.processing_default(batch_size => 0)",
        "P0001 processing: batch_size is 0, it must be a whole number from 1 to 2048",
    ),
    (
        "blog",
        "processing => ai.processing_default(batch_size => 2049)",
        "P0001 processing: batch_size is 2049, it must be a whole number from 1 to 2048",
    ),
    (
        "blog",
        "processing => ai.processing_default(concurrency => 51)",
        "P0001 processing: concurrency is 51, it must be a whole number from 1 to 50",
    ),
    (
        "blog",
        "embedding => ai.embedding_voyageai('m', 3, input_type => 'text')",
        "P0001 embedding: input_type is \"text\", Voyage AI knows query and document",
    ),
    (
        "blog",
        "embedding => jsonb_build_object('config_type', 'embedding', 'implementation', 'own', 'dimensions', 3)",
        "P0001 embedding has no implementation \"own\": use one of openai, ollama, voyageai, litellm, local",
    ),
    (
        "blog",
        "scheduling => ai.scheduling_timescaledb()",
        "P0001 scheduling: timescaledb needs the extensions ai and timescaledb, which this schema does not use",
    ),
    (
        "taken",
        "name => 'free'",
        "42710 public.taken_embedding_store exists already: choose another destination or target_table",
    ),
    (
        "blog",
        "destination => ai.destination_table(view_name => 'taken')",
        "42710 public.taken exists already: choose another destination or view_name",
    ),
    (
        "blog",
        "queue_schema => 'public', queue_table => 'taken'",
        "42710 public.taken exists already: choose another queue_table",
    ),
    (
        "blog",
        "name => 'vectorized', destination => ai.destination_table('b')",
        "42710 a vectorizer named vectorized exists already",
    ),
    (
        "created",
        "name => null",
        "42701 public.created has a column \"created_at\", and so has the table of dead letters of a vectorizer, which \
            would hold both",
    ),
    (
        "sequences",
        "name => null",
        "42701 public.sequences has a column \"chunk_seq\", and so has the store of a vectorizer, which would hold \
            both",
    ),
    (
        "embedded",
        "name => null",
        "42701 public.embedded has a column \"embedding\", and so has the view of a vectorizer, which would hold both",
    ),
    (
        "blog",
        "name => 'Blog'",
        "23514 name is \"Blog\", it must be a-z, 0-9 and _, begin with a letter and have at most 63 characters",
    ),
];

/// What pgai takes, and fails on later.
const OURS: &[(&str, &str)] = &[
    (
        "formatting => ai.formatting_python_template('$body $chunk')",
        "P0001 formatting: template \"$body $chunk\" names $body, and public.blog has no such column",
    ),
    (
        "formatting => ai.formatting_python_template('$chunk for $5')",
        "P0001 formatting: template \"$chunk for $5\" has a $ that begins no name",
    ),
    (
        "formatting => ai.formatting_python_template('$$chunk')",
        "P0001 formatting: template \"$$chunk\" does not contain $chunk",
    ),
    (
        "chunking => ai.chunking_character_text_splitter(10, 20)",
        "P0001 chunking: chunk_overlap is 20, it cannot be more than chunk_size, which is 10",
    ),
    (
        "chunking => ai.chunking_character_text_splitter(0, 0)",
        "P0001 chunking: chunk_size is 0, it must be a whole number from 1 to 2147483647",
    ),
    (
        "embedding => ai.embedding_openai(null, 3)",
        "P0001 embedding: model is missing",
    ),
    (
        "embedding => ai.embedding_ollama('', 3)",
        "P0001 embedding: model is missing",
    ),
    (
        "embedding => ai.embedding_openai('m', 16001)",
        "P0001 embedding: dimensions is 16001, it must be a whole number from 1 to 16000",
    ),
    (
        "embedding => ai.embedding_openai('m', 0)",
        "P0001 embedding: dimensions is 0, it must be a whole number from 1 to 16000",
    ),
    (
        "destination => ai.destination_table(target_table => 'same', view_name => 'same')",
        "42710 destination: view_name and target_table are both same",
    ),
    (
        "destination => ai.destination_column('title'), chunking => ai.chunking_none()",
        "42701 destination: column \"title\" is of type text and not vector(3)",
    ),
    (
        "destination => ai.destination_column('longer'), chunking => ai.chunking_none()",
        "42804 destination: column \"longer\" is of type vector(4), and embedding has 3 dimensions",
    ),
    (
        "destination => ai.destination_column('anylong'), chunking => ai.chunking_none(), indexing => \
            ai.indexing_hnsw()",
        "42804 indexing: column \"anylong\" is of type vector without a length, which hnsw needs",
    ),
    (
        "indexing => ai.indexing_hnsw(m => 101)",
        "P0001 indexing: m is 101, it must be a whole number from 2 to 100",
    ),
    (
        "indexing => ai.indexing_hnsw(ef_construction => 1001)",
        "P0001 indexing: ef_construction is 1001, it must be a whole number from 4 to 1000",
    ),
    (
        "indexing => ai.indexing_hnsw(m => 33)",
        "P0001 indexing: ef_construction is 64, it must be at least twice m, which is 33",
    ),
    (
        "indexing => ai.indexing_hnsw(min_rows => -1)",
        "P0001 indexing: min_rows is -1, it must be a whole number from 0 to 2147483647",
    ),
    (
        "indexing => ai.indexing_hnsw(), embedding => ai.embedding_openai('m', 2001)",
        "P0001 indexing: hnsw takes a vector of at most 2000 dimensions, and these have 2001",
    ),
];

#[tokio::test]
async fn every_refusal_names_its_argument_and_leaves_nothing() {
    on_both_catalogs(async |test| {
        test.execute(TABLES).await?;
        test.execute("create table vectorized (id int primary key, content text)")
            .await?;
        vectorize(&test, "vectorized", ", name => 'vectorized'").await?;
        refusal(&test, "select 1").await?;
        let before = Snapshot::of(&test.db).await?;

        for (source, arguments, message) in BOTH {
            let refused = refused(&test, source, arguments).await?;
            assert_eq!(refused[..5], message[..5], "{source}, {arguments}: {refused}");
            if test.catalog == Catalog::Ours {
                assert_eq!(&refused, message, "{source}, {arguments}");
            }
        }
        if test.catalog == Catalog::Ours {
            for (arguments, message) in OURS {
                assert_eq!(&refused(&test, "blog", arguments).await?, message, "{arguments}");
            }
        }

        let after = Snapshot::of(&test.db).await?;
        assert!(after.added_since(&before).is_empty(), "{}", after.added_since(&before));
        assert_eq!(test.value::<i64>("select count(*) from ai.vectorizer").await?, 1);
        Ok(())
    })
    .await;
}

/// pgai forgets `vector_l2_ops`, takes no index without a schedule, and looks for `$chunk` alone.
#[tokio::test]
async fn what_ours_takes_and_pgai_does_not() {
    pgai_sea_tests::on_catalog(Catalog::Ours, async |test| {
        test.execute(TABLES).await?;
        vectorize(
            &test,
            "blog",
            ", indexing => ai.indexing_hnsw(opclass => 'vector_l2_ops')",
        )
        .await?;
        let braces =
            ", destination => ai.destination_table('b'), formatting => ai.formatting_python_template('${chunk}')";
        vectorize(&test, "blog", braces).await?;
        Ok(())
    })
    .await;
}

/// Of a vectorizer that is there already, in a migration or in SQL.
#[tokio::test]
async fn an_index_that_cannot_be_built_is_not_scheduled() {
    pgai_sea_tests::on_catalog(Catalog::Ours, async |test| {
        test.execute(TABLES).await?;
        test.execute("create table halves (id int primary key, content text, e halfvec(3000))")
            .await?;
        let of = |source: &str, dimensions: i32, more: &str| {
            format!(
                "select ai.create_vectorizer('{source}', loading => ai.loading_column('content'),
                     embedding => ai.embedding_openai('m', {dimensions}){more})"
            )
        };
        let long: i32 = test.value(&of("blog", 2001, "")).await?;
        let in_column = ", destination => ai.destination_column('e'), chunking => ai.chunking_none()";
        let halves: i32 = test.value(&of("halves", 3000, in_column)).await?;
        let schedule = |id: i32, indexing: &str| format!("select ai.set_scheduling({id}, indexing => {indexing})");
        assert_eq!(
            refusal(&test, &schedule(long, "ai.indexing_hnsw()")).await?,
            "P0001 indexing: hnsw takes a vector of at most 2000 dimensions, and these have 2001"
        );
        assert_eq!(
            refusal(&test, &schedule(halves, "ai.indexing_hnsw(ef_construction => 3)")).await?,
            "P0001 indexing: ef_construction is 3, it must be a whole number from 4 to 1000"
        );
        // a shorter type takes more
        test.execute(&schedule(halves, "ai.indexing_hnsw(m => 32)")).await?;
        Ok(())
    })
    .await;
}

/// Whoever may make functions in the schema could otherwise own what runs with the rights of a later vectorizer's
/// creator.
#[tokio::test]
async fn functions_that_stand_where_its_own_go() {
    pgai_sea_tests::on_catalog(Catalog::Ours, async |test| {
        test.execute(TABLES).await?;
        let id: i32 = 1 + vectorize(&test, "blog", "").await?;
        // an id is gone with every try
        for (name, arguments, body) in [
            (
                format!("ai._vectorizer_src_trg_{id}"),
                "() returns trigger",
                "return null",
            ),
            (
                format!("ai._vectorizer_src_col_{}_7", id + 1),
                "(blog) returns int",
                "return 1",
            ),
        ] {
            test.execute(&format!(
                "create function {name}{arguments} language plpgsql as 'begin {body}; end'"
            ))
            .await?;
            let relations = "select count(*) from pg_class";
            let before: i64 = test.value(relations).await?;
            let refused = refused(&test, "blog", "name => 'n', destination => ai.destination_table('d')").await?;
            assert!(
                refused.starts_with(&format!("42723 there is a function {name}(")),
                "{refused}"
            );
            assert_eq!(test.value::<i64>(relations).await?, before);
        }
        Ok(())
    })
    .await;
}
