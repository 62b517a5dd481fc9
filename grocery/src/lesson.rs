//! `grocery lesson`: lists the lessons, or makes one both ways and shows what differs.

mod print;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use shared::{
    output,
    signal::{self, READER_GONE, Stop},
};
use shopper::tls::TrustArgs;
use store::lessons::{LESSONS, Lesson, LessonCard, find};

use self::print::{Width, json_of, text_of};
use crate::{
    http::{Http, ServerUrl},
    own_roles::OwnRoles,
    runs::{self, Made, Store},
    viewer_api::Viewer,
};

const STORE_URL: &str = "http://127.0.0.1:5000";
const VIEWER_URL: &str = "http://127.0.0.1:16686";

/// When this process ends after a signal even if something still holds it up.
const LAST_RESORT: Duration = Duration::from_secs(10);

/// The arguments of `grocery lesson`.
///
/// A lesson is a mistake with trace context, made for one request, and its fix. Without a name all are
/// listed. With one, it is made both ways: the trees of spans are shown side by side, with what differs
/// marked, why, and the code of both.
#[derive(Args, Debug)]
pub(crate) struct LessonArgs {
    /// The lesson to make [default: none, all are listed]
    #[arg(value_name = "NAME", hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(LESSONS.iter().map(|lesson| lesson.name)))]
    name: Option<String>,

    /// The store to ask, which was started with --allow-faults. Without this and --viewer-url: those of a
    /// `grocery` that runs, and if there is none, a store and a viewer that are started for it
    /// [default: http://127.0.0.1:5000]
    #[arg(long, env = "STORE_URL", value_name = "URL")]
    store_url: Option<ServerUrl>,

    /// The viewer that gets the spans of the store [default: http://127.0.0.1:16686]
    #[arg(long, env = "GROCERY_VIEWER_URL", value_name = "URL")]
    viewer_url: Option<ServerUrl>,

    #[command(flatten)]
    trust: TrustArgs,

    /// Text, or JSON for programs
    #[arg(long, env = "GROCERY_LESSON_OUTPUT", value_name = "FORMAT", default_value = "text")]
    output: Format,

    /// End at once also at a terminal, where otherwise a viewer that was started for the lesson stays
    /// until Ctrl-C [default: off]
    #[arg(long, env = "GROCERY_EXIT")]
    exit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Lists the lessons, or makes one.
///
/// # Errors
/// When there is no store that makes it, or the viewer does not get its spans.
pub(crate) fn run(args: &LessonArgs) -> anyhow::Result<ExitCode> {
    output::report_panics();
    let Some(lesson) = args.name.as_deref().and_then(find) else {
        return Ok(say(&list(args.output)?));
    };
    let stop = signal::watch(false, LAST_RESORT)?;
    let code = actix_rt::System::new().block_on(async {
        let (code, own) = tokio::select! {
            shown = show(lesson, args) => shown?,
            // Dropping what it has started kills that.
            reason = stop.requested() => bail!("{reason}"),
        };
        if let Some(own) = own {
            stay(own, args, &stop).await?;
        }
        anyhow::Ok(code)
    })?;
    output::finish();
    Ok(code)
}

fn list(format: Format) -> anyhow::Result<String> {
    let cards: Vec<_> = LESSONS.iter().map(LessonCard::from).collect();
    Ok(match format {
        Format::Json => serde_json::to_string_pretty(&cards)? + "\n",
        Format::Text => print::list(&cards),
    })
}

/// Writes to standard output.
fn say(text: &str) -> ExitCode {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => READER_GONE.into(),
    }
}

/// Makes the lesson and shows it. If it has started a store and a viewer for that, the viewer still runs.
async fn show(
    lesson: &'static Lesson,
    args: &LessonArgs,
) -> anyhow::Result<(ExitCode, Option<OwnRoles>)> {
    if let Some((store, viewer)) = running(args).await? {
        let made = make(lesson, &store, &viewer).await?;
        return Ok((say(&report(&made, &viewer, args)?), None));
    }
    let mut own = OwnRoles::start().await?;
    let viewer = own.viewer();
    let made = make(lesson, &own.store(), &viewer).await?;
    own.stop_store().await?;
    Ok((say(&report(&made, &viewer, args)?), Some(own)))
}

/// Leaves the viewer until Ctrl-C, if a person looks at the terminal, and stops it.
async fn stay(mut own: OwnRoles, args: &LessonArgs, stop: &Stop) -> anyhow::Result<()> {
    if !args.exit && io::stdout().is_terminal() && io::stderr().is_terminal() {
        let url = own.viewer().url;
        writeln!(output::stderr(), "grocery: the traces stay at {url} until Ctrl-C").ok();
        tokio::select! {
            error = own.viewer_ended() => return Err(error),
            _ = stop.requested() => {}
        }
    }
    own.stop().await
}

/// The store and the viewer that were named, or those of a `grocery` that runs at its usual addresses.
///
/// # Errors
/// When one is at `https` and there are no certificates of authorities.
async fn running(args: &LessonArgs) -> anyhow::Result<Option<(Store, Viewer)>> {
    let is_named = args.store_url.is_some() || args.viewer_url.is_some();
    let or = |url: &Option<ServerUrl>, usual: &str| {
        url.clone().unwrap_or_else(|| usual.parse().expect("a URL"))
    };
    let to = |url: &ServerUrl| Http::to(url.url(), &args.trust);
    let (store, viewer) = (or(&args.store_url, STORE_URL), or(&args.viewer_url, VIEWER_URL));
    let store = Store { http: to(&store)?, url: store };
    let viewer = Viewer { http: to(&viewer)?, url: viewer };
    let is_usable =
        is_named || (matches!(store.makes_lessons().await, Ok(true)) && viewer.answers().await);
    Ok(is_usable.then_some((store, viewer)))
}

async fn make(lesson: &'static Lesson, store: &Store, viewer: &Viewer) -> anyhow::Result<Made> {
    let is_honoured = store.makes_lessons().await?;
    ensure!(
        is_honoured,
        "the store at {} makes no lessons: start it with --allow-faults",
        store.url
    );
    runs::make(lesson, store, viewer, async |_, path: &str| runs::send_by_hand(store, path).await)
        .await
}

fn report(made: &Made, viewer: &Viewer, args: &LessonArgs) -> anyhow::Result<String> {
    Ok(match args.output {
        Format::Text => text_of(made, viewer, Width::of_terminal()),
        Format::Json => serde_json::to_string_pretty(&json_of(made, viewer))? + "\n",
    })
}
