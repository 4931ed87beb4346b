//! What a check advises: never to embed again what need not be, and to drop what is there.

use pgai_sea::check::{Aspect, Problem, check_module};
use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, TestResult, on_both_catalogs};

/// Called so by now: it was `talks`, with a title and an abstract.
mod lecture {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "lectures")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub heading: String,
        #[vectorizer(
            dimensions = 3,
            embedding = Embedding::ollama("m", 3),
            formatting = "$heading: $chunk",
            target_table = "talks_embedding_store",
            view_name = "talks_embedding"
        )]
        pub summary: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod stored {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "stored")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 3, embedding = Embedding::ollama("m", 3))]
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod inlined {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "inlined")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub body: String,
        #[vectorizer(dimensions = 3, destination = "column", loading = "body", embedding = Embedding::ollama("m", 3))]
        #[sea_orm(column_type = "Vector(Some(3))", nullable)]
        pub vector: Option<PgVector>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Shorter than the default overlap. The derive would refuse the number itself.
const SHORT: i32 = 100;

/// What the builder refuses, the database's functions refuse as well.
mod misfit {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "misfits")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(dimensions = 3, embedding = Embedding::voyageai("m", 3).input_type("text"))]
        pub body: String,
        // the embedding is for the migration to say
        #[vectorizer(
            dimensions = 3,
            target_table = "misfits_title_embedding_store",
            view_name = "misfits_title_embedding",
            chunking = Chunking::character_text_splitter().chunk_size(super::SHORT)
        )]
        pub title: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const HERE: &str = module_path!();

