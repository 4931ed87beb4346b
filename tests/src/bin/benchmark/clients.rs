//! Clients that each write one row at a time, as pgbench has them.

use std::path::Path;
use std::time::Duration;

use pgai_sea_tests::{TestDatabase, TestResult};
use sea_orm::DbErr;
use tokio::process::Command;

use crate::table::{Cost, Line, print};
use crate::{Plan, Variants, embed, text};

pub(crate) const CLIENTS: u32 = 16;
pub(crate) const SECONDS: u32 = 3;
/// Rows that are there to be updated.
const ROWS: u32 = 10_000;

const SCRIPTS: [(&str, &str); 3] = [
    (
        "INSERT",
        "insert into posts (id, title, body) select i, 't', {text} from nextval('ids') i;",
    ),
    (
        "UPDATE, another column",
        "\\set id random(1, 10000)\nupdate posts set views = views + 1 where id = :id;",
    ),
    (
        "UPDATE, the text",
        "\\set id random(1, 10000)\nupdate posts set body = body || '.' where id = :id;",
    ),
];

pub(crate) async fn run(variants: Variants<'_>, plan: Plan) -> TestResult {
    let scripts = tempfile::tempdir()?;
    let mut lines = SCRIPTS.map(|(name, _)| Line::new(name));
    for variant in variants {
        variant.execute("create sequence ids start 100000").await?;
    }
    for round in 0..plan.rounds {
        for (place, (line, (_, sql))) in lines.iter_mut().zip(SCRIPTS).enumerate() {
            let script = scripts.path().join(place.to_string());
            std::fs::write(&script, sql.replace("{text}", &text(plan.characters)))?;
            let mut costs = [Cost {
                elapsed: 0.0,
                processor: None,
            }; 3];
            for turn in 0..variants.len() {
                let variant = (round + turn) % variants.len();
                fill(variants[variant], plan.characters).await?;
                costs[variant] = pgbench(variants[variant], &script).await?;
            }
            line.add(costs);
        }
    }
    let title = format!(
        "A row in a transaction, {CLIENTS} clients of pgbench at once for {SECONDS} seconds, medians of {} rounds, \
            ratios to none",
        plan.rounds
    );
    print(&title, &lines);
    Ok(())
}

async fn fill(test: &TestDatabase, characters: u32) -> Result<(), DbErr> {
    test.execute("truncate posts").await?;
    let text = text(characters);
    test.execute(&format!(
        "insert into posts select i, 'title', {text} from generate_series(1, {ROWS}) i"
    ))
    .await?;
    embed(test, true).await
}

/// How long one of the clients takes for a row, and the server for each.
async fn pgbench(test: &TestDatabase, script: &Path) -> Result<Cost, Box<dyn std::error::Error + Send + Sync>> {
    let before = processor_time(test).await;
    let output = Command::new(test.program("pgbench")?)
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .args([format!("--client={CLIENTS}"), format!("--time={SECONDS}")])
        .arg("--file")
        .arg(script)
        .arg(&test.url)
        .output()
        .await?;
    // until the clients' processes have ended
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = processor_time(test).await;
    let said = String::from_utf8_lossy(&output.stdout);
    let number = |prefix: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(prefix));
        let number = line.and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
        number.ok_or_else(|| format!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let rows = number("number of transactions actually processed: ")?;
    Ok(Cost {
        elapsed: f64::from(CLIENTS) * 1_000.0 / number("tps = ")?,
        processor: before.zip(after).map(|(before, after)| (after - before) / rows),
    })
}

/// What the server's processes that have ended used, as Linux tells superusers, in hundredths of a second; `None`
/// elsewhere.
async fn processor_time(test: &TestDatabase) -> Option<f64> {
    let sql = r"select (stat[14]::float8 + stat[15]::float8) * 10 from string_to_array(split_part(
            pg_read_file(format('/proc/%s/stat', split_part(pg_read_file('postmaster.pid'), E'\n', 1))),
            ') ', 2), ' ') stat";
    test.value(sql).await.ok()
}
