//! What is started is what was asked for.

use real_parts::{Postgres, Version};
use sea_orm::{ConnectionTrait, Database};

use crate::process::{Holder, connect, program, value};

#[tokio::test]
async fn a_started_server_has_pgvector_and_a_password() {
    let holder = Holder::start(&mut program());
    let db = connect(&holder.url).await;
    db.execute_unprepared("create extension vector").await.unwrap();
    let distance = value::<f64>(&holder.url, "select '[0,3]'::vector <-> '[4,0]'").await;
    assert!((distance - 5.0).abs() < f64::EPSILON, "{distance}");
    assert_eq!(value::<String>(&holder.url, "show listen_addresses").await, "127.0.0.1");

    let mut guess = url::Url::parse(&holder.url).unwrap();
    guess.set_password(Some("postgres")).unwrap();
    let error = Database::connect(guess.as_str()).await.unwrap_err();
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    holder.kill("KILL");
}

#[tokio::test]
async fn each_version_can_be_started_or_is_asked_of_the_server_in_database_url() {
    for version in [Version::V16, Version::V18] {
        match Postgres::start_version(version) {
            Ok(postgres) => {
                let number = value::<String>(postgres.url(), "show server_version_num").await;
                assert_eq!(number.parse::<i32>().unwrap() / 10_000, version.major());
            }
            Err(error) => {
                assert!(std::env::var_os("DATABASE_URL").is_some(), "{error}");
                assert!(error.to_string().contains(&version.to_string()), "{error}");
            }
        }
    }
}
