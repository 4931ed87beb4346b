//! Objects in S3, as a server that speaks its protocol serves them. The worker runs as a process: credentials come
//! from its environment.

use std::process::Output;

use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, TestDatabase, TestResult, on_both_catalogs, on_catalog};
use tokio::process::Command;

use super::support::{Reply, Web};

/// The worker with the credentials of an operator.
async fn worker(test: &TestDatabase, web: &Web, more: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
        .args(["worker", "--once", "-d", &test.url, "--allow-host", "127.0.0.1"])
        .args(more)
        .envs([
            ("AWS_ACCESS_KEY_ID", "OWN"),
            ("AWS_SECRET_ACCESS_KEY", "own-secret"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ASSUME_ROLE_EXTERNAL_ID", "external 1"),
        ])
        .env("AWS_ENDPOINT", web.url(""))
        .env("AWS_ENDPOINT_URL_STS", web.url("/sts"))
        .output()
        .await
}

async fn manuals(test: &TestDatabase, provider: &Provider, loading: &str) -> Result<(), sea_orm::DbErr> {
    test.execute(&format!(
        "create table manuals (id int primary key, uri text);
         insert into manuals values (1, 's3://manuals/a b/pump.md'), (2, 's3://other/secret.md');
         select ai.create_vectorizer('manuals', name => 'manuals', loading => {loading},
            embedding => ai.embedding_ollama('m', 8, base_url => '{}'), chunking => ai.chunking_none())",
        provider.ollama_url()
    ))
    .await
}

fn object(text: &str) -> Reply {
    Reply::ok(text)
        .header("last-modified", "Mon, 02 Mar 2026 10:00:00 GMT")
        .header("etag", "\"1\"")
}

#[tokio::test]
async fn allowed_buckets_are_read_with_the_environment_s_credentials() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, provider) = (Web::start().await, Provider::start());
        provider.install("m", 8);
        manuals(&test, &provider, "ai.loading_uri('uri', retries => 0)").await?;
        web.serve("/manuals/a%20b/pump.md", object("# Pump"));
        web.serve("/other/secret.md", object("secret"));
        let output = worker(&test, &web, &["--allow-prefix", "s3://manuals/"]).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        let chunks: Vec<String> = test.values("select chunk from manuals_embedding_store").await?;
        assert_eq!(chunks, ["# Pump"], "{said}");
        let asked = web.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(
            asked[0].headers["authorization"].contains("Credential=OWN/"),
            "{asked:?}"
        );
        let reason = "select details ->> 'error_reason' from ai.vectorizer_errors where message like 'loading%'";
        let reasons: Vec<String> = test.values(reason).await?;
        assert!(reasons[0].contains("--allow-prefix s3://other/"), "{reasons:?}");
        assert_eq!(output.status.code(), Some(1), "{said}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_role_is_assumed_where_the_configuration_names_one() {
    on_both_catalogs(async |test| -> TestResult {
        let (web, provider) = (Web::start().await, Provider::start());
        provider.install("m", 8);
        let role = "arn:aws:iam::123456789012:role/reader";
        let loading = format!("ai.loading_uri('uri', retries => 0, aws_role_arn => '{role}')");
        manuals(&test, &provider, &loading).await?;
        web.serve("/manuals/a%20b/pump.md", object("# Pump"));
        let credentials = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ROLE</AccessKeyId>\
                           <SecretAccessKey>s</SecretAccessKey><SessionToken>token+/=</SessionToken></Credentials>\
                           </AssumeRoleResult></AssumeRoleResponse>";
        web.serve("/sts", Reply::ok(credentials));
        let output = worker(&test, &web, &["--allow-prefix", "s3://manuals/"]).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        let chunks: Vec<String> = test.values("select chunk from manuals_embedding_store").await?;
        let asked = web.asked();
        assert_eq!(chunks, ["# Pump"], "{said} {asked:?}");
        let (sts, s3) = (&asked[0], &asked[1]);
        for part in [
            "Action=AssumeRole",
            "role%2Freader",
            "RoleSessionName=timescale-vectorizer",
            "ExternalId=external+1",
        ] {
            assert!(sts.target.contains(part), "{sts:?}");
        }
        assert!(sts.headers["authorization"].contains("Credential=OWN/"), "{sts:?}");
        assert!(s3.headers["authorization"].contains("Credential=ROLE/"), "{s3:?}");
        assert_eq!(s3.headers["x-amz-security-token"], "token+/=");

        // a role that may not be taken
        test.execute("update manuals set uri = uri || '?' where id = 1").await?;
        let denied = "<ErrorResponse><Error><Message>not you</Message></Error></ErrorResponse>";
        web.serve(
            "/sts",
            Reply {
                body: denied.into(),
                ..Reply::status(403)
            },
        );
        worker(&test, &web, &["--allow-prefix", "s3://manuals/"]).await?;
        let reason = "select details ->> 'error_reason' from ai.vectorizer_errors where message like 'loading%'";
        let reasons: Vec<String> = test.values(reason).await?;
        assert!(
            reasons
                .iter()
                .any(|reason| reason.contains(role) && reason.contains("not you")),
            "{reasons:?}"
        );
        Ok(())
    })
    .await;
}

