//! The lab over HTTP: the page, its files and its two forms, within bounds.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    App, Error, HttpResponse, HttpServer, ResponseError as _,
    body::{EitherBody, MessageBody},
    dev::{Server, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, HOST, ORIGIN, RETRY_AFTER},
    },
    middleware::{DefaultHeaders, Next, from_fn},
    web,
};
use shared::{
    fault::FaultSupport,
    hosts::{AllowedHosts, HostName},
    site::{self, CONTENT_SECURITY_POLICY, Forms, SEC_FETCH_SITE},
};
use store::lessons::find;
use tokio::sync::Semaphore;

use super::{
    page::{Done, Surroundings, page},
    trip::{self, TripForm},
};
use crate::{
    runs::{self, Store},
    viewer_api::Viewer,
};

/// How many lessons and trips are under way at a time.
const MOST_AT_WORK: usize = 4;

/// How long a request waits for a place among them at most.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long the store may take to say which faults it honours.
const SUPPORT_TIMEOUT: Duration = Duration::from_secs(2);

const MAX_FORM_BYTES: usize = 8 * 1024;
const MAX_CONNECTIONS: usize = 64;
const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);

const CSS: &str = include_str!("lab.css");
const JS: &str = include_str!("lab.js");
const ICON: &str = include_str!("icon.svg");

/// What the lab works with.
pub(super) struct Lab {
    pub(super) store: Store,
    pub(super) viewer: Viewer,
    hosts: AllowedHosts,
    places: Semaphore,
}

impl Lab {
    /// The lab of a server that is bound to `address` and is reached by these names too.
    pub(super) fn new(
        store: Store,
        viewer: Viewer,
        address: SocketAddr,
        names: &[HostName],
    ) -> Self {
        let hosts = AllowedHosts::of(address, names);
        Self { store, viewer, hosts, places: Semaphore::new(MOST_AT_WORK) }
    }

    /// Which faults the store honours, or why that is not known.
    async fn faults(&self) -> Result<FaultSupport, String> {
        let url = self.store.url.at("/faults");
        let answer = self.store.http.get_whole(&url, &[], SUPPORT_TIMEOUT).await;
        answer.and_then(|answer| answer.json(&url)).map_err(|error| format!("{error:#}"))
    }

    async fn page(&self, status: StatusCode, done: Option<&Done>) -> HttpResponse {
        let faults = self.faults().await;
        let about = Surroundings { store: &self.store, viewer: &self.viewer, faults: &faults };
        HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(page(about, done))
    }
}

/// Serves the lab on `listener`.
///
/// # Errors
/// When the system refuses.
pub(super) fn serve(lab: Lab, listener: std::net::TcpListener) -> io::Result<Server> {
    let lab = web::Data::new(lab);
    let server = HttpServer::new(move || {
        let headers = site::HEADERS
            .into_iter()
            .chain([(CONTENT_SECURITY_POLICY, site::policy(Forms::OwnServer))])
            .fold(DefaultHeaders::new(), DefaultHeaders::add);
        App::new()
            .app_data(lab.clone())
            .app_data(web::FormConfig::default().limit(MAX_FORM_BYTES).error_handler(|error, _| {
                let text = format!("The form cannot be read: {error}\n");
                let answer = HttpResponse::build(error.status_code()).body(text);
                actix_web::error::InternalError::from_response(error, answer).into()
            }))
            .wrap(from_fn(check))
            .wrap(headers)
            .route("/", web::get().to(index))
            .route("/healthz", web::get().to(async || "alive"))
            .route("/assets/lab.css", web::get().to(async || asset("text/css; charset=utf-8", CSS)))
            .route(
                "/assets/lab.js",
                web::get().to(async || asset("text/javascript; charset=utf-8", JS)),
            )
            .route("/assets/icon.svg", web::get().to(async || asset("image/svg+xml", ICON)))
            .route("/favicon.ico", web::get().to(async || asset("image/svg+xml", ICON)))
            .route("/lessons/{name}", web::post().to(make_lesson))
            .route("/trips", web::post().to(make_trips))
    });
    let server = server
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(HEADERS_TIMEOUT)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?;
    Ok(server.run())
}

/// Refuses requests to names that are not the lab's, and those that a browser sends for another site's
/// page and that would do something.
async fn check<B: MessageBody>(
    lab: web::Data<Lab>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let refusal = {
        let header = |name: &str| request.headers().get(name).map(|value| value.as_bytes());
        let named = request.uri().authority().map(|authority| authority.as_str());
        let host = named.or_else(|| request.headers().get(HOST)?.to_str().ok()).unwrap_or_default();
        let only_reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !lab.hosts.allow(host) {
            Some(format!(
                "host {host:?} is not this machine: use localhost or 127.0.0.1, or start the lab with \
                 --allowed-hosts and the names by which it is reached\n"
            ))
        } else if !only_reads
            && !site::is_own(header(SEC_FETCH_SITE), header(ORIGIN.as_str()), host)
        {
            Some("only the lab's own page may send this; a program sends no Origin and no Sec-Fetch-Site\n".into())
        } else {
            None
        }
    };
    match refusal {
        Some(text) => {
            let answer =
                HttpResponse::Forbidden().content_type("text/plain; charset=utf-8").body(text);
            Ok(request.into_response(answer).map_into_right_body())
        }
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

fn asset(content_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        // A new version has other files under the same names.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(text)
}

async fn index(lab: web::Data<Lab>) -> HttpResponse {
    lab.page(StatusCode::OK, None).await
}

async fn make_lesson(lab: web::Data<Lab>, name: web::Path<String>) -> HttpResponse {
    let Some(lesson) = find(&name) else {
        let text = format!("there is no lesson {:?}: the page lists them\n", name.as_str());
        return HttpResponse::NotFound().body(text);
    };
    let Some(_place) = place(&lab).await else { return busy() };
    let made = runs::make(lesson, &lab.store, &lab.viewer, async |variant, path: &str| {
        trip::send_lesson(lesson, variant, path, &lab.store).await
    });
    let made = made.await.map_err(|error| format!("{error:#}"));
    let status = if made.is_ok() { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
    lab.page(status, Some(&Done::Lesson(lesson, made))).await
}

async fn make_trips(lab: web::Data<Lab>, form: web::Form<TripForm>) -> HttpResponse {
    let order = match form.read() {
        Ok(order) => order,
        Err(why) => return lab.page(StatusCode::BAD_REQUEST, Some(&Done::Trips(Err(why)))).await,
    };
    let Some(_place) = place(&lab).await else { return busy() };
    let made = trip::make(&order, &lab.store, &lab.viewer).await;
    let made = made.map_err(|error| format!("{error:#}"));
    let status = if made.is_ok() { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
    lab.page(status, Some(&Done::Trips(made))).await
}

/// A place among those at work; `None` if none became free.
async fn place(lab: &Arc<Lab>) -> Option<tokio::sync::SemaphorePermit<'_>> {
    tokio::time::timeout(LONGEST_WAIT, lab.places.acquire()).await.ok()?.ok()
}

fn busy() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((RETRY_AFTER, "1"))
        .body("The lab is busy with others: try again in a second.\n")
}
