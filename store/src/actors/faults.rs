//! Injected faults: what a request asked for, applied in the actor that it named.
//!
//! The faults of a request travel as a value of the OpenTelemetry context, which the HTTP layer
//! sets where faults are allowed. So they reach exactly the actors that the request reaches. These
//! actors serve only requests for the same faults, see [`ActorPools`](super::ActorPools).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix::{Actor, AsyncContext, WrapFuture as _};
use opentelemetry::{Context, KeyValue, trace::TraceContextExt as _};
use shared::fault::{self, Fault, FaultyActor};
use tokio::time::sleep;

use super::error::ActorError;
use crate::ACTIVITY;

/// The faults of one request, as a context value.
#[derive(Clone, Debug)]
pub(crate) struct Faults(Arc<[ArmedFault]>);

/// A fault that the request asked for and the store honours.
#[derive(Debug)]
struct ArmedFault {
    fault: Fault,
    /// How many messages it has struck.
    struck: AtomicU32,
}

/// The faults that strike one message, added up.
#[derive(Debug, Default)]
pub(super) struct InjectedFaults {
    /// By how much the answer is delayed.
    delay: Duration,
    /// For how much of this time the whole actor is stuck.
    stall: Duration,
    failure: Option<ActorError>,
}

impl Faults {
    /// These faults, before they have struck any message.
    pub(crate) fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        let armed = |fault| ArmedFault { fault, struck: AtomicU32::new(0) };
        Self(faults.into_iter().map(armed).collect())
    }

    /// How many messages each fault has struck, in the order of the request.
    pub(crate) fn struck(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|armed| armed.struck.load(Ordering::Relaxed))
    }
}

impl InjectedFaults {
    /// The faults that strike the message which `actor` is handling. They are recorded on the
    /// message's span, in the attribute `grocery.fault`.
    ///
    /// # Panics
    /// If the request asked for a panic.
    pub(super) fn of(actor: FaultyActor) -> Self {
        Self::among(actor, |_| false)
    }

    /// The same for the aisle of this name.
    pub(super) fn of_aisle(name: &str) -> Self {
        Self::among(FaultyActor::Aisle, |aisle| aisle == name)
    }

    fn among(actor: FaultyActor, is_this_aisle: impl Fn(&str) -> bool) -> Self {
        Context::map_current(|cx| {
            let Some(Faults(faults)) = cx.get() else { return Self::default() };
            let is_here = |armed: &&ArmedFault| match &armed.fault {
                Fault::SlowAisle { aisle, .. } => is_this_aisle(aisle),
                Fault::Panic { actor: named }
                | Fault::Error { actor: named, .. }
                | Fault::Stall { actor: named, .. } => *named == actor,
            };
            let strikes = |armed: &&ArmedFault| match armed.fault {
                Fault::Error { share, .. } => rand::random::<f64>() < share.fraction(),
                _ => true,
            };
            let struck: Vec<_> = faults.iter().filter(is_here).filter(strikes).collect();
            for armed in &struck {
                armed.struck.fetch_add(1, Ordering::Relaxed);
            }
            if !struck.is_empty() {
                let list: Vec<_> = struck.iter().map(|armed| armed.fault.to_string()).collect();
                let list = list.join(";");
                tracing::info!(name: "grocery.fault.struck", target: ACTIVITY, { "grocery.fault" = list }, "an injected fault strikes");
                cx.span().set_attribute(KeyValue::new(fault::BAGGAGE_KEY, list));
            }
            struck.iter().fold(Self::default(), |all, armed| all.and(&armed.fault, actor))
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
                self.failure = Some(ActorError::Fault(actor.name(), fault.to_string()));
            }
            // As any other panic, it is a log record of the request's trace. On standard error the
            // panic hook of telemetry counts repeated panics, so clients cannot fill the log.
            Fault::Panic { .. } => panic!("the request asked for it: {fault}"),
        }
        self
    }

    /// Whether no fault strikes the message.
    pub(super) fn is_none(&self) -> bool {
        self.delay.is_zero() && self.failure.is_none()
    }

    /// Blocks the whole actor for as long as the request asked for.
    pub(super) fn stall<A: Actor>(&self, actor: &A, ctx: &mut A::Context)
    where
        A::Context: AsyncContext<A>,
    {
        if !self.stall.is_zero() {
            ctx.wait(sleep(self.stall).into_actor(actor));
        }
    }

    /// Delays the answer for as long as the request asked for.
    ///
    /// # Errors
    /// [`ActorError::Fault`] if the request asked for a failure.
    pub(super) async fn endure(self) -> Result<(), ActorError> {
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        self.failure.map_or(Ok(()), Err)
    }
}
