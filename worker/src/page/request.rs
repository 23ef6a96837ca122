//! Requests that wait for their answer.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_channel::oneshot;

use super::client_state::Answer;
use super::error::RequestError;
use super::reason::Reason;

/// A request on its way: a future of its reason code. Dropping it calls nothing off.
///
/// It ends with the reason code of the acknowledgement if that is one of success, below 0x80, and with a
/// [`RequestError`] if not. It waits as long as there is no broker.
///
/// ```no_run
/// # use tabmq_worker::{Request, RequestError};
/// # async fn example(request: Request) {
/// match request.await {
///     Ok(reason) => { /* 0x00, or 0x10: nobody is subscribed */ }
///     Err(RequestError::Closed) => { /* it may have arrived; ask again if twice does no harm */ }
///     Err(error) => { /* not carried out; `error` displays as a sentence */ }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Request(oneshot::Receiver<Answer>);

impl Request {
    /// One, and how to answer it.
    pub(crate) fn new() -> (Self, impl FnOnce(Answer) + 'static) {
        let (answer, request) = oneshot::channel();
        // Fails if nobody waits.
        (Self(request), move |it| drop(answer.send(it)))
    }
}

impl Request {
    /// One that there was nothing to do for.
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
