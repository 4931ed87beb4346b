//! When a service is told to stop.

use tokio::signal;

/// Completes on ctrl-c, and on SIGTERM, with which systems end services.
pub async fn stop_signal() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = signal::ctrl_c() => {}
        }
        return;
    }
    signal::ctrl_c().await.ok();
}
