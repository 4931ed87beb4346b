//! Values against Python's `str()`: `tests/golden/generate.py` wrote the expectations.

use serde_json::Value;

use super::PythonType;

#[test]
fn values_equal_pythons() {
    let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/python_str.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 50);
    for case in cases {
        let python = PythonType::of(case["type"].as_str().unwrap());
        assert_eq!(
            python.str(case["value"].as_str()),
            case["text"].as_str().unwrap(),
            "{case}"
        );
    }
    assert_eq!(PythonType::Str.str(None), "None");
}
