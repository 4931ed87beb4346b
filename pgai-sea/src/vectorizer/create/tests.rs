use sea_orm::sea_query::TableName;

use super::*;

mod website_blog {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "blog", schema_name = "website")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub(super) id: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(sea_orm::DeriveIden)]
enum Blog {
    Table,
}

fn posts() -> CreateVectorizer {
    CreateVectorizer::new("posts")
        .loading(Loading::column("body"))
        .embedding(Embedding::ollama("all-minilm", 384))
}

#[track_caller]
fn refused(create: &CreateVectorizer, message: &str) {
    assert_eq!(create.to_sql().unwrap_err().to_string(), message);
    assert_eq!(create.statement().unwrap_err().to_string(), message);
}

#[test]
fn names_and_separators_of_quotes_are_ordinary() {
    let create = CreateVectorizer::new(("o'clock \"x\"", "posts"))
        .loading(Loading::column("bo'dy"))
        .embedding(Embedding::ollama("m", 3))
        .chunking(Chunking::character_text_splitter().separator("'\\\"'"));
    assert_eq!(
        create.to_sql().unwrap(),
        concat!(
            r#"SELECT ai.create_vectorizer(source => '"o''clock ""x""".posts', loading => "#,
            r#"ai.loading_column(column_name => 'bo''dy'), embedding => ai.embedding_ollama(model => 'm', "#,
            r#"dimensions => 3), chunking => ai.chunking_character_text_splitter(separator => E'''\\"'''))"#,
        )
    );
}

#[test]
fn a_statement_binds_every_value() {
    let statement = posts()
        .name("posts_search")
        .grant_to(["bob"])
        .if_not_exists(true)
        .statement()
        .unwrap();
    assert_eq!(
        statement.sql,
        "SELECT ai.create_vectorizer(source => $1::regclass, name => $2, \
         loading => ai.loading_column(column_name => $3::name), \
         embedding => ai.embedding_ollama(model => $4, dimensions => $5), \
         grant_to => ai.grant_to(VARIADIC $6::name[]), if_not_exists => $7)"
    );
    assert_eq!(statement.values.unwrap().0.len(), 7);
}

#[test]
fn a_source_is_a_name_or_an_entity_with_its_schema() {
    let source = |create: CreateVectorizer| {
        let create = create
            .loading(Loading::column("body"))
            .embedding(Embedding::ollama("m", 3));
        let sql = create.to_sql().unwrap();
        let (_, source) = sql.split_once("source => ").unwrap();
        source.split(", ").next().unwrap().to_owned()
    };
    assert_eq!(source(CreateVectorizer::entity(website_blog::Entity)), "'website.blog'");
    assert_eq!(
        source(CreateVectorizer::new(("website", String::from("blog")))),
        "'website.blog'"
    );
    assert_eq!(source(CreateVectorizer::new("website.blog")), "'\"website.blog\"'");
    // identifiers of migrations are names
    assert_eq!(source(CreateVectorizer::new(TableName::from(Blog::Table))), "'blog'");
    assert_eq!(
        source(CreateVectorizer::new(TableName::from(("website", Blog::Table)))),
        "'website.blog'"
    );
}

#[test]
fn what_no_database_takes_is_refused_by_the_setters_name() {
    refused(
        &CreateVectorizer::new("posts").embedding(Embedding::ollama("m", 3)),
        "`loading`: is required; call .loading(Loading::column(..))",
    );
    refused(
        &CreateVectorizer::new("posts").loading(Loading::column("body")),
        "`embedding`: is required; call .embedding(Embedding::openai(..) or another provider)",
    );
    refused(
        &posts().name("Posts"),
        "`name`: \"Posts\" has other characters than a-z, 0-9 and _, or does not start with a letter",
    );
    refused(
        &posts().chunking(Chunking::character_text_splitter().chunk_size(100)),
        "`chunk_overlap`: 400, the default, is larger than chunk_size 100; set chunk_overlap to at most that",
    );
    refused(
        &posts().embedding(Embedding::openai("m", 16_001)),
        "`dimensions`: 16001 is not between 1 and 16000",
    );
    refused(
        &posts().formatting(Formatting::python_template("$title")),
        "`formatting`: the template \"$title\" does not contain $chunk",
    );
    refused(
        &posts().destination(Destination::column("embedding")),
        "`chunking`: must be Chunking::none() with Destination::column, which holds one vector per row",
    );
    refused(
        &posts()
            .embedding(Embedding::openai("m", 3072))
            .indexing(Indexing::hnsw()),
        "`indexing`: HNSW takes at most 2000 dimensions, m has 3072; Destination::table().halfvec() takes 4000; \
         Indexing::hnsw().binary() takes any number",
    );
    let halved = posts()
        .destination(Destination::table().halfvec())
        .indexing(Indexing::hnsw());
    assert!(halved.clone().embedding(Embedding::openai("m", 3072)).to_sql().is_ok());
    refused(
        &halved.embedding(Embedding::openai("m", 4001)),
        "`indexing`: HNSW takes at most 4000 dimensions of a halfvec, m has 4001; \
         Indexing::hnsw().binary() takes any number",
    );
    refused(
        &posts()
            .destination(Destination::column("embedding"))
            .chunking(Chunking::none())
            .embedding(Embedding::openai("m", 4001))
            .indexing(Indexing::hnsw()),
        "`indexing`: HNSW takes at most 4000 dimensions, in a column of halfvec, m has 4001; \
         Indexing::hnsw().binary() takes any number",
    );
    let halfvec = posts()
        .destination(Destination::column("embedding"))
        .chunking(Chunking::none())
        .embedding(Embedding::openai("m", 4000))
        .indexing(Indexing::hnsw());
    assert!(halfvec.to_sql().is_ok());
    refused(
        &posts().loading(Loading::column("a\0b")),
        "`loading`: contains a NUL character, which PostgreSQL's text cannot hold",
    );
}
