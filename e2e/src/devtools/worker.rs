//! The dedicated worker of a page.

use std::time::Duration;

use serde_json::Value;

use super::connection::Connection;
use super::expression::{params_of, value_in};

/// A page's dedicated worker, attached by the DevTools protocol.
#[derive(Debug)]
pub struct Worker<'c> {
    connection: &'c Connection,
    session: String,
}

impl<'c> Worker<'c> {
    pub(crate) fn new(connection: &'c Connection, session: String) -> Self {
        Self {
            connection,
            session,
        }
    }

    /// Blocks the worker for this time.
    pub fn hang(&self, duration: Duration) {
        let ms = duration.as_millis();
        let busy = format!("for (const end = Date.now() + {ms}; Date.now() < end;);");
        let params = params_of(&busy);
        // Its end is not awaited.
        let _ = self
            .connection
            .begin(&self.session, "Runtime.evaluate", &params);
    }

    /// Evaluates an expression in the worker; a promise is awaited.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        let params = params_of(expression);
        let answer = self
            .connection
            .try_command(&self.session, "Runtime.evaluate", &params);
        match answer.and_then(value_in) {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }
}
