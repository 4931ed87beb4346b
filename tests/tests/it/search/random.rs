//! Whatever is stored and asked for: an exact search is what Rust computes.

use pgai_sea::prelude::*;
use pgai_sea_tests::{Catalog, Random, TestDatabase, TestResult, on_catalog, rounds};
use sea_orm::{ColumnTrait, Order};

use super::library::{
    Key, PASSAGES, Stored, TENANTS, create, distance, found, grouped, page, passage, ranked, small, store,
};
use super::reference::{Hybrid, fused, give_words, rows};

/// In CI; see [`rounds`].
const ROUNDS: u64 = 80;
const METRICS: [Metric; 4] = [Metric::Cosine, Metric::L2, Metric::InnerProduct, Metric::L1];

/// What kind of vectors a round has.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Many at the same distance, which both sides compute to the bit.
    Ties,
    /// The same few vectors over and over.
    Duplicates,
    /// A third of them are zero.
    Zeros,
    /// Any numbers from -1 to 1.
    Any,
    /// Such numbers times this power of ten.
    Scaled(i32),
}

impl Kind {
    fn vector(self, random: &mut Random) -> [f32; 3] {
        let any = |random: &mut Random| f32::from(u16::try_from(random.below(65_536)).unwrap()) / 32_767.5 - 1.0;
        match self {
            Self::Ties => [0; 3].map(|_| small(random)),
            Self::Duplicates => {
                [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [-1.0, 2.0, 1.0]][usize::try_from(random.below(3)).unwrap()]
            }
            Self::Zeros if random.below(3) == 0 => [0.0; 3],
            Self::Zeros => [0; 3].map(|_| small(random)),
            Self::Any => [0; 3].map(|_| any(random)),
            Self::Scaled(power) => [0; 3].map(|_| any(random) * 10_f32.powi(power)),
        }
    }

    /// One that is not zero.
    fn query(self, random: &mut Random) -> [f32; 3] {
        loop {
            let query = self.vector(random);
            if query.iter().any(|number| *number != 0.0) {
                return query;
            }
        }
    }

    /// Whether no sum is rounded, so that both sides have the same distances and the same equals.
    fn is_exact(self) -> bool {
        matches!(self, Self::Ties | Self::Duplicates | Self::Zeros)
    }
}

fn chunks(kind: Kind, random: &mut Random) -> Vec<Stored> {
    let mut chunks = Vec::new();
    let most = random.below(12) + 1;
    for tenant in TENANTS {
        for number in 1..=PASSAGES {
            for seq in 0..i32::try_from(random.below(most)).unwrap() {
                let vector = kind.vector(random);
                chunks.push(Stored {
                    key: (tenant.to_owned(), number),
                    seq,
                    vector,
                });
            }
        }
    }
    chunks
}

/// The same distances in the same order; with ties that Rust does not know, any of the rows at each.
fn assert_same(
    found: &[(f64, Key, i32)],
    expected: &[(f64, Key, i32)],
    of: &dyn Fn(&Key, i32) -> f64,
    exact: bool,
    round: &str,
) {
    assert_eq!(found.len(), expected.len(), "{round}");
    if exact {
        assert_eq!(found, expected, "{round}");
        return;
    }
    let largest = expected.iter().map(|hit| hit.0.abs()).fold(f64::MIN_POSITIVE, f64::max);
    for (hit, expected) in found.iter().zip(expected) {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-5 * largest;
        assert!(near(hit.0, expected.0), "{round}: {hit:?} {expected:?}");
        assert!(near(hit.0, of(&hit.1, hit.2)), "{round}: {hit:?}");
    }
    let mut rows: Vec<_> = found.iter().map(|hit| (&hit.1, hit.2)).collect();
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), found.len(), "{round}: found twice");
}

#[tokio::test]
async fn an_exact_search_is_what_rust_computes() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        for seed in 0..rounds(ROUNDS) {
            round(&test, seed).await?;
        }
        Ok(())
    })
    .await;
}

