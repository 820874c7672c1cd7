//! A thread that answers the newest question only, shortly after the last change of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::task::Thread;
use crate::core::{Result, Waker};

/// The thread, what it was asked last, and its latest answer.
pub(in crate::app) struct Newest<Q, A> {
    questions: Option<Sender<Q>>,
    /// Receiver of `questions`, to withdraw one that the thread has not started when a newer one comes.
    untaken: Receiver<Q>,
    answers: Option<Receiver<(Q, A)>>,
    asked: Option<Q>,
    answer: Option<(Q, A)>,
    // the last field, so that the channels are dropped before the thread is joined
    thread: Option<Thread>,
}

impl<Q: Clone + PartialEq + Send + 'static, A: Send + 'static> Newest<Q, A> {
    /// Starts the thread. `rest` is the time without a newer question before one is answered; `waker` is called after
    /// each answer.
    pub(in crate::app) fn start(
        name: &'static str,
        rest: Duration,
        waker: Waker,
        mut answer: impl FnMut(&Q) -> A + Send + 'static,
    ) -> Result<Self> {
        let (questions, untaken) = bounded::<Q>(1);
        let (sender, answers) = bounded(1);
        let taken = untaken.clone();
        let thread = Thread::start(name, move || {
            while let Ok(mut question) = taken.recv() {
                loop {
                    match taken.recv_timeout(rest) {
                        Ok(newer) => question = newer,
                        Err(RecvTimeoutError::Timeout) => break,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
                let Ok(found) = catch_unwind(AssertUnwindSafe(|| answer(&question))) else {
                    tracing::error!("Background work ({name}) stopped by a mistake in the program");
                    continue;
                };
                if sender.send((question, found)).is_err() {
                    return;
                }
                waker();
            }
        })?;
        Ok(Self {
            questions: Some(questions),
            untaken,
            answers: Some(answers),
            asked: None,
            answer: None,
            thread: Some(thread),
        })
    }

    /// The question that was asked last.
    pub(in crate::app) fn asked(&self) -> Option<&Q> {
        self.asked.as_ref()
    }

    /// Asks a question, unless it was the last one, and withdraws an earlier one.
    pub(in crate::app) fn ask(&mut self, question: Q) {
        let Some(questions) = self.questions.as_ref().filter(|_| self.asked.as_ref() != Some(&question))
        else {
            return;
        };
        self.asked = Some(question.clone());
        if let Err(TrySendError::Full(question)) = questions.try_send(question) {
            drop(self.untaken.try_recv());
            // this is the only sender, so the channel has space now
            drop(questions.try_send(question));
        }
    }

    /// Forgets question and answer.
    pub(in crate::app) fn forget(&mut self) {
        (self.asked, self.answer) = (None, None);
    }

    /// Takes in the thread's answers; true if there was one to what is asked now.
    pub(in crate::app) fn drain(&mut self) -> bool {
        let mut is_new = false;
        while let Some(answer) = self.answers.as_ref().and_then(|answers| answers.try_recv().ok()) {
            is_new |= self.asked.as_ref() == Some(&answer.0);
            // what was forgotten is not of interest when its answer comes
            self.answer = self.asked.is_some().then_some(answer);
        }
        is_new
    }

    /// The answer to what was asked last.
    pub(in crate::app) fn answer(&self) -> Option<&A> {
        let (question, answer) = self.answer.as_ref()?;
        (self.asked.as_ref() == Some(question)).then_some(answer)
    }

    /// The latest answer, with the question that it is for.
    pub(in crate::app) fn latest(&self) -> Option<&(Q, A)> {
        self.answer.as_ref()
    }

    /// Takes the latest answer away, with the question that it is for.
    pub(in crate::app) fn take_latest(&mut self) -> Option<(Q, A)> {
        self.answer.take()
    }

    /// Whether an answer is still to come.
    pub(in crate::app) fn is_pending(&self) -> bool {
        self.asked.is_some() && self.answer().is_none()
    }
}

impl<Q, A> Drop for Newest<Q, A> {
    fn drop(&mut self) {
        (self.questions, self.answers) = (None, None);
        // the thread ends when nobody asks any more; the receiver of withdrawn questions does not keep it alive
        self.thread = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_newest_question_is_answered_and_a_panic_is_survived() {
        let answer = |question: &u32| {
            assert_ne!(*question, 2, "on purpose");
            question * 10
        };
        let mut newest = Newest::start("newest", Duration::ZERO, Arc::new(|| {}), answer).unwrap();
        newest.ask(2);
        for question in [1, 3] {
            newest.ask(question);
        }
        assert!(newest.is_pending());
        let began = Instant::now();
        while newest.answer().is_none() {
            assert!(began.elapsed() < Duration::from_secs(20), "no answer");
            std::thread::park_timeout(Duration::from_millis(2));
            newest.drain();
        }
        assert_eq!((newest.answer(), newest.is_pending()), (Some(&30), false));
        newest.ask(4);
        assert_eq!(newest.answer(), None, "an old answer is not the new question's");
        newest.forget();
        assert!(!newest.is_pending());
    }
}