/// Nothing can be read, and each dead letter says which variables to set.
#[tokio::test]
async fn a_bucket_without_credentials_says_what_to_set() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let (web, provider) = (Web::start().await, Provider::start());
        test.execute(&format!(
            "create table manuals (id int primary key, uri text);
             insert into manuals values (1, 's3://manuals/a.md'), (2, 'gs://manuals/a.md'), (3, 'az://manuals/a.md');
             select ai.create_vectorizer('manuals', name => 'manuals', loading => ai.loading_uri('uri', retries => 0),
                embedding => ai.embedding_ollama('m', 8, base_url => '{}'))",
            provider.ollama_url()
        ))
        .await?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"));
        command.args(["worker", "--once", "-d", &test.url, "--allow-host", "127.0.0.1"]);
        command.args(["--allow-prefix", "s3://,gs://,az://"]);
        // where clouds give credentials to a machine, there are none
        let output = command
            .env_clear()
            .env("AWS_METADATA_ENDPOINT", web.url(""))
            .envs(["GCE_METADATA_HOST", "GCE_METADATA_IP"].map(|name| (name, web.address.to_string())))
            .output()
            .await?;
        let reasons: Vec<String> = test
            .values("select details ->> 'error_reason' from ai.vectorizer_errors order by details ->> 'error_reason'")
            .await?;
        for (address, names) in [
            ("`az://manuals/a.md`", "AZURE_STORAGE_ACCOUNT_NAME"),
            ("`gs://manuals/a.md`", "GOOGLE_APPLICATION_CREDENTIALS"),
            ("`s3://manuals/a.md`", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ] {
            let says = |reason: &String| reason.starts_with(address) && reason.contains(names);
            assert!(reasons.iter().any(says), "{names}: {reasons:?} {output:?}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_object_is_bounded_and_a_prefix_has_a_scheme() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        let (web, provider) = (Web::start().await, Provider::start());
        provider.install("m", 8);
        manuals(&test, &provider, "ai.loading_uri('uri', retries => 0)").await?;
        test.execute("delete from manuals where id = 2").await?;
        web.serve("/manuals/a%20b/pump.md", object(&"x".repeat((1 << 20) + 1)));
        worker(
            &test,
            &web,
            &["--allow-prefix", "s3://manuals/", "--document-bytes", "1"],
        )
        .await?;
        let reason: String = test
            .value("select details ->> 'error_reason' from ai.vectorizer_errors")
            .await?;
        assert!(reason.contains("more than 1048576 bytes"), "{reason}");
        for prefix in ["manuals", "/srv/manuals", "ftp://manuals", "file:///srv"] {
            let output = worker(&test, &web, &["--allow-prefix", prefix]).await?;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{prefix}: {said}");
            assert!(said.contains("s3://bucket/"), "{prefix}: {said}");
        }
        Ok(())
    })
    .await;
}

