//! Partial models, and tables that are joined.

use pgai_sea::prelude::*;
use pgai_sea_tests::on_both_catalogs;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{DerivePartialModel, JoinType, Order};

use super::library::{Stored, filled, found, grouped, page, passage, ranked, shelf};

const QUERY: [f32; 3] = [-2.0, 1.0, 3.0];

#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "passage::Entity")]
struct Titled {
    title: String,
    #[sea_orm(nested)]
    shelf: Option<Placed>,
}

#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "shelf::Entity")]
struct Placed {
    room: String,
}

#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "passage::chunks::Entity")]
struct Cited {
    chunk: String,
    #[sea_orm(from_col = "chunk_seq")]
    place: i32,
    #[sea_orm(from_expr = r#"Expr::cust("upper(passages.title)")"#)]
    loud: String,
    #[sea_orm(nested)]
    passage: Titled,
}

fn room(id: i32) -> &'static str {
    ["attic", "cellar", "hall"][usize::try_from(id - 1).unwrap()]
}

#[tokio::test]
async fn a_partial_model_has_what_it_names_of_three_tables() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let open = |chunk: &Stored| room(chunk.shelf()) != "cellar";
        let all = ranked(&chunks, Metric::Cosine, &QUERY, open);
        let search = || {
            passage::chunks::Entity::search(QUERY)
                .join(JoinType::LeftJoin, passage::Relation::Shelf.def())
                .filter(shelf::Column::Room.ne("cellar"))
                .limit(25)
        };
        let hits = search().exact().into_partial_model::<Cited>().all(&test.db).await?;
        assert_eq!(hits.len(), 25);
        for (hit, (distance, key, seq)) in hits.iter().zip(&all) {
            let title = format!("{}{}", key.0, key.1);
            assert_eq!((hit.distance, hit.row.place), (*distance, *seq));
            assert_eq!(hit.row.chunk, format!("{title}#{seq}"));
            assert_eq!(hit.row.loud, title.to_uppercase());
            assert_eq!(hit.row.passage.title, title);
            let placed = hit.row.passage.shelf.as_ref().ok_or("no shelf")?;
            assert_eq!(placed.room, room(super::library::shelf_of(key)));
        }

        // whatever else is said about the search, before or after
        let all = grouped(&all);
        let hits = search()
            .best_per_source()
            .into_partial_model::<Cited>()
            .exact()
            .all(&test.db)
            .await?;
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| (hit.distance, hit.row.passage.title.clone(), hit.row.place))
            .collect();
        let expected = all
            .iter()
            .map(|(distance, key, seq)| (*distance, format!("{}{}", key.0, key.1), *seq));
        assert_eq!(hits, page(&expected.collect::<Vec<_>>(), 0, 25));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_joined_table_filters_and_orders() {
    on_both_catalogs(async |test| {
        let chunks = filled(&test).await?;
        let mut all = ranked(&chunks, Metric::L1, &QUERY, |chunk| chunk.shelf() > 1);
        all.sort_by(|a, b| {
            let room = |hit: &(f64, (String, i32), i32)| room(super::library::shelf_of(&hit.1));
            a.0.total_cmp(&b.0).then(room(b).cmp(room(a)))
        });
        let search = || {
            passage::chunks::Entity::search(QUERY)
                .metric(Metric::L1)
                .join(JoinType::InnerJoin, passage::Relation::Shelf.def())
                .filter(shelf::Column::Id.gt(1))
                .then_order_by(shelf::Column::Room, Order::Desc)
                .limit(60)
        };
        assert_eq!(found(&search().exact().all(&test.db).await?), page(&all, 0, 60));
        assert_eq!(search().count(&test.db).await?, all.len() as u64);
        // scanned with settings of its own
        let hits = search().ef_search(100).all(&test.db).await?;
        let distances: Vec<_> = hits.iter().map(|hit| hit.distance).collect();
        let expected: Vec<_> = all.iter().take(60).map(|hit| hit.0).collect();
        assert_eq!(distances, expected);
        Ok(())
    })
    .await;
}
