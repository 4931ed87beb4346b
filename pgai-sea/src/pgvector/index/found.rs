//! Which index over a column of vectors is the one that a configuration asks for, as conditions in SQL.

/// Holds where `i`, a row of `pg_index`, is an index over the column `a`, a row of `pg_attribute`.
pub(crate) const OF_COLUMN: &str = "a.attrelid = i.indrelid AND a.attnum = i.indkey[0]";

/// The same for an index over one bit of each number. A partial one serves no search by itself.
///
/// The expression is told by what the catalog has of it, and not by its text, in which the function's schema may stand
/// or not.
pub(crate) const OF_BITS: &str = "a.attrelid = i.indrelid AND i.indkey[0] = 0 AND i.indpred IS NULL \
    AND EXISTS (SELECT FROM pg_catalog.pg_depend d \
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND d.objid = i.indexrelid \
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid \
        AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum) \
    AND EXISTS (SELECT FROM pg_catalog.pg_opclass o WHERE o.oid = i.indclass[0] AND o.opcname = 'bit_hamming_ops') \
    AND EXISTS (SELECT FROM pg_catalog.pg_attribute b \
        WHERE b.attrelid = i.indexrelid AND b.attnum = 1 AND b.atttypmod = a.atttypmod)";

/// One of the two.
pub(crate) fn of(is_binary: bool) -> &'static str {
    if is_binary { OF_BITS } else { OF_COLUMN }
}
