//! Notifications of the desktop, for what happens while the window has no focus.
//!
//! The desktop is asked on a thread of its own, because its service may take seconds to answer. If it cannot be reached,
//! the log says so; the window shows nothing, since its own list has every notification anyway.

use super::task::TaskThread;
use crate::core::{Result, Waker};

/// The thread that asks the desktop.
pub(in crate::app) struct SystemNotifications {
    thread: TaskThread<notify_rust::error::Result<()>>,
}

impl SystemNotifications {
    /// Starts the thread. `waker` is called after each answer.
    pub(in crate::app) fn start(waker: Waker) -> Result<Self> {
        Ok(Self { thread: TaskThread::start("notifications", waker)? })
    }

    /// Has the desktop show a notification.
    pub(in crate::app) fn show(&self, title: String, text: String) {
        let show = move || {
            let mut notification = notify_rust::Notification::new();
            notification.appname("Wandeck").summary(&title).body(&text);
            // the desktop groups them with the window, and shows its icon
            notification.hint(notify_rust::Hint::DesktopEntry("wandeck".to_owned()));
            notification.show().map(drop)
        };
        if !self.thread.submit(show) {
            tracing::debug!("The desktop has not shown the last notifications yet");
        }
    }

    /// Writes failures to the log.
    pub(in crate::app) fn update(&self) {
        while let Some(answer) = self.thread.poll() {
            match answer {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::info!("The desktop shows no notifications: {error}"),
                Err(error) => tracing::warn!("{error:#}"),
            }
        }
    }
}
