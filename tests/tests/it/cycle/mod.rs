//! The main job from end to end: a migration declares it, rows change, a worker embeds them, searches find them.

mod blog;
mod commands;
mod evaluate;
mod follow;
mod killed;
mod listen;
mod migrations;
mod operating;
mod printed;
mod python_worker;
mod schema_commands;
#[cfg(unix)]
mod sigterm;
mod trust;
mod worker_command;
