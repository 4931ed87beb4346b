//! What the derive accepts and what it refuses, as a user's compiler would say it.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    //cases.compile_fail("tests/ui/fail/*.rs");
}