/// Of the other types as well, which have the small whole numbers of some rounds.
#[tokio::test]
async fn an_exact_search_of_other_types_is_what_rust_computes() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        test.execute("drop view passages_embedding").await?;
        for (vector, seeds) in [("halfvec(3)", 0..rounds(30)), ("sparsevec(3)", 30..30 + rounds(30))] {
            test.execute(&format!(
                "truncate passages_embedding_store;
                 alter table passages_embedding_store alter embedding type {vector} using embedding::vector::{vector}"
            ))
            .await?;
            for seed in seeds {
                let random = &mut Random::new(seed);
                let kind = [Kind::Ties, Kind::Duplicates, Kind::Zeros][usize::try_from(seed % 3)?];
                round_of(&test, seed, kind, random).await?;
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_exact_hybrid_search_is_what_rust_computes() {
    on_catalog(Catalog::Ours, async |test| {
        create(&test).await?;
        for seed in 0..rounds(ROUNDS) {
            hybrid(&test, seed).await?;
        }
        Ok(())
    })
    .await;
}

async fn hybrid(test: &TestDatabase, seed: u64) -> TestResult {
    let random = &mut Random::new(seed);
    let kind = [Kind::Ties, Kind::Duplicates, Kind::Zeros][usize::try_from(random.below(3))?];
    let chunks = chunks(kind, random);
    store(test, &chunks).await?;
    give_words(test).await?;
    let query = kind.query(random);
    let metric = METRICS[usize::try_from(random.below(4))?];
    let mut rows = rows(test, &chunks, metric, &query).await?;
    let (is_filtered, is_grouped, last_first) = (random.below(2) == 0, random.below(2) == 0, random.below(2) == 0);
    if is_filtered {
        rows.retain(|row| row.key.0 != "b" && row.seq < 3);
    }
    let near: Vec<f64> = rows
        .iter()
        .map(|row| row.distance)
        .filter(|distance| !distance.is_nan())
        .collect();
    let max = (random.below(3) == 0 && !near.is_empty())
        .then(|| near[usize::try_from(random.below(near.len() as u64)).unwrap()]);
    let asked = Hybrid {
        window: usize::try_from(random.below(60))? + 1,
        k: [0.0, 1.0, 60.0][usize::try_from(random.below(3))?],
        weights: [(1.0, 1.0), (0.0, 1.0), (2.0, 0.5)][usize::try_from(random.below(3))?],
        max,
        is_grouped,
        last_first,
    };
    let expected = asked.of(&rows);
    let (offset, limit) = (random.below(40), random.below(200));
    let round = format!("seed {seed}: {kind:?} {metric:?} {asked:?} {is_filtered} {offset} {limit}");

    let mut search = passage::chunks::Entity::search(query)
        .metric(metric)
        .offset(offset)
        .limit(limit);
    if is_filtered {
        search = search
            .filter(passage::Column::Tenant.ne("b"))
            .filter(passage::chunks::Column::ChunkSeq.lt(3));
    }
    if let Some(max) = max {
        search = search.max_distance(max);
    }
    if is_grouped {
        search = search.best_per_source();
    }
    if last_first {
        search = search.then_order_by(passage::chunks::Column::ChunkSeq, Order::Desc);
    }
    let ranking = |search: pgai_sea::search::Search<'static, passage::chunks::Entity>| {
        search
            .hybrid(FullText::all("lantern"))
            .window(asked.window as u64)
            .k(asked.k)
            .weights(asked.weights.0, asked.weights.1)
    };
    let hits = ranking(search.clone().exact()).all(&test.db).await?;
    let page = page(&expected, usize::try_from(offset)?, usize::try_from(limit)?);
    assert_eq!(fused(&hits), page, "{round}");
    assert_eq!(hits.missing(), 0, "{round}");

    // by default as many; which of the rows at one distance is up to the scan
    let mut hits = fused(&ranking(search).all(&test.db).await?);
    hits.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    hits.dedup_by(|a, b| (&a.0, a.1) == (&b.0, b.1));
    if max.is_none() && asked.window >= rows.len() {
        assert_eq!(hits.len(), page.len(), "{round}");
    }
    Ok(())
}

async fn round(test: &TestDatabase, seed: u64) -> TestResult {
    let random = &mut Random::new(seed);
    let kind = match random.below(7) {
        0 | 1 => Kind::Ties,
        2 => Kind::Duplicates,
        3 => Kind::Zeros,
        4 => Kind::Any,
        5 => Kind::Scaled(14),
        _ => Kind::Scaled(-14),
    };
    round_of(test, seed, kind, random).await
}

async fn round_of(test: &TestDatabase, seed: u64, kind: Kind, random: &mut Random) -> TestResult {
    let chunks = chunks(kind, random);
    store(test, &chunks).await?;
    let query = kind.query(random);
    let tenants: Vec<&str> = TENANTS.into_iter().filter(|_| random.below(4) > 0).collect();
    let least = i32::try_from(random.below(4)).unwrap();
    let last = i32::try_from(random.below(15) + 1).unwrap();
    let (is_filtered, is_joined) = (random.below(2) == 0, random.below(2) == 0);
    let keep = |chunk: &Stored| {
        (!is_filtered || chunk.seq >= least && chunk.key.1 <= last)
            && (!is_joined || tenants.contains(&chunk.key.0.as_str()))
    };
    for metric in METRICS {
        let all = ranked(&chunks, metric, &query, keep);
        let (offset, limit) = (random.below(40), random.below(200));
        let max = (random.below(2) == 0 && !all.is_empty()).then(|| {
            let at = usize::try_from(random.below(all.len() as u64)).unwrap();
            // between two rows, where rounding could put one on either side
            match all.get(at + 1) {
                Some(next) if !kind.is_exact() => f64::midpoint(all[at].0, next.0),
                _ => all[at].0,
            }
        });
        let is_grouped = random.below(2) == 0;
        let round =
            format!("seed {seed}: {kind:?} {metric:?} {offset} {limit} {max:?} {is_filtered} {is_joined} {is_grouped}");

        let mut search = passage::chunks::Entity::search(query)
            .metric(metric)
            .offset(offset)
            .limit(limit);
        if is_filtered {
            search = search
                .filter(passage::chunks::Column::ChunkSeq.gte(least))
                .filter(passage::chunks::Column::Number.lte(last));
        }
        if is_joined {
            search = search.filter(passage::Column::Tenant.is_in(tenants.clone()));
        }
        if let Some(max) = max {
            search = search.max_distance(max);
        }
        if is_grouped {
            search = search.best_per_source();
        }
        let within: Vec<_> = all
            .into_iter()
            .filter(|hit| max.is_none_or(|max| hit.0 <= max))
            .collect();
        let within = if is_grouped { grouped(&within) } else { within };
        let expected = page(&within, usize::try_from(offset)?, usize::try_from(limit)?);
        let of = |key: &Key, seq: i32| {
            let chunk = chunks
                .iter()
                .find(|chunk| chunk.key == *key && chunk.seq == seq)
                .unwrap();
            distance(metric, &chunk.vector, &query)
        };
        let exact = search.clone().exact().all(&test.db).await?;
        assert_eq!(exact.missing(), 0, "{round}");
        assert_same(&found(&exact), &expected, &of, kind.is_exact(), &round);
        assert_eq!(search.clone().count(&test.db).await?, within.len() as u64, "{round}");

        // by default the same distances; which of the rows at one distance is up to the scan
        let hits = search.clone().all(&test.db).await?;
        assert_same(&found(&hits), &expected, &of, false, &round);
        let hits = search.ef_search(30).all(&test.db).await?;
        assert_same(&found(&hits), &expected, &of, false, &round);
    }
    Ok(())
}
