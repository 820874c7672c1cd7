//! A named thread that is joined on drop, and a worker that runs tasks on it in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::core::{Error, Kind, Result, Waker};

/// A named thread that is joined on drop; its channel must be closed before.
pub(in crate::app) struct Thread {
    name: &'static str,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    pub(in crate::app) fn start(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<Self> {
        let handle = Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
            Error::new(Kind::Io, format!("Cannot start the thread {name}"))
                .because(error)
                .remedy("Restart the program")
        })?;
        Ok(Self { name, handle: Some(handle) })
    }

    /// Does not wait for the end of the thread.
    fn leave(mut self) {
        self.handle = None;
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.handle.take().is_some_and(|handle| handle.join().is_err()) {
            tracing::error!("The thread {} ended by a panic", self.name);
        }
    }
}

type Task<T> = Box<dyn FnOnce() -> T + Send>;

/// Number of tasks that can be queued.
const WAITING: usize = 64;

/// Runs tasks in order on one thread and returns their results to the window.
pub(in crate::app) struct TaskThread<T> {
    tasks: Option<Sender<Task<T>>>,
    answers: Option<Receiver<Result<T>>>,
    /// Whether the end of the program waits for the task that is being done.
    is_joined: bool,
    // the last field, so that the channels are dropped before the thread is joined
    thread: Option<Thread>,
}

impl<T: Send + 'static> TaskThread<T> {
    /// Starts the thread. `waker` is called after each answer.
    pub(in crate::app) fn start(name: &'static str, waker: Waker) -> Result<Self> {
        let (tasks, waiting) = bounded::<Task<T>>(WAITING);
        let (sender, answers) = bounded(WAITING);
        let thread = Thread::start(name, move || {
            while let Ok(task) = waiting.recv() {
                let answer = catch_unwind(AssertUnwindSafe(task)).map_err(|panic| {
                    let text = panic.downcast_ref::<&str>().copied().unwrap_or("no message");
                    Error::new(
                        Kind::Bug,
                        format!("Background work ({name}) stopped by a mistake in the program: {text}"),
                    )
                    .remedy("Please report it, with what you did before")
                });
                if sender.send(answer).is_err() {
                    return;
                }
                waker();
            }
        })?;
        Ok(Self { tasks: Some(tasks), answers: Some(answers), is_joined: true, thread: Some(thread) })
    }

    /// The same for system dialogs: the program ends while one is open, which nothing but a person closes.
    pub(in crate::app) fn start_for_dialogs(name: &'static str, waker: Waker) -> Result<Self> {
        let mut thread = Self::start(name, waker)?;
        thread.is_joined = false;
        Ok(thread)
    }

    /// Queues a task; returns false if the queue is full.
    pub(in crate::app) fn submit(&self, task: impl FnOnce() -> T + Send + 'static) -> bool {
        let Some(tasks) = &self.tasks else { return false };
        !matches!(tasks.try_send(Box::new(task)), Err(TrySendError::Full(_)))
    }

    /// Does all that was asked for and takes no more; returns the answers that were not polled.
    pub(in crate::app) fn complete(&mut self) -> Vec<Result<T>> {
        self.tasks = None;
        let answers = self.answers.take().map(|answers| answers.iter().collect());
        self.thread = None;
        answers.unwrap_or_default()
    }

    /// The next result, if there is one.
    pub(in crate::app) fn poll(&self) -> Option<Result<T>> {
        self.answers.as_ref()?.try_recv().ok()
    }
}

impl<T> Drop for TaskThread<T> {
    fn drop(&mut self) {
        // queued tasks are not started any more
        (self.tasks, self.answers) = (None, None);
        match self.thread.take() {
            Some(thread) if !self.is_joined => thread.leave(),
            joined => drop(joined),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn an_open_dialog_does_not_keep_the_program() {
        let thread = TaskThread::start_for_dialogs("test", Arc::new(|| {})).unwrap();
        let (close, closed) = bounded::<()>(1);
        let (ended, has_ended) = bounded(1);
        assert!(thread.submit(move || {
            closed.recv().ok();
            ended.send(()).unwrap();
        }));
        drop(thread);
        close.send(()).unwrap();
        has_ended.recv().unwrap();
    }

    #[test]
    fn what_waits_is_done_before_the_end() {
        let mut thread = TaskThread::start("test", Arc::new(|| {})).unwrap();
        let (go, wait) = bounded::<()>(1);
        assert!(thread.submit(move || wait.recv().unwrap()));
        let (done, is_done) = bounded(9);
        for number in 0..9 {
            let done = done.clone();
            assert!(thread.submit(move || done.send(number).unwrap()));
        }
        go.send(()).unwrap();
        assert_eq!(thread.complete().len(), 10);
        assert_eq!(is_done.try_iter().collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
        assert!(!thread.submit(|| ()), "nothing is taken any more");
    }

    #[test]
    fn tasks_are_done_in_turn_and_a_panic_is_an_answer() {
        let thread = TaskThread::start("test", Arc::new(|| {})).unwrap();
        assert!(thread.submit(|| 1));
        assert!(thread.submit(|| panic!("on purpose")));
        assert!(thread.submit(|| 3));
        let mut answers = Vec::new();
        let began = Instant::now();
        while answers.len() < 3 {
            assert!(began.elapsed() < Duration::from_secs(20));
            answers.extend(thread.poll().map(Result::ok));
            std::thread::park_timeout(Duration::from_millis(1));
        }
        assert_eq!(answers, [Some(1), None, Some(3)]);
    }
}
