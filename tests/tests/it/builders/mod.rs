//! The typed builders against the SQL functions they call, on both catalogs.

mod drift;
mod round_trip;
