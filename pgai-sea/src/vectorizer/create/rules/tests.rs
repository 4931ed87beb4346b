//! Every rule, and the setter that its error names.

use std::time::Duration;

use serde_json::json;

use super::super::CreateVectorizer;
use crate::config::{Chunking, Destination, Embedding, Formatting, Indexing, Loading, Parsing, Processing, Scheduling};

fn posts() -> CreateVectorizer {
    CreateVectorizer::new("posts")
        .loading(Loading::column("body"))
        .embedding(Embedding::ollama("all-minilm", 384))
}

fn in_column() -> CreateVectorizer {
    posts()
        .destination(Destination::column("vector"))
        .chunking(Chunking::none())
}

#[track_caller]
fn assert_refused(cases: Vec<(&str, CreateVectorizer)>) {
    for (setter, create) in cases {
        match create.to_sql() {
            Err(error) => assert_eq!(error.setter(), setter, "{error}"),
            Ok(sql) => panic!("{setter}: {sql}"),
        }
    }
}

#[test]
fn what_is_missing_or_has_no_name() {
    let long = || "n".repeat(64);
    assert_refused(vec![
        ("source", CreateVectorizer::new("").loading(Loading::column("body"))),
        ("source", CreateVectorizer::new(("", "posts"))),
        ("source", CreateVectorizer::new(long())),
        ("source", CreateVectorizer::new("a\0b")),
        (
            "loading",
            CreateVectorizer::new("posts").embedding(Embedding::ollama("m", 3)),
        ),
        (
            "embedding",
            CreateVectorizer::new("posts").loading(Loading::column("body")),
        ),
        ("name", posts().name("")),
        ("name", posts().name(long())),
        ("name", posts().name("1_post")),
        ("name", posts().name("p\u{f6}sts")),
        ("queue_schema", posts().queue_schema("")),
        ("queue_table", posts().queue_table(long())),
        ("grant_to", posts().grant_to(["bob", ""])),
        ("destination", posts().destination(Destination::table().destination(""))),
        (
            "target_schema",
            posts().destination(Destination::table().target_schema("")),
        ),
        (
            "target_table",
            posts().destination(Destination::table().target_table(long())),
        ),
        (
            "view_schema",
            posts().destination(Destination::table().view_schema("a\0b")),
        ),
        ("view_name", posts().destination(Destination::table().view_name(""))),
        ("embedding_column", in_column().destination(Destination::column(""))),
    ]);
}

#[test]
fn what_is_loaded_and_embedded() {
    let openai = |model: &str, dimensions| posts().embedding(Embedding::openai(model, dimensions));
    assert_refused(vec![
        ("loading", posts().loading(Loading::column(""))),
        ("retries", posts().loading(Loading::column("body").retries(-1))),
        ("retries", posts().loading(Loading::uri("body").retries(-1))),
        (
            "aws_role_arn",
            posts().loading(Loading::uri("body").aws_role_arn("reader")),
        ),
        (
            "aws_role_arn",
            posts().loading(Loading::uri("body").aws_role_arn("arn:aws:iam::1")),
        ),
        ("model", openai("", 3)),
        ("model", openai("a\0b", 3)),
        ("dimensions", openai("m", 0)),
        ("dimensions", openai("m", 16_001)),
        (
            "chat_user",
            posts().embedding(Embedding::openai("m", 3).chat_user("\0")),
        ),
        (
            "api_key_name",
            posts().embedding(Embedding::voyageai("m", 3).api_key_name("\0")),
        ),
        ("base_url", posts().embedding(Embedding::ollama("m", 3).base_url("\0"))),
        (
            "keep_alive",
            posts().embedding(Embedding::ollama("m", 3).keep_alive("\0")),
        ),
        (
            "input_type",
            posts().embedding(Embedding::voyageai("m", 3).input_type("text")),
        ),
        ("embedding", posts().declared_dimensions(3)),
    ]);
}

