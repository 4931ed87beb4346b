//! The columns of a store that say where its chunks are. A store of pgai's catalog has none of them.

use sea_orm::sqlx::postgres::{PgArguments, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{Error, Postgres, Row as _};

use crate::entity::{PLACE_COLUMNS, Place};

/// Between the headings of a chunk, in a parameter. An array of arrays cannot be one, as its arrays differ in length.
const SEPARATOR: char = '\u{1f}';

/// Places, a parameter for each column.
#[derive(Default)]
pub(super) struct Places {
    numbers: [Vec<Option<i32>>; 5],
    headings: Vec<Option<String>>,
}

/// `prefix.chunk_byte_start, ..`, with a comma before.
pub(super) fn columns(prefix: &str) -> String {
    PLACE_COLUMNS
        .iter()
        .map(|(name, _)| format!(", {prefix}{name}"))
        .collect()
}

/// `$7::int[], ..` from that parameter on, with a comma before.
pub(super) fn parameters(first: usize) -> String {
    (first..)
        .zip(PLACE_COLUMNS)
        .map(|(nth, (name, _))| format!(", ${nth}::{}[]", if name == "chunk_headings" { "text" } else { "int" }))
        .collect()
}

/// The values of these parameters, where `alias` has them under the columns' names. With a comma before.
pub(super) fn values(alias: &str) -> String {
    PLACE_COLUMNS
        .iter()
        .map(|(name, _)| match *name {
            "chunk_headings" => format!(", string_to_array({alias}.{name}, chr({}))", u32::from(SEPARATOR)),
            name => format!(", {alias}.{name}"),
        })
        .collect()
}

impl Places {
    pub(super) fn push(&mut self, place: Option<&Place>) {
        let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let numbers = match place {
            Some(Place {
                bytes,
                characters,
                page,
                ..
            }) => [
                Some(number(bytes.start)),
                Some(number(bytes.end)),
                Some(number(characters.start)),
                Some(number(characters.end)),
                page.map(number),
            ],
            None => [None; 5],
        };
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.push(number);
        }
        let heading = |heading: &String| heading.replace(SEPARATOR, " ");
        let headings = place.map(|place| place.headings.iter().map(heading).collect::<Vec<_>>());
        self.headings
            .push(headings.map(|headings| headings.join(SEPARATOR.encode_utf8(&mut [0; 4]))));
    }

    pub(super) fn bind(self, statement: Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments> {
        let statement = self.numbers.into_iter().fold(statement, Query::bind);
        statement.bind(self.headings)
    }
}

/// Reads the columns, the first of which is the one with that number.
pub(super) fn read(row: &PgRow, first: usize) -> Result<Option<Place>, Error> {
    let number = |nth: usize| row.try_get::<Option<i32>, _>(first + nth);
    let (start, end, first_character, last_character) = (number(0)?, number(1)?, number(2)?, number(3)?);
    let (Some(start), Some(end), Some(first_character), Some(last_character)) =
        (start, end, first_character, last_character)
    else {
        return Ok(None);
    };
    let number_of = |number: i32| usize::try_from(number).unwrap_or_default();
    let mut place = Place::new(
        number_of(start)..number_of(end),
        number_of(first_character)..number_of(last_character),
    );
    place.page = number(4)?.map(number_of);
    place.headings = row.try_get::<Option<Vec<String>>, _>(first + 5)?.unwrap_or_default();
    Ok(Some(place))
}
