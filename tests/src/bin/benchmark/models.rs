//! Models in this process beside Python's, on the same cores in the same minutes: sentence-transformers with a
//! transformer, and model2vec with a table of vectors.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use examples_shared::Crates;
use pgai_sea::embedder::{Embedder, InputType, Local};

use super::table::median;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/benchmark/models.py");
/// Characters of a text.
const LENGTH: usize = 400;
/// A table of vectors embeds the texts so many times, to take long enough to measure.
const REPEATED: usize = 40;

pub(crate) async fn models(rounds: usize, count: usize) {
    let scratch = tempfile::tempdir().expect("a directory");
    let texts = texts(count);
    let minilm = real_parts::minilm_dir().expect("a model");
    println!("{count} texts of {LENGTH} characters, median of {rounds} rounds");
    let transformer = compare(scratch.path(), &minilm, "sentence-transformers", &texts, rounds).await;

    let table = scratch.path().join("static");
    let made = python(&["make"], &table, &minilm.join("tokenizer.json")).status();
    assert!(made.expect("python").success());
    let repeated: Vec<String> = texts.iter().cycle().take(count * REPEATED).cloned().collect();
    let table = compare(scratch.path(), &table, "model2vec", &repeated, rounds).await;
    println!("the table beside the transformer: {:.0} times", table / transformer);
}

/// Prints texts a second of both, and returns ours.
async fn compare(scratch: &Path, dir: &Path, kind: &'static str, texts: &[String], rounds: usize) -> f64 {
    let file = scratch.join("texts.json");
    fs::write(&file, serde_json::to_vec(texts).expect("JSON")).expect("a file");
    let mut theirs = Theirs::start(python(&[kind], dir, &file));
    let ours = Local::from_dir(dir).expect("a model");
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    ours.embed(&texts[..32], InputType::Document).await.expect("vectors");

    let (mut rates, mut vectors) = ([Vec::new(), Vec::new()], Vec::new());
    #[expect(clippy::cast_precision_loss, reason = "texts are few")]
    let count = texts.len() as f64;
    for _ in 0..rounds {
        let started = Instant::now();
        vectors = ours.embed(&texts, InputType::Document).await.expect("vectors").vectors;
        rates[0].push(count / started.elapsed().as_secs_f64());
        rates[1].push(count / theirs.encode(""));
    }
    let ratios = rates[0].iter().zip(&rates[1]).map(|(ours, theirs)| ours / theirs);
    let ratio = median(ratios.collect::<Vec<_>>().into_iter()).expect("rounds");
    let [ours, others] = rates.map(|rates| median(rates.into_iter()).expect("rounds"));
    let difference = theirs.difference(&vectors, &scratch.join("vectors"));
    println!(
        "pgai-sea {ours:.1} texts/s, {} {others:.1} texts/s: {ratio:.2} times; greatest difference {difference:.1e}",
        theirs.about
    );
    ours
}

/// Pieces of READMEs, one after the other, cut at this length.
fn texts(count: usize) -> Vec<String> {
    let crates = Crates::find(1_000).expect("crates");
    let pieces = crates.crates.iter().flat_map(|found| {
        let characters: Vec<char> = found.readme.chars().collect();
        let pieces = characters.chunks_exact(LENGTH).map(|piece| piece.iter().collect());
        pieces.collect::<Vec<String>>()
    });
    let texts: Vec<String> = pieces.take(count).collect();
    assert_eq!(
        texts.len(),
        count,
        "the READMEs of the crates on this machine are too short"
    );
    texts
}

fn python(words: &[&str], dir: &Path, file: &Path) -> Command {
    let mut python = real_parts::sentence_transformers().expect("sentence-transformers");
    python
        .arg(SCRIPT)
        .args(words)
        .arg(dir)
        .arg(file)
        .env("HF_HUB_OFFLINE", "1");
    python
}

/// The other program.
struct Theirs {
    child: Child,
    answers: BufReader<ChildStdout>,
    about: String,
}

impl Theirs {
    fn start(mut python: Command) -> Self {
        // warnings of its libraries say nothing here
        python
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = python.spawn().expect("python");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut theirs = Self {
            child,
            answers,
            about: String::new(),
        };
        theirs.about = theirs.line();
        theirs
    }

    /// The seconds that it took, and its vectors in the file of this name, if there is one.
    fn encode(&mut self, file: &str) -> f64 {
        let asks = self.child.stdin.as_mut().expect("a pipe");
        writeln!(asks, "{file}").expect("python");
        self.line().parse().expect("seconds")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("python");
        assert!(!line.is_empty(), "Python ended");
        line.trim().to_owned()
    }

    /// The greatest difference of two numbers at the same place.
    fn difference(&mut self, ours: &[Vec<f32>], file: &Path) -> f32 {
        self.encode(file.to_str().expect("a name"));
        let bytes = fs::read(file).expect("vectors");
        let theirs = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        assert_eq!(theirs.len(), ours.iter().map(Vec::len).sum::<usize>());
        let pairs = ours.iter().flatten().zip(theirs);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // then it ends
        self.child.wait().ok();
    }
}