#[tokio::test]
async fn what_the_builder_refuses_is_a_finding() {
    on_both_catalogs(async |test| -> TestResult {
        let manager = SchemaManager::new(&test.db);
        test.execute("create table stored (id int primary key, body text not null)")
            .await?;
        for vectorizers in 0..2 {
            let findings = check_module(&test.db, &format!("{HERE}::misfit")).await?;
            let refused: Vec<_> = findings
                .iter()
                .filter_map(|finding| match &finding.problem {
                    Problem::Refused(error) => Some(error.to_string()),
                    _ => None,
                })
                .collect();
            assert_eq!(
                refused,
                [
                    "`input_type`: \"text\" is neither document nor query",
                    "`chunk_overlap`: 400, the default, is larger than chunk_size 100; set chunk_overlap to at most \
                        that",
                ],
                "with {vectorizers} vectorizers: {findings}"
            );
            if vectorizers == 0 {
                manager
                    .create_vectorizer(stored::body_embeddings::Entity::vectorizer())
                    .await?;
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_was_renamed_is_refreshed_and_not_embedded_again() {
    on_both_catalogs(async |test| -> TestResult {
        let manager = SchemaManager::new(&test.db);
        test.execute("create table talks (id int primary key, title text not null, abstract text not null)")
            .await?;
        let create = CreateVectorizer::new("talks")
            .name("talks")
            .loading(Loading::column("abstract"))
            .embedding(Embedding::ollama("m", 3))
            .formatting(Formatting::python_template("$title: $chunk"));
        manager.create_vectorizer(create).await?;
        test.execute(
            "insert into talks_embedding_store (id, chunk_seq, chunk, embedding) values (1, 0, 'T: text', '[1,2,3]');
             alter table talks rename to lectures; alter table lectures rename title to heading;
             alter table lectures rename abstract to summary",
        )
        .await?;
        let module = format!("{HERE}::lecture");
        if test.catalog == Catalog::Pgai {
            let refused = manager.refresh_vectorizer("talks").await.unwrap_err().to_string();
            assert!(
                refused.contains("this database has pgai's own: rename back"),
                "{refused}"
            );
            return Ok(());
        }
        let findings = check_module(&test.db, &module).await?;
        let renamed: Vec<_> = findings
            .iter()
            .map(|finding| match &finding.problem {
                Problem::Renamed { aspect, .. } => *aspect,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(renamed, [Aspect::Source, Aspect::Loading, Aspect::Formatting]);
        let text = findings.to_string();
        assert_eq!(
            text.lines().next().unwrap(),
            "lectures.summary (it::derive::checked::lecture::summary_embeddings): the source is \"public.lectures\" \
                now, \
             and vectorizer talks still has \"public.talks\""
        );
        for finding in &findings {
            assert_eq!(finding.mending(), "manager.refresh_vectorizer(\"talks\").await?;");
        }
        manager.refresh_vectorizer("talks").await?;
        let findings = check_module(&test.db, &module).await?;
        assert!(findings.is_empty(), "{findings}");
        let kept: i64 = test.value("select count(*) from talks_embedding_store").await?;
        assert_eq!(kept, 1);
        let missing = manager.refresh_vectorizer("nothing").await.unwrap_err().to_string();
        assert!(missing.contains("there is no vectorizer \"nothing\""), "{missing}");
        Ok(())
    })
    .await;
}

/// A table of the same name in another schema is another table.
#[tokio::test]
async fn another_schemas_vectorizer_is_not_extra() {
    on_both_catalogs(async |test| -> TestResult {
        let manager = SchemaManager::new(&test.db);
        test.execute(
            "create table stored (id int primary key, body text not null);
             create schema other; create table other.stored (id int primary key, body text)",
        )
        .await?;
        manager
            .create_vectorizer(stored::body_embeddings::Entity::vectorizer())
            .await?;
        let others = CreateVectorizer::new(("other", "stored"))
            .loading(Loading::column("body"))
            .embedding(Embedding::ollama("m", 3));
        manager.create_vectorizer(others).await?;
        let findings = check_module(&test.db, &format!("{HERE}::stored")).await?;
        assert!(findings.is_empty(), "{findings}");
        Ok(())
    })
    .await;
}

/// The mending of what was declared otherwise leaves no table of embeddings, and no column that is the application's.
#[tokio::test]
async fn from_a_table_to_a_column_and_back() {
    on_both_catalogs(async |test| -> TestResult {
        let manager = SchemaManager::new(&test.db);
        test.execute(
            "create table stored (id int primary key, body text not null);
             create table inlined (id int primary key, body text not null)",
        )
        .await?;
        let on = |table: &'static str| {
            CreateVectorizer::new(table)
                .name(table)
                .loading(Loading::column("body"))
                .embedding(Embedding::ollama("m", 3))
        };
        manager.create_vectorizer(on("inlined")).await?;
        let in_column = on("stored")
            .destination(Destination::column("vector"))
            .chunking(Chunking::none());
        manager.create_vectorizer(in_column).await?;
        for (name, drop_all) in [("inlined", ".drop_all(true)"), ("stored", "")] {
            let findings = check_module(&test.db, &format!("{HERE}::{name}")).await?;
            let mending = findings
                .iter()
                .find(|finding| {
                    matches!(
                        finding.problem,
                        Problem::Differs {
                            aspect: Aspect::Destination,
                            ..
                        }
                    )
                })
                .map(pgai_sea::check::Finding::mending)
                .unwrap();
            assert_eq!(
                mending.lines().next().unwrap(),
                format!("manager.drop_vectorizer(DropVectorizer::name({name:?}){drop_all}).await?;")
            );
            assert!(!mending.contains("//"), "{mending}");
        }
        Ok(())
    })
    .await;
}

/// The file says what the entities say.
#[tokio::test]
async fn a_file_of_declarations_is_checked_as_the_entities_are() {
    on_both_catalogs(async |test| {
        let declared = pgai_sea::check::declared_json();
        let of_file = pgai_sea::check::check_declared(&test.db, &declared).await?;
        let of_entities = pgai_sea::check(&test.db).await?;
        assert!(!of_entities.is_empty());
        assert_eq!(of_file.to_string(), of_entities.to_string());
        Ok(())
    })
    .await;
}
