//! sentence-transformers and model2vec, in Python.

use std::process::Command;

use crate::Result;
use crate::python::Packages;

/// With everything that they depend on: 6 GB, most of it for GPUs. Only a benchmark asks for it.
const PACKAGES: Packages = Packages {
    directory: "sentence-transformers",
    part: "sentence-transformers",
    instead: "leave out the benchmark that compares with it",
    requirements: "sentence-transformers==6.2.0\nmodel2vec==0.10.0\ntorch==2.15.0\ntransformers==5.24.0",
    options: &[],
};

/// Python, with sentence-transformers and model2vec. It needs Python 3.11 or later.
///
/// # Errors
///
/// About installing them with pip, into a directory beside the other parts.
pub fn sentence_transformers() -> Result<Command> {
    PACKAGES.python()
}
