//! The page's files, inside the binary: nothing is read from a disk or fetched from elsewhere.
//!
//! `/`, `/search`, `/graph`, `/logs`, `/monitor`, `/monitor/instruments`, `/trace/{id}` and `/compare/{a}/{b}` are all the one
//! page, which finds its way by the address; so are the other addresses of Jaeger's page, which lead
//! to what is nearest here, and those that are none, with status 404. `/assets/NAME` is the file of
//! that name in `web/`.
//!
//! The page's own references begin with the viewer's base path. Its scripts know that path by where they
//! were loaded from.

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, ContentType};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data, Path, ServiceConfig, get, route};
use actix_web::{HttpRequest, HttpResponse};

use crate::base_path::BasePath;

/// A file: its name, its content type, its bytes.
type Asset = (&'static str, &'static str, &'static [u8]);

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        ($name, $content_type, include_bytes!(concat!("../web/", $name)))
    };
}

const INDEX: &str = include_str!("../web/index.html");

const ASSETS: &[Asset] = &[
    asset!("align.js", JS),
    asset!("api.js", JS),
    asset!("app.js", JS),
    asset!("base-path.js", JS),
    asset!("compare.css", CSS),
    asset!("compare.js", JS),
    asset!("compare-details.js", JS),
    asset!("compare-tree.js", JS),
    asset!("compare-with.js", JS),
    asset!("comparison.js", JS),
    asset!("critical-path.js", JS),
    asset!("details.js", JS),
    asset!("export.js", JS),
    asset!("feed.js", JS),
    asset!("flame.css", CSS),
    asset!("flame.js", JS),
    asset!("form.js", JS),
    asset!("format.js", JS),
    asset!("graph.css", CSS),
    asset!("graph.js", JS),
    asset!("grid.css", CSS),
    asset!("graph-data.js", JS),
    asset!("graph-layout.js", JS),
    asset!("graph-picture.js", JS),
    asset!("grid.js", JS),
    asset!("help.js", JS),
    asset!("icon.svg", SVG),
    asset!("instruments.js", JS),
    asset!("instruments-data.js", JS),
    asset!("lanes.js", JS),
    asset!("lib.js", JS),
    asset!("list.css", CSS),
    asset!("list.js", JS),
    asset!("live-tail.js", JS),
    asset!("log-model.js", JS),
    asset!("log-parts.js", JS),
    asset!("logs.css", CSS),
    asset!("logs.js", JS),
    asset!("model.js", JS),
    asset!("monitor.css", CSS),
    asset!("monitor.js", JS),
    asset!("monitor-chart.js", JS),
    asset!("monitor-data.js", JS),
    asset!("monitor-tabs.js", JS),
    asset!("panel.js", JS),
    asset!("path-list.js", JS),
    asset!("picture.js", JS),
    asset!("refresh.js", JS),
    asset!("row.js", JS),
    asset!("scale.js", JS),
    asset!("scatter.js", JS),
    asset!("search.js", JS),
    asset!("shell.js", JS),
    asset!("statistics.js", JS),
    asset!("style.css", CSS),
    asset!("table.js", JS),
    asset!("theme.js", JS),
    asset!("timeline.js", JS),
    asset!("trace-logs.js", JS),
    asset!("trace.css", CSS),
    asset!("trace.js", JS),
    asset!("transfer.css", CSS),
    asset!("transfer.js", JS),
    asset!("vendor/dagre.js", JS),
    asset!("waterfall.js", JS),
];

/// The addresses of the page's views.
const VIEWS: &[&str] = &[
    "/",
    "/search",
    "/graph",
    "/logs",
    "/monitor",
    "/monitor/instruments",
    "/trace/{id}",
    "/compare",
    "/compare/{a}",
    "/compare/{a}/{b}",
];
/// Those that only Jaeger's page has.
const VIEWS_OF_JAEGER: &[&str] = &["/dependencies", "/deep-dependencies", "/quality-metrics"];

/// The page as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Page(Bytes);

impl Page {
    /// The page of a viewer that is reached under this path.
    pub(crate) fn under(base: &BasePath) -> Self {
        let base = base.as_str();
        let referring = INDEX.replace("=\"/", &format!("=\"{base}/"));
        Self(referring.replace("<code>/", &format!("<code>{base}/")).into())
    }
}

/// All addresses that have the page.
#[cfg(test)]
pub(crate) fn addresses() -> impl Iterator<Item = &'static str> {
    VIEWS.iter().chain(VIEWS_OF_JAEGER).copied().chain(["/assets/app.js", "/favicon.ico"])
}

/// The routes. They need a [`Page`].
pub(crate) fn routes(config: &mut ServiceConfig) {
    for path in VIEWS.iter().chain(VIEWS_OF_JAEGER) {
        config.route(path, get().to(index));
    }
    config
        .route("/assets/{name:.+}", get().to(asset))
        .route("/favicon.ico", get().to(async || serve("icon.svg")))
        .default_service(route().to(elsewhere));
}

async fn index(page: Data<Page>) -> HttpResponse {
    answer(&page, StatusCode::OK)
}

/// For people the page, which says that there is none of that address; for programs the status.
async fn elsewhere(request: HttpRequest, page: Data<Page>) -> HttpResponse {
    let accepted = request.headers().get(ACCEPT).and_then(|types| types.to_str().ok());
    if request.method() == Method::GET && accepted.is_some_and(|types| types.contains("text/html"))
    {
        answer(&page, StatusCode::NOT_FOUND)
    } else {
        HttpResponse::NotFound().finish()
    }
}

fn answer(page: &Page, status: StatusCode) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(page.0.clone())
}

async fn asset(name: Path<String>) -> HttpResponse {
    serve(&name)
}

fn serve(name: &str) -> HttpResponse {
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some((_, content_type, bytes)) => HttpResponse::Ok()
            .content_type(*content_type)
            // A new version of the viewer has other files under the same names.
            .insert_header((CACHE_CONTROL, "no-cache"))
            .body(*bytes),
        None => HttpResponse::NotFound().finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_page_begins_with_the_base_path() {
        let page = Page::under(&"/tools/traces".parse().unwrap());
        let html = std::str::from_utf8(&page.0).unwrap();
        let references = |html: &str| -> Vec<String> {
            ["href=\"", "src=\"", "<code>"]
                .into_iter()
                .flat_map(|before| html.split(before).skip(1))
                .filter(|reference| !reference.starts_with('#'))
                .map(|reference| reference.split(['"', '<']).next().unwrap().to_owned())
                .collect()
        };
        let as_it_is = references(INDEX);
        assert!(as_it_is.iter().any(|reference| reference.ends_with("app.js")), "{as_it_is:?}");
        let moved = as_it_is.iter().map(|reference| format!("/tools/traces{reference}"));
        assert_eq!(references(html), moved.collect::<Vec<_>>());
        assert_eq!(Page::under(&BasePath::default()).0, INDEX);
    }
}