#[test]
fn json_that_would_not_be_read_back() {
    let options = |json| posts().embedding(Embedding::ollama("m", 3).options(json));
    assert_refused(vec![
        ("options", options(json!({"stop": "a\0b"}))),
        ("options", options(json!({"stop": ["a", {"b\0": 1}]}))),
        ("options", options(json!(null))),
        ("options", options(json!({"num_ctx": null}))),
        ("options", options(json!({"a": [{"b": {"c": null}}]}))),
        (
            "extra_options",
            posts().embedding(Embedding::litellm("m", 3).extra_options(json!({"api_base": null}))),
        ),
    ]);
    // six characters that a JSON text would write a NUL with, and a null that is an element
    let kept = json!({"stop": "\\u0000", "list": [null, 1]});
    assert!(options(kept).to_sql().is_ok());
}

#[test]
fn how_it_is_cut_and_written() {
    let character = || Chunking::character_text_splitter();
    let recursive = || Chunking::recursive_character_text_splitter();
    assert_refused(vec![
        (
            "chunk_size",
            posts().chunking(character().chunk_size(0).chunk_overlap(0)),
        ),
        (
            "chunk_size",
            posts().chunking(recursive().chunk_size(-1).chunk_overlap(0)),
        ),
        ("chunk_overlap", posts().chunking(character().chunk_overlap(-1))),
        (
            "chunk_overlap",
            posts().chunking(recursive().chunk_size(10).chunk_overlap(11)),
        ),
        ("chunk_overlap", posts().chunking(recursive().chunk_size(100))),
        ("separator", posts().chunking(character().separator("\0"))),
        (
            "separators",
            posts().chunking(recursive().separators(Vec::<String>::new())),
        ),
        ("separators", posts().chunking(recursive().separators(["\0"]))),
        ("chunking", posts().destination(Destination::column("vector"))),
        ("formatting", posts().formatting(Formatting::python_template("$title"))),
        (
            "formatting",
            posts().formatting(Formatting::python_template("${chunk}")),
        ),
        (
            "formatting",
            posts().formatting(Formatting::python_template("$chunk\0")),
        ),
    ]);
    assert!(posts().parsing(Parsing::none()).to_sql().is_ok());
}

#[test]
fn how_it_is_indexed_and_worked_off() {
    let hnsw = || Indexing::hnsw();
    let diskann = || Indexing::diskann();
    let every = |interval| posts().scheduling(Scheduling::timescaledb().schedule_interval(interval));
    assert_refused(vec![
        ("min_rows", posts().indexing(hnsw().min_rows(-1))),
        ("min_rows", posts().indexing(diskann().min_rows(-1))),
        ("opclass", posts().indexing(hnsw().opclass("halfvec_cosine_ops"))),
        ("m", posts().indexing(hnsw().m(1))),
        ("m", posts().indexing(hnsw().m(101).ef_construction(1000))),
        ("ef_construction", posts().indexing(hnsw().ef_construction(3))),
        ("ef_construction", posts().indexing(hnsw().ef_construction(1001))),
        ("ef_construction", posts().indexing(hnsw().m(20).ef_construction(39))),
        ("ef_construction", posts().indexing(hnsw().m(50))),
        ("storage_layout", posts().indexing(diskann().storage_layout("small"))),
        ("max_alpha", posts().indexing(diskann().max_alpha(f64::NAN))),
        ("max_alpha", posts().indexing(diskann().max_alpha(f64::INFINITY))),
        (
            "indexing",
            posts().embedding(Embedding::openai("m", 2001)).indexing(hnsw()),
        ),
        (
            "indexing",
            in_column().embedding(Embedding::openai("m", 4001)).indexing(hnsw()),
        ),
        ("schedule_interval", every(Duration::ZERO)),
        ("schedule_interval", every(Duration::from_nanos(999))),
        ("timezone", posts().scheduling(Scheduling::timescaledb().timezone("\0"))),
        ("batch_size", posts().processing(Processing::batches().batch_size(0))),
        ("batch_size", posts().processing(Processing::batches().batch_size(2049))),
        ("concurrency", posts().processing(Processing::batches().concurrency(0))),
        ("concurrency", posts().processing(Processing::batches().concurrency(51))),
    ]);
    assert_eq!(
        posts().indexing(hnsw().m(50)).to_sql().unwrap_err().to_string(),
        "`ef_construction`: 64, the default, is less than twice m, 50; set ef_construction to at least 100"
    );
}
