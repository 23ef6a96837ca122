//! Requests of an app.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_channel::oneshot;

use super::client_state::Answer;
use super::error::RequestError;
use super::reason::Reason;

/// A request under way: a future of its reason code. Dropping it does not cancel the request.
///
/// It resolves to the reason code of the acknowledgement if that is below 0x80, and otherwise to a [`RequestError`]. It waits as
/// long as there is no broker.
///
/// ```no_run
/// # use tabmq_worker::{Request, RequestError};
/// # async fn example(request: Request) {
/// match request.await {
///     Ok(reason) => { /* 0x00, or 0x10: no subscriber */ }
///     Err(RequestError::Closed) => { /* it may have arrived; repeat it if a duplicate does no harm */ }
///     Err(error) => { /* not carried out; `error` displays as a sentence */ }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Request(oneshot::Receiver<Answer>);

impl Request {
    /// A request, and the function that answers it.
    pub(crate) fn new() -> (Self, impl FnOnce(Answer) + 'static) {
        let (answer, request) = oneshot::channel();
        // This fails if the app has dropped the request.
        (Self(request), move |it| drop(answer.send(it)))
    }
}

impl Request {
    /// A request that has succeeded already.
    #[cfg(feature = "yew")]
    pub(crate) fn done() -> Self {
        let (request, answer) = Self::new();
        answer(Ok(Reason(0)));
        request
    }
}

impl Future for Request {
    type Output = Result<Reason, RequestError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.0).poll(context);
        answer.map(|answer| answer.unwrap_or(Err(RequestError::Closed)))
    }
}
