//! `new RegExp(expression).test(text)`.
//!
//! Without flags, as KES calls it: texts are sequences of UTF-16 code units, and what the grammar of
//! browsers allows beyond the strict one is allowed here too.

use boa_engine::object::builtins::JsRegExp;
use boa_engine::{Context, JsError, JsString};

/// Whether `text` has a match, or, if `anchored`, is one.
///
/// # Errors
///
/// When the expression is malformed, with the engine's message.
pub fn matches(expression: &str, text: &str, anchored: bool) -> Result<bool, String> {
    let mut context = Context::default();
    let mut regexp = compile(expression, &mut context)?;
    if anchored {
        // Only now: inside of parentheses a malformed expression may come to mean something.
        regexp = compile(&format!("^(?:{expression})$"), &mut context)?;
    }
    regexp.test(JsString::from(text), &mut context).map_err(message)
}

fn compile(expression: &str, context: &mut Context) -> Result<JsRegExp, String> {
    JsRegExp::new(JsString::from(expression), JsString::default(), context).map_err(message)
}

fn message(error: JsError) -> String {
    match error.as_native() {
        Some(native) => native.message().to_string(),
        None => error.to_string(),
    }
}
