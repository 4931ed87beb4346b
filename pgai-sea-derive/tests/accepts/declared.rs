//! What entities declare of their vectorizers, for a migration and for the registry.

const MODEL: &str = "all-minilm";

/// Everything is declared.
pub mod talk {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A name that the attribute's expressions do not mean.
    #[derive(Debug)]
    pub struct Embedding;

    /// A talk.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "talks", schema_name = "conf", rename_all = "camelCase")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// The title.
        pub talk_title: String,
        /// The text.
        #[vectorizer(
            dimensions = 384,
            view_name = "found_talks",
            embedding = Embedding::ollama(super::MODEL, 384).keep_alive("5m"),
            chunking = Chunking::recursive_character_text_splitter().chunk_size(400).chunk_overlap(50),
            formatting = "$talkTitle: $chunk, for $$5",
            indexing = pgai_sea::Indexing::hnsw().m(8)
        )]
        pub full_text: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The vector is a column.
pub mod tag {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A tag.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "tags")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// The text.
        #[sea_orm(column_name = "tag")]
        pub r#type: String,
        /// The vector.
        #[vectorizer(dimensions = 3, destination = "column", loading = "type")]
        pub embedding: Option<PgVector>,
    }

    /// None but the derive's.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The only text is what the vector is of, and the vector is a long one.
pub mod product {
    use pgai_sea::Vectorizer;
    use pgai_sea::pgvector::HalfVec;
    use sea_orm::entity::prelude::*;

    /// A product.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "products")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        /// The text.
        pub summary: Option<String>,
        /// How many there are.
        pub stock: i32,
        /// The vector.
        #[vectorizer(
            dimensions = 3072,
            destination = "column",
            embedding = Embedding::openai("text-embedding-3-large", 3072),
            indexing = Indexing::hnsw()
        )]
        #[sea_orm(column_type = r#"custom("halfvec(3072)")"#, nullable)]
        pub embedding: Option<HalfVec>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// pgai takes no vectorizer's name that is made of these.
pub mod upper {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A post.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "BlogPosts")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// The text.
        #[vectorizer(dimensions = 3, embedding = Embedding::ollama("m", 3))]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The vectors are stored as numbers of 16 bits, of which an index takes twice as many.
pub mod film {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A film.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "films")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// The text.
        #[vectorizer(
            dimensions = 3072,
            halfvec,
            embedding = Embedding::openai("text-embedding-3-large", 3072),
            indexing = Indexing::hnsw()
        )]
        pub plot: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Documents at addresses.
pub mod manual {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A manual.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "manuals")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// Where it is.
        #[vectorizer(dimensions = 3, loading = uri("address"), formatting = "$page $headings: $chunk")]
        #[sea_orm(column_name = "uri")]
        pub address: String,
        /// Its first pages.
        #[vectorizer(dimensions = 3, destination = "column", loading = uri("address"), parsing = Parsing::none())]
        pub summary: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Documents in a column.
