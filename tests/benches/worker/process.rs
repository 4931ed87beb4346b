//! What a process uses, as the kernel says.

use std::fs;
use std::process::Child;
use std::time::Duration;

/// The clock ticks of `/proc`: 100 a second on every Linux that there is.
const TICK: Duration = Duration::from_millis(10);

/// CPU time and memory of a process so far; `None` where there is no `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Option<Duration>,
    /// The most that it had in memory, in MB.
    pub(crate) memory: Option<f64>,
}

impl Usage {
    pub(crate) fn of(process: &Child) -> Self {
        Self {
            cpu: cpu(process.id()),
            memory: memory(process.id()),
        }
    }
}

/// User and system time, those of children that have ended included.
fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name, in parentheses, may hold spaces; utime is the 14th field, the 12th after it
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u32 = fields
        .get(11..15)?
        .iter()
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    Some(TICK * ticks)
}

/// What a server's processes have used so far: those that are there, and those that have ended.
pub(crate) fn server_cpu(postmaster: u32) -> Option<Duration> {
    loop {
        let before = cpu(postmaster)?;
        let children = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            (parent.trim().parse() == Ok(postmaster)).then_some(pid)
        });
        let used = before + children.filter_map(cpu).sum::<Duration>();
        // the time of a process that ended meanwhile is the postmaster's now
        if cpu(postmaster)? == before {
            return Some(used);
        }
    }
}

fn memory(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}
