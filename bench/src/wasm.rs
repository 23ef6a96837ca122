//! The loops for Node, which measures their time.

#![allow(unreachable_pub, reason = "JavaScript calls it")]

use broker::QoS;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Churn, Hostile, Matching, RetainedLookup, Routing, workload};

/// All filters, for a matcher in JavaScript.
#[wasm_bindgen]
#[must_use]
pub fn filters() -> Vec<String> {
    workload::filters()
}

/// The first `count` topics, for a matcher in JavaScript.
#[wasm_bindgen]
#[must_use]
pub fn topics(count: usize) -> Vec<String> {
    workload::topics().take(count).collect()
}

/// See [`Matching`].
#[wasm_bindgen]
#[derive(Debug)]
pub struct WasmMatching(Matching);

#[wasm_bindgen]
impl WasmMatching {
    /// See [`Matching::new`].
    #[wasm_bindgen(constructor)]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "JavaScript has no use for it")]
    pub fn new() -> Self {
        Self(Matching::new())
    }

    /// See [`Matching::run`].
    pub fn run(&mut self, count: usize) -> usize {
        self.0.run(count)
    }
}

/// See [`Routing`].
#[wasm_bindgen]
#[derive(Debug)]
pub struct WasmRouting(Routing);

#[wasm_bindgen]
impl WasmRouting {
    /// See [`Routing::new`].
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(receivers: usize, acknowledged: bool) -> Self {
        let qos = if acknowledged {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        };
        Self(Routing::new(receivers, qos))
    }

    /// See [`Routing::run`].
    pub fn run(&mut self, messages: usize) -> usize {
        self.0.run(messages)
    }
}

/// See [`Churn`].
#[wasm_bindgen]
#[derive(Debug)]
pub struct WasmChurn(Churn);

#[wasm_bindgen]
impl WasmChurn {
    /// See [`Churn::new`].
    #[wasm_bindgen(constructor)]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "JavaScript has no use for it")]
    pub fn new() -> Self {
        Self(Churn::new())
    }

    /// See [`Churn::subscribe`].
    pub fn subscribe(&mut self) -> usize {
        self.0.subscribe()
    }

    /// See [`Churn::unsubscribe`].
    pub fn unsubscribe(&mut self) -> usize {
        self.0.unsubscribe()
    }
}

/// See [`Hostile`].
#[wasm_bindgen]
#[derive(Debug)]
pub struct WasmHostile(Hostile);

#[wasm_bindgen]
impl WasmHostile {
    /// See [`Hostile::new`].
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(case: usize) -> Self {
        Self(Hostile::new(case, tab::Settings::default().of_broker()))
    }

    /// See [`Hostile::step`].
    pub fn step(&mut self) -> bool {
        self.0.step()
    }
}

/// See [`RetainedLookup`].
#[wasm_bindgen]
#[derive(Debug)]
pub struct WasmRetainedLookup(RetainedLookup);

#[wasm_bindgen]
impl WasmRetainedLookup {
    /// See [`RetainedLookup::new`].
    #[wasm_bindgen(constructor)]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "JavaScript has no use for it")]
    pub fn new() -> Self {
        Self(RetainedLookup::new())
    }

    /// See [`RetainedLookup::run`].
    pub fn run(&mut self, lookups: usize) -> usize {
        self.0.run(lookups)
    }
}
