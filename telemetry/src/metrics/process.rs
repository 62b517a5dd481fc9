//! Metrics of the process: CPU time, memory, threads, open files and uptime.
//!
//! They are read when metrics are collected, and at no other time. Linux counts threads in
//! `/proc`; macOS has no such count that a program can read without unsafe code, so there is no
//! `process.thread.count` there.
//!
//! <https://opentelemetry.io/docs/specs/semconv/system/process-metrics/>

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use opentelemetry_semantic_conventions::attribute::CPU_MODE;
use opentelemetry_semantic_conventions::metric::{
    PROCESS_CPU_TIME, PROCESS_MEMORY_USAGE, PROCESS_MEMORY_VIRTUAL, PROCESS_THREAD_COUNT,
    PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, PROCESS_UPTIME,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// How long one reading of the process serves for. One collection asks for several figures of it.
const FRESH: Duration = Duration::from_millis(100);

/// Makes the instruments.
pub(super) fn observe(meter: &Meter) {
    let process = Arc::new(Process::default());
    meter
        .f64_observable_counter(PROCESS_CPU_TIME)
        .with_unit("s")
        .with_description("Total CPU seconds broken down by different CPU modes.")
        .with_callback(|time| {
            let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return };
            let mode = |mode: &'static str| KeyValue::new(CPU_MODE, mode);
            time.observe(seconds(usage.user_time()), &[mode("user")]);
            time.observe(seconds(usage.system_time()), &[mode("system")]);
        })
        .build();
    let read = Arc::clone(&process);
    meter
        .i64_observable_up_down_counter(PROCESS_MEMORY_USAGE)
        .with_unit("By")
        .with_description("The amount of physical memory in use.")
        .with_callback(move |memory| {
            if let Some(Reading { resident, .. }) = read.read() {
                memory.observe(resident, &[]);
            }
        })
        .build();
    let read = Arc::clone(&process);
    meter
        .i64_observable_up_down_counter(PROCESS_MEMORY_VIRTUAL)
        .with_unit("By")
        .with_description("The amount of committed virtual memory.")
        .with_callback(move |memory| {
            if let Some(Reading { virtual_size, .. }) = read.read() {
                memory.observe(virtual_size, &[]);
            }
        })
        .build();
    let read = Arc::clone(&process);
    meter
        .i64_observable_up_down_counter(PROCESS_UNIX_FILE_DESCRIPTOR_COUNT)
        .with_unit("{file_descriptor}")
        .with_description("Number of unix file descriptors in use by the process.")
        .with_callback(move |files| {
            if let Some(Reading { open_files: Some(open), .. }) = read.read() {
                files.observe(open, &[]);
            }
        })
        .build();
    if cfg!(target_os = "linux") {
        let read = Arc::clone(&process);
        meter
            .i64_observable_up_down_counter(PROCESS_THREAD_COUNT)
            .with_unit("{thread}")
            .with_description("Process threads count.")
            .with_callback(move |threads| {
                if let Some(Reading { threads: Some(count), .. }) = read.read() {
                    threads.observe(count, &[]);
                }
            })
            .build();
    }
    let began = Instant::now();
    let age = age().unwrap_or_default();
    meter
        .f64_observable_gauge(PROCESS_UPTIME)
        .with_unit("s")
        .with_description("The time the process has been running.")
        .with_callback(move |uptime| uptime.observe((age + began.elapsed()).as_secs_f64(), &[]))
        .build();
}

/// When this process was started, to the second.
pub(crate) fn started_at() -> Option<SystemTime> {
    let pid = own_pid()?;
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    let since_epoch = Duration::from_secs(system.process(pid)?.start_time());
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

/// How long this process has been running.
fn age() -> Option<Duration> {
    SystemTime::now().duration_since(started_at()?).ok()
}

fn own_pid() -> Option<Pid> {
    sysinfo::get_current_pid().ok()
}

/// What the system says about this process.
#[derive(Clone, Copy)]
struct Reading {
    /// Bytes.
    resident: i64,
    /// Bytes.
    virtual_size: i64,
    threads: Option<i64>,
    open_files: Option<i64>,
}

/// Reads this process, at most once in [`FRESH`].
#[derive(Default)]
struct Process(Mutex<Option<(Instant, Reading)>>);

impl Process {
    fn read(&self) -> Option<Reading> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, reading)) = *last
            && at.elapsed() < FRESH
        {
            return Some(reading);
        }
        let reading = read()?;
        *last = Some((Instant::now(), reading));
        Some(reading)
    }
}

fn read() -> Option<Reading> {
    let pid = own_pid()?;
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    let process = system.process(pid)?;
    Some(Reading {
        resident: signed(process.memory()),
        virtual_size: signed(process.virtual_memory()),
        threads: threads(),
        open_files: process.open_files().and_then(|count| i64::try_from(count).ok()),
    })
}

/// The number of threads, from Linux's `/proc`.
fn threads() -> Option<i64> {
    let count = std::fs::read_dir("/proc/self/task").ok()?.count();
    i64::try_from(count).ok()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
