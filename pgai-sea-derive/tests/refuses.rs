//! What the derive refuses, as a user's compiler says it. `TRYBUILD=overwrite` writes the expected messages anew.

#[test]
fn what_cannot_work_with_a_message_that_says_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
