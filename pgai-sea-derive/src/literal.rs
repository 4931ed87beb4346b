//! What an expression says to someone who cannot evaluate it.

use syn::{Expr, ExprCall, Lit, LitInt, LitStr};

/// The call that a chain of setters starts with: `Embedding::ollama("m", 3)` of
/// `Embedding::ollama("m", 3).keep_alive("5m")`.
pub(crate) struct Constructor<'a> {
    /// `openai`, for a path that ends with `Embedding::openai`.
    pub(crate) function: String,
    call: &'a ExprCall,
}

impl<'a> Constructor<'a> {
    /// `None` unless it is a function of `ty`, written with its name.
    pub(crate) fn of(ty: &str, expr: &'a Expr) -> Option<Self> {
        match expr {
            Expr::Call(call) => {
                let Expr::Path(function) = &*call.func else { return None };
                let mut end = function.path.segments.iter().rev();
                let (function, owner) = (end.next()?, end.next()?);
                (owner.ident == ty).then(|| Self {
                    function: function.ident.to_string(),
                    call,
                })
            }
            Expr::MethodCall(call) => Self::of(ty, &call.receiver),
            Expr::Paren(inner) => Self::of(ty, &inner.expr),
            Expr::Group(inner) => Self::of(ty, &inner.expr),
            _ => None,
        }
    }

    /// The argument at `index`, if it is written as a number.
    pub(crate) fn number(&self, index: usize) -> Option<&'a LitInt> {
        number(self.call.args.get(index)?)
    }

    /// The argument at `index`, if it is written as text.
    pub(crate) fn text(&self, index: usize) -> Option<&'a LitStr> {
        text(self.call.args.get(index)?)
    }
}

/// What the last call of `setter` in a chain of setters is given: `100` of
/// `Chunking::character_text_splitter().chunk_size(100)`.
pub(crate) fn setter_argument<'a>(expr: &'a Expr, setter: &str) -> Option<&'a Expr> {
    match expr {
        Expr::MethodCall(call) if call.method == setter => call.args.first(),
        Expr::MethodCall(call) => setter_argument(&call.receiver, setter),
        Expr::Paren(inner) => setter_argument(&inner.expr, setter),
        Expr::Group(inner) => setter_argument(&inner.expr, setter),
        _ => None,
    }
}

/// Whether a chain of setters has `setter`: `binary` of `Indexing::hnsw().binary()`.
pub(crate) fn has_setter(expr: &Expr, setter: &str) -> bool {
    match expr {
        Expr::MethodCall(call) => call.method == setter || has_setter(&call.receiver, setter),
        Expr::Paren(inner) => has_setter(&inner.expr, setter),
        Expr::Group(inner) => has_setter(&inner.expr, setter),
        _ => false,
    }
}

/// The number, if `expr` is an integer literal.
pub(crate) fn number(expr: &Expr) -> Option<&LitInt> {
    match literal(expr)? {
        Lit::Int(number) => Some(number),
        _ => None,
    }
}

/// The text, if `expr` is a string literal.
pub(crate) fn text(expr: &Expr) -> Option<&LitStr> {
    match literal(expr)? {
        Lit::Str(text) => Some(text),
        _ => None,
    }
}

/// Also inside of the parentheses that nobody sees, around what a macro was given.
fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(literal) => Some(&literal.lit),
        Expr::Paren(inner) => literal(&inner.expr),
        Expr::Group(inner) => literal(&inner.expr),
        _ => None,
    }
}
