//! The log, on standard error. Under systemd each line begins with its priority, and the journal keeps the time.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging what `filter` lets through.
pub fn start(filter: EnvFilter) {
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        // The journal keeps text, not colours.
        log.with_ansi(false).event_format(Journal).init();
    } else {
        log.with_target(false).with_ansi(io::stderr().is_terminal()).init();
    }
}

/// "<4>message key=value": sd-daemon(3).
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(out, "<{priority}>")?;
        context.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}