/// Google's and Azure's own protocols, each with the credentials that its environment names. Objects that change are
/// noticed by their versions.
#[tokio::test]
async fn google_s_and_azure_s_buckets_are_read_and_listed() {
    on_catalog(Catalog::Ours, async |test| -> TestResult {
        // Google's keys are one part of the path
        for (scheme, authorization, path) in [
            ("gs", "Bearer google-token", "/manuals/a%20b%2Fpump%2Emd"),
            ("az", "SharedKey account:", "/manuals/a%20b/pump.md"),
        ] {
            let (web, provider) = (Web::start().await, Provider::start());
            provider.install("m", 8);
            test.execute(&format!(
                "create table manuals (id serial primary key, uri text);
                 select ai.create_vectorizer('manuals', name => 'manuals',
                    loading => ai.loading_uri('uri', retries => 0),
                    embedding => ai.embedding_ollama('m', 8, base_url => '{}'), chunking => ai.chunking_none());
                 insert into manuals (uri) values ('{scheme}://manuals/a b/pump.md'), ('{scheme}://other/secret.md')",
                provider.ollama_url()
            ))
            .await?;
            web.serve(path, object("# Pump"));
            web.serve("/other/secret.md", object("secret"));
            let prefix = format!("{scheme}://manuals/");
            let run = async |arguments: &[&str]| {
                Command::new(env!("CARGO_BIN_EXE_pgai-sea-under-test"))
                    .args(arguments)
                    .envs([
                        ("GOOGLE_BEARER_TOKEN", "google-token"),
                        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
                        ("AZURE_STORAGE_ACCOUNT_KEY", "YWNjb3VudCBrZXk="),
                        ("AZURE_ALLOW_HTTP", "true"),
                        ("GOOGLE_ALLOW_HTTP", "true"),
                    ])
                    .env("GOOGLE_BASE_URL", web.url(""))
                    .env("AZURE_STORAGE_ENDPOINT", web.url(""))
                    .output()
                    .await
            };
            let worker = [
                "worker",
                "--once",
                "-d",
                &test.url,
                "--allow-host",
                "127.0.0.1",
                "--allow-prefix",
                &prefix,
                "--recheck-documents",
                "1ms",
            ];
            let output = run(&worker).await?;
            let said = String::from_utf8_lossy(&output.stderr);
            let stored = "select chunk from manuals_embedding_store";
            assert_eq!(
                test.values::<String>(stored).await?,
                ["# Pump"],
                "{said} {:?}",
                web.asked()
            );
            for asked in web.asked() {
                assert!(asked.headers["authorization"].starts_with(authorization), "{asked:?}");
                assert!(asked.target == path, "{asked:?}");
            }
            web.serve(
                path,
                Reply::ok("# Valve")
                    .header("last-modified", "Tue, 03 Mar 2026 10:00:00 GMT")
                    .header("etag", "\"2\""),
            );
            run(&worker).await?;
            assert_eq!(test.values::<String>(stored).await?, ["# Valve"]);

            let listing = if scheme == "az" {
                "<EnumerationResults><Blobs><Blob><Name>a b/pump.md</Name><Properties>\
                 <Last-Modified>Mon, 02 Mar 2026 10:00:00 GMT</Last-Modified><Content-Length>6</Content-Length>\
                 <Content-Type>text/markdown</Content-Type><Etag>1</Etag></Properties></Blob></Blobs><NextMarker/>\
                 </EnumerationResults>"
            } else {
                "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a b/pump.md</Key>\
                 <LastModified>2026-03-02T10:00:00.000Z</LastModified><ETag>\"1\"</ETag><Size>6</Size></Contents>\
                 </ListBucketResult>"
            };
            web.serve("/manuals", Reply::ok(listing));
            let output = run(&["sync-prefix", "-d", &test.url, &prefix, "manuals", "uri"]).await?;
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(
                said,
                "1 documents: 0 rows inserted, 0 deleted\n",
                "{output:?} {:?}",
                web.asked().last()
            );
            test.execute("select ai.drop_vectorizer('manuals', drop_all => true); drop table manuals")
                .await?;
        }
        Ok(())
    })
    .await;
}
