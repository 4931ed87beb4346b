//! Folders and buckets become rows of a table.

use std::fs;
use std::process::Output;

use pgai_sea::document::{Documents, SyncPrefix};
use pgai_sea_tests::{Catalog, TestDatabase, on_catalog};
use sea_orm::DbErr;
use tokio::process::Command;

use super::support::{Reply, Web};

mod file {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "files")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub uri: String,
    }
    impl ActiveModelBehavior for ActiveModel {}
}

const TABLE: &str = "create table files (id serial primary key, uri text not null)";

async fn addresses(test: &TestDatabase) -> Result<Vec<String>, DbErr> {
    test.values("select uri from files order by uri").await
}

#[tokio::test]
async fn a_folder_s_files_are_rows() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute(TABLE).await?;
        let (dir, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let folder = dir.path().join("manuals");
        fs::create_dir_all(folder.join("old/deep"))?;
        fs::create_dir(folder.join(".git"))?;
        for file in ["a b.md", "old/deep/ü.pdf", ".hidden", ".git/config"] {
            fs::write(folder.join(file), "x")?;
        }
        fs::write(elsewhere.path().join("secret"), "x")?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(elsewhere.path(), folder.join("link"))?;
        let prefix = folder.to_str().unwrap();
        let documents = Documents::in_process().allow_path(dir.path());
        test.execute(&format!(
            "insert into files (uri) values ('s3://b/x'), ('{prefix}er/y')"
        ))
        .await?;

        let synced = SyncPrefix::new(prefix)
            .run(&test.db, &documents, file::Column::Uri)
            .await?;
        assert_eq!((synced.found, synced.inserted, synced.deleted), (2, 2, 0));
        let kept = ["s3://b/x".to_owned(), format!("{prefix}er/y")];
        let with = async |files: &[&str]| {
            let mut expected = kept.to_vec();
            expected.extend(files.iter().map(|file| format!("{prefix}/{file}")));
            expected.sort();
            let mut found = addresses(&test).await?;
            found.sort();
            assert_eq!(found, expected);
            Ok::<_, DbErr>(())
        };
        with(&["a b.md", "old/deep/ü.pdf"]).await?;

        fs::remove_file(folder.join("a b.md"))?;
        fs::write(folder.join("c.md"), "x")?;
        let synced = SyncPrefix::new(prefix)
            .run(&test.db, &documents, file::Column::Uri)
            .await?;
        assert_eq!((synced.inserted, synced.deleted), (1, 0));
        let remove = SyncPrefix::new(prefix).remove_missing();
        let synced = remove.run(&test.db, &documents, file::Column::Uri).await?;
        assert_eq!((synced.inserted, synced.deleted), (0, 1));
        with(&["c.md", "old/deep/ü.pdf"]).await?;

        // nothing is deleted for what cannot be listed
        for (prefix, says) in [
            (dir.path().join("nothing").to_str().unwrap(), "there is no document"),
            (elsewhere.path().to_str().unwrap(), "--allow-path"),
            ("https://docs.example.com/", "only folders and buckets"),
            ("s3://manuals/", "--allow-prefix"),
        ] {
            let remove = SyncPrefix::new(prefix).remove_missing();
            let error = remove.run(&test.db, &documents, file::Column::Uri).await.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        with(&["c.md", "old/deep/ü.pdf"]).await?;
        Ok(())
    })
    .await;
}

/// The column is not unique, and no row comes twice.
#[tokio::test]
async fn several_at_once_insert_each_row_once() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute(TABLE).await?;
        let dir = tempfile::tempdir()?;
        for number in 0..200 {
            fs::write(dir.path().join(format!("{number:03}.md")), "x")?;
        }
        let documents = Documents::in_process().allow_path(dir.path());
        let sync = SyncPrefix::new(dir.path().to_str().unwrap()).remove_missing();
        let all = (0..6).map(|_| sync.run(&test.db, &documents, file::Column::Uri));
        let mut inserted = 0;
        for synced in futures::future::join_all(all).await {
            inserted += synced?.inserted;
        }
        assert_eq!((inserted, addresses(&test).await?.len()), (200, 200));
        Ok(())
    })
    .await;
}

async fn command(test: &TestDatabase, web: &Web, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(["sync-prefix", "-d", &test.url])
        .args(arguments)
        .envs([
            ("AWS_ACCESS_KEY_ID", "OWN"),
            ("AWS_SECRET_ACCESS_KEY", "own-secret"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ALLOW_HTTP", "true"),
        ])
        .env("AWS_ENDPOINT", web.url(""))
        .output()
        .await
}

#[tokio::test]
async fn a_bucket_s_objects_are_rows() {
    on_catalog(Catalog::Bare, async |test| {
        test.execute(TABLE).await?;
        let web = Web::start().await;
        let object = |key: &str, size: u32| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-03-02T10:00:00.000Z</LastModified><ETag>\"1\"</ETag>\
                 <Size>{size}</Size></Contents>"
            )
        };
        let listing = format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated>{}{}</ListBucketResult>",
            object("pumps/a b.pdf", 3),
            object("pumps/old/c.pdf", 3)
        );
        web.serve("/manuals", Reply::ok(listing));
        test.execute("insert into files (uri) values ('s3://manuals/pumps/gone.pdf'), ('s3://manuals/other/x.pdf')")
            .await?;
        let arguments = ["s3://manuals/pumps", "public.files", "uri", "--remove-missing"];
        let output = command(&test, &web, &arguments).await?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, "2 documents: 2 rows inserted, 1 deleted\n", "{output:?}");
        assert!(web.asked()[0].target.contains("prefix=pumps"), "{:?}", web.asked());
        let expected = [
            "s3://manuals/other/x.pdf",
            "s3://manuals/pumps/a b.pdf",
            "s3://manuals/pumps/old/c.pdf",
        ];
        assert_eq!(addresses(&test).await?, expected);
        // a page that cannot be read: nothing is deleted
        web.serve("/manuals", Reply::status(403));
        let output = command(&test, &web, &arguments).await?;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(addresses(&test).await?, expected);
        Ok(())
    })
    .await;
}
