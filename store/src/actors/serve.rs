//! What every actor does before the work that a request asked for: it lets happen what the request
//! asked for as faults, and keeps its limit.

use actix::{ActorFutureExt as _, ActorResponse, ResponseFuture, WrapFuture as _};
use actix_opentelemetry::{TracedActor, TracedContext};
use shared::fault::FaultyActor;

use super::{error::ActorError, faults::InjectedFaults, limit::ConcurrencyLimit};

/// An actor that serves requests.
pub(super) trait Serve: TracedActor<Context = TracedContext<Self>> {
    /// The name by which a request asks for faults in it.
    const FAULTY: FaultyActor;

    /// What befalls the message that is being handled.
    fn faults(&self) -> InjectedFaults {
        InjectedFaults::of(Self::FAULTY)
    }

    /// How many requests it works on at a time, if there is a limit.
    fn limit(&self) -> Option<&ConcurrencyLimit> {
        None
    }

    /// Answers with what comes of `work`.
    ///
    /// The work needs nothing of the actor, so it goes on to its end even if the actor is gone by
    /// then, or if nobody waits for the answer any more.
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

    /// Answers with what `work` makes of the actor's own state: at once, unless a fault holds it up.
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
