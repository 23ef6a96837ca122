//! Evaluation of JavaScript by the command `Runtime.evaluate`.

use serde_json::{Value, json};

use super::protocol::Failure;

pub(crate) fn params_of(expression: &str) -> Value {
    json!({ "expression": expression, "awaitPromise": true, "returnByValue": true })
}

/// The value in an answer to `Runtime.evaluate`, or the thrown error.
pub(crate) fn value_in(mut answer: Value) -> Result<Value, Failure> {
    let thrown = &answer["exceptionDetails"];
    if thrown.is_null() {
        return Ok(answer["result"]["value"].take());
    }
    let exception = &thrown["exception"]["description"];
    let text = exception.as_str().or_else(|| thrown["text"].as_str());
    Err(Failure::Refused(text.unwrap_or("an exception").to_owned()))
}
