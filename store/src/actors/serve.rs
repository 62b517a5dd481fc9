//! What every actor does before the work itself: apply the faults that the request asked for, and
//! keep the limit on requests at a time.

use actix::{ActorFutureExt as _, ActorResponse, ResponseFuture, WrapFuture as _};
use actix_opentelemetry::{TracedActor, TracedContext};
use shared::fault::FaultyActor;

use super::{error::ActorError, faults::InjectedFaults, limit::ConcurrencyLimit};

/// An actor that serves requests.
pub(super) trait Serve: TracedActor<Context = TracedContext<Self>> {
    /// The name of this actor in faults.
    const FAULTY: FaultyActor;

    /// The faults that strike the message which is being handled.
    fn faults(&self) -> InjectedFaults {
        InjectedFaults::of(Self::FAULTY)
    }

    /// The limit on requests at a time, if there is one.
    fn limit(&self) -> Option<&ConcurrencyLimit> {
        None
    }

    /// Answers with the result of `work`.
    ///
    /// The work does not borrow the actor. So it is carried on to its end even if the actor panics
    /// meanwhile, or if the client stops waiting.
    fn serve<T: 'static>(
        &self,
        ctx: &mut Self::Context,
        work: impl Future<Output = Result<T, ActorError>> + 'static,
    ) -> ResponseFuture<Result<T, ActorError>> {
        let faults = self.faults();
        faults.stall(self, ctx);
        let permit = self.limit().and_then(|limit| limit.acquire(self, ctx));
        Box::pin(async move {
            let _permit = permit;
            faults.endure().await?;
            work.await
        })
    }

    /// Answers with the result of `work`, which needs the actor's own state. It runs at once,
    /// unless a fault delays it.
    fn serve_now<T: 'static>(
        &mut self,
        ctx: &mut Self::Context,
        work: impl FnOnce(&mut Self, &Self::Context) -> Result<T, ActorError> + 'static,
    ) -> ActorResponse<Self, Result<T, ActorError>> {
        let faults = self.faults();
        if faults.is_none() {
            return ActorResponse::reply(work(self, ctx));
        }
        faults.stall(self, ctx);
        let endured = faults.endure().into_actor(self);
        ActorResponse::r#async(
            endured.map(|endured, actor, ctx| endured.and_then(|()| work(actor, ctx))),
        )
    }
}
