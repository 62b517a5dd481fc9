//! Services: actors that are found by their type, and started when they are first asked for.
//!
//! [`actix::SystemService`] and [`actix::ArbiterService`] are bound to actix's own context; these
//! are their traced counterparts. A service belongs to no request, so it always starts outside any
//! trace, even if a request is the first to ask for it.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use actix::{Addr, Supervised};
use actix_rt::{ArbiterHandle, System};
use opentelemetry::Context;

use crate::actor::TracedActor;
use crate::context::TracedContext;
use crate::origin::attach;
use crate::start::TracedStart;

/// A supervised actor of which a system has one; the counterpart of [`actix::SystemService`].
///
/// ```no_run
/// use actix::prelude::*;
/// use actix_opentelemetry::registry::TracedSystemService;
/// use actix_opentelemetry::{TracedActor, TracedContext};
///
/// #[derive(Default)]
/// struct Clock;
///
/// impl Actor for Clock {
///     type Context = TracedContext<Self>;
/// }
/// impl TracedActor for Clock {
///     const NAME: &'static str = "Clock";
/// }
/// impl Supervised for Clock {}
/// impl TracedSystemService for Clock {}
///
/// # async fn example() {
/// let clock: Addr<Clock> = Clock::from_registry();
/// # }
/// ```
pub trait TracedSystemService:
    TracedActor<Context = TracedContext<Self>> + Supervised + Default
{
    /// Called before the service starts.
    fn service_started(&mut self, ctx: &mut TracedContext<Self>) {
        let _ = ctx;
    }

    /// Starts the service on an arbiter, without the registry.
    fn start_service(arbiter: &ArbiterHandle) -> Addr<Self> {
        let _outside = attach(Context::new());
        Self::supervise_traced_in(arbiter, |ctx| {
            let mut service = Self::default();
            service.service_started(ctx);
            service
        })
    }

    /// The current system's service, started on the system's arbiter if it is not running.
    ///
    /// # Panics
    ///
    /// Outside an actix system.
    fn from_registry() -> Addr<Self> {
        let system = System::current();
        let mut services = SYSTEM_SERVICES.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (system.id(), TypeId::of::<Self>());
        if let Some(addr) = running::<Self>(services.get(&key).map(|any| &**any as &dyn Any)) {
            return addr;
        }
        let addr = Self::start_service(system.arbiter());
        services.insert(key, Box::new(addr.clone()));
        addr
    }

    /// Registers a running actor as the current system's service, for a service that is not made by
    /// `Default`. A service that was registered before goes on running, but is not found any more.
    ///
    /// # Panics
    ///
    /// Outside an actix system.
    fn register(addr: Addr<Self>) {
        let mut services = SYSTEM_SERVICES.lock().unwrap_or_else(PoisonError::into_inner);
        services.insert((System::current().id(), TypeId::of::<Self>()), Box::new(addr));
    }
}

/// A supervised actor of which each arbiter (thread) has one; the counterpart of
/// [`actix::ArbiterService`].
pub trait TracedArbiterService:
    TracedActor<Context = TracedContext<Self>> + Supervised + Default
{
    /// Called before the service starts.
    fn service_started(&mut self, ctx: &mut TracedContext<Self>) {
        let _ = ctx;
    }

    /// Starts the service on the current arbiter, without the registry.
    fn start_service() -> Addr<Self> {
        let _outside = attach(Context::new());
        Self::supervise_traced(|ctx| {
            let mut service = Self::default();
            service.service_started(ctx);
            service
        })
    }

    /// The current arbiter's service, started if it is not running.
    ///
    /// # Panics
    ///
    /// Outside an actix system.
    fn from_registry() -> Addr<Self> {
        let key = TypeId::of::<Self>();
        let found = ARBITER_SERVICES
            .with_borrow(|services| running::<Self>(services.get(&key).map(|any| &**any)));
        found.unwrap_or_else(|| {
            let addr = Self::start_service();
            ARBITER_SERVICES.with_borrow_mut(|services| {
                services.insert(key, Box::new(addr.clone()));
            });
            addr
        })
    }
}

type SystemServices = HashMap<(usize, TypeId), Box<dyn Any + Send>>;

static SYSTEM_SERVICES: LazyLock<Mutex<SystemServices>> = LazyLock::new(Mutex::default);

thread_local! {
    static ARBITER_SERVICES: RefCell<HashMap<TypeId, Box<dyn Any>>> = RefCell::default();
}

/// The address of a registered service, unless the service has stopped for good.
fn running<A: TracedActor>(registered: Option<&dyn Any>) -> Option<Addr<A>> {
    registered?.downcast_ref::<Addr<A>>().filter(|addr| addr.connected()).cloned()
}
