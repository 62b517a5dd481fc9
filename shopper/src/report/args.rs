//! The part of the command line that says what is shown of a run, and how it is judged.

use super::assertion::Assertions;
use super::metric::Metric;
use clap::builder::StyledStr;
use std::path::PathBuf;

/// What is shown of a run, and how it is judged.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// Form of the report on standard output. Console spans go there too: with json, set
    /// OTEL_TRACES_EXPORTER=otlp to have the report alone
    #[arg(long, env = "SHOPPER_OUTPUT", value_enum, default_value_t, value_name = "FORM")]
    pub output: Format,

    /// Also write the report as one self-contained page, with charts
    #[arg(long, env = "SHOPPER_HTML", value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Print how this run differs from an earlier one, whose report --output json printed
    #[arg(long, env = "SHOPPER_COMPARE", value_name = "OLD.json")]
    pub compare: Option<PathBuf>,

    #[expect(missing_docs, reason = "its help is made of the list of metrics")]
    #[arg(long, env = "SHOPPER_ASSERT", value_name = "LIST", help = assert_help())]
    pub assert: Option<Assertions>,

    /// Page of the trace viewer or of a Jaeger, for links to traces
    #[arg(
        long,
        env = "SHOPPER_UI_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:16686"
    )]
    pub ui_url: url::Url,

    /// Show nothing while the run goes on: neither the live view on a terminal nor a line every
    /// 10 s elsewhere
    #[arg(short, long, env = "SHOPPER_QUIET")]
    pub quiet: bool,

    /// Kind of the terminal; one that is `dumb` gets lines instead of the live view
    #[arg(long, env = "TERM", hide = true)]
    pub term: Option<String>,
}

/// A form of the report.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: see report.schema.json
    Json,
}

fn assert_help() -> StyledStr {
    format!(
        "Exit with 1 unless all of these hold at the end, such as 'p99<50ms,failures<0.1%'. \
         Metrics: {}. Comparisons: < <= > >=. Units: us, µs, ms and s for times, /s for rates, \
         % for shares, none for counts",
        Metric::names()
    )
    .into()
}
