//! Entities of documents: what the attribute says of loading and parsing is created, and compared with the database.

use pgai_sea::check::{Aspect, Findings, Problem, check_declared, check_module, declared_json};
use pgai_sea::migration::prelude::*;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};

mod manual {
    use pgai_sea::Vectorizer;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Vectorizer)]
    #[sea_orm(table_name = "manuals")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[vectorizer(
            dimensions = 3,
            loading = uri("address"),
            parsing = Parsing::none(),
            embedding = Embedding::ollama("m", 3)
        )]
        pub address: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

use manual::address_embeddings;

const MANUALS: &str = "create table manuals (id int primary key, address text not null)";

async fn check(test: &TestDatabase) -> Result<Findings, pgai_sea::catalog::CatalogError> {
    check_module(&test.db, concat!(module_path!(), "::manual")).await
}

#[tokio::test]
async fn what_is_declared_of_documents_is_what_is_created() {
    on_both_catalogs(async |test| {
        test.execute(MANUALS).await?;
        let manager = SchemaManager::new(&test.db);
        let declared = address_embeddings::Entity::vectorizer();
        // what the attribute does not say may be anything
        let loading = Loading::uri("address").retries(2);
        let id = manager.create_vectorizer(declared.loading(loading)).await?;
        let findings = check(&test).await?;
        assert!(findings.is_empty(), "{findings}");
        let config = pgai_sea::catalog::vectorizer(&test.db, id).await?.config;
        assert_eq!(config.loading, Some(Loading::uri("address").retries(2).into()));
        assert_eq!(config.parsing, Some(Parsing::none().into()));
        Ok(())
    })
    .await;
}

/// What is created, and what a check says of it: the aspect, what the entity has, and what the database has.
fn cases() -> [(CreateVectorizer, Aspect, [&'static str; 2], &'static str); 2] {
    let declared = address_embeddings::Entity::vectorizer;
    [
        (
            declared().loading(Loading::column("address")),
            Aspect::Loading,
            [
                "the documents that its addresses lead to (uri)",
                "its own content (column)",
            ],
            "ChangeVectorizer::from(it::derive::documents::manual::address_embeddings::Entity)\
             .loading(Loading::uri(\"address\"))",
        ),
        (
            declared().parsing(Parsing::auto()),
            Aspect::Parsing,
            ["none", "auto"],
            "it::derive::documents::manual::address_embeddings::Entity.into()",
        ),
    ]
}

/// Searches go on meanwhile: nothing is dropped.
#[tokio::test]
async fn another_loading_or_parsing_is_found_and_its_mending_mends_it() {
    on_both_catalogs(async |test| -> TestResult {
        test.execute(MANUALS).await?;
        let manager = SchemaManager::new(&test.db);
        for (create, aspect, [declared, actual], change) in cases() {
            let id = manager.create_vectorizer(create).await?;
            let name = pgai_sea::catalog::vectorizer(&test.db, id).await?.name;
            let findings = check(&test).await?;
            let [finding] = &Vec::from_iter(&findings)[..] else {
                panic!("{findings}")
            };
            let (declared, actual) = (declared.to_owned(), actual.to_owned());
            let expected = Problem::Differs {
                aspect,
                declared,
                actual,
            };
            assert_eq!(finding.problem, expected);
            let mending = finding.mending();
            let line = format!("manager.change_vectorizer({change}).await?;\n// a worker embeds all rows");
            assert!(mending.starts_with(&line), "{mending}");
            let mut change = ChangeVectorizer::from(address_embeddings::Entity);
            if aspect == Aspect::Loading {
                change = change.loading(Loading::uri("address"));
            }
            manager.change_vectorizer(change).await?;
            // of an address and of its document, the vectors are not the same
            let begun = pgai_sea::change::find(&test.db, name.as_str()).await?;
            assert!(begun.is_some(), "{aspect:?}");
            if test.catalog == Catalog::Ours {
                pgai_sea::change::cut_over_unready(&test.db, name.as_str()).await?;
                manager.finish_change(name.as_str()).await?;
                let findings = check(&test).await?;
                assert!(findings.is_empty(), "{findings}");
                let places = "select count(*) from pg_attribute where attrelid = 'manuals_embedding_store'::regclass \
                              and attname in ('chunk_page', 'chunk_headings')";
                assert_eq!(test.value::<i64>(places).await?, 2, "{aspect:?}");
            } else {
                manager.abort_change(name.as_str()).await?;
            }
            manager
                .drop_vectorizer(DropVectorizer::name(&name).drop_all(true))
                .await?;
        }
        Ok(())
    })
    .await;
}

/// The command compares a file, which says the same.
#[tokio::test]
async fn a_file_of_declarations_has_loading_and_parsing() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        test.execute(MANUALS).await?;
        let manager = SchemaManager::new(&test.db);
        manager
            .create_vectorizer(
                address_embeddings::Entity::vectorizer()
                    .loading(Loading::column("address"))
                    .parsing(Parsing::auto()),
            )
            .await?;
        let entries: Vec<serde_json::Value> = serde_json::from_str(&declared_json())?;
        let own = entries.into_iter().filter(|entry| entry["source_table"] == "manuals");
        let own: Vec<_> = own
            .filter(|entry| {
                entry["entity"]
                    .as_str()
                    .is_some_and(|entity| entity.contains("derive::documents"))
            })
            .collect();
        let findings = check_declared(&test.db, &serde_json::to_string(&own)?).await?;
        let aspects: Vec<_> = findings
            .iter()
            .filter_map(|finding| match finding.problem {
                Problem::Differs { aspect, .. } => Some(aspect),
                _ => None,
            })
            .collect();
        assert_eq!(aspects, [Aspect::Loading, Aspect::Parsing], "{findings}");
        Ok(())
    })
    .await;
}
