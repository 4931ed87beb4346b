//! Code first: what entities declare is what migrations create, and a check says where the two differ.

use pgai_sea::check::{Aspect, Findings, Problem, check_module};
use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};

mod talk {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "talks")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[vectorizer(
            dimensions = 3,
            embedding = Embedding::ollama("all-minilm", 3),
            chunking = Chunking::character_text_splitter().chunk_size(100).chunk_overlap(10),
            formatting = "$title: $chunk",
            indexing = Indexing::none()
        )]
        pub summary: String,
        #[vectorizer(
            dimensions = 4,
            target_schema = "vectors",
            target_table = "notes",
            view_name = "talks_with_notes"
        )]
        pub notes: Option<String>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use talk::{notes_embeddings, summary_embeddings};

const TALKS: &str = "create table talks (id int primary key, title text not null, summary text not null, notes text);
                     create schema vectors";

fn notes() -> CreateVectorizer {
    notes_embeddings::Entity::vectorizer().embedding(Embedding::openai("m", 4))
}

async fn check(test: &TestDatabase) -> Result<Findings, pgai_sea::catalog::CatalogError> {
    check_module(&test.db, concat!(module_path!(), "::talk")).await
}

#[tokio::test]
async fn what_is_declared_is_what_is_created() {
    on_both_catalogs(async |test| {
        test.execute(TALKS).await?;
        let manager = SchemaManager::new(&test.db);
        let missing = check(&test).await?.to_string();
        assert_eq!(
            missing,
            "talks.notes (it::derive::declared::talk::notes_embeddings): there is no vectorizer for it\n  \
             in a migration: \
             manager.create_vectorizer(it::derive::declared::talk::notes_embeddings::Entity::vectorizer()\
             .embedding(..)).await?;\n\
             talks.summary (it::derive::declared::talk::summary_embeddings): there is no vectorizer for it\n  \
             in a migration: \
             manager.create_vectorizer(it::derive::declared::talk::summary_embeddings::Entity::vectorizer())\
             .await?;"
        );
        let id = manager
            .create_vectorizer(summary_embeddings::Entity::vectorizer())
            .await?;
        manager.create_vectorizer(notes()).await?;
        let findings = check(&test).await?;
        assert!(findings.is_empty(), "{findings}");
        assert_eq!(findings.to_string(), "entities and database agree");

        let config = pgai_sea::catalog::vectorizer(&test.db, id).await?.config;
        assert_eq!(config.embedding, Embedding::ollama("all-minilm", 3).into());
        assert_eq!(config.formatting, Formatting::python_template("$title: $chunk").into());
        let Chunking::CharacterTextSplitter(splitter) = config.chunking else {
            panic!("{config:?}")
        };
        assert_eq!((splitter.chunk_size, splitter.chunk_overlap), (Some(100), Some(10)));
        assert_eq!(test.value::<i64>("select count(*) from vectors.notes").await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn each_difference_is_found_and_its_mending_mends_it() {
    // boxed: the cases are many, and all of them are in the future
    on_both_catalogs(async |test| Box::pin(differences(test)).await).await;
}

/// What is created, the aspect in which it differs from the attribute, and what the finding says of it.
fn cases() -> [(CreateVectorizer, Aspect, [&'static str; 2]); 9] {
    let summary = summary_embeddings::Entity::vectorizer;
    [
        (
            CreateVectorizer::new("talks")
                .loading(Loading::column("summary"))
                .embedding(Embedding::ollama("all-minilm", 384))
                .chunking(Chunking::character_text_splitter().chunk_size(100).chunk_overlap(10))
                .formatting(Formatting::python_template("$title: $chunk")),
            Aspect::Dimensions,
            ["3", "384"],
        ),
        (
            summary().embedding(Embedding::ollama("all-minilm", 3).keep_alive("5m")),
            Aspect::Embedding,
            ["keep_alive not set", "keep_alive 5m"],
        ),
        // what the declaration leaves out is the database's default
        (
            summary().chunking(
                Chunking::character_text_splitter()
                    .chunk_size(200)
                    .chunk_overlap(10)
                    .separator("."),
            ),
            Aspect::Chunking,
            ["chunk_size 100, separator \n\n", "chunk_size 200, separator ."],
        ),
        (
            summary().chunking(
                Chunking::recursive_character_text_splitter()
                    .chunk_size(100)
                    .chunk_overlap(10),
            ),
            Aspect::Chunking,
            ["character_text_splitter", "recursive_character_text_splitter"],
        ),
        (
            summary().destination(
                Destination::table()
                    .target_table("talks_embedding_store")
                    .view_name("elsewhere"),
            ),
            Aspect::View,
            ["public.talks_embedding", "public.elsewhere"],
        ),
        (
            summary().embedding(Embedding::openai("text-embedding-3-small", 3)),
            Aspect::Embedding,
            ["all-minilm of ollama", "text-embedding-3-small of openai"],
        ),
        (
            summary().formatting(Formatting::python_template("$chunk")),
            Aspect::Formatting,
            ["$title: $chunk", "$chunk"],
        ),
        (
            summary().loading(Loading::column("title")),
            Aspect::Loading,
            ["summary", "title"],
        ),
        (
            summary().destination(
                Destination::table()
                    .target_table("elsewhere")
                    .view_name("elsewhere_too"),
            ),
            Aspect::Destination,
            ["public.talks_embedding_store", "public.elsewhere"],
        ),
    ]
}

async fn differences(test: TestDatabase) -> TestResult {
    test.execute(TALKS).await?;
    let manager = SchemaManager::new(&test.db);
    let summary = summary_embeddings::Entity::vectorizer;
    manager.create_vectorizer(notes()).await?;
    for (create, expected, [here, there]) in cases() {
        let id = manager.create_vectorizer(create).await?;
        let name = pgai_sea::catalog::vectorizer(&test.db, id).await?.name;
        let findings = check(&test).await?;
        let [finding] = &Vec::from_iter(&findings)[..] else {
            panic!("{findings}")
        };
        assert_eq!(finding.vectorizer.as_deref(), Some(&*name));
        let (declared, actual) = (here.to_owned(), there.to_owned());
        assert_eq!(
            finding.problem,
            Problem::Differs {
                aspect: expected,
                declared,
                actual
            }
        );
        let (statements, comment): (Vec<_>, Vec<_>) = finding
            .mending()
            .lines()
            .map(str::to_owned)
            .partition(|line| !line.starts_with("//"));
        if let Aspect::Loading | Aspect::Dimensions | Aspect::Embedding | Aspect::Chunking | Aspect::Formatting =
            expected
        {
            let mut change = ChangeVectorizer::from(summary_embeddings::Entity);
            let entity = "it::derive::declared::talk::summary_embeddings::Entity";
            let mut written = format!("{entity}.into()");
            if expected == Aspect::Loading {
                change = change.loading(Loading::column("summary"));
                written = format!("ChangeVectorizer::from({entity}).loading(Loading::column(\"summary\"))");
            }
            assert_eq!(statements, [format!("manager.change_vectorizer({written}).await?;")]);
            assert!(
                comment[1].contains(&format!("manager.cut_over({name:?})")),
                "{comment:?}"
            );
            manager.change_vectorizer(change).await?;
            if test.catalog == Catalog::Ours {
                if pgai_sea::change::find(&test.db, name.as_str()).await?.is_some() {
                    // nothing waits to be embedded, and no worker has to say so
                    pgai_sea::change::cut_over_unready(&test.db, name.as_str()).await?;
                    manager.finish_change(name.as_str()).await?;
                }
                let findings = check(&test).await?;
                assert!(findings.is_empty(), "{findings}");
            } else {
                manager.abort_change(name.as_str()).await?;
            }
            manager
                .drop_vectorizer(DropVectorizer::name(&name).drop_all(true))
                .await?;
            continue;
        }
        if test.catalog == Catalog::Ours && expected == Aspect::View {
            let change = ChangeVectorizer::new(&*name).view_name("talks_embedding");
            let line = format!(
                "manager.change_vectorizer(ChangeVectorizer::new({name:?}).view_name(\"talks_embedding\")).await?;"
            );
            assert_eq!(statements, [line]);
            manager.change_vectorizer(change).await?;
            let findings = check(&test).await?;
            assert!(findings.is_empty(), "{findings}");
            manager
                .drop_vectorizer(DropVectorizer::name(&name).drop_all(true))
                .await?;
            continue;
        }
        assert_eq!(
            statements,
            [
                format!("manager.drop_vectorizer(DropVectorizer::name({name:?}).drop_all(true)).await?;"),
                "manager.create_vectorizer(\
                    it::derive::declared::talk::summary_embeddings::Entity::vectorizer()).await?;"
                    .to_owned(),
            ]
        );
        let says_more = matches!(expected, Aspect::View | Aspect::Destination);
        assert_eq!(comment.is_empty(), !says_more, "{comment:?}");
        manager
            .drop_vectorizer(DropVectorizer::name(&name).drop_all(true))
            .await?;
        manager.create_vectorizer(summary()).await?;
        let findings = check(&test).await?;
        assert!(findings.is_empty(), "{findings}");
        manager
            .drop_vectorizer(DropVectorizer::target_table("talks_embedding_store").drop_all(true))
            .await?;
    }
    Ok(())
}

/// pgai's takes no index without a schedule.
#[tokio::test]
async fn another_index_is_found() {
    on_catalog(Catalog::Ours, async |test| {
        test.execute(TALKS).await?;
        let manager = SchemaManager::new(&test.db);
        manager.create_vectorizer(notes()).await?;
        manager
            .create_vectorizer(summary_embeddings::Entity::vectorizer().indexing(Indexing::hnsw().m(8)))
            .await?;
        let findings = check(&test).await?;
        let [finding] = &Vec::from_iter(&findings)[..] else {
            panic!("{findings}")
        };
        let text = finding.to_string();
        assert!(
            text.contains("the index is \"none\" here and \"hnsw\" in vectorizer public_talks_embedding_store"),
            "{text}"
        );
        let change = "manager.change_vectorizer(it::derive::declared::talk::summary_embeddings::Entity.into()).await?;";
        assert!(text.contains(change), "{text}");
        // what it says mends it
        manager.change_vectorizer(summary_embeddings::Entity.into()).await?;
        let findings = check(&test).await?;
        assert!(findings.is_empty(), "{findings}");
        // the entity of the notes says nothing of an index
        manager
            .set_scheduling("vectors_notes", Scheduling::none(), Indexing::hnsw())
            .await?;
        assert!(check(&test).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_nothing_declares_is_extra() {
    on_both_catalogs(async |test| {
        test.execute(TALKS).await?;
        test.execute("create table others (id int primary key, body text)")
            .await?;
        let manager = SchemaManager::new(&test.db);
        manager
            .create_vectorizer(summary_embeddings::Entity::vectorizer())
            .await?;
        manager.create_vectorizer(notes()).await?;
        let extra = |table: &'static str, column: &str| {
            CreateVectorizer::new(table)
                .name(format!("extra_{table}"))
                .destination(Destination::table().destination(format!("extra_{table}")))
                .loading(Loading::column(column))
                .embedding(Embedding::ollama("m", 3))
        };
        manager.create_vectorizer(extra("talks", "title")).await?;
        manager.create_vectorizer(extra("others", "body")).await?;
        assert_eq!(
            check(&test).await?.to_string(),
            "vectorizer extra_talks of public.talks is declared by no entity: declare it, or drop it\n  \
             in a migration: manager.drop_vectorizer(DropVectorizer::name(\"extra_talks\").drop_all(true)).await?;"
        );
        // all entities of this program, most of which this database does not have
        let all = pgai_sea::check(&test.db).await?;
        let extras = all
            .iter()
            .filter(|finding| matches!(finding.problem, Problem::Extra { .. }))
            .count();
        assert_eq!(extras, 2, "{all}");
        assert!(all.len() > 10, "{all}");
        Ok(())
    })
    .await;
}

/// A table of the same name that comes first on the search path is another table.
#[tokio::test]
async fn a_source_is_looked_for_along_the_search_path() {
    on_both_catalogs(async |test| {
        test.execute(TALKS).await?;
        let manager = SchemaManager::new(&test.db);
        manager
            .create_vectorizer(summary_embeddings::Entity::vectorizer())
            .await?;
        manager.create_vectorizer(notes()).await?;
        test.execute("create schema first; create table first.talks (id int primary key, summary text)")
            .await?;
        let transaction = sea_orm::TransactionTrait::begin(&test.db).await?;
        transaction
            .execute_unprepared("set local search_path to first, public")
            .await?;
        let findings = check_module(&transaction, concat!(module_path!(), "::talk")).await?;
        assert!(
            findings.iter().any(|finding| finding.problem == Problem::Missing),
            "{findings}"
        );
        drop(transaction);
        assert!(check(&test).await?.is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn without_a_catalog_everything_is_missing() {
    on_catalog(Catalog::Bare, async |test| -> TestResult {
        let findings = check(&test).await?;
        assert_eq!(findings.len(), 3, "{findings}");
        assert!(
            findings
                .to_string()
                .starts_with("the database has no `ai` schema\n  in a migration: manager.install_pgai().await?;\n"),
            "{findings}"
        );
        Ok(())
    })
    .await;
}

mod contradictory {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    const DIMENSIONS: i32 = 768;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "contradictory")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 384, embedding = Embedding::ollama("m", DIMENSIONS))]
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The compiler does not see the constant's value; the builder does.
#[tokio::test]
async fn dimensions_that_contradict_each_other_are_refused_with_both_numbers() {
    on_both_catalogs(async |test| {
        test.execute("create table contradictory (id int primary key, body text)")
            .await?;
        let refused = "`embedding`: m has 768 dimensions, the entity declares 384";
        let manager = SchemaManager::new(&test.db);
        let create = manager.create_vectorizer(contradictory::body_embeddings::Entity::vectorizer());
        let error = create.await.unwrap_err().to_string();
        assert!(error.contains(refused), "{error}");
        let findings = check_module(&test.db, "it::derive::declared::contradictory").await;
        // the module's own, not those of modules whose names begin alike
        let findings = findings?.to_string();
        assert!(findings.contains(refused) && !findings.contains("talks"), "{findings}");
        Ok(())
    })
    .await;
}
