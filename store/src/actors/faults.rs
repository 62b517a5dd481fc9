//! Faults that a request asked for, applied in the actor it named.
//!
//! They travel as a value of the OpenTelemetry context, which the HTTP layer sets where faults are
//! allowed, so they reach exactly the actors that the request reaches.

use std::{sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, WrapFuture as _};
use opentelemetry::{Context, KeyValue, trace::TraceContextExt as _};
use shared::fault::{self, Fault, FaultyActor};
use tokio::time::sleep;

use super::ActorError;

/// The faults that a request asked for, as a context value.
#[derive(Clone, Debug)]
pub(crate) struct Faults(pub(crate) Arc<[Fault]>);

/// What befalls one message.
#[derive(Debug, Default)]
pub(crate) struct InjectedFaults {
    /// How much later the message is answered.
    delay: Duration,
    /// For how much of that the whole actor is stuck.
    stall: Duration,
    error: Option<ActorError>,
}

impl InjectedFaults {
    /// What befalls the message that `actor` is handling; with it goes a `grocery.fault` attribute
    /// on the message's span.
    ///
    /// # Panics
    /// If that is what the request asked for.
    pub(crate) fn of(actor: FaultyActor) -> Self {
        Self::among(actor, |_| false)
    }

    /// The same for the aisle of this name.
    pub(crate) fn of_aisle(name: &str) -> Self {
        Self::among(FaultyActor::Aisle, |aisle| aisle == name)
    }

    fn among(actor: FaultyActor, is_this_aisle: impl Fn(&str) -> bool) -> Self {
        Context::map_current(|cx| {
            let Some(Faults(faults)) = cx.get() else { return Self::default() };
            let here = |fault: &&Fault| match fault {
                Fault::SlowAisle { aisle, .. } => is_this_aisle(aisle),
                Fault::Panic { actor: named }
                | Fault::Error { actor: named, .. }
                | Fault::Stall { actor: named, .. } => *named == actor,
            };
            let strikes = |fault: &&Fault| match fault {
                Fault::Error { share, .. } => rand::random::<f64>() < share.fraction(),
                _ => true,
            };
            let struck: Vec<_> = faults.iter().filter(here).filter(strikes).collect();
            if !struck.is_empty() {
                let list: Vec<_> = struck.iter().map(ToString::to_string).collect();
                cx.span().set_attribute(KeyValue::new(fault::BAGGAGE_KEY, list.join(";")));
            }
            struck.into_iter().fold(Self::default(), |faults, fault| faults.and(fault, actor))
        })
    }

    fn and(mut self, fault: &Fault, actor: FaultyActor) -> Self {
        match fault {
            Fault::SlowAisle { delay, .. } => self.delay = self.delay.max(*delay),
            Fault::Stall { delay, .. } => {
                self.delay = self.delay.max(*delay);
                self.stall = self.stall.max(*delay);
            }
            Fault::Error { .. } => {
                self.error = Some(ActorError::Fault(actor.name(), fault.to_string()));
            }
            Fault::Panic { .. } => panic!("the request asked for it: {fault}"),
        }
        self
    }

    /// Whether nothing befalls the message, as nearly always.
    pub(crate) fn is_none(&self) -> bool {
        self.delay.is_zero() && self.error.is_none()
    }

    /// Makes the actor stuck, if that is what the request asked for.
    pub(crate) fn stall<A: Actor>(&self, actor: &A, ctx: &mut A::Context)
    where
        A::Context: AsyncContext<A>,
    {
        if !self.stall.is_zero() {
            ctx.wait(sleep(self.stall).into_actor(actor));
        }
    }

    /// The failure that the request asked for, for an actor that is as slow as its stalls anyway.
    pub(crate) fn into_failure(self) -> Option<ActorError> {
        self.error
    }

    /// Lasts as long as the message is held up.
    ///
    /// # Errors
    /// [`ActorError::Fault`] if the request asked for a failure.
    pub(crate) async fn endure(self) -> Result<(), ActorError> {
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        self.error.map_or(Ok(()), Err)
    }
}
