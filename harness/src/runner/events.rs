// SPDX-License-Identifier: GPL-2.0-or-later
//! The dispatcher's end of the one event stream.

use swapmig_reports::record::CellId;
use tokio::sync::{mpsc, oneshot};

use crate::event::{CellEvent, Event, KernelEvent};

/// What goes to the sinks.
pub(super) enum Message {
    Event(Event),
    /// Tells whoever waits that all events before it were taken note of.
    Heard(oneshot::Sender<()>),
}

#[derive(Clone)]
pub(super) struct Events(pub(super) mpsc::UnboundedSender<Message>);

impl Events {
    pub(super) fn send(&self, event: Event) {
        // An error means that the sinks are gone, and the run with them.
        let _ = self.0.send(Message::Event(event));
    }

    /// Waits until the sinks have taken note of all that was sent before.
    pub(super) async fn heard(&self) {
        let (heard, wait) = oneshot::channel();
        // An error means that the sinks are gone, and nobody will hear anything.
        let _ = self.0.send(Message::Heard(heard));
        let _ = wait.await;
    }

    pub(super) fn cell(&self, cell: &CellId, what: CellEvent) {
        self.send(Event::Cell {
            cell: cell.clone(),
            what,
        });
    }

    pub(super) fn kernel(&self, name: &str, what: KernelEvent) {
        self.send(Event::Kernel {
            name: name.into(),
            what,
        });
    }
}
