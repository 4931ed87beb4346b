//! Statements that write many rows.

use std::time::Instant;

use pgai_sea_tests::TestResult;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use crate::table::{Cost, Line, milliseconds, print};
use crate::{Plan, Variants, connect, embed, text};

const INSERT: &str = "insert into posts select i, 'title ' || i, {text} from generate_series(1, {rows}) i";

/// What each is called, its SQL, and whether the rows that are there have embeddings before it.
const WRITES: [(&str, &str, bool); 6] = [
    ("INSERT .. SELECT", INSERT, true),
    ("UPDATE, another column", "update posts set views = views + 1", true),
    ("UPDATE, the text", "update posts set body = body || '.'", true),
    ("DELETE", "delete from posts", true),
    ("INSERT, once more", INSERT, true),
    ("DELETE, nothing embedded", "delete from posts", false),
];

pub(crate) async fn run(variants: Variants<'_>, plan: Plan) -> TestResult {
    let mut lines = WRITES.map(|(name, ..)| Line::new(name));
    let mut sessions = Vec::new();
    for variant in variants {
        sessions.push(connect(variant, 1).await?);
    }
    // the round before the first one makes files and fills caches
    for round in 0..=plan.rounds {
        for (line, (_, sql, is_embedded)) in lines.iter_mut().zip(WRITES) {
            let sql = sql
                .replace("{rows}", &plan.rows.to_string())
                .replace("{text}", &text(plan.characters));
            let mut costs = [Cost {
                elapsed: 0.0,
                processor: None,
            }; 3];
            for turn in 0..variants.len() {
                let variant = (round + turn) % variants.len();
                embed(variants[variant], is_embedded).await?;
                costs[variant] = measure(&sessions[variant], &sql).await?;
            }
            if round > 0 {
                line.add(costs);
            }
        }
    }
    let title = format!(
        "{} rows with {} characters of text in a statement, medians of {} rounds, ratios to none",
        plan.rows, plan.characters, plan.rounds
    );
    print(&title, &lines);
    Ok(())
}

async fn measure(session: &DatabaseConnection, sql: &str) -> Result<Cost, DbErr> {
    let before = processor_time(session).await;
    let start = Instant::now();
    session.execute_unprepared(sql).await?;
    let elapsed = milliseconds(start.elapsed());
    let after = processor_time(session).await;
    Ok(Cost {
        elapsed,
        processor: before.zip(after).map(|(before, after)| after - before),
    })
}

/// What the session's process has used, as Linux tells superusers; `None` elsewhere.
async fn processor_time(session: &DatabaseConnection) -> Option<f64> {
    let sql = "select split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e6";
    let statement = Statement::from_string(session.get_database_backend(), sql);
    session.query_one_raw(statement).await.ok()??.try_get_by_index(0).ok()
}