pub mod scan {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    /// A scan.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "scans")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// The document.
        #[vectorizer(dimensions = 3, parsing = Parsing::docling())]
        pub body: Vec<u8>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use pgai_sea::entity::{DeclaredDestination, declarations};
use pgai_sea::prelude::*;
use pgai_sea::{Embedding, managed_tables};
use talk::full_text_embeddings;

#[test]
fn a_vectorizer_is_whole() {
    assert_eq!(
        full_text_embeddings::Entity::vectorizer().to_sql().unwrap(),
        "SELECT ai.create_vectorizer(source => 'conf.talks', \
         destination => ai.destination_table(view_name => 'found_talks'), \
         loading => ai.loading_column(column_name => 'fullText'), \
         embedding => ai.embedding_ollama(model => 'all-minilm', dimensions => 384, keep_alive => '5m'), \
         chunking => ai.chunking_recursive_character_text_splitter(chunk_size => 400, chunk_overlap => 50), \
         indexing => ai.indexing_hnsw(m => 8), \
         formatting => ai.formatting_python_template(template => '$talkTitle: $chunk, for $$5'))"
    );
}

#[test]
fn the_only_text_is_loaded_and_a_long_halfvec_has_its_index() {
    assert_eq!(
        product::Entity::vectorizer().to_sql().unwrap(),
        "SELECT ai.create_vectorizer(source => 'products', \
         destination => ai.destination_column(embedding_column => 'embedding'), \
         loading => ai.loading_column(column_name => 'summary'), \
         embedding => ai.embedding_openai(model => 'text-embedding-3-large', dimensions => 3072), \
         chunking => ai.chunking_none(), indexing => ai.indexing_hnsw())"
    );
}

#[test]
fn documents_are_loaded_from_addresses_or_bytes() {
    let embedding = || Embedding::ollama("m", 3);
    assert_eq!(
        manual::address_embeddings::Entity::vectorizer()
            .embedding(embedding())
            .to_sql()
            .unwrap(),
        "SELECT ai.create_vectorizer(source => 'manuals', loading => ai.loading_uri(column_name => 'uri'), \
         embedding => ai.embedding_ollama(model => 'm', dimensions => 3), \
         formatting => ai.formatting_python_template(template => '$page $headings: $chunk'))"
    );
    assert_eq!(
        manual::Entity::vectorizer().embedding(embedding()).to_sql().unwrap(),
        "SELECT ai.create_vectorizer(source => 'manuals', \
         destination => ai.destination_column(embedding_column => 'summary'), \
         loading => ai.loading_uri(column_name => 'uri'), parsing => ai.parsing_none(), \
         embedding => ai.embedding_ollama(model => 'm', dimensions => 3), chunking => ai.chunking_none())"
    );
    assert_eq!(
        scan::body_embeddings::Entity::vectorizer()
            .embedding(embedding())
            .to_sql()
            .unwrap(),
        "SELECT ai.create_vectorizer(source => 'scans', loading => ai.loading_column(column_name => 'body'), \
         parsing => ai.parsing_docling(), embedding => ai.embedding_ollama(model => 'm', dimensions => 3))"
    );
}

#[test]
fn halved_vectors_have_their_type_and_their_index() {
    use film::plot_embeddings;
    use pgai_sea::pgvector::HalfVec;
    use sea_orm::{ActiveValue, ColumnTrait, DbBackend, EntityTrait, QueryTrait};

    assert_eq!(
        plot_embeddings::Entity::vectorizer().to_sql().unwrap(),
        "SELECT ai.create_vectorizer(source => 'films', destination => ai.destination_halfvec(), \
         loading => ai.loading_column(column_name => 'plot'), \
         embedding => ai.embedding_openai(model => 'text-embedding-3-large', dimensions => 3072), \
         indexing => ai.indexing_hnsw())"
    );
    let column = plot_embeddings::Column::Embedding.def();
    assert_eq!(*column.get_column_type(), sea_orm::ColumnType::custom("halfvec(3072)"));
    let _: ActiveValue<HalfVec> = plot_embeddings::ActiveModel::default().embedding;
    let find = plot_embeddings::Entity::find().build(DbBackend::Postgres).sql;
    assert!(
        find.contains(r#"CAST("films_embedding_store"."embedding" AS halfvec)"#),
        "{find}"
    );
}

#[test]
fn a_name_that_pgai_would_not_take_is_another() {
    let sql = upper::body_embeddings::Entity::vectorizer().to_sql().unwrap();
    assert!(
        sql.contains(r#"source => '"BlogPosts"', name => 'blogposts_embedding_store', "#),
        "{sql}"
    );
}

#[test]
fn what_is_left_out_is_added_and_has_to_fit() {
    let declared = tag::Entity::vectorizer();
    assert_eq!(
        declared.clone().embedding(Embedding::ollama("m", 3)).to_sql().unwrap(),
        "SELECT ai.create_vectorizer(source => 'tags', \
         destination => ai.destination_column(embedding_column => 'embedding'), \
         loading => ai.loading_column(column_name => 'tag'), \
         embedding => ai.embedding_ollama(model => 'm', dimensions => 3), chunking => ai.chunking_none())"
    );
    assert!(
        declared
            .to_sql()
            .unwrap_err()
            .to_string()
            .starts_with("`embedding`: is required")
    );
    assert_eq!(
        declared
            .embedding(Embedding::ollama("m", 384))
            .to_sql()
            .unwrap_err()
            .to_string(),
        "`embedding`: m has 384 dimensions, the entity declares 3 in `#[vectorizer(dimensions = 3)]`; make them the \
            same"
    );
}

#[test]
fn an_entity_with_a_vector_is_searched_itself() {
    let statement = tag::Entity::search([1.0, 0.0, 0.0]).limit(2).statement().unwrap();
    assert_eq!(
        statement.to_string(),
        concat!(
            r#"SELECT "tags"."id" AS "s_id", "tags"."tag" AS "s_tag", NULL AS "s_embedding", "#,
            r#""tags"."embedding" <=> '[1,0,0]' AS "distance" FROM "tags" WHERE "tags"."embedding" IS NOT "#,
            r#"NULL ORDER BY "distance" ASC LIMIT 2"#,
        )
    );
    let with_vectors = tag::Entity::search([1.0, 0.0, 0.0]).with_vectors().statement().unwrap();
    assert!(
        with_vectors.sql.contains(r#""tags"."embedding" AS "s_embedding""#),
        "{}",
        with_vectors.sql
    );
    assert!(tag::Entity::search([1.0]).statement().is_err());
}

#[test]
fn the_registry_has_what_the_program_declares() {
    let find = |module: &str| {
        let module = format!("accepts::declared::{module}");
        *declarations()
            .iter()
            .find(|declaration| declaration.module == module)
            .unwrap()
    };
    let talk = find("talk::full_text_embeddings");
    assert_eq!(talk.to_string(), "conf.talks.fullText");
    assert_eq!((talk.vectorizer)(), full_text_embeddings::Entity::vectorizer());
    let tag = find("tag");
    assert_eq!((tag.loading_column, tag.dimensions), ("tag", 3));
    assert_eq!(
        tag.destination,
        DeclaredDestination::Column {
            embedding_column: "embedding"
        }
    );

    let managed = managed_tables();
    let talks = managed.iter().find(|managed| managed.view == "found_talks").unwrap();
    assert_eq!(
        (talks.schema, talks.store, talks.view_schema),
        (Some("conf"), "talks_embedding_store", Some("conf"))
    );
    assert!(
        !managed.iter().any(|managed| managed.store.starts_with("tags")),
        "{managed:?}"
    );
}
