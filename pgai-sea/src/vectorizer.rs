//! vectorizer
