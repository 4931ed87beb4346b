//! How documents become text: `ai.parsing_auto` and its siblings.

use super::{area, bare};

area! {
    /// How documents become text.
    Parsing, Tag = "parsing" {
        /// By the column's type and the document's.
        Auto(ParsingAuto) = "auto",
        /// Not at all: the column or the document is text.
        None(ParsingNone) = "none",
        /// With PyMuPDF in pgai's Python worker, and as `auto` in this crate's.
        Pymupdf(ParsingPymupdf) = "pymupdf",
        /// With Docling in pgai's Python worker, and as `auto` in this crate's.
        Docling(ParsingDocling) = "docling",
    }
}

impl Parsing {
    /// By the column's type and the document's; the default.
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Parsing::auto().to_sql(), "ai.parsing_auto()");
    /// ```
    #[must_use]
    pub fn auto() -> ParsingAuto {
        ParsingAuto::default()
    }

    /// Not at all: the column is text.
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Parsing::none().to_sql(), "ai.parsing_none()");
    /// ```
    #[must_use]
    pub fn none() -> ParsingNone {
        ParsingNone::default()
    }

    /// With PyMuPDF in pgai's Python worker. This crate's worker reads documents as with [`auto`](Self::auto).
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Parsing::pymupdf().to_sql(), "ai.parsing_pymupdf()");
    /// ```
    #[must_use]
    pub fn pymupdf() -> ParsingPymupdf {
        ParsingPymupdf::default()
    }

    /// With Docling in pgai's Python worker. This crate's worker reads documents as with [`auto`](Self::auto).
    ///
    /// ```
    /// assert_eq!(pgai_sea::config::Parsing::docling().to_sql(), "ai.parsing_docling()");
    /// ```
    #[must_use]
    pub fn docling() -> ParsingDocling {
        ParsingDocling::default()
    }
}

bare! {
    /// By the column's type and the document's. See [`Parsing::auto`].
    ParsingAuto, Tag, "parsing_auto"
}
bare! {
    /// Not at all. See [`Parsing::none`].
    ParsingNone, Tag, "parsing_none"
}
bare! {
    /// With PyMuPDF. See [`Parsing::pymupdf`].
    ParsingPymupdf, Tag, "parsing_pymupdf"
}
bare! {
    /// With Docling. See [`Parsing::docling`].
    ParsingDocling, Tag, "parsing_docling"
}
