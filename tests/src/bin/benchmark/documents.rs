//! Documents from files to vectors: how many a second, and in how much memory. Beside pgai's Python worker where
//! `PGAI_VENV` names an environment with `pgai[vectorizer-worker]` and `pymupdf4llm`, on the same documents.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pgai_sea_tests::providers::Provider;
use pgai_sea_tests::{Catalog, Random, TestDatabase, TestResult, measure_on};

use super::table::median;

/// Pages of the long document.
const LONG: usize = 1_000;
/// pgai's own test documents that both workers read. With docling pgai's worker would fetch models first, so it reads
/// with PyMuPDF. One more, `lego_sets.pdf`, has a table over two pages that `PyMuPDF` takes a minute for. It would be
/// all that is measured.
const FILES: [&str; 4] = [
    "Sacred Texts of PostgreSQL.pdf",
    "sample_pdf.pdf",
    "sample_with_table.pdf",
    "basic-v3plus2.epub",
];

/// What may go wrong.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A worker's time and memory.
#[derive(Clone, Copy, Debug)]
struct Run {
    seconds: f64,
    /// Of the worker and its children together, at its most.
    megabytes: f64,
}

pub(crate) async fn documents(copies: usize) {
    measure_on(Catalog::Ours, async |test| measure(&test, copies).await).await;
}

async fn measure(test: &TestDatabase, copies: usize) -> TestResult {
    let provider = Provider::start();
    provider.install("all-minilm", 384);
    let folder = tempfile::tempdir()?;
    let parts = real_parts::documents_dir()?;
    for copy in 0..copies {
        for file in FILES {
            fs::copy(parts.join(file), folder.path().join(format!("{copy:04} {file}")))?;
        }
    }
    let long = tempfile::tempdir()?;
    fs::write(long.path().join("long.pdf"), pdf(LONG))?;
    test.execute(&format!(
        "create table files (id serial primary key, uri text);
         select ai.create_vectorizer('files', name => 'files', loading => ai.loading_uri('uri', retries => 0),
            parsing => ai.parsing_pymupdf(),
            embedding => ai.embedding_ollama('all-minilm', 384, base_url => '{}'))",
        provider.ollama_url()
    ))
    .await?;
    println!("{} documents, and one PDF of {LONG} pages", copies * FILES.len());
    for folder in [folder.path(), long.path()] {
        let mut runs: HashMap<&str, Vec<Run>> = HashMap::new();
        // side by side in time: a machine is not the same from minute to minute
        for _ in 0..3 {
            for (name, program) in programs(folder) {
                let run = run(test, folder, name, program).await?;
                runs.entry(name).or_default().push(run);
            }
        }
        print(folder, &runs)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "documents are few")]
fn print(folder: &Path, runs: &HashMap<&str, Vec<Run>>) -> TestResult {
    let count = fs::read_dir(folder)?.count() as f64;
    let of = |name: &str, value: fn(&Run) -> f64| median(runs.get(name)?.iter().map(value));
    let (ours, theirs) = ("pgai-sea", "pgai");
    for name in [ours, theirs] {
        let (Some(seconds), Some(megabytes)) = (of(name, |run| run.seconds), of(name, |run| run.megabytes)) else {
            println!("{name:>10}  not measured: PGAI_VENV names no environment");
            continue;
        };
        println!("{name:>10}  {:8.2} documents/s  {megabytes:8.0} MB", count / seconds);
    }
    if let (Some(a), Some(b)) = (of(ours, |run| run.seconds), of(theirs, |run| run.seconds)) {
        let memory = of(theirs, |run| run.megabytes).zip(of(ours, |run| run.megabytes));
        let memory = memory.map_or(0.0, |(theirs, ours)| ours / theirs);
        println!("{:>10}  {:8.1} times as fast, in {memory:.2} of the memory", "", b / a);
    }
    Ok(())
}

/// The workers, each for a single run.
fn programs(folder: &Path) -> Vec<(&'static str, Command)> {
    let own = std::env::current_exe().expect("a path");
    let mut ours = Command::new(own);
    ours.args(["worker", "--allow-host", "127.0.0.1", "--allow-path"])
        .arg(folder);
    let theirs = std::env::var_os("PGAI_VENV").map(|venv| {
        let mut theirs = Command::new(PathBuf::from(venv).join("bin/python"));
        theirs.args(["-c", "from pgai.cli import cli; cli()", "vectorizer", "worker"]);
        ("pgai", theirs)
    });
    std::iter::once(("pgai-sea", ours)).chain(theirs).collect()
}

async fn run(test: &TestDatabase, folder: &Path, name: &str, mut program: Command) -> Result<Run, Failed> {
    test.execute("truncate files").await?;
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let insert = format!("insert into files (uri) values ('{}')", path.display());
        test.execute(&insert).await?;
    }
    let documents: i64 = test.value("select count(*) from files").await?;
    program
        .args(["--once", "-d", &test.url])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let started = Instant::now();
    let child = program.spawn()?;
    let (worked, kilobytes) = tokio::task::spawn_blocking(move || watched(child)).await??;
    let seconds = started.elapsed().as_secs_f64();
    let embedded: i64 = test
        .value("select count(distinct id) from files_embedding_store")
        .await?;
    assert!(
        worked && embedded == documents,
        "{name} embedded {embedded} of {documents} documents"
    );
    #[expect(clippy::cast_precision_loss, reason = "no machine has so many")]
    let megabytes = kilobytes as f64 / 1024.0;
    Ok(Run { seconds, megabytes })
}

/// Waits for a process, and looks at the memory of it and its children meanwhile.
fn watched(mut child: Child) -> std::io::Result<(bool, u64)> {
    let mut most = 0;
    loop {
        most = most.max(resident(child.id()));
        if let Some(status) = child.try_wait()? {
            return Ok((status.success(), most));
        }
        sleep(Duration::from_millis(10));
    }
}

/// The resident memory of a process and its children, in kilobytes.
fn resident(root: u32) -> u64 {
    let mut processes = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(status) = fs::read_to_string(process.path().join("status")) else {
            continue;
        };
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        if let (Some(id), Some(parent)) = (number("Pid:"), number("PPid:")) {
            processes.push((id, parent, number("VmRSS:").unwrap_or(0)));
        }
    }
    let mut family = vec![u64::from(root)];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(
            processes
                .iter()
                .filter(|process| process.1 == parent)
                .map(|process| process.0),
        );
        next += 1;
    }
    let members = processes.iter().filter(|process| family.contains(&process.0));
    members.map(|process| process.2).sum()
}

/// A PDF of text, forty lines a page.
fn pdf(pages: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "moon", "sea", "tide", "harbour", "wind", "keeper", "light", "cliff", "boat", "rope", "salt", "storm",
    ];
    let mut random = Random::new(7_007);
    let mut objects = vec![String::new(); 3];
    let mut kids = String::new();
    for page in 0..pages {
        let mut text = String::from("BT /F1 10 Tf 14 TL 60 780 Td\n");
        for _ in 0..40 {
            let words: Vec<&str> = (0..10)
                .map(|_| WORDS[usize::try_from(random.below(WORDS.len() as u64)).unwrap_or_default()])
                .collect();
            let _ = writeln!(text, "({} {page}.) Tj T*", words.join(" "));
        }
        text.push_str("ET");
        let content = objects.len() + 2;
        let _ = write!(kids, "{} 0 R ", objects.len() + 1);
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>"
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()));
    }
    "<< /Type /Catalog /Pages 2 0 R >>".clone_into(&mut objects[0]);
    objects[1] = format!("<< /Type /Pages /Count {pages} /Kids [ {kids}] >>");
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".clone_into(&mut objects[2]);
    let mut file = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(&objects) {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = write!(file, "{number} 0 obj\n{object}\nendobj\n");
    }
    let start = file.len();
    let size = objects.len() + 1;
    let _ = write!(
        file,
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    file.into_bytes()
}
